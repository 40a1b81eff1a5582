//! `schedule`: the timetable with last and next times, and why it stands still if it does.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use operations::home::timetable;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The clock is right: let a timetable that stands still go on from now
    #[arg(long)]
    go_on: bool,
}

/// Times are shown in the tenant's zone, as they are stored. A timetable that stands still waits for a person.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    if args.go_on {
        timetable::go_on(&app.ctx, &super::operator()).await?;
    }
    let (lines, standstill) = timetable::shown(&app.ctx).await?;
    if let Some(why) = &standstill {
        output.say(&format!("the timetable stands still: {why}"));
    }
    let exit = if standstill.is_some() { Exit::SetAside } else { Exit::Done };
    if output.is_json() {
        output.document(&lines);
        return Ok(exit);
    }
    let time = |t: &Option<String>| t.clone().unwrap_or_else(|| "–".to_owned());
    let rows = lines
        .iter()
        .map(|r| {
            vec![
                r.job.name().to_owned(),
                r.pattern.clone(),
                time(&r.last),
                time(&r.next),
                r.missed.to_string(),
            ]
        })
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
    Ok(exit)
}
