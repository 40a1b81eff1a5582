//! A home is opened: its database brought to this program's version, its buckets, its mail and its payment providers at
//! hand.

use crate::context::{Context, Outside};
use crate::refusal::Stop;
use crate::settings::{Folders, Settings};
use chrono::{DateTime, Utc};
use domain::refusal::{Code, Refusal, WayOut};
use gateways::mail::{Dkim, MailFiles, Smtp, SmtpSettings, Tls};
use gateways::payment::{Access, PROVIDERS};
use gateways::webhook::Teller;
use gateways::{Bucket, BucketSettings, Doors, MailTransport, PaymentGateway, Ping};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Database, OpenError, Store};

/// The SQLite file, in the home.
const DATABASE: &str = "tallybook.db";

/// What a home is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The home folder.
    pub root: PathBuf,
    /// Where the books are; none = the SQLite file in the home.
    pub database_url: Option<String>,
    pub settings: Settings,
    pub outside: OutsideSettings,
    /// The only clock below the edge.
    pub now: fn() -> DateTime<Utc>,
}

/// Systems outside, as they are settled.
#[derive(Debug, Clone)]
pub struct OutsideSettings {
    pub mail: MailSettings,
    /// Who signs mails; none = nobody.
    pub dkim: Option<DkimSettings>,
    /// What is called when a run has ended well, and when it has not; none = the first with `/fail`.
    pub ping_url: Option<String>,
    pub ping_fail_url: Option<String>,
    /// Whether endpoints in private networks are called.
    pub webhooks_private: bool,
    /// `s3://bucket/prefix` of usage files and of documents.
    pub usage_url: Option<String>,
    pub documents_url: Option<String>,
    pub buckets: BucketLogin,
    pub stripe: StripeLogin,
}

/// The sender's signature on mails (DKIM).
#[derive(Debug, Clone)]
pub struct DkimSettings {
    /// The private key in PEM; below the home unless it is absolute.
    pub key: PathBuf,
    pub selector: String,
    /// None = that of the sender's address.
    pub domain: Option<String>,
}

/// How mail goes out.
#[derive(Debug, Clone)]
pub enum MailSettings {
    /// As files in the home.
    Files,
    Smtp(Relay),
}

/// A relay.
#[derive(Debug, Clone)]
pub struct Relay {
    pub host: String,
    pub port: u16,
    /// `none`, `starttls` or `tls`; none = `starttls` where there is a login.
    pub tls: Option<String>,
    /// User and password.
    pub login: Option<(String, String)>,
    pub timeout: Duration,
    /// Messages a second; 0 = no limit.
    pub per_second: u32,
}

/// How Stripe is reached; without a key it is no provider.
#[derive(Debug, Clone, Default)]
pub struct StripeLogin {
    pub secret_key: Option<String>,
    pub webhook_secret: Option<String>,
    pub url: Option<String>,
}

/// Where buckets are and who asks.
#[derive(Debug, Clone, Default)]
pub struct BucketLogin {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
}

/// Opens the database and everything outside.
pub async fn open(opening: &Opening) -> Result<Context, Stop> {
    let database = match &opening.database_url {
        Some(url) => Database::Postgres { url: url.clone() },
        None => Database::Sqlite { path: opening.root.join(DATABASE) },
    };
    let store = Store::open(&database).await.map_err(|error| refused(error, &opening.root))?;
    Ok(context(opening, store)?)
}

/// What the operations work with: these books, the settings, and the systems outside.
pub fn context(opening: &Opening, store: Store) -> Result<Context, Refusal> {
    let (root, outside) = (&opening.root, &opening.outside);
    let outside = Outside {
        mail: mail(outside, root)?,
        gateways: providers(root, &outside.stripe)?,
        ping: ping(outside)?,
        teller: Teller::new(outside.webhooks_private, doors()),
        usage: bucket("usage_url", outside.usage_url.as_deref(), &outside.buckets)?,
        documents: bucket("documents_url", outside.documents_url.as_deref(), &outside.buckets)?,
    };
    Ok(Context::new(store, Folders::at(root.clone()), opening.settings.clone(), outside, opening.now))
}

/// Whether a text names a bucket.
pub fn is_bucket_url(url: &str) -> bool {
    gateways::bucket::is_bucket_url(url)
}

/// Tests cut the program off at the doors to what is outside.
fn doors() -> Doors {
    Doors::watched(store::crash::point)
}

/// The bucket of a setting, if it names one.
fn bucket(setting: &'static str, url: Option<&str>, login: &BucketLogin) -> Result<Option<Bucket>, Refusal> {
    let Some(url) = url else { return Ok(None) };
    let settings = BucketSettings {
        endpoint: login.endpoint.clone(),
        region: login.region.clone(),
        access_key_id: login.access_key_id.clone(),
        secret_access_key: login.secret_access_key.clone(),
    };
    let refused = |error| {
        Refusal::new(Code::Settings, format!("{setting}: {error}")).or(WayOut::from("fix ").setting(setting))
    };
    Bucket::open(url, &settings).map(Some).map_err(refused)
}

