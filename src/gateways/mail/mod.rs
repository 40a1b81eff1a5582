//! Mail transports: files (the default), SMTP, memory (tests).

mod bucket;
mod dkim;
mod files;
mod message;
#[cfg(test)]
mod relay;
mod smtp;

pub use dkim::Dkim;
pub use files::MailFiles;
pub use message::check_address;
pub use smtp::{Smtp, SmtpSettings, Tls};

use crate::Answer;
use domain::mail::Mail;

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Handed over; the text is the relay's answer, or the file.
    Sent(String),
    /// Try again later: the relay says so of this mail (4xx). It may have been delivered all the same; the Message-ID
    /// makes a second one recognisable.
    Transient(String),
    /// Try again later, however often that has been: no connection, a time-out, a relay that refuses us rather than the
    /// mail, a disk that is full.
    Unreachable(String),
    /// Never try again: 5xx, an address that cannot be one. A person fixes it.
    Permanent(String),
}

/// A way to send mail.
pub trait MailTransport: Send + Sync {
    /// Sends one mail.
    fn send<'a>(&'a self, mail: &'a Mail) -> Answer<'a, Delivery>;

    /// Whether mails could be handed over now: as far as a login, and nothing is sent.
    fn check<'a>(&'a self) -> Answer<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    /// Sends many; one answer per mail, in their order. A failed mail never holds up the others.
    fn send_all<'a>(&'a self, mails: &'a [Mail]) -> Answer<'a, Vec<Delivery>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(mails.len());
            for mail in mails {
                answers.push(self.send(mail).await);
            }
            answers
        })
    }
}

#[cfg(test)]
pub(crate) fn sample(to: &str) -> Mail {
    use domain::mail::{Attachment, Mailbox, message_id};
    Mail {
        message_id: message_id(domain::ids::InvoiceId::of("INV-1"), "invoice", to, "billing@nordlys.example"),
        from: Mailbox {
            name: Some("Nordlys Cloud ApS, Århus".to_owned()),
            address: "billing@nordlys.example".to_owned(),
        },
        to: Mailbox { name: Some("Åse Øster".to_owned()), address: to.to_owned() },
        subject: "Faktura INV-0000001 fra Nordlys – 671,38 €".to_owned(),
        text: "Kære Åse\n\nVedhæftet er din faktura.\n.\nen linje med et punktum\n".to_owned(),
        html: "<p>Kære Åse</p>".to_owned(),
        attachments: vec![Attachment {
            file_name: "INV-0000001.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            bytes: (0..=255).cycle().take(30_000).collect(),
        }],
        date: chrono::DateTime::from_timestamp(1_769_846_400, 0).unwrap(),
    }
}
