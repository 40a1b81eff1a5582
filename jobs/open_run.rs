//! `open_run`: fixes what a run bills and reads, and hands out its first slice.
//!
//! Key that makes a repeat quiet: one unfinished run per scope; asking again returns that run.

use crate::context::JobContext;
use crate::ticket;
use chrono::NaiveDate;
use domain::journal::{Action, Object};
use domain::run::{ItemState, Scope, Step};
use store::payer;
use store::run::{self, Opened, Run, RunItem, RunOptions};

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub scope: Scope,
    pub as_of: NaiveDate,
    pub options: RunOptions,
    /// Who asked: an operator, or the timetable.
    pub actor: String,
}

/// Why a run is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is loaded yet.
    #[error("the book is empty: there is nothing to bill")]
    EmptyBook,
    /// Runs go forward.
    #[error("a run as of {latest} has been made, so {asked} is too early")]
    BeforeLastRun { asked: NaiveDate, latest: NaiveDate },
    /// A customer of the scope is not in the book.
    #[error("no payer has the account number {0}")]
    UnknownCustomer(String),
    /// A business unit of the scope is not in the book.
    #[error("there is no business unit {0}")]
    UnknownUnit(String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    New(Run),
    /// A run of this scope is unfinished and goes on first.
    Unfinished(Run),
    Refused(Refusal),
}

/// Opens a run in one transaction: run, payer items, the slice that rates, its ticket.
pub async fn open(ctx: &JobContext, request: &Request) -> anyhow::Result<Outcome> {
    let mut tx = ctx.store.begin().await?;
    run::lock_opening(&mut tx).await?;
    if let Some(run) = run::unfinished(&mut tx, &request.scope).await? {
        return Ok(Outcome::Unfinished(run));
    }
    if let Some(refusal) = refuse(&mut tx, request).await? {
        return Ok(Outcome::Refused(refusal));
    }
    let payers = payer::payers(&mut tx, &request.scope).await?;
    if let Some(missing) =
        request.scope.customers.iter().find(|a| !payers.iter().any(|p| &p.account_number == *a))
    {
        return Ok(Outcome::Refused(Refusal::UnknownCustomer(missing.clone())));
    }
    let now = (ctx.now)();
    let opened = run::open(&mut tx, &request.scope, request.as_of, &request.options, now).await?;
    let run = match opened {
        Opened::Unfinished(run) => return Ok(Outcome::Unfinished(run)),
        Opened::New(run) => run,
    };
    let items: Vec<RunItem> = payers
        .into_iter()
        .zip(0u32..)
        .map(|(payer, position)| RunItem {
            payer: payer.id,
            account_number: payer.account_number,
            position,
            slice: position / u32::try_from(ctx.settings.slice_payers).unwrap_or(u32::MAX),
            state: ItemState::Open,
            reason: None,
            attempts: 0,
            revision: payer.revision,
            hash: None,
            drafts: 0,
            invoices: 0,
        })
        .collect();
    run::save_items(&mut tx, run.id, &items).await?;
    ticket::start(&mut tx, run.id, Step::Rate, 1).await?;
    let detail = serde_json::json!({"as_of": run.as_of, "scope": run.scope.key(), "payers": items.len()});
    ctx.note(&mut tx, &request.actor, Action::OpenRun, Object::Run(run.ordinal), detail).await?;
    tx.commit().await?;
    ctx.ring();
    Ok(Outcome::New(run))
}

async fn refuse(tx: &mut store::Tx, request: &Request) -> anyhow::Result<Option<Refusal>> {
    let Some(catalogue) = store::catalogue::load(tx).await? else {
        return Ok(Some(Refusal::EmptyBook));
    };
    if let Some(unit) = &request.scope.business_unit
        && !catalogue.business_units.contains_key(unit)
    {
        return Ok(Some(Refusal::UnknownUnit(unit.clone())));
    }
    let latest = run::latest_as_of(tx).await?;
    Ok(latest
        .filter(|latest| *latest > request.as_of)
        .map(|latest| Refusal::BeforeLastRun { asked: request.as_of, latest }))
}
