//! Every setting: its key, its variable, its default, and what it is for.

use domain::task::TimedJob;
use std::sync::LazyLock;

/// One setting as declared.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Dotted key in `tallybook.toml`.
    pub key: &'static str,
    /// Environment variable.
    pub env: &'static str,
    /// Value if nothing else says so; empty = unset.
    pub default: &'static str,
    /// One line for `tallybook.toml`.
    pub help: &'static str,
    /// Never shown.
    pub secret: bool,
}

const fn setting(key: &'static str, env: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { key, env, default, help, secret: false }
}

/// Every setting, in the order of `tallybook.toml`.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let timed = TimedJob::ALL.iter().map(|job| timed(*job));
    BEFORE_JOBS.iter().copied().chain(timed).chain(AFTER_JOBS.iter().copied()).collect()
});

/// The pattern of a job of the timetable.
fn timed(job: TimedJob) -> Setting {
    let (default, help) = match job {
        TimedJob::NightlyRun => ("0 2 * * *", "cron pattern in the tenant's time zone, or `off`"),
        TimedJob::IngestInbox => ("5 * * * *", "files in inbox/ are ingested"),
        TimedJob::RetryMails => ("*/10 * * * *", "mails that met a passing fault go out"),
        TimedJob::RetryPayments => ("0 9 * * *", "daily dunning run"),
        TimedJob::ExportLedger => ("0 6 * * 1", "weekly export of what is new in the ledger"),
        TimedJob::Upkeep => ("30 4 * * *", "prunes finished tasks and abandoned files"),
        TimedJob::Backup => {
            ("off", "cron pattern of backups that are proved and kept by number, for example `30 5 * * *`")
        }
    };
    // Once per job and process: settings are looked up by a name that lives as long as the program.
    let leaked = |text: String| -> &'static str { text.leak() };
    let name = job.name();
    setting(
        leaked(format!("jobs.{name}")),
        leaked(format!("TALLYBOOK_JOBS_{}", name.to_uppercase())),
        default,
        help,
    )
}

