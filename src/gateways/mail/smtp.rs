//! SMTP through lettre, with connections of our own keeping: a connection on which a mail timed out is in the middle of
//! a dialogue and must never be used again (lettre's pool would take it back).

use super::bucket::Bucket;
use super::dkim::{Dkim, signed};
use super::message::build;
use super::{Delivery, MailTransport};
use crate::{Answer, Doors};
use domain::mail::Mail;
use futures_util::StreamExt;
use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use std::error::Error as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A connection is closed after so many mails: relays dislike endless ones.
const MAILS_PER_CONNECTION: u32 = 100;
/// A connection that has rested longer is closed rather than used: relays drop idle ones.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: a relay on the same machine.
    None,
    /// Upgraded by STARTTLS; a relay without it is refused.
    StartTls,
    /// From the first byte (port 465).
    Tls,
}

impl Tls {
    /// Reads `none`, `starttls` or `tls`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "starttls" => Some(Self::StartTls),
            "tls" => Some(Self::Tls),
            _ => None,
        }
    }
}

/// Where the relay is and how to talk to it.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Encryption.
    pub tls: Tls,
    /// User and password; none = no authentication.
    pub login: Option<(String, String)>,
    /// For one mail, from connecting to the relay's last word.
    pub timeout: Duration,
    /// Messages a second; 0 = no limit.
    pub per_second: u32,
    /// Connections at the same time, at least 1.
    pub connections: usize,
}

impl SmtpSettings {
    /// A relay without encryption, login or limit: 30 s, four connections.
    pub fn plain(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: Tls::None,
            login: None,
            timeout: Duration::from_secs(30),
            per_second: 0,
            connections: 4,
        }
    }
}

/// Sends through a relay.
pub struct Smtp {
    settings: SmtpSettings,
    bucket: Bucket,
    idle: Mutex<Vec<IdleConnection>>,
    doors: Doors,
    dkim: Option<Dkim>,
}

struct IdleConnection {
    connection: AsyncSmtpConnection,
    mails: u32,
    since: Instant,
}

/// Why a mail was not sent, and whose fault it is.
enum Fault {
    /// No usable connection: never the mail's fault, whatever the code.
    Relay(String),
    /// The relay's word on this mail.
    Mail(Error),
}

impl Smtp {
    /// Connects only when the first mail comes.
    pub fn new(settings: SmtpSettings, doors: Doors) -> Self {
        Self { bucket: Bucket::new(settings.per_second), settings, idle: Mutex::default(), doors, dkim: None }
    }

    /// The same, signed.
    #[must_use]
    pub fn signed(self, dkim: Option<Dkim>) -> Self {
        Self { dkim, ..self }
    }

    async fn deliver(&self, message: &Message, bytes: &[u8]) -> Result<String, Fault> {
        let (mut connection, mails) = match self.rested().await {
            Some(rested) => rested,
            None => (self.connect().await?, 0),
        };
        let response = connection.send(message.envelope(), bytes).await.map_err(Fault::Mail)?;
        let mails = mails + 1;
        if mails < MAILS_PER_CONNECTION && !connection.has_broken() {
            self.kept().push(IdleConnection { connection, mails, since: Instant::now() });
        } else {
            connection.abort().await;
        }
        Ok(response.message().collect::<Vec<_>>().join(" "))
    }

