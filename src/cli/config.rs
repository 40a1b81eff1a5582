//! `config`: every setting, its value and where it comes from.

use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};

#[derive(Debug, clap::Args)]
pub struct Args {}

/// Secrets are masked.
pub fn run(_: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let settings = config.shown();
    if output.is_json() {
        output.document(&settings);
    } else {
        let columns = [Column::Left("setting"), Column::Left("value"), Column::Left("from")];
        let rows = settings.into_iter().map(|shown| vec![shown.key.to_owned(), shown.value, shown.origin]);
        output.table(&columns, rows.collect());
    }
    Ok(Exit::Done)
}