const BEFORE_JOBS: &[Setting] = &[
    Setting {
        secret: true,
        ..setting(
            "database_url",
            "TALLYBOOK_DATABASE_URL",
            "",
            "postgres://user@host/db; unset = the SQLite file in the home folder",
        )
    },
    setting(
        "usage_url",
        "TALLYBOOK_USAGE_URL",
        "",
        "s3://bucket/prefix that holds usage files, shared by many machines; unset = the home folder alone",
    ),
    setting("documents_url", "TALLYBOOK_DOCUMENTS_URL", "", "the same for documents and marked exports"),
    setting("threads", "TALLYBOOK_THREADS", "0", "threads for reading and rating usage; 0 = one per core"),
    setting(
        "slice_payers",
        "TALLYBOOK_SLICE_PAYERS",
        "2000",
        "payers in one slice of a run at most, 1 to 5000",
    ),
    setting(
        "catch_up_max",
        "TALLYBOOK_CATCH_UP_MAX",
        "36",
        "periods per charge that one run may catch up, 1 to 1000",
    ),
    setting(
        "bounds.invoices_per_payer",
        "TALLYBOOK_BOUNDS_INVOICES_PER_PAYER",
        "0",
        "a payer with more invoices in one run is parked for a person; 0 = no bound",
    ),
    setting(
        "bounds.amount_growth_pct",
        "TALLYBOOK_BOUNDS_AMOUNT_GROWTH_PCT",
        "0",
        "a payer is parked with an invoice that is more percent above the period before; 0 = no bound",
    ),
    setting(
        "bounds.days_ahead",
        "TALLYBOOK_BOUNDS_DAYS_AHEAD",
        "31",
        "a run as of more days after today is refused without --ahead, 0 to 36500",
    ),
    setting(
        "inbox.still_s",
        "TALLYBOOK_INBOX_STILL_S",
        "10",
        "a file of the inbox is taken once nobody has changed it for so many seconds, 0 to 300",
    ),
    setting("s3.endpoint", "TALLYBOOK_S3_ENDPOINT", "", "https://host:port of the buckets; unset = Amazon's"),
    setting(
        "s3.region",
        "TALLYBOOK_S3_REGION",
        "",
        "region of the buckets; unset = AWS_REGION, else us-east-1",
    ),
    setting(
        "s3.access_key_id",
        "TALLYBOOK_S3_ACCESS_KEY_ID",
        "",
        "key id; unset = AWS_ACCESS_KEY_ID, else the role of the machine",
    ),
    Setting {
        secret: true,
        ..setting(
            "s3.secret_access_key",
            "TALLYBOOK_S3_SECRET_ACCESS_KEY",
            "",
            "its secret; unset = AWS_SECRET_ACCESS_KEY; better given by the environment",
        )
    },
    setting(
        "api.listen",
        "TALLYBOOK_API_LISTEN",
        "127.0.0.1:8080",
        "address of the HTTP API; port 0 = any that is free",
    ),
    setting(
        "api.tls_cert",
        "TALLYBOOK_API_TLS_CERT",
        "",
        "PEM file with the API's certificate chain; unset = plain HTTP",
    ),
    setting("api.tls_key", "TALLYBOOK_API_TLS_KEY", "", "PEM file with its key"),
    setting(
        "api.rate_per_second",
        "TALLYBOOK_API_RATE_PER_SECOND",
        "100",
        "requests per second and key, usage not counted; 0 = no limit",
    ),
    setting("api.rate_burst", "TALLYBOOK_API_RATE_BURST", "200", "requests of a key that may come at once"),
    setting(
        "api.cors_origins",
        "TALLYBOOK_API_CORS_ORIGINS",
        "",
        "origins of web pages that may ask, separated by commas: https://shop.example",
    ),
    setting(
        "log.level",
        "TALLYBOOK_LOG",
        "warn",
        "error, warn, info, debug or trace; finer filters as in `info,jobs=debug`",
    ),
    setting("log.format", "TALLYBOOK_LOG_FORMAT", "text", "text or json"),
    setting(
        "documents.fonts",
        "TALLYBOOK_DOCUMENTS_FONTS",
        "/usr/share/fonts",
        "folder with Noto's fonts, for names in Arabic, Chinese and other scripts that the built-in ones have not",
    ),
    setting(
        "mail.transport",
        "TALLYBOOK_MAIL_TRANSPORT",
        "files",
        "files (mail/*.eml in the home folder) or smtp",
    ),
    setting("mail.from", "TALLYBOOK_MAIL_FROM", "", "sender address; unset = the tenant's e-mail address"),
    setting("mail.host", "TALLYBOOK_MAIL_HOST", "localhost", "SMTP relay"),
    setting("mail.port", "TALLYBOOK_MAIL_PORT", "25", "port of the relay"),
    setting(
        "mail.tls",
        "TALLYBOOK_MAIL_TLS",
        "",
        "none, starttls or tls; unset = starttls where there is a user, else none",
    ),
    setting("mail.user", "TALLYBOOK_MAIL_USER", "", "user name; unset = no authentication"),
    Setting {
        secret: true,
        ..setting("mail.password", "TALLYBOOK_MAIL_PASSWORD", "", "password; better given by the environment")
    },
    setting(
        "mail.dkim_key",
        "TALLYBOOK_MAIL_DKIM_KEY",
        "",
        "RSA key in PEM by which mails are signed (DKIM), below the home folder or absolute; unset = not signed here",
    ),
    setting(
        "mail.dkim_selector",
        "TALLYBOOK_MAIL_DKIM_SELECTOR",
        "tallybook",
        "its public half is at SELECTOR._domainkey.DOMAIN",
    ),
    setting(
        "mail.dkim_domain",
        "TALLYBOOK_MAIL_DKIM_DOMAIN",
        "",
        "domain that signs; unset = that of the sender's address",
    ),
    setting("mail.timeout_s", "TALLYBOOK_MAIL_TIMEOUT_S", "30", "seconds to wait for the relay, 1 to 600"),
    setting(
        "mail.per_second",
        "TALLYBOOK_MAIL_PER_SECOND",
        "0",
        "messages a second to the relay; 0 = no limit",
    ),
    setting(
        "retention.years",
        "TALLYBOOK_RETENTION_YEARS",
        "10",
        "years for which booked invoices keep who bought, after the year of their date, 0 to 100",
    ),
    setting(
        "datev.consultant",
        "TALLYBOOK_DATEV_CONSULTANT",
        "1001",
        "number of the tax adviser (Beraternummer) in files for DATEV, 1001 to 9999999",
    ),
    setting(
        "datev.client",
        "TALLYBOOK_DATEV_CLIENT",
        "1",
        "number of the client (Mandantennummer) in files for DATEV, 1 to 99999",
    ),
    setting(
        "report.mail_to",
        "TALLYBOOK_REPORT_MAIL_TO",
        "",
        "who gets the report of each run by mail, by commas; unset = nobody",
    ),
    Setting {
        secret: true,
        ..setting(
            "ping.url",
            "TALLYBOOK_PING_URL",
            "",
            "URL of a monitor that is called when a run has ended well; unset = none",
        )
    },
    Setting {
        secret: true,
        ..setting(
            "ping.fail_url",
            "TALLYBOOK_PING_FAIL_URL",
            "",
            "called when a run is stuck or leaves something to a person; unset = ping.url with /fail",
        )
    },
    setting(
        "webhooks.allow_private",
        "TALLYBOOK_WEBHOOKS_ALLOW_PRIVATE",
        "false",
        "true also calls endpoints in private networks",
    ),
];

