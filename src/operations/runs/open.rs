//! `open_run`: fixes what a run bills and reads, and hands out its first slice.
//!
//! Key that makes a repeat quiet: one unfinished run per scope; asking again returns that run.

use crate::context::Context;
use crate::runs::flow;
use chrono::{Days, NaiveDate};
use domain::journal::{Action, Object};
use domain::run::{ItemState, Scope};
use store::payer;
use store::run::{self, Opened, Run, RunItem, RunOptions};

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub scope: Scope,
    pub as_of: NaiveDate,
    pub options: RunOptions,
    /// How far after today the as-of may lie.
    pub reach: Reach,
    /// Who asked: an operator, or the timetable.
    pub actor: String,
}

/// How far ahead of today somebody means to bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At most `bounds.days_ahead`.
    Bounded,
    /// Asked for in so many words.
    Ahead,
}

/// Why a run is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is loaded yet.
    #[error("the book is empty: there is nothing to bill")]
    EmptyBook,
    /// A mistyped year would bill for years ahead (rules I9).
    #[error("{asked} is more than {days_ahead} days (bounds.days_ahead) after today, {today}")]
    TooFarAhead { asked: NaiveDate, today: NaiveDate, days_ahead: u32 },
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
pub async fn open(ctx: &Context, request: &Request) -> anyhow::Result<Outcome> {
    let mut tx = ctx.store.begin().await?;
    run::lock_opening(&mut tx).await?;
    if let Some(run) = run::unfinished(&mut tx, &request.scope).await? {
        return Ok(Outcome::Unfinished(run));
    }
    if let Some(refusal) = refuse(ctx, &mut tx, request).await? {
        return Ok(Outcome::Refused(refusal));
    }
    let payers = payer::payers(&mut tx, &request.scope).await?;
    if let Some(missing) =
        request.scope.customers.iter().find(|a| !payers.iter().any(|p| &p.account_number == *a))
    {
        return Ok(Outcome::Refused(Refusal::UnknownCustomer(missing.clone())));
    }
    let later = run::booked_later(&mut tx, request.as_of).await?;
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
            state: if later.contains_key(&payer.id) { ItemState::Nothing } else { ItemState::Open },
            reason: later.get(&payer.id).copied().map(left_out),
            attempts: 0,
            revision: payer.revision,
            hash: None,
            drafts: 0,
            invoices: 0,
            released: false,
        })
        .collect();
    run::save_items(&mut tx, run.id, &items).await?;
    flow::begin(&mut tx, run.id).await?;
    let detail = serde_json::json!({"as_of": run.as_of, "scope": run.scope.key(), "payers": items.len()});
    ctx.note(&mut tx, &request.actor, Action::OpenRun, Object::Run(run.ordinal), detail).await?;
    tx.commit().await?;
    ctx.ring();
    Ok(Outcome::New(run))
}

/// Why a payer is left out of a run: one as of a later day has booked something of it (rules I9).
pub fn left_out(later: NaiveDate) -> String {
    format!("left out: a run as of {later} has billed it already")
}

/// What keeps this request from becoming a run; asked before anything is written, and by previews.
pub async fn refuse(ctx: &Context, tx: &mut store::Tx, request: &Request) -> anyhow::Result<Option<Refusal>> {
    let Some(catalogue) = store::catalogue::load(tx).await? else {
        return Ok(Some(Refusal::EmptyBook));
    };
    if let Some(unit) = &request.scope.business_unit
        && !catalogue.business_units.contains_key(unit)
    {
        return Ok(Some(Refusal::UnknownUnit(unit.clone())));
    }
    let today = domain::zone::local_date((ctx.now)(), catalogue.tenant.timezone);
    let days_ahead = ctx.settings.days_ahead;
    let last = today.checked_add_days(Days::new(u64::from(days_ahead)));
    let is_too_far = request.reach == Reach::Bounded && last.is_some_and(|last| request.as_of > last);
    Ok(is_too_far.then_some(Refusal::TooFarAhead { asked: request.as_of, today, days_ahead }))
}
