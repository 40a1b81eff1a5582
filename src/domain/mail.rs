//! A mail ready to be sent. `documents` composes it, `gateways` sends it; the two meet in the jobs.

use crate::ids::{InvoiceId, RunId};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// One mail to one address. Its bytes follow from these fields alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `<…@domain>`; deterministic, so that a mail sent twice after a crash is recognised (ARCHITECTURE.md).
    pub message_id: String,
    pub from: Mailbox,
    pub to: Mailbox,
    pub subject: String,
    pub text: String,
    /// Empty: the mail is its text alone.
    pub html: String,
    pub attachments: Vec<Attachment>,
    /// The `Date` header: given by the edge, never read from the clock here.
    pub date: DateTime<Utc>,
}

/// An address with the name that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: String,
}

impl Mailbox {
    /// An address without a name.
    pub fn bare(address: impl Into<String>) -> Self {
        Self { name: None, address: address.into() }
    }
}

/// A file in a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub file_name: String,
    /// For example `application/pdf`.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// The Message-ID of what is sent about an invoice: a function of (invoice, channel, address) at the sender's domain.
/// `channel` says what it is, for example `invoice` or `reminder-2`; the address counts in any case.
///
/// ```
/// # use domain::{ids::InvoiceId, mail::message_id};
/// let id = message_id(InvoiceId::of("a"), "invoice", "Bogholder@kaffe.example", "billing@nordlys.example");
/// assert_eq!(id, message_id(InvoiceId::of("a"), "invoice", "bogholder@kaffe.example ", "billing@nordlys.example"));
/// assert!(id.ends_with("@nordlys.example>"));
/// ```
pub fn message_id(invoice: InvoiceId, channel: &str, address: &str, sender: &str) -> String {
    id_at_sender(invoice.0, channel, address, sender)
}

/// The Message-ID of a run's report: a function of (run, attempt, address) at the sender's domain.
pub fn run_message_id(run: RunId, attempt: u32, address: &str, sender: &str) -> String {
    id_at_sender(run.0, &format!("report-{attempt}"), address, sender)
}

fn id_at_sender(about: Uuid, channel: &str, address: &str, sender: &str) -> String {
    let key = format!("{channel}\u{1f}{}", address.trim().to_lowercase());
    let domain = sender.rsplit_once('@').map_or("", |(_, domain)| domain);
    let is_plain =
        !domain.is_empty() && domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let domain = if is_plain { domain.to_ascii_lowercase() } else { "tallybook.invalid".to_owned() };
    format!("<{}@{domain}>", Uuid::new_v5(&about, key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_tells_invoice_channel_and_address_apart() {
        let id = |invoice: &str, channel, address| {
            message_id(InvoiceId::of(invoice), channel, address, "a@b.example")
        };
        let first = id("1", "invoice", "x@y.example");
        assert_eq!(first, id("1", "invoice", "X@Y.example"));
        assert_ne!(first, id("2", "invoice", "x@y.example"));
        assert_ne!(first, id("1", "reminder-1", "x@y.example"));
        assert_ne!(first, id("1", "invoice", "z@y.example"));
    }

    #[test]
    fn a_sender_that_is_no_address_cannot_break_the_header() {
        for sender in ["", "nobody", "a@b>\r\nBcc: x", "a@bøg.example"] {
            let id = message_id(InvoiceId::of("1"), "invoice", "x@y.example", sender);
            assert!(id.ends_with("@tallybook.invalid>"), "{id}");
        }
    }
}
