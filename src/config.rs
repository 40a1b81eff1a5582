//! Settings: flag over environment over `tallybook.toml` over default. Every fault is reported at once, and
//! `tallybook config` shows each value with its origin.

mod table;

pub use table::{SETTINGS, Setting};

use crate::failure::{Failure, Fault};
use domain::task::TimedJob;
use operations::home::open::{check_address, check_ping_url, is_bucket_url};
use operations::home::timetable;
use operations::settings::DATE_FORMATS;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Env(String),
    File(PathBuf),
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Bytes read of a file with a secret.
const SECRET_BYTES_MAX: u64 = 1 << 16;

/// A settled value.
#[derive(Debug, Clone)]
pub struct Value {
    pub text: String,
    pub origin: Origin,
}

/// A setting as people see it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Shown {
    pub key: &'static str,
    pub value: String,
    pub origin: String,
}

/// All settings, settled and checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub home: PathBuf,
    pub home_origin: Origin,
    values: BTreeMap<&'static str, Value>,
}

impl Config {
    /// Reads file and environment; `home` is already settled (flag, env or default).
    pub fn settle(home: PathBuf, home_origin: Origin) -> Result<Self, Failure> {
        let path = home.join("tallybook.toml");
        let mut faults = Vec::new();
        let mut from_file = read_file(&path, &mut faults);
        let mut values = BTreeMap::new();
        for setting in SETTINGS.iter() {
            let file = from_file.remove(setting.key);
            let secret = setting.secret.then(|| secret_file(setting, &mut from_file)).flatten();
            let value = match (std::env::var(setting.env), secret, file) {
                (Ok(text), ..) => Value { text, origin: Origin::Env(setting.env.to_owned()) },
                (Err(_), Some(secret), _) => {
                    let text = read_secret(&secret).unwrap_or_else(|why| {
                        faults.push(Fault::new(&format!("{}_file", setting.key), why));
                        String::new()
                    });
                    Value { text, origin: Origin::File(secret) }
                }
                (Err(_), None, Some(text)) => Value { text, origin: Origin::File(path.clone()) },
                (Err(_), None, None) => Value { text: setting.default.to_owned(), origin: Origin::Default },
            };
            values.insert(setting.key, value);
        }
        faults.extend(replaced(&mut from_file));
        for unknown in from_file.keys() {
            faults.push(Fault::new(unknown, unknown_setting(unknown)));
        }
        faults.extend(unknown_jobs_of_env());
        let config = Self { home, home_origin, values };
        config.check(&mut faults);
        if faults.is_empty() { Ok(config) } else { Err(Failure::settings(&path, faults)) }
    }

    /// As [`Self::settle`], for a home whose books are the SQLite file in it, whatever the settings say.
    pub fn settle_sqlite(home: PathBuf, home_origin: Origin) -> Result<Self, Failure> {
        let mut config = Self::settle(home, home_origin)?;
        if let Some(url) = config.values.get_mut("database_url") {
            url.text.clear();
        }
        Ok(config)
    }

