//! The sender's signature on a mail (DKIM, RFC 6376): rsa-sha256 over headers and body in their relaxed form. The same mail always
//! gets the same signature.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::mail::Mail;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Headers that are signed, where a mail has them.
const SIGNED: [&str; 7] = ["from", "to", "subject", "date", "message-id", "mime-version", "content-type"];
/// Characters of base64 in a line.
const LINE: usize = 72;

/// Signs mails by a key whose public half stands at `<selector>._domainkey.<domain>`.
pub struct Dkim {
    key: KeyPair,
    selector: String,
    /// None = that of the sender's address.
    domain: Option<String>,
}

impl Dkim {
    /// With the private key in a PEM file: `openssl genrsa -out dkim.pem 2048`.
    ///
    /// # Errors
    /// What is wrong with the file, or with the names.
    pub fn open(key: &Path, selector: &str, domain: Option<&str>) -> Result<Self, String> {
        let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        for name in [Some(selector), domain].into_iter().flatten() {
            if name.is_empty() || !is_name(name) {
                return Err(format!("`{name}` is no name of the domain name system"));
            }
        }
        let text = std::fs::read_to_string(key).map_err(|e| format!("reading {}: {e}", key.display()))?;
        let key = read_pem(&text).map_err(|why| format!("{} {why}", key.display()))?;
        Ok(Self { key, selector: selector.to_owned(), domain: domain.map(str::to_owned) })
    }

    /// The message with its signature before it.
    ///
    /// # Errors
    /// Why it cannot be signed.
    pub(super) fn sign(&self, message: Vec<u8>, mail: &Mail) -> Result<Vec<u8>, String> {
        let text = String::from_utf8(message).map_err(|_| "a mail is text once it is encoded".to_owned())?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("a mail has a head and a body")?;
        let headers = headers(head);
        let sender = super::message::domain_of(&mail.from.address)?;
        let names: Vec<&str> =
            SIGNED.into_iter().filter(|name| headers.iter().any(|(known, _)| known == name)).collect();
        let body_hash = STANDARD.encode(Sha256::digest(relaxed_body(body)));
        let (domain, selector) = (self.domain.as_deref().unwrap_or(&sender), &self.selector);
        let unsigned = [
            format!("v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={selector};"),
            format!("t={}; h={};", mail.date.timestamp(), names.join(":")),
            format!("bh={body_hash};"),
            "b=".to_owned(),
        ];
        let mut signed = String::new();
        for name in names {
            let value = headers.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value);
            signed.push_str(&format!("{name}:{value}\r\n"));
        }
        signed.push_str(&format!("dkim-signature:{}", unsigned.join(" ")));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        let refused = |_| "the key does not sign".to_owned();
        self.key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).map_err(refused)?;
        let signature = in_lines(&STANDARD.encode(signature));
        Ok(format!("DKIM-Signature: {}{signature}\r\n{text}", unsigned.join("\r\n ")).into_bytes())
    }
}

/// The message as it goes out: signed, where there is a key.
pub(super) fn signed(dkim: Option<&Dkim>, message: Vec<u8>, mail: &Mail) -> Result<Vec<u8>, String> {
    match dkim {
        Some(dkim) => dkim.sign(message, mail),
        None => Ok(message),
    }
}

/// A private key of RSA, in either of its two forms.
fn read_pem(text: &str) -> Result<RsaKeyPair, String> {
    const NOT_A_KEY: &str = "is no RSA key in PEM: `openssl genrsa -out dkim.pem 2048` makes one";
    let lines = || text.lines().map(str::trim);
    let kind = lines().find_map(|line| line.strip_prefix("-----BEGIN ")).ok_or(NOT_A_KEY)?;
    let inner: String = lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with('-'))
        .collect();
    let bytes = STANDARD.decode(inner).map_err(|_| NOT_A_KEY)?;
    let key = match kind {
        "PRIVATE KEY-----" => RsaKeyPair::from_pkcs8(&bytes),
        "RSA PRIVATE KEY-----" => RsaKeyPair::from_der(&bytes),
        _ => return Err(NOT_A_KEY.to_owned()),
    };
    key.map_err(|_| NOT_A_KEY.to_owned())
}

/// Names in lower case with their values in relaxed form: unfolded, each run of blanks as one.
fn headers(head: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        match (line.starts_with([' ', '\t']), line.split_once(':')) {
            (true, _) => {
                if let Some((_, value)) = headers.last_mut() {
                    value.push(' ');
                    value.push_str(line);
                }
            }
            (false, Some((name, value))) => {
                headers.push((name.trim().to_ascii_lowercase(), value.to_owned()))
            }
            (false, None) => {}
        }
    }
    headers.iter_mut().for_each(|(_, value)| *value = squeezed(value).trim().to_owned());
    headers
}

/// Without blanks at the ends of lines and without empty lines at the end.
fn relaxed_body(body: &str) -> String {
    let lines: Vec<String> =
        body.split("\r\n").map(|line| squeezed(line).trim_end_matches(' ').to_owned()).collect();
    let used = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    lines[..used].iter().map(|line| format!("{line}\r\n")).collect()
}

fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' ' | '\t' if squeezed.ends_with(' ') => {}
            ' ' | '\t' => squeezed.push(' '),
            other => squeezed.push(other),
        }
    }
    squeezed
}

fn in_lines(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(LINE).map(String::from_iter).collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relaxed_form_is_that_of_the_standard() {
        // RFC 6376, section 3.4.5
        let read = headers("A: X\r\nB : Y\t\r\n\tZ  ");
        let pairs: Vec<(&str, &str)> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "X"), ("b", "Y Z")]);
        assert_eq!(relaxed_body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
        assert_eq!(relaxed_body(""), "");
    }

    #[test]
    fn what_is_no_key_is_told() {
        for text in ["", "-----BEGIN PRIVATE KEY-----\nnot base64!\n", "-----BEGIN CERTIFICATE-----\nAAAA\n"]
        {
            assert!(read_pem(text).unwrap_err().contains("openssl genrsa"), "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent.pem");
        assert!(Dkim::open(&absent, "tb", None).err().unwrap().contains("absent.pem"));
        assert!(Dkim::open(&absent, "t b", None).err().unwrap().contains("`t b`"));
    }
}
