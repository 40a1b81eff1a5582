//! One opened home: settings settled, database migrated, gateways made.

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use chrono::{DateTime, Utc};
use domain::refusal::{Code, Refusal, Verb};
use domain::task::TimedJob;
use jobs::runtime::process::Process;
use operations::context::Context;
use operations::home::backup::BACKUPS;
use operations::home::lock::{self, LockOutcome};
use operations::home::open::{
    self, BucketLogin, DkimSettings, MailSettings, Opening, OutsideSettings, Relay, StripeLogin,
};
use operations::settings::{BackupPlan, CsvMapping, Settings};
use std::path::PathBuf;
use std::time::Duration;

/// A home that is ready to work.
pub struct App {
    pub home: Home,
    pub ctx: Context,
    /// The workers of this process.
    pub process: Process,
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
        let ctx = open::open(&opening(config, &home)).await?;
        Ok(Self { home, ctx, process: Process::default() })
    }

    /// Opens a home that must be there already, for commands that only look.
    pub async fn open_existing(config: &Config) -> Result<Self, Failure> {
        let home = Home::at(&config.home);
        // Books in PostgreSQL are not in the home: any folder will do.
        if !home.exists() && config.optional("database_url").is_none() {
            let message = format!("there is no tallybook home at {}", home.root.display());
            let refusal = Refusal::new(Code::NoHome, message).hint("run ").ask(Verb::Init.plain());
            return Err(refusal.hint(", or name the home with ").option("home", "DIR").into());
        }
        Self::open(config).await
    }

    /// The lock that makes this process the home's worker, or who holds it. On PostgreSQL everybody works.
    pub fn lock(&self) -> Result<Option<LockOutcome>, Failure> {
        Ok(lock::of(&self.ctx)?)
    }
}

/// What a home is opened with: the settings in their meaning.
pub fn opening(config: &Config, home: &Home) -> Opening {
    let text = |key: &str| config.optional(key).map(str::to_owned);
    Opening {
        root: home.root.clone(),
        database_url: text("database_url"),
        settings: settings(config, home),
        outside: OutsideSettings {
            dkim: dkim(config),
            mail: mail(config),
            ping_url: text("ping.url"),
            ping_fail_url: text("ping.fail_url"),
            webhooks_private: config.text("webhooks.allow_private") == "true",
            usage_url: text("usage_url"),
            documents_url: text("documents_url"),
            buckets: BucketLogin {
                endpoint: text("s3.endpoint"),
                region: text("s3.region"),
                access_key_id: text("s3.access_key_id"),
                secret_access_key: text("s3.secret_access_key"),
            },
            stripe: StripeLogin {
                secret_key: text("stripe.secret_key"),
                webhook_secret: text("stripe.webhook_secret"),
                url: text("stripe.url"),
            },
        },
        now,
    }
}

fn settings(config: &Config, home: &Home) -> Settings {
    let timetable = TimedJob::ALL
        .iter()
        .map(|job| (*job, config.text(&format!("jobs.{}", job.name())).to_owned()))
        .collect();
    Settings {
        threads: config.threads(),
        slice_payers: usize::try_from(config.number("slice_payers")).unwrap_or(2_000),
        catch_up_max: config.number("catch_up_max"),
        bounds: domain::billing::bounds::Bounds {
            invoices_per_payer: config.number("bounds.invoices_per_payer"),
            amount_growth_pct: config.number("bounds.amount_growth_pct"),
        },
        days_ahead: config.number("bounds.days_ahead"),
        timetable,
        retention_years: config.number("retention.years"),
        datev: (config.number("datev.consultant"), config.number("datev.client")),
        report_to: config.report_to(),
        mail_from: config.optional("mail.from").map(str::to_owned),
        fonts_folder: config.optional("documents.fonts").map(Into::into),
        inbox_still: Duration::from_secs(u64::from(config.number("inbox.still_s"))),
        backup: BackupPlan {
            folder: config.optional("backup.folder").map_or_else(|| home.root.join(BACKUPS), PathBuf::from),
            keep: usize::try_from(config.number("backup.keep")).unwrap_or(7),
        },
        bank: bank(config),
    }
}

/// What the columns of the bank's CSV files are.
fn bank(config: &Config) -> CsvMapping {
    let text = |key: &str| config.text(key).to_owned();
    CsvMapping {
        date: text("bank.csv_date"),
        amount: text("bank.csv_amount"),
        currency: text("bank.csv_currency"),
        name: text("bank.csv_name"),
        from: text("bank.csv_from"),
        reference: text("bank.csv_reference"),
        text: text("bank.csv_text"),
        id: text("bank.csv_id"),
        date_format: text("bank.csv_date_format"),
        decimal: text("bank.csv_decimal"),
        delimiter: text("bank.csv_delimiter"),
        default_currency: text("bank.csv_default_currency"),
        account: text("bank.csv_account"),
    }
}

/// Who signs mails.
fn dkim(config: &Config) -> Option<DkimSettings> {
    Some(DkimSettings {
        key: config.optional("mail.dkim_key")?.into(),
        selector: config.text("mail.dkim_selector").to_owned(),
        domain: config.optional("mail.dkim_domain").map(str::to_owned),
    })
}

/// The mail transport of the settings.
fn mail(config: &Config) -> MailSettings {
    if config.text("mail.transport") == "files" {
        return MailSettings::Files;
    }
    let password = || config.text("mail.password").to_owned();
    MailSettings::Smtp(Relay {
        host: config.text("mail.host").to_owned(),
        port: u16::try_from(config.number("mail.port")).unwrap_or(25),
        tls: config.optional("mail.tls").map(str::to_owned),
        login: config.optional("mail.user").map(|user| (user.to_owned(), password())),
        timeout: Duration::from_secs(u64::from(config.number("mail.timeout_s"))),
        per_second: config.number("mail.per_second"),
    })
}

/// The clock of the edge. Tests may stand it still.
fn now() -> DateTime<Utc> {
    std::env::var("TALLYBOOK_NOW").ok().and_then(|t| t.parse().ok()).unwrap_or_else(Utc::now)
}
