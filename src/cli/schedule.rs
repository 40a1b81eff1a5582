//! `schedule`: the timetable with last and next times.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};

#[derive(Debug, clap::Args)]
pub struct Args {}

/// Times are shown in the tenant's zone.
pub async fn run(_: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let rows = jobs::schedule::shown(&app.ctx).await?;
    if output.is_json() {
        output.document(&rows);
        return Ok(Exit::Done);
    }
    let time = |t: &Option<String>| t.clone().unwrap_or_else(|| "–".to_owned());
    let rows = rows
        .iter()
        .map(|r| vec![r.job.clone(), r.pattern.clone(), time(&r.last), time(&r.next), r.missed.to_string()])
        .collect();
    let columns = [
        Column::Left("job"),
        Column::Left("pattern"),
        Column::Left("last"),
        Column::Left("next"),
        Column::Right("missed"),
    ];
    output.table(&columns, rows);
    output.say("change times in tallybook.toml under [jobs]; `tallybook worker` keeps the timetable");
    Ok(Exit::Done)
}
