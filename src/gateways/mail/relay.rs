//! A small SMTP server for tests, with faults on command: the local part of the recipient says what goes wrong.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the relay took.
#[derive(Default)]
pub struct ReceivedMail {
    /// Envelope recipient and the message as it came.
    pub mails: Vec<(String, String)>,
    pub connections: usize,
}

pub struct Relay {
    pub port: u16,
    pub taken: Arc<Mutex<ReceivedMail>>,
    _server: tokio::task::JoinSet<()>,
}

impl Relay {
    /// Listens on a free port; `greeting` is its first line.
    pub async fn start(greeting: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(ReceivedMail::default()));
        let mut server = tokio::task::JoinSet::new();
        let shared = Arc::clone(&taken);
        server.spawn(async move {
            let mut dialogues = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                dialogues.spawn(dialogue(stream, greeting, Arc::clone(&shared)));
            }
        });
        Self { port, taken, _server: server }
    }

    pub fn recipients(&self) -> Vec<String> {
        self.taken.lock().unwrap().mails.iter().map(|(to, _)| to.clone()).collect()
    }
}

async fn dialogue(stream: TcpStream, greeting: &str, taken: Arc<Mutex<ReceivedMail>>) {
    let mut stream = BufReader::new(stream);
    let mut to = String::new();
    let _ = stream.write_all(format!("{greeting}\r\n").as_bytes()).await;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-relay.example\r\n250 8BITMIME".to_owned(),
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                match to.split('@').next().unwrap_or_default() {
                    "unknown" => "550 5.1.1 no such user".to_owned(),
                    "full" => "452 4.2.2 mailbox full".to_owned(),
                    "login" => "530 5.7.0 authentication required".to_owned(),
                    _ => "250 ok".to_owned(),
                }
            }
            "DATA" => {
                let _ = stream.write_all(b"354 go on\r\n").await;
                let mut mail = String::new();
                while stream.read_line(&mut mail).await.unwrap_or(0) > 0 && !mail.ends_with("\r\n.\r\n") {}
                match to.split('@').next().unwrap_or_default() {
                    "drop" => return,
                    "stall" => {
                        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
                        "550 5.6.0 a late refusal of the stalled mail".to_owned()
                    }
                    "spam" => "554 5.7.1 looks like spam".to_owned(),
                    _ => {
                        taken.lock().unwrap().mails.push((to.clone(), mail));
                        "250 2.0.0 queued".to_owned()
                    }
                }
            }
            "QUIT" => return,
            _ => "250 ok".to_owned(),
        };
        if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}
