//! `open_run`: fixes what a run bills and reads, and hands out its first slice.
//!
//! Idempotency key: one unfinished run per scope; asking again returns that run.

use crate::act::{Act, too_far_ahead};
use crate::context::Context;
use crate::refusal::Stop;
use crate::runs::flow;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::audit::{Action, Object};
use domain::catalogue::Catalogue;
use domain::ids::RunId;
use domain::refusal::{Code, Refusal, Verb};
use domain::run::{ItemState, RunState, Scope, Step};
use store::Tx;
use store::payer::{self, PayerRef};
use store::run::{self, Run, RunItem, RunOptions};

/// A run that is asked for: as of the day of the act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub scope: Scope,
    /// Steps that are left out: render, send, collect.
    pub skip: Vec<Step>,
    /// Stop at drafts until they are approved.
    pub review: bool,
    /// Book only if the run hash is this one.
    pub expect: Option<String>,
    /// How far after today the day may lie.
    pub reach: Reach,
}

impl NewRun {
    /// Every payer, every step.
    pub fn of_all(reach: Reach) -> Self {
        Self { scope: Scope::default(), skip: Vec::new(), review: false, expect: None, reach }
    }

    pub(crate) fn options(&self) -> RunOptions {
        RunOptions { skip: self.skip.clone(), review: self.review, expect: self.expect.clone() }
    }
}

/// How far ahead of today somebody means to bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At most `bounds.days_ahead`.
    Bounded,
    /// Asked for in so many words.
    Ahead,
}

/// The run that is to be worked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub id: RunId,
    pub run: u64,
    pub as_of: NaiveDate,
    pub state: RunState,
    /// It was opened before: an unfinished run of the scope goes first.
    pub goes_on: bool,
}

impl Opened {
    fn of(run: &Run, goes_on: bool) -> Self {
        Self { id: run.id, run: run.ordinal, as_of: run.as_of, state: run.state, goes_on }
    }
}

/// Opens a run in one transaction: run, payer items, the slice that rates, its ticket.
///
/// What has come over HTTP by now is moved into the usage store first, so that this run bills it.
pub async fn open(ctx: &Context, act: &Act, what: &NewRun) -> Result<Opened, Stop> {
    store::request::beside(crate::usage::waiting::move_all(ctx)).await?;
    let mut tx = ctx.store.begin().await?;
    run::lock_opening(&mut tx).await?;
    if let Some(run) = run::unfinished(&mut tx, &what.scope).await? {
        return Ok(Opened::of(&run, true));
    }
    refuse(ctx, &mut tx, act, what).await?;
    let payers = payers(&mut tx, &what.scope).await?;
    let later = run::booked_later(&mut tx, act.on).await?;
    let opened = run::open(&mut tx, &what.scope, act.on, &what.options(), (ctx.now)()).await?;
    let run = match opened {
        store::run::Opened::Unfinished(run) => return Ok(Opened::of(&run, true)),
        store::run::Opened::New(run) => run,
    };
    let slice_payers = ctx.settings.slice_of(payers.len());
    let items: Vec<RunItem> = payers
        .into_iter()
        .zip(0u32..)
        .map(|(payer, position)| RunItem {
            payer: payer.id,
            account_number: payer.account_number,
            position,
            slice: position / slice_payers,
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
    ctx.note(&mut tx, &act.actor, Action::OpenRun, Object::Run(run.ordinal), detail).await?;
    store::request::made(&mut tx, run.id.0).await?;
    tx.commit().await?;
    ctx.ring();
    Ok(Opened::of(&run, false))
}

/// The run of this id, as it is after it was opened.
pub async fn opened(ctx: &Context, id: RunId) -> Result<Opened, Stop> {
    let run = run::by_id(&mut ctx.store.read().await?, id).await?;
    Ok(Opened::of(&run.context("the run is gone")?, false))
}

/// The payers of a scope; every customer that it names is one.
pub(crate) async fn payers(tx: &mut Tx, scope: &Scope) -> Result<Vec<PayerRef>, Stop> {
    let payers = payer::payers(tx, scope).await?;
    let is_there = |account: &String| payers.iter().any(|p| &p.account_number == account);
    match scope.customers.iter().find(|account| !is_there(account)) {
        None => Ok(payers),
        Some(missing) => {
            let message = format!("no payer has the account number {missing}");
            let refusal = Refusal::new(Code::UnknownCustomer, message)
                .hint("a customer who bills to a parent is billed with it; ")
                .ask(Verb::ListInvoices.plain())
                .hint(" lists account numbers");
            Err(refusal.into())
        }
    }
}

/// Why a payer is left out of a run: one as of a later day has booked something of it (rules I9).
pub fn left_out(later: NaiveDate) -> String {
    format!("left out: a run as of {later} has billed it already")
}

/// What keeps this from becoming a run; asked before anything is written, and by previews.
pub(crate) async fn refuse(ctx: &Context, tx: &mut Tx, act: &Act, what: &NewRun) -> Result<(), Stop> {
    let catalogue = store::catalogue::load(tx).await?.ok_or_else(nothing_to_bill)?;
    if let Some(unit) = &what.scope.business_unit
        && !catalogue.business_units.contains_key(unit)
    {
        let message = format!("there is no business unit {unit}");
        let refusal = Refusal::new(Code::UnknownBusinessUnit, message);
        return Err(refusal.hint("business units are named by refkey").into());
    }
    Ok(insist_reach(ctx, &catalogue, act.on, what.reach, Verb::Run)?)
}

/// A mistyped year would bill, or remind, for years ahead (rules I9).
pub(crate) fn insist_reach(
    ctx: &Context,
    catalogue: &Catalogue,
    asked: NaiveDate,
    reach: Reach,
    verb: Verb,
) -> Result<(), Refusal> {
    match too_far_ahead(ctx, catalogue, asked).filter(|_| reach == Reach::Bounded) {
        None => Ok(()),
        Some(refusal) => Err(refusal
            .hint("is the year right? If it is meant: ")
            .ask(verb.plain().with("as_of", asked).switch("ahead"))),
    }
}

fn nothing_to_bill() -> Refusal {
    Refusal::new(Code::EmptyBook, "the book is empty: there is nothing to bill")
        .hint("load one first: ")
        .ask(Verb::LoadBook.on("book.json"))
}
