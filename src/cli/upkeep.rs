//! `upkeep`: what the timetable does every night, for those who run without a worker.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped};

#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prunes, deletes what nobody needs, and compacts the usage store; what is booked is never touched.
pub async fn run(_: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let removed = operations::home::upkeep::run(&app.ctx).await?;
    if output.is_json() {
        output.document(&removed);
        return Ok(Exit::Done);
    }
    let rows = [
        ("finished tasks pruned", removed.tasks),
        ("past times of the timetable pruned", removed.ticks),
        ("imports abandoned, as their writer died", removed.imports),
        ("unused files deleted", removed.files),
        ("files by which the usage store shrank", removed.compacted),
    ];
    let rows = rows.iter().map(|(what, count)| vec![(*what).to_owned(), grouped(*count)]).collect();
    output.table(&[Column::Left("upkeep"), Column::Right("")], rows);
    Ok(Exit::Done)
}
