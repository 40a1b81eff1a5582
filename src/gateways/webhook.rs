//! Endpoints of others that are told what has changed: one POST, no redirections, and never into a private network
//! unless that is allowed.

use crate::Doors;
use crate::http::told;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::webhook::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// An endpoint that has not answered by then has not.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Base64 as Standard Webhooks writes it.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of base64; none if it is not.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Tells endpoints.
#[derive(Clone)]
pub struct Teller {
    /// Made when it is needed: it reads the authorities of the machine, and a machine may have none.
    client: Arc<OnceLock<Client>>,
    allow_private: bool,
    doors: Doors,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TryOutcome {
    /// With this status.
    Answered(u16),
    /// Nothing came back.
    Failed(String),
}

impl Teller {
    /// `allow_private` also calls endpoints in private networks.
    pub fn new(allow_private: bool, doors: Doors) -> Self {
        Self { client: Arc::default(), allow_private, doors }
    }

    fn client(&self) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Public { allow_private: self.allow_private }))
            .user_agent(concat!("tallybook/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// What is wrong with the URL of an endpoint, if anything is.
    pub fn fault(&self, url: &str) -> Option<String> {
        match parse(url) {
            Ok(url) => {
                literal(&url).filter(|address| !self.allow_private && !is_public(*address)).map(no_private)
            }
            Err(fault) => Some(fault),
        }
    }

    /// Posts a body once.
    pub async fn tell(&self, url: &str, headers: &[(&str, String)], body: String) -> TryOutcome {
        if let Some(fault) = self.fault(url) {
            return TryOutcome::Failed(fault);
        }
        let Ok(url) = Url::parse(url) else { return TryOutcome::Failed("is not a URL".to_owned()) };
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return TryOutcome::Failed(told(error)),
        };
        let mut request = client.post(url).header("content-type", "application/json; charset=utf-8");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.doors.pass("webhook.post.before");
        let answer = request.body(body).send().await;
        self.doors.pass("webhook.post.after");
        match answer {
            Ok(answer) => TryOutcome::Answered(answer.status().as_u16()),
            Err(error) => TryOutcome::Failed(told(error)),
        }
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("is not a URL: {e}"))?;
    match (url.scheme(), url.host()) {
        ("http" | "https", Some(_)) => {}
        _ => return Err("is not an http:// or https:// URL".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password".to_owned());
    }
    Ok(url)
}

/// The address of a URL that names no host, but an address.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    if host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost") {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn no_private(address: IpAddr) -> String {
    format!("{address} is in a private network: `webhooks.allow_private` allows it")
}

/// Finds addresses of names, and leaves out private ones.
struct Public {
    allow_private: bool,
}

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<_> = found.filter(|address| allow_private || is_public(address.ip())).collect();
            if kept.is_empty() {
                return Err(format!("{} has no public address", name.as_str()).into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_into_the_house_are_faults_unless_they_are_allowed() {
        let careful = Teller::new(false, Doors::OPEN);
        for url in [
            "http://127.0.0.1:1/",
            "http://[::1]/",
            "https://localhost/x",
            "http://10.1.2.3/",
            "ftp://a.example/",
            "x",
        ] {
            assert!(careful.fault(url).is_some(), "{url}");
        }
        assert!(careful.fault("https://hooks.example/x").is_none());
        assert!(Teller::new(true, Doors::OPEN).fault("http://127.0.0.1:1/").is_none());
    }
}