    /// The text of a declared setting.
    pub fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", |v| v.text.as_str())
    }

    /// The text, or none if it is empty.
    pub fn optional(&self, key: &str) -> Option<&str> {
        Some(self.text(key)).filter(|t| !t.is_empty())
    }

    /// A whole number; [`Self::settle`] has checked it.
    pub fn number(&self, key: &str) -> u32 {
        self.text(key).parse().unwrap_or(0)
    }

    /// Threads for usage work.
    pub fn threads(&self) -> usize {
        match self.number("threads") {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => usize::try_from(n).unwrap_or(1),
        }
    }

    /// Addresses that get the report of each run.
    pub fn report_to(&self) -> Vec<String> {
        let addresses = self.text("report.mail_to").split(',').map(|a| a.trim().to_owned());
        addresses.filter(|a| !a.is_empty()).collect()
    }

    /// The home, and every setting with its settled value, secrets masked.
    pub fn shown(&self) -> Vec<Shown> {
        let home = Shown {
            key: "home",
            value: self.home.display().to_string(),
            origin: self.home_origin.to_string(),
        };
        let settings = SETTINGS.iter().map(|s| {
            let value = &self.values[s.key];
            let text = match value.text.as_str() {
                text if s.secret && !text.is_empty() => "•••".to_owned(),
                text if text.contains("://") => without_login(text),
                text => text.to_owned(),
            };
            Shown { key: s.key, value: text, origin: value.origin.to_string() }
        });
        std::iter::once(home).chain(settings).collect()
    }

    fn check(&self, faults: &mut Vec<Fault>) {
        self.check_numbers(faults);
        self.check_words(faults);
        self.check_urls(faults);
        for address in self.report_to() {
            if let Err(why) = check_address(&address) {
                faults.push(Fault::new("report.mail_to", why));
            }
        }
        let has_login = self.text("mail.transport") == "smtp" && self.optional("mail.user").is_some();
        if has_login && self.text("mail.tls") == "none" && !is_this_machine(self.text("mail.host")) {
            let message = format!(
                "a login needs encryption: `none` is for a relay on this machine, and mail.host is `{}`",
                self.text("mail.host")
            );
            faults.push(Fault::new("mail.tls", message));
        }
        for setting in SETTINGS.iter().filter(|s| s.key.starts_with("jobs.")) {
            let pattern = self.text(setting.key);
            if pattern != "off"
                && let Err(why) = timetable::check_pattern(pattern)
            {
                faults.push(Fault::new(setting.key, format!("`{pattern}` is not a cron pattern: {why}")));
            }
        }
    }

    fn check_numbers(&self, faults: &mut Vec<Fault>) {
        const RANGES: [(&str, u32, u32); 16] = [
            ("threads", 0, 1024),
            ("slice_payers", 1, 5000),
            ("catch_up_max", 1, 1000),
            ("bounds.invoices_per_payer", 0, 1_000_000),
            ("bounds.amount_growth_pct", 0, 1_000_000),
            ("bounds.days_ahead", 0, 36_500),
            ("inbox.still_s", 0, 300),
            ("api.rate_per_second", 0, 1_000_000),
            ("api.rate_burst", 1, 1_000_000),
            ("mail.port", 1, 65535),
            ("backup.keep", 1, 1000),
            ("retention.years", 0, 100),
            ("datev.consultant", 1_001, 9_999_999),
            ("datev.client", 1, 99_999),
            ("mail.timeout_s", 1, 600),
            ("mail.per_second", 0, 100_000),
        ];
        for (key, low, high) in RANGES {
            let text = self.text(key);
            if !text.parse::<u32>().is_ok_and(|n| (low..=high).contains(&n)) {
                let message = format!("`{text}` is not a whole number from {low} to {high}");
                faults.push(Fault::new(key, message));
            }
        }
    }

    fn check_words(&self, faults: &mut Vec<Fault>) {
        let dates = DATE_FORMATS.map(|(name, _)| name);
        let choices: [(&str, &[&str]); 6] = [
            ("log.format", &["text", "json"]),
            ("bank.csv_decimal", &[".", ","]),
            ("bank.csv_delimiter", &["", ",", ";", "tab"]),
            ("bank.csv_date_format", &dates),
            ("mail.transport", &["files", "smtp"]),
            ("mail.tls", &["", "none", "starttls", "tls"]),
        ];
        for (key, words) in choices.into_iter().filter(|(key, words)| !words.contains(&self.text(key))) {
            let message = format!("`{}` is not one of {}", self.text(key), words.join(", "));
            faults.push(Fault::new(key, message));
        }
        let currency = self.text("bank.csv_default_currency");
        if currency.parse::<domain::money::Currency>().is_err() {
            faults.push(Fault::new("bank.csv_default_currency", format!("`{currency}` is no currency")));
        }
        if !["true", "false"].contains(&self.text("webhooks.allow_private")) {
            faults.push(Fault::new("webhooks.allow_private", "is neither true nor false".to_owned()));
        }
    }

    fn check_urls(&self, faults: &mut Vec<Fault>) {
        let url = self.text("database_url");
        if !url.is_empty() && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            faults.push(Fault::new(
                "database_url",
                "is not a postgres:// URL; leave it unset for SQLite".to_owned(),
            ));
        }
        for key in ["usage_url", "documents_url"] {
            if self.optional(key).is_some_and(|url| !is_bucket_url(url)) {
                faults.push(Fault::new(
                    key,
                    format!("`{}` is not of the form s3://bucket/prefix", without_login(self.text(key))),
                ));
            }
        }
        let endpoint = self.text("s3.endpoint");
        if !endpoint.is_empty() && !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            let shown = without_login(endpoint);
            faults.push(Fault::new("s3.endpoint", format!("`{shown}` is not an http:// or https:// URL")));
        }
        for key in ["ping.url", "ping.fail_url"] {
            if let Some(Err(why)) = self.optional(key).map(check_ping_url) {
                faults.push(Fault::new(key, why));
            }
        }
    }
}

/// What is said of a setting that there is none of: the nearest one, and the jobs of the timetable by name.
fn unknown_setting(key: &str) -> String {
    let near = domain::book_file::nearest(key, SETTINGS.iter().map(|s| s.key))
        .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    if !key.starts_with("jobs.") {
        return format!("there is no such setting{near}");
    }
    let known: Vec<&str> = TimedJob::ALL.iter().map(|job| job.name()).collect();
    format!("the timetable has no such job{near}; there are {}", known.join(", "))
}