const AFTER_JOBS: &[Setting] = &[
    setting(
        "backup.folder",
        "TALLYBOOK_BACKUP_FOLDER",
        "",
        "where backups of the timetable go, best on another disk; unset = backups/ in the home folder",
    ),
    setting("backup.keep", "TALLYBOOK_BACKUP_KEEP", "7", "backups of the timetable that stay, 1 to 1000"),
    Setting {
        secret: true,
        ..setting(
            "stripe.secret_key",
            "TALLYBOOK_STRIPE_SECRET_KEY",
            "",
            "secret key of Stripe, for methods with `\"gateway\": \"stripe\"`; better given by the environment or a file",
        )
    },
    Setting {
        secret: true,
        ..setting(
            "stripe.webhook_secret",
            "TALLYBOOK_STRIPE_WEBHOOK_SECRET",
            "",
            "with what Stripe signs its events, `whsec_…`; unset = none is believed",
        )
    },
    setting("stripe.url", "TALLYBOOK_STRIPE_URL", "", "where Stripe answers; unset = https://api.stripe.com"),
    setting(
        "bank.csv_date",
        "TALLYBOOK_BANK_CSV_DATE",
        "",
        "heading of the booking date in the bank's CSV files",
    ),
    setting(
        "bank.csv_amount",
        "TALLYBOOK_BANK_CSV_AMOUNT",
        "",
        "heading of the amount, below 0 for what went out",
    ),
    setting(
        "bank.csv_currency",
        "TALLYBOOK_BANK_CSV_CURRENCY",
        "",
        "heading of the currency; unset = no column",
    ),
    setting(
        "bank.csv_name",
        "TALLYBOOK_BANK_CSV_NAME",
        "",
        "heading of the sender's name; unset = no column",
    ),
    setting(
        "bank.csv_from",
        "TALLYBOOK_BANK_CSV_FROM",
        "",
        "heading of the sender's account; unset = no column",
    ),
    setting(
        "bank.csv_reference",
        "TALLYBOOK_BANK_CSV_REFERENCE",
        "",
        "heading of the payment reference; unset = no column",
    ),
    setting(
        "bank.csv_text",
        "TALLYBOOK_BANK_CSV_TEXT",
        "",
        "heading of what the payer wrote; unset = no column",
    ),
    setting(
        "bank.csv_id",
        "TALLYBOOK_BANK_CSV_ID",
        "",
        "heading of the bank's own name for an entry; unset = no column",
    ),
    setting(
        "bank.csv_date_format",
        "TALLYBOOK_BANK_CSV_DATE_FORMAT",
        "YYYY-MM-DD",
        "YYYY-MM-DD, DD-MM-YYYY, DD.MM.YYYY, DD/MM/YYYY, MM/DD/YYYY or YYYYMMDD",
    ),
    setting("bank.csv_decimal", "TALLYBOOK_BANK_CSV_DECIMAL", ".", "`.` or `,` before cents"),
    setting(
        "bank.csv_delimiter",
        "TALLYBOOK_BANK_CSV_DELIMITER",
        "",
        "`,`, `;` or tab; unset = the one that the head line has most of",
    ),
    setting(
        "bank.csv_default_currency",
        "TALLYBOOK_BANK_CSV_DEFAULT_CURRENCY",
        "EUR",
        "currency of files without such a column",
    ),
    setting(
        "bank.csv_account",
        "TALLYBOOK_BANK_CSV_ACCOUNT",
        "",
        "the account that CSV files are of, for example its IBAN",
    ),
];