/// Whether a text is a URL that a monitor may have; the reason never holds it.
pub fn check_ping_url(url: &str) -> Result<(), String> {
    Ping::new(url, None, Doors::OPEN).map(drop)
}

/// Whether mail can be sent to this address, as far as its form says.
pub fn check_address(address: &str) -> Result<(), String> {
    gateways::mail::check_address(address)
}

fn ping(outside: &OutsideSettings) -> Result<Option<Ping>, Refusal> {
    let Some(well) = &outside.ping_url else { return Ok(None) };
    let refused = |why| Refusal::new(Code::Settings, format!("ping.url {why}"));
    Ping::new(well, outside.ping_fail_url.as_deref(), doors()).map(Some).map_err(refused)
}

fn mail(outside: &OutsideSettings, root: &Path) -> Result<Arc<dyn MailTransport>, Refusal> {
    let dkim = outside.dkim.as_ref().map(|dkim| signer(dkim, root)).transpose()?;
    let relay = match &outside.mail {
        MailSettings::Files => {
            return Ok(Arc::new(MailFiles::new(root.join("mail"), doors()).signed(dkim)));
        }
        MailSettings::Smtp(relay) => relay,
    };
    let tls = match (&relay.tls, &relay.login) {
        (Some(text), _) => {
            let unknown = || Refusal::new(Code::Settings, format!("mail.tls is `{text}`"));
            Tls::parse(text).ok_or_else(unknown)?
        }
        // A password never goes out in clear because nobody thought of it.
        (None, Some(_)) => Tls::StartTls,
        (None, None) => Tls::None,
    };
    let settings = SmtpSettings {
        login: relay.login.clone(),
        tls,
        timeout: relay.timeout,
        per_second: relay.per_second,
        ..SmtpSettings::plain(&relay.host, relay.port)
    };
    Ok(Arc::new(Smtp::new(settings, doors()).signed(dkim)))
}

fn signer(dkim: &DkimSettings, root: &Path) -> Result<Dkim, Refusal> {
    const SETTING: &str = "mail.dkim_key";
    let refused = |why: String| {
        Refusal::new(Code::Settings, format!("{SETTING}: {why}")).or(WayOut::from("mend ").setting(SETTING))
    };
    Dkim::open(&root.join(&dkim.key), &dkim.selector, dkim.domain.as_deref()).map_err(refused)
}

/// Every payment provider that this program has, by its name in payment methods.
fn providers(
    root: &Path,
    stripe: &StripeLogin,
) -> Result<BTreeMap<String, Arc<dyn PaymentGateway>>, Refusal> {
    let access = Access {
        stripe_key: stripe.secret_key.clone(),
        stripe_webhook_secret: stripe.webhook_secret.clone(),
        stripe_url: stripe.url.clone(),
    };
    let mut known = BTreeMap::new();
    for name in PROVIDERS {
        let opened = gateways::payment::open(name, root, &access, doors());
        let opened = opened.map_err(|why| Refusal::new(Code::Settings, why))?;
        known.extend(opened.map(|gateway| (name.to_owned(), gateway)));
    }
    Ok(known)
}

fn refused(error: OpenError, root: &Path) -> Stop {
    let message = error.to_string();
    let refusal = match error {
        OpenError::Newer { found, known } => Refusal::new(
            Code::NewerDatabase,
            format!("the database is of a newer version ({found}) than this program knows ({known})"),
        )
        .hint("use the program that wrote it, or a later one"),
        OpenError::Changed { .. } => Refusal::new(Code::ForeignDatabase, message)
            .hint(format!("{} may belong to another program; choose another home with ", root.display()))
            .option("home", "DIR"),
        OpenError::TooOld { .. } | OpenError::Url(_) => {
            Refusal::new(Code::Settings, message).or(WayOut::default()
                .setting("database_url")
                .words(" names a PostgreSQL 15+ database; unset = SQLite"))
        }
        OpenError::Unreachable(_) => {
            // What the TLS library says of a certificate: nothing is wrong with the server or the disk.
            let hint = if message.contains("invalid peer certificate") {
                "name the authority that has signed it: `sslrootcert=FILE` in database_url, whose host is the certificate's name"
            } else {
                "check that the server runs and that the disk is not full, then run the same command again"
            };
            Refusal::new(Code::Database, message).hint(hint)
        }
        OpenError::Other(error) => return Stop::Broke(error),
    };
    refusal.into()
}