    /// A connection that has rested, if it still answers.
    async fn rested(&self) -> Option<(AsyncSmtpConnection, u32)> {
        loop {
            let IdleConnection { mut connection, mails, since } = self.kept().pop()?;
            if since.elapsed() < IDLE_MAX && connection.test_connected().await {
                return Some((connection, mails));
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Fault> {
        let s = &self.settings;
        let relay = |e: Error| Fault::Relay(format!("relay {}:{}: {}", s.host, s.port, describe(&e)));
        let encryption = |wanted| match s.tls == wanted {
            true => TlsParameters::new(s.host.clone()).map(Some),
            false => Ok(None),
        };
        let hello = ClientId::default();
        let from_start = encryption(Tls::Tls).map_err(relay)?;
        let place = (s.host.as_str(), s.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(place, Some(s.timeout), &hello, from_start, None)
                .await
                .map_err(relay)?;
        if let Some(upgrade) = encryption(Tls::StartTls).map_err(relay)? {
            connection.starttls(upgrade, &hello).await.map_err(relay)?;
        }
        if let Some((user, password)) = &s.login {
            let login = Credentials::new(user.clone(), password.clone());
            connection.auth(DEFAULT_MECHANISMS, &login).await.map_err(relay)?;
        }
        Ok(connection)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MailTransport for Smtp {
    fn send<'a>(&'a self, mail: &'a Mail) -> Answer<'a, Delivery> {
        Box::pin(async move {
            let built = build(mail)
                .and_then(|message| Ok((signed(self.dkim.as_ref(), message.formatted(), mail)?, message)));
            let (bytes, message) = match built {
                Ok(built) => built,
                Err(why) => return Delivery::Permanent(why),
            };
            self.bucket.take().await;
            self.doors.pass("mail.send.before");
            // On time-out the future is dropped with its connection, which is not kept.
            let outcome = tokio::time::timeout(self.settings.timeout, self.deliver(&message, &bytes)).await;
            self.doors.pass("mail.send.after");
            match outcome {
                Ok(Ok(response)) => Delivery::Sent(response),
                Ok(Err(Fault::Relay(why))) => Delivery::Unreachable(why),
                Ok(Err(Fault::Mail(e))) => classify(&e),
                Err(_) => {
                    let (s, seconds) = (&self.settings, self.settings.timeout.as_secs_f32());
                    Delivery::Unreachable(format!(
                        "relay {}:{}: no answer within {seconds} s",
                        s.host, s.port
                    ))
                }
            }
        })
    }

    fn check<'a>(&'a self) -> Answer<'a, Result<(), String>> {
        Box::pin(async move {
            let s = &self.settings;
            match tokio::time::timeout(s.timeout, self.connect()).await {
                Ok(Ok(mut connection)) => {
                    connection.abort().await;
                    Ok(())
                }
                Ok(Err(Fault::Relay(why))) => Err(why),
                Ok(Err(Fault::Mail(e))) => Err(describe(&e)),
                Err(_) => Err(format!(
                    "relay {}:{}: no answer within {} s",
                    s.host,
                    s.port,
                    s.timeout.as_secs_f32()
                )),
            }
        })
    }

    fn send_all<'a>(&'a self, mails: &'a [Mail]) -> Answer<'a, Vec<Delivery>> {
        let sending = futures_util::stream::iter(mails.iter().map(|mail| self.send(mail)));
        Box::pin(sending.buffered(self.settings.connections.max(1)).collect())
    }
}

/// 5xx concerns the mail, unless it says that we must log in; what is not an answer may succeed later.
fn classify(error: &Error) -> Delivery {
    let login_needed = error.status().is_some_and(|code| matches!(code.into(), 530_u16 | 534 | 535 | 538));
    if (error.is_permanent() && !login_needed) || error.is_client() {
        Delivery::Permanent(describe(error))
    } else {
        Delivery::Transient(describe(error))
    }
}

/// The relay's own words with their code: `550: 5.1.1 no such user`.
fn describe(error: &Error) -> String {
    let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    match error.status() {
        Some(code) => format!("{code}: {words}"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::relay::Relay;
    use crate::mail::sample;

    fn transport(port: u16) -> Smtp {
        let settings =
            SmtpSettings { timeout: Duration::from_millis(400), ..SmtpSettings::plain("127.0.0.1", port) };
        Smtp::new(settings, Doors::OPEN)
    }

    async fn send(smtp: &Smtp, local: &str) -> Delivery {
        smtp.send(&sample(&format!("{local}@kaffe.example"))).await
    }

    fn is_transient(answer: &Delivery, why: &str) -> bool {
        matches!(answer, Delivery::Transient(text) | Delivery::Unreachable(text) if text.contains(why))
    }

    #[tokio::test]
    async fn mails_arrive_whole_over_one_connection() {
        let relay = Relay::start("220 relay.example").await;
        let smtp = transport(relay.port);
        for local in ["a", "b", "c"] {
            assert_eq!(send(&smtp, local).await, Delivery::Sent("2.0.0 queued".to_owned()));
        }
        let taken = relay.taken.lock().unwrap();
        assert_eq!(taken.connections, 1);
        let (to, mail) = &taken.mails[0];
        assert_eq!(to, "a@kaffe.example");
        let sent = sample("a@kaffe.example");
        let expected = String::from_utf8(build(&sent).unwrap().formatted()).unwrap();
        let arrived = mail.replace("\r\n..", "\r\n.");
        let differs = arrived.lines().zip(expected.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None);
        assert_eq!(arrived.trim_end_matches(['.', '\r', '\n']), expected.trim_end());
    }

    #[tokio::test]
    async fn answers_are_classed_by_who_is_at_fault() {
        let relay = Relay::start("220 relay.example").await;
        let smtp = transport(relay.port);
        let unknown = send(&smtp, "unknown").await;
        assert_eq!(unknown, Delivery::Permanent("550: 5.1.1 no such user".to_owned()));
        assert!(matches!(send(&smtp, "spam").await, Delivery::Permanent(why) if why.contains("spam")));
        let full = send(&smtp, "full").await;
        assert!(is_transient(&full, "452: 4.2.2 mailbox full"), "{full:?}");
        let login = send(&smtp, "login").await;
        assert!(is_transient(&login, "530"), "our settings, not the mail: {login:?}");
        assert!(matches!(send(&smtp, "not an address").await, Delivery::Permanent(_)));
        assert!(matches!(send(&smtp, "fine").await, Delivery::Sent(_)), "and the next one goes");
        assert_eq!(relay.recipients(), ["fine@kaffe.example"]);
    }

    #[tokio::test]
    async fn a_stalled_or_dropped_mail_never_answers_for_the_next() {
        let relay = Relay::start("220 relay.example").await;
        let smtp = transport(relay.port);
        let stalled = send(&smtp, "stall").await;
        assert!(is_transient(&stalled, "no answer within 0.4 s"), "{stalled:?}");
        assert!(matches!(send(&smtp, "after-stall").await, Delivery::Sent(_)));
        let dropped = send(&smtp, "drop").await;
        assert!(is_transient(&dropped, ""), "{dropped:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(matches!(send(&smtp, "after-drop").await, Delivery::Sent(_)));
        assert_eq!(relay.recipients(), ["after-stall@kaffe.example", "after-drop@kaffe.example"]);
    }

    #[tokio::test]
    async fn no_relay_or_one_that_refuses_us_is_transient() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nobody = send(&transport(free), "a").await;
        assert!(is_transient(&nobody, &format!("relay 127.0.0.1:{free}: ")), "{nobody:?}");
        let relay = Relay::start("554 go away").await;
        let refused = send(&transport(relay.port), "a").await;
        assert!(is_transient(&refused, "554"), "{refused:?}");
        let relay = Relay::start("220 relay.example").await;
        let settings = SmtpSettings { tls: Tls::StartTls, ..SmtpSettings::plain("127.0.0.1", relay.port) };
        let plain = send(&Smtp::new(settings, Doors::OPEN), "a").await;
        assert!(is_transient(&plain, "STARTTLS"), "{plain:?}");
        let settings = SmtpSettings {
            login: Some(("u".to_owned(), "p".to_owned())),
            ..SmtpSettings::plain("127.0.0.1", relay.port)
        };
        let login = send(&Smtp::new(settings, Doors::OPEN), "a").await;
        assert!(is_transient(&login, "authentication"), "{login:?}");
    }

    #[tokio::test]
    async fn many_mails_go_side_by_side_and_answers_keep_their_order() {
        let relay = Relay::start("220 relay.example").await;
        let smtp = transport(relay.port);
        let locals: Vec<String> =
            (0..40).map(|n| if n % 10 == 3 { "unknown".to_owned() } else { format!("m{n}") }).collect();
        let mails: Vec<Mail> = locals.iter().map(|local| sample(&format!("{local}@kaffe.example"))).collect();
        let answers = smtp.send_all(&mails).await;
        for (place, answer) in answers.iter().enumerate() {
            assert_eq!(matches!(answer, Delivery::Permanent(_)), place % 10 == 3, "{place}: {answer:?}");
        }
        assert_eq!(relay.recipients().len(), 36);
        assert!(relay.taken.lock().unwrap().connections <= 8);
    }
}
