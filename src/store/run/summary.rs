//! A run as an operator sees it.

use super::{Run, effects, left_out};
use crate::delivery;
use crate::tx::{Tx, on};
use crate::words::count;
use domain::ids::RunId;
use domain::run::{ItemState, MailCounts, PaymentCounts, RunSummary, RunTotal};

/// The run as an operator sees it, with mails, payments and what older runs left.
pub async fn summary(tx: &mut Tx, run: &Run) -> anyhow::Result<RunSummary> {
    let left_out = left_out(tx, run.id).await?.into_iter().map(|(account, _)| account).collect();
    Ok(RunSummary {
        mails: delivery::counts_of_run(tx, run.id).await?,
        payments: effects::payments(tx, run.id).await?,
        older: effects::older(tx, run).await?,
        left_out,
        ..head(tx, run).await?
    })
}

async fn open_drafts(tx: &mut Tx, run: RunId) -> anyhow::Result<u64> {
    let n: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from draft where run = $1 and state = 'open'")
        .bind(run.0)
        .fetch_one(c)
        .await?);
    count(n, "draft")
}

/// The run in a list. Totals are of booked invoices, and of drafts until there are any.
pub async fn head(tx: &mut Tx, run: &Run) -> anyhow::Result<RunSummary> {
    let states: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "select state, count(*) from run_item where run = $1 group by state")
        .bind(run.id.0)
        .fetch_all(c)
        .await?);
    let of = |state: ItemState| {
        let n: i64 = states.iter().filter(|(s, _)| s == state.name()).map(|(_, n)| n).sum();
        count(n, "run_item")
    };
    let mut totals = totals(tx, run.id, Totals::Invoices).await?;
    let booked = totals.iter().map(|t| t.invoices).sum();
    if totals.is_empty() {
        totals = self::totals(tx, run.id, Totals::Drafts).await?;
    }
    Ok(RunSummary {
        id: run.id,
        ordinal: run.ordinal,
        as_of: run.as_of,
        scope: run.scope.clone(),
        state: run.state,
        payers: count(states.iter().map(|(_, n)| n).sum(), "run_item")?,
        invoiced: totals.iter().map(|t| t.invoices).sum(),
        booked,
        drafts: open_drafts(tx, run.id).await?,
        failed: failed(tx, run.id).await?,
        parked: of(ItemState::Parked)?,
        totals,
        usage: run.usage.clone().unwrap_or_default(),
        mails: MailCounts::default(),
        payments: PaymentCounts::default(),
        older: 0,
        left_out: Vec::new(),
        hash: run.hash.clone().unwrap_or_default(),
    })
}

/// Payers that a step set aside, and those of whose invoices one reaches nobody: each once.
async fn failed(tx: &mut Tx, run: RunId) -> anyhow::Result<u64> {
    let n: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*)
         from (select payer
               from run_item
               where run = $1 and state = 'failed'
               union
               select i.payer
               from delivery d
               join invoice i on i.id = d.invoice
               join customer c on c.id = i.payer
               where i.run = $1
                 and d.state = 'failed'
                 and d.closed_on is null
                 and coalesce(c.body ->> 'delivery', 'mail') <> 'none') failed")
        .bind(run.0)
        .fetch_one(c)
        .await?);
    count(n, "run_item")
}

enum Totals {
    Invoices,
    Drafts,
}

async fn totals(tx: &mut Tx, run: RunId, of: Totals) -> anyhow::Result<Vec<RunTotal>> {
    let sql = match of {
        Totals::Invoices => {
            "select currency, count(*), cast(sum(net_minor) as bigint), cast(sum(vat_minor) as bigint)
             from invoice
             where run = $1
             group by currency
             order by currency"
        }
        Totals::Drafts => {
            "select currency, count(*), cast(sum(net_minor) as bigint), cast(sum(vat_minor) as bigint)
             from draft
             where run = $1 and state = 'open'
             group by currency
             order by currency"
        }
    };
    let rows: Vec<(String, i64, i64, i64)> =
        on!(tx, c => sqlx::query_as(sql).bind(run.0).fetch_all(c).await?);
    rows.into_iter()
        .map(|(currency, invoices, net, vat)| {
            Ok(RunTotal {
                currency: currency.parse()?,
                invoices: count(invoices, "invoices")?,
                net_minor: i128::from(net),
                vat_minor: i128::from(vat),
            })
        })
        .collect()
}
