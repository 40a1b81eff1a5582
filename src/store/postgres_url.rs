//! The URL of a PostgreSQL database, read without ever saying what is secret in it.

use crate::open::OpenError;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;

/// Parameters that the driver knows.
const KNOWN: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// What the URL asks for. Parameters that the driver does not know are left out, and named without their values: it would
/// write them into the log.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(OpenError::Url("it does not begin with postgres://".to_owned()));
    }
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, _) = pair.split_once('=').unwrap_or((pair, ""));
        if KNOWN.contains(&key) || key.starts_with("options[") {
            kept.push(pair);
        } else {
            tracing::warn!(
                parameter = key,
                "the database URL has a parameter that is not known here: left out"
            );
        }
    }
    let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    PgConnectOptions::from_str(&url).map_err(|error| OpenError::Url(reason(&error)))
}

/// Why the driver refuses, without its quotation of a value.
fn reason(error: &sqlx::Error) -> String {
    let said = error.to_string();
    match said.split_once("unknown value") {
        Some(_) => "its sslmode is not one of disable, prefer, require, verify-ca, verify-full".to_owned(),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_parse_is_refused_without_its_password() {
        for url in [
            "mysql://u:hunter2@host/db",
            "postgres://u:hunter2/x@host/db",
            "postgres://u:hunter2@host:port/db",
            "postgres://u:hunter2@host/db?sslmode=hunter2",
            "postgres://u:hunter2@host/db?port=hunter2",
            "postgres://u@host/db?password=hunter2&hostaddr=hunter2",
        ] {
            let refused = options(url).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{url}: {refused}");
        }
        let read = options("postgresql://u@host/db?passwort=hunter2&sslmode=verify-full&connect_timeout=9");
        assert_eq!(read.unwrap().get_host(), "host");
    }
}
