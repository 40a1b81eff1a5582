//! `config`: every setting, its value and where it comes from.

use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};

#[derive(Debug, clap::Args)]
pub struct Args {}

/// Secrets are masked.
pub fn run(_: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let mut rows = vec![("home", config.home.display().to_string(), config.home_origin.to_string())];
    rows.extend(config.shown());
    if output.is_json() {
        let settings: Vec<_> = rows
            .iter()
            .map(|(key, value, origin)| serde_json::json!({"key": key, "value": value, "origin": origin}))
            .collect();
        output.document(&settings);
    } else {
        let columns = [Column::Left("setting"), Column::Left("value"), Column::Left("from")];
        output.table(&columns, rows.into_iter().map(|(k, v, o)| vec![k.to_owned(), v, o]).collect());
    }
    Ok(Exit::Done)
}