/// Jobs of the timetable that the environment names and nobody knows.
fn unknown_jobs_of_env() -> Vec<Fault> {
    let named = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    named
        .filter(|name| name.starts_with("TALLYBOOK_JOBS_") && !SETTINGS.iter().any(|s| s.env == name))
        .map(|name| {
            let key = name.trim_start_matches("TALLYBOOK_JOBS_").to_lowercase();
            Fault::new(&name, unknown_setting(&format!("jobs.{key}")))
        })
        .collect()
}

/// Whether a host is this machine by its name alone: nothing is looked up.
fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The file that holds a secret: `<KEY>_FILE` of the environment, else `<key>_file` of the settings. So a secret need not
/// stand in either: systemd's credentials and mounted secrets are files.
fn secret_file(setting: &Setting, from_file: &mut BTreeMap<String, String>) -> Option<PathBuf> {
    let named = from_file.remove(&format!("{}_file", setting.key));
    let path = std::env::var(format!("{}_FILE", setting.env)).ok().or(named)?;
    Some(PathBuf::from(path)).filter(|path| !path.as_os_str().is_empty())
}

/// The first line of a secret's file.
fn read_secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut text = String::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|e| format!("cannot read {shown}: {e}"))?;
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(format!("{shown} is empty")),
    }
}

/// Settings of earlier versions that another one has taken the place of, in the file or in the environment.
fn replaced(from_file: &mut BTreeMap<String, String>) -> Vec<Fault> {
    const OLD: [(&str, &str, &str); 1] = [(
        "bounds.months_ahead",
        "TALLYBOOK_BOUNDS_MONTHS_AHEAD",
        "was replaced by bounds.days_ahead: days instead of months, 31 unless set",
    )];
    OLD.iter()
        .filter_map(|(key, env, now)| {
            let in_file = from_file.remove(*key).is_some();
            let in_env = std::env::var(env).is_ok();
            (in_file || in_env).then(|| Fault::new(if in_file { key } else { env }, (*now).to_owned()))
        })
        .collect()
}

fn read_file(path: &Path, faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return BTreeMap::new(),
        Err(e) => {
            faults.push(Fault::new("", format!("cannot read {}: {e}", path.display())));
            return BTreeMap::new();
        }
    };
    let mut flat = BTreeMap::new();
    match text.parse::<toml::Table>() {
        Ok(table) => flatten("", &table, &mut flat),
        Err(e) => faults.push(Fault::new("", toml_fault(&text, &e))),
    }
    flat
}

/// Where the file cannot be read and why, without the line itself: it may be the one with the password.
fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let message = error.message().lines().next().unwrap_or_default();
    // The parser quotes what it did not expect.
    let message =
        message.split(['`', '"', '\'']).next().unwrap_or_default().trim_end_matches([' ', ':', ',']);
    format!("line {line}, column {column}: {message}")
}

/// A URL as it may be shown: without what stands before the host.
fn without_login(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://•••@{host}"),
            None => url.to_owned(),
        },
        None => url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, host)| format!("•••@{host}")),
    }
}

fn flatten(prefix: &str, table: &toml::Table, flat: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, flat),
            toml::Value::String(text) => drop(flat.insert(key, text.clone())),
            toml::Value::Boolean(false) if key.starts_with("jobs.") => {
                drop(flat.insert(key, "off".to_owned()))
            }
            other => drop(flat.insert(key, other.to_string())),
        }
    }
}

/// A commented `tallybook.toml` with every setting at its default.
pub fn commented_file() -> String {
    let mut text = String::from(
        "# Settings of this tallybook home. A flag beats the environment, which beats this file, which beats the default.\n\
         # `tallybook config` shows every value in force and where it comes from.\n",
    );
    let mut section = "";
    for setting in SETTINGS.iter() {
        let (in_section, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if in_section != section {
            section = in_section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let numeric = setting.default.parse::<u32>().is_ok();
        let value = if numeric { setting.default.to_owned() } else { format!("{:?}", setting.default) };
        let file = if setting.secret {
            format!("; {key}_file or {}_FILE name a file", setting.env)
        } else {
            String::new()
        };
        text.push_str(&format!("# {} (env {}{file})\n# {key} = {value}\n", setting.help, setting.env));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Help lines may say ` = ` too, but not after one word.
    fn is_setting(line: &str) -> bool {
        line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    }

    #[test]
    fn the_commented_file_is_valid_and_changes_nothing() {
        let uncommented: String = commented_file()
            .lines()
            .map(|l| l.strip_prefix("# ").filter(|l| is_setting(l)).unwrap_or(l).to_owned() + "\n")
            .collect();
        let table: toml::Table = uncommented.parse().expect("valid TOML");
        let mut flat = BTreeMap::new();
        flatten("", &table, &mut flat);
        assert_eq!(flat.len(), SETTINGS.len());
        for setting in SETTINGS.iter() {
            assert_eq!(flat[setting.key], setting.default, "{}", setting.key);
        }
    }
}
