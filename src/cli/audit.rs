//! `audit`: who did what, newest first. The audit log behind it is append-only and holds no secrets.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use domain::NaiveDate;
use operations::ledger::audit::{self, Filter};

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
    let filter = Filter { object: args.object, actor: args.actor, since: args.since };
    let records = audit::newest(&app.ctx, &filter, args.limit).await?;
    if output.is_json() {
        output.document(&records);
        return Ok(Exit::Done);
    }
    if records.is_empty() {
        output.say("nothing of that kind has been done");
    }
    let zone = app.catalogue().await?.tenant.timezone;
    let rows = records.iter().map(|r| {
        let at = r.at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string();
        vec![at, r.actor.clone(), r.action.clone(), r.object.clone(), r.detail.to_string()]
    });
    let columns = ["at", "who", "did", "to", "with"].map(Column::Left);
    output.table(&columns, rows.collect());
    Ok(Exit::Done)
}

/// Every record after one, as it stands in the chain.
async fn lines(app: &App, mut after: u64, output: &Output) -> Result<Exit, Failure> {
    loop {
        let page = audit::links(&app.ctx, after).await?;
        let Some(last) = page.last() else { return Ok(Exit::Done) };
        after = last.ordinal;
        for link in &page {
            output.line(&serde_json::to_string(link).map_err(anyhow::Error::from)?);
        }
    }
}
