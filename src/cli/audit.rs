//! `audit`: who did what, newest first. The journal behind it is append-only and holds no secrets.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use domain::NaiveDate;
use store::journal::{self, Filter};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what was done to this object, as the list names it: `run 18`, `invoice INV-0000007`
    #[arg(long, value_name = "OBJECT")]
    object: Option<String>,
    /// Only what this person or job did
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only from this day on (tenant-local)
    #[arg(long, value_name = "DATE")]
    since: Option<NaiveDate>,
    /// One JSON object per line, oldest first, with ordinal and hash: for a log store
    #[arg(long, conflicts_with_all = ["object", "actor", "since", "limit"])]
    lines: bool,
    /// Only records after this one, with --lines
    #[arg(long, value_name = "ORDINAL", default_value_t = 0, requires = "lines")]
    after: u64,
    /// Rows at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Times are shown in the tenant's zone.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    if args.lines {
        return lines(&app, args.after, output).await;
    }
    let zone = app.catalogue().await?.tenant.timezone;
    let filter = Filter {
        object: args.object,
        actor: args.actor,
        since: args.since.map(|day| domain::zone::start_of_day(day, zone)),
    };
    let mut tx = app.store.read().await?;
    let records = journal::newest(&mut tx, &filter, args.limit).await?;
    if output.is_json() {
        let rows: Vec<_> = records
            .iter()
            .map(|r| serde_json::json!({"at": r.at, "actor": r.actor, "action": r.action, "object": r.object, "detail": r.detail}))
            .collect();
        output.document(&rows);
        return Ok(Exit::Done);
    }
    if records.is_empty() {
        output.say("nothing of that kind has been done");
    }
    let rows = records
        .iter()
        .map(|r| {
            let at = r.at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string();
            vec![at, r.actor.clone(), r.action.clone(), r.object.clone(), r.detail.to_string()]
        })
        .collect();
    let columns = ["at", "who", "did", "to", "with"].map(Column::Left);
    output.table(&columns, rows);
    Ok(Exit::Done)
}

/// Records read together.
const PAGE: u32 = 5_000;

/// Every record after one, as it stands in the chain; one of a version that kept no chain has no hash.
async fn lines(app: &App, mut after: u64, output: &Output) -> Result<Exit, Failure> {
    let mut tx = app.store.read().await?;
    loop {
        let page = journal::page(&mut tx, after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(Exit::Done) };
        after = *last;
        for (ordinal, record) in &page {
            let line = match record {
                Some(r) => {
                    serde_json::json!({"ordinal": ordinal, "at": r.at, "actor": r.actor, "action": r.action,
                    "object": r.object, "detail": r.detail, "hash": r.hash.to_string()})
                }
                None => serde_json::json!({"ordinal": ordinal, "hash": null}),
            };
            output.line(&line.to_string());
        }
    }
}
