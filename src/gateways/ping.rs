//! Pings of a monitor that notices a missing night: a URL that is called when all went well, and one that is called when
//! it did not, as healthchecks and its kin have them.

use crate::http::told;
use crate::{Delivery, Doors};
use reqwest::{Client, Method, StatusCode, Url, redirect};
use std::time::Duration;

/// A monitor that does not answer by then counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Redirections that are followed.
const REDIRECTIONS_MAX: usize = 3;

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingSignal {
    Well,
    Failed,
}

/// Where pings go.
#[derive(Clone)]
pub struct Ping {
    well: Url,
    failed: Url,
    doors: Doors,
}

impl Ping {
    /// The URL of a good night, and that of a bad one; none = the first with `/fail` behind its path. The error is the
    /// reason, and never holds the URL: it may be a secret.
    pub fn new(well: &str, failed: Option<&str>, doors: Doors) -> Result<Self, String> {
        let well = parse(well)?;
        let failed = match failed {
            Some(failed) => parse(failed)?,
            None => {
                let mut below = well.clone();
                below.set_path(&format!("{}/fail", well.path().trim_end_matches('/')));
                below
            }
        };
        Ok(Self { well, failed, doors })
    }

    /// Calls it, with a few words for whoever looks at the monitor. One that does not take words is only called.
    pub async fn call(&self, said: PingSignal, words: &str) -> Delivery {
        let url = match said {
            PingSignal::Well => &self.well,
            PingSignal::Failed => &self.failed,
        };
        self.doors.pass("ping.call.before");
        let answer = ask(url, words).await;
        self.doors.pass("ping.call.after");
        match answer {
            Ok(status) => meant_by(status),
            Err(error) => Delivery::Unreachable(told(error)),
        }
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("is not a URL: {e}"))?;
    match (url.scheme(), url.host()) {
        ("http" | "https", Some(_)) => Ok(url),
        _ => Err("is not an http:// or https:// URL".to_owned()),
    }
}

async fn ask(url: &Url, words: &str) -> Result<StatusCode, reqwest::Error> {
    // Made when it is needed: it reads the authorities of the machine.
    let client = Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::limited(REDIRECTIONS_MAX))
        .user_agent(concat!("tallybook/", env!("CARGO_PKG_VERSION")))
        .build()?;
    let told = client.request(Method::POST, url.clone()).body(words.to_owned()).send().await?;
    if told.status() != StatusCode::METHOD_NOT_ALLOWED {
        return Ok(told.status());
    }
    Ok(client.get(url.clone()).send().await?.status())
}

/// What an answer means for the next try.
fn meant_by(status: StatusCode) -> Delivery {
    let text = format!("the monitor answered {status}");
    let may_pass = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if status.is_success() {
        Delivery::Sent(text)
    } else if status.is_server_error() || may_pass {
        Delivery::Transient(text)
    } else {
        Delivery::Permanent(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    /// Answers one connection after another with these lines, and gives the requests.
    async fn monitor(answers: &'static [&'static str]) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let mut stream = BufReader::new(listener.accept().await.unwrap().0);
                let (mut head, mut length) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") {
                    let mut line = String::new();
                    stream.read_line(&mut line).await.unwrap();
                    if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                        length = n.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                asked.push(format!("{} {}", head.lines().next().unwrap(), String::from_utf8(body).unwrap()));
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (port, served)
    }

    #[tokio::test]
    async fn each_answer_says_whether_another_try_may_help() {
        let answers = &["200 OK", "503 Busy", "404 Not Found", "429 Slow", "405 No", "204 No Content"];
        let (port, served) = monitor(answers).await;
        let url = format!("http://127.0.0.1:{port}/secret?create=1");
        let ping = Ping::new(&url, None, Doors::OPEN).unwrap();
        let mut became = Vec::new();
        for said in
            [PingSignal::Well, PingSignal::Failed, PingSignal::Well, PingSignal::Well, PingSignal::Well]
        {
            became.push(match ping.call(said, "run 1").await {
                Delivery::Sent(_) => "sent",
                Delivery::Transient(_) => "later",
                Delivery::Permanent(_) => "never",
                Delivery::Unreachable(_) => "away",
            });
        }
        assert_eq!(became, ["sent", "later", "never", "later", "sent"]);
        let asked = served.await.unwrap();
        assert_eq!(asked[0], "POST /secret?create=1 HTTP/1.1 run 1");
        assert_eq!(asked[1], "POST /secret/fail?create=1 HTTP/1.1 run 1");
        assert_eq!(asked[5], "GET /secret?create=1 HTTP/1.1 ", "one that takes no words is only called");
    }

    #[tokio::test]
    async fn nobody_there_is_no_reason_to_print_the_url() {
        let ping = Ping::new("http://127.0.0.1:1/secret", None, Doors::OPEN).unwrap();
        let Delivery::Unreachable(why) = ping.call(PingSignal::Well, "").await else {
            panic!("nobody listens there")
        };
        assert!(why.contains("refused") && !why.contains("secret"), "{why}");
        for bad in ["", "secret", "ftp://host/secret", "http://"] {
            let why = Ping::new(bad, None, Doors::OPEN).err().unwrap();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
