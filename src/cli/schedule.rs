//! `schedule`: the timetable with last and next times, and why it has stopped if it has.

use crate::app::App;
use crate::cli::wording;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use operations::Actor;
use operations::home::timetable::{self, Line};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The clock is right: let a timetable that has stopped go on from now
    #[arg(long)]
    go_on: bool,
}

/// Times are shown in the tenant's zone, as they are stored. A timetable that has stopped waits for a person.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    if args.go_on {
        timetable::go_on(&app.ctx, &Actor::Person(super::operator())).await?;
    }
    let shown = timetable::shown(&app.ctx).await?;
    if let Some(why) = &shown.standstill {
        output.say(&format!("the timetable has stopped: {why}"));
        output.say(&format!("hint: {}", wording::way_out(&why.way_out())));
    }
    let exit = if shown.standstill.is_some() { Exit::SetAside } else { Exit::Done };
    if output.is_json() {
        output.document(&shown);
        return Ok(exit);
    }
    // In the tenant's zone: which one that is stands in the JSON answer.
    let time = |t: &Option<String>| match t {
        Some(at) => at.chars().take("2026-01-01T02:00".len()).collect::<String>().replace('T', " "),
        None => "–".to_owned(),
    };
    let row = |r: &Line| {
        vec![r.job.name().to_owned(), r.pattern.clone(), time(&r.last), time(&r.next), r.missed.to_string()]
    };
    let rows = shown.lines.iter().map(row).collect();
    let columns = [
        Column::Left("job"),
        Column::Left("pattern"),
        Column::Left("last"),
        Column::Left("next"),
        Column::Right("missed"),
    ];
    output.table(&columns, rows);
    output.say("change times in tallybook.toml under [jobs]; `tallybook worker` keeps the timetable");
    Ok(exit)
}
