//! A mail as RFC 5322 bytes: the same mail always gives the same bytes.

use domain::mail::{Mail, Mailbox};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, MultiPart, SinglePart};
use lettre::{Address, Message};

/// Builds the message; an error is the reason why this mail can never be sent.
pub(super) fn build(mail: &Mail) -> Result<Message, String> {
    let boundary = |part: &str| {
        let id: String = mail.message_id.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
        format!("tallybook-{part}-{id}")
    };
    let plain = SinglePart::plain(mail.text.clone());
    let mixed = MultiPart::mixed().boundary(boundary("mixed"));
    let mut parts = if mail.html.is_empty() {
        mixed.singlepart(plain)
    } else {
        let alternative = MultiPart::alternative().boundary(boundary("alternative")).singlepart(plain);
        mixed.multipart(alternative.singlepart(SinglePart::html(mail.html.clone())))
    };
    for file in &mail.attachments {
        let kind = ContentType::parse(&file.content_type)
            .map_err(|e| format!("`{}` is not a content type: {e}", file.content_type))?;
        parts = parts.singlepart(Attachment::new(file.file_name.clone()).body(file.bytes.clone(), kind));
    }
    let automatic =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    Message::builder()
        .message_id(Some(mail.message_id.clone()))
        .date(mail.date.into())
        .from(mailbox(&mail.from)?)
        .to(mailbox(&mail.to)?)
        .subject(one_line(&mail.subject))
        .raw_header(automatic)
        .multipart(parts)
        .map_err(|e| e.to_string())
}

/// Whether mail can be sent to it, as far as its form says.
pub fn check_address(address: &str) -> Result<(), String> {
    parse(address).map(drop)
}

/// The address with its domain as the domain name system has it: `ase@xn--kaf-dma.example` for `ase@kafé.example`.
fn parse(address: &str) -> Result<Address, String> {
    let address = address.trim();
    let refused = |why: &dyn std::fmt::Display| format!("`{address}` is not a mail address: {why}");
    match address.rsplit_once('@').filter(|(_, domain)| !domain.is_ascii()) {
        Some((local, domain)) => {
            let domain = idna::domain_to_ascii(domain).map_err(|e| refused(&e))?;
            format!("{local}@{domain}").parse().map_err(|e| refused(&e))
        }
        None => address.parse().map_err(|e| refused(&e)),
    }
}

/// The domain of an address, in the form of the domain name system.
pub(super) fn domain_of(address: &str) -> Result<String, String> {
    parse(address).map(|address| address.domain().to_owned())
}

fn mailbox(mailbox: &Mailbox) -> Result<lettre::message::Mailbox, String> {
    let address = parse(&mailbox.address)?;
    Ok(lettre::message::Mailbox::new(mailbox.name.as_deref().map(one_line), address))
}

/// Header text without line breaks and other control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::sample;

    #[test]
    fn the_same_mail_gives_the_same_bytes() {
        let mail = sample("ase@kaffe.example");
        let (first, again) = (build(&mail).unwrap().formatted(), build(&mail).unwrap().formatted());
        assert_eq!(first, again);
        assert!(first.is_ascii(), "headers and bodies are encoded");
        let text = String::from_utf8(first).unwrap();
        assert!(text.contains(&format!("Message-ID: {}\r\n", mail.message_id)));
        assert!(text.contains("Date: Sat, 31 Jan 2026 08:00:00 +0000\r\n"));
    }

    #[test]
    fn domains_of_other_letters_are_written_as_the_domain_name_system_has_them() {
        let mut mail = sample("ase@bücher.example");
        mail.from.address = "post@blåbær.example".to_owned();
        let message = build(&mail).unwrap();
        assert_eq!(message.envelope().to()[0].to_string(), "ase@xn--bcher-kva.example");
        let text = String::from_utf8(message.formatted()).unwrap();
        assert!(
            text.is_ascii()
                && text.contains("ase@xn--bcher-kva.example")
                && text.contains("@xn--blbr-roah.example"),
            "{text}"
        );
        assert_eq!(domain_of("post@BLÅBÆR.example").unwrap(), "xn--blbr-roah.example");
    }

    #[test]
    fn what_is_no_address_is_refused_and_headers_cannot_be_injected() {
        for bad in [
            "",
            "nobody",
            "a@",
            "@b",
            "a b@c.example",
            "a@b.example\r\nBcc: x@y.example",
            "a@b.example, c@d.example",
        ] {
            let mut mail = sample("ase@kaffe.example");
            mail.to.address = bad.to_owned();
            assert!(build(&mail).is_err(), "{bad:?}");
        }
        let mut mail = sample("ase@kaffe.example");
        mail.subject = "Faktura\r\nBcc: x@y.example".to_owned();
        mail.to.name = Some("Åse\r\nBcc: x@y.example".to_owned());
        let text = String::from_utf8(build(&mail).unwrap().formatted()).unwrap();
        assert!(!text.contains("\nBcc:"), "{text}");
    }
}
