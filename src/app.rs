//! One opened home: settings settled, database migrated, gateways made.

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use chrono::{DateTime, Utc};
use domain::task::TimedJob;
use gateways::mail::{MailFiles, Smtp, SmtpSettings, Tls};
use gateways::{Bucket, BucketSettings, MailTransport, PaymentGateway};
use operations::context::{Context, Outside};
use operations::home::lock::{self, Taken};
use operations::settings::{Folders, Settings};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::{Database, OpenError, Store};

/// A home that is ready to work.
pub struct App {
    pub home: Home,
    pub ctx: Context,
}

impl std::ops::Deref for App {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.ctx
    }
}

impl App {
    /// Opens the home, and makes it if it is not there.
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        let home = Home::at(&config.home);
        home.make()?;
        let database = match config.optional("database_url") {
            Some(url) => Database::Postgres { url: url.to_owned() },
            None => Database::Sqlite { path: home.database() },
        };
        let store = Store::open(&database).await.map_err(|e| refused(e, &home))?;
        let ctx = context(config, &home, store)?;
        Ok(Self { home, ctx })
    }

    /// Opens a home that must be there already, for commands that only look.
    pub async fn open_existing(config: &Config) -> Result<Self, Failure> {
        let home = Home::at(&config.home);
        // Books in PostgreSQL are not in the home: any folder will do.
        if !home.exists() && config.optional("database_url").is_none() {
            return Err(Failure::input(
                "no_home",
                format!("there is no tallybook home at {}", home.root.display()),
            )
            .hint("run `tallybook init`, or name the home with --home DIR"));
        }
        Self::open(config).await
    }

    /// The lock that makes this process the home's worker, or who holds it. On PostgreSQL everybody works.
    pub fn lock(&self) -> Result<Option<Taken>, Failure> {
        Ok(lock::of(&self.ctx)?)
    }
}

/// What the jobs work with: these books, the settings, and the systems outside.
pub fn context(config: &Config, home: &Home, store: Store) -> Result<Context, Failure> {
    let timetable = TimedJob::ALL
        .iter()
        .map(|job| (*job, config.text(&format!("jobs.{}", job.name())).to_owned()))
        .collect();
    let settings = Settings {
        threads: config.threads(),
        slice_payers: usize::try_from(config.number("slice_payers")).unwrap_or(500),
        catch_up_max: config.number("catch_up_max"),
        bounds: domain::billing::bounds::Bounds {
            invoices_per_payer: config.number("bounds.invoices_per_payer"),
            amount_growth_pct: config.number("bounds.amount_growth_pct"),
        },
        days_ahead: config.number("bounds.days_ahead"),
        timetable,
        mail_from: config.optional("mail.from").map(str::to_owned),
        inbox_still: Duration::from_secs(u64::from(config.number("inbox.still_s"))),
        backup: operations::settings::BackupPlan {
            folder: config
                .optional("backup.folder")
                .map_or_else(|| home.root.join(operations::home::backup::BACKUPS), PathBuf::from),
            keep: usize::try_from(config.number("backup.keep")).unwrap_or(7),
        },
    };
    let outside = Outside {
        mail: mail(config, home)?,
        gateways: gateways(home),
        usage: bucket(config, "usage_url")?,
        documents: bucket(config, "documents_url")?,
    };
    Ok(Context::new(store, Folders::at(home.root.clone()), settings, outside, now))
}

/// The clock of the edge. Tests may stand it still.
fn now() -> DateTime<Utc> {
    std::env::var("TALLYBOOK_NOW").ok().and_then(|t| t.parse().ok()).unwrap_or_else(Utc::now)
}

/// The bucket of a setting, if it names one.
fn bucket(config: &Config, key: &str) -> Result<Option<Bucket>, Failure> {
    let Some(url) = config.optional(key) else { return Ok(None) };
    let text = |key: &str| config.optional(key).map(str::to_owned);
    let settings = BucketSettings {
        endpoint: text("s3.endpoint"),
        region: text("s3.region"),
        access_key_id: text("s3.access_key_id"),
        secret_access_key: text("s3.secret_access_key"),
    };
    let opened = Bucket::open(url, &settings);
    opened.map(Some).map_err(|e| {
        Failure::input("settings", format!("{key}: {e}")).hint("`tallybook config` shows every setting")
    })
}

/// The mail transport of the settings.
fn mail(config: &Config, home: &Home) -> Result<Arc<dyn MailTransport>, Failure> {
    let doors = gateways::Doors::watched(store::crash::point);
    if config.text("mail.transport") == "files" {
        return Ok(Arc::new(MailFiles::new(home.folder("mail"), doors)));
    }
    let login =
        config.optional("mail.user").map(|user| (user.to_owned(), config.text("mail.password").to_owned()));
    let settings = SmtpSettings {
        login,
        tls: match config.optional("mail.tls") {
            Some(text) => {
                Tls::parse(text).ok_or_else(|| Failure::input("settings", format!("mail.tls is `{text}`")))?
            }
            // A password never goes out in clear because nobody thought of it.
            None if config.optional("mail.user").is_some() => Tls::StartTls,
            None => Tls::None,
        },
        timeout: Duration::from_secs(u64::from(config.number("mail.timeout_s"))),
        per_second: config.number("mail.per_second"),
        ..SmtpSettings::plain(
            config.text("mail.host"),
            u16::try_from(config.number("mail.port")).unwrap_or(25),
        )
    };
    Ok(Arc::new(Smtp::new(settings, doors)))
}

/// Every payment provider that this program has, by its name in payment methods.
fn gateways(home: &Home) -> BTreeMap<String, Arc<dyn PaymentGateway>> {
    let doors = gateways::Doors::watched(store::crash::point);
    let known = ["sandbox"].into_iter().filter_map(|name| gateways::payment::open(name, &home.root, doors));
    known.map(|gateway| (gateway.name().to_owned(), gateway)).collect()
}

fn refused(error: OpenError, home: &Home) -> Failure {
    let message = error.to_string();
    match error {
        OpenError::Newer { found, known } => Failure::input(
            "newer_database",
            format!("the database is of a newer version ({found}) than this program knows ({known})"),
        )
        .hint("use the tallybook that wrote it, or a later one"),
        OpenError::Changed { .. } => Failure::input("foreign_database", message).hint(format!(
            "{} may belong to another program; choose another home with --home DIR",
            home.root.display()
        )),
        OpenError::TooOld { .. } | OpenError::Url(_) => Failure::input("database", message)
            .hint("set TALLYBOOK_DATABASE_URL to a PostgreSQL 15+ database, or unset it for SQLite"),
        OpenError::Unreachable(_) => Failure::fault("database", message).hint(
            "check that the server runs and that the disk is not full, then run the same command again",
        ),
        OpenError::Other(error) => error.into(),
    }
}
