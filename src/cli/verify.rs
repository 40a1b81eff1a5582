//! `verify`: check every equality again, from files to ledger (rules L4).

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped};

#[derive(Debug, clap::Args)]
pub struct Args {}

/// Exit code 2 with the first differences if anything does not agree.
pub async fn run(_: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let verified = operations::ledger::verify::verify(&app.ctx).await?;
    if output.is_json() {
        output.document(&verified);
    } else {
        let rows = verified
            .checks
            .iter()
            .map(|c| {
                let word = if c.ok { "ok" } else { "DIFFERS" };
                vec![
                    word.to_owned(),
                    c.name.to_owned(),
                    grouped(c.count),
                    c.difference.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let columns = [
            Column::Left(""),
            Column::Left("check"),
            Column::Right("checked"),
            Column::Left("first difference"),
        ];
        output.table(&columns, rows);
        output.line(if verified.ok { "everything agrees" } else { "something does not agree" });
        if !verified.ok {
            output.say("hint: do not run or export before this is understood; restore a backup into another --home and compare");
        }
    }
    Ok(if verified.ok { Exit::Done } else { Exit::Fault })
}
