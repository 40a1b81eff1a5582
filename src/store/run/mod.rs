//! Runs and their payers. A run pins what it reads when it opens: the usage mark and the usage store's version
//! (rules Q5). The slices of its work are in [`crate::slice`].

pub mod attempts;
mod effects;
mod items;
pub mod notices;
pub mod requests;
mod summary;

pub use items::{RunItem, item_hashes, items, items_of, left_out, save_items};
pub use summary::{head, summary};

use crate::bulk::{Bulk, Cell};
use crate::outbox;
use crate::tx::{PerDriver, Tx, on};
use crate::words::{count, stored};
use crate::{counter, imports, segment};
use anyhow::{Context, anyhow};
use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::{CustomerId, Place, RunId, run_made};
use domain::run::{RunState, Scope, Step, UsageCounts};
use domain::webhook::Event;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How a run was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// Steps that are left out: send, collect.
    pub skip: Vec<Step>,
    /// Stop at drafts until `runs approve`.
    pub review: bool,
    /// Book only if the run hash is this one.
    pub expect: Option<String>,
}

/// A run as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: RunId,
    /// Counts runs from 1.
    pub ordinal: u64,
    pub scope: Scope,
    pub as_of: NaiveDate,
    pub state: RunState,
    /// Highest import number it reads.
    pub usage_mark: i64,
    /// Version of the usage store it reads.
    pub usage_version: i64,
    pub options: RunOptions,
    pub usage: Option<UsageCounts>,
    pub hash: Option<String>,
    pub opened_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// What came of asking for a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    New(Run),
    /// A run of the same scope is not finished: finish or cancel it first.
    Unfinished(Run),
}

#[derive(sqlx::FromRow)]
struct RunRow {
    id: Uuid,
    ordinal: i64,
    scope: Json<Scope>,
    as_of: NaiveDate,
    state: String,
    usage_mark: i64,
    usage_version: i64,
    options: Json<RunOptions>,
    usage: Option<Json<UsageCounts>>,
    hash: Option<String>,
    opened_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl TryFrom<RunRow> for Run {
    type Error = anyhow::Error;

    fn try_from(row: RunRow) -> anyhow::Result<Self> {
        Ok(Self {
            id: RunId(row.id),
            ordinal: count(row.ordinal, "run.ordinal")?,
            scope: row.scope.0,
            as_of: row.as_of,
            state: RunState::parse(&row.state).ok_or_else(|| anyhow!("run.state holds `{}`", row.state))?,
            usage_mark: row.usage_mark,
            usage_version: row.usage_version,
            options: row.options.0,
            usage: row.usage.map(|u| u.0),
            hash: row.hash,
            opened_at: row.opened_at,
            ended_at: row.ended_at,
        })
    }
}

macro_rules! select_run {
    ($rest:literal) => {
        concat!(
            "select id, ordinal, scope, as_of, state, usage_mark, usage_version, options, usage, hash, opened_at, ended_at
             from run ",
            $rest
        )
    };
}

/// The run as it is now; nobody else can move it until the transaction ends.
pub async fn locked(tx: &mut Tx, id: RunId) -> anyhow::Result<Run> {
    lock(tx, id).await?;
    by_id(tx, id).await?.with_context(|| format!("run {id} is gone"))
}

/// Nobody else can open a run until the transaction ends: what is checked before opening one stays true.
pub async fn lock_opening(tx: &mut Tx) -> anyhow::Result<()> {
    counter::take(tx, counter::RUN, 0).await.map(drop)
}

/// Opens a run, or returns the unfinished run of the same scope. Pins the usage mark and the usage version.
pub async fn open(
    tx: &mut Tx,
    scope: &Scope,
    as_of: NaiveDate,
    options: &RunOptions,
    now: DateTime<Utc>,
) -> anyhow::Result<Opened> {
    // The counter first: its lock makes two openings wait for one another.
    let ordinal = counter::take(tx, counter::RUN, 1).await?;
    let key = scope.key();
    if let Some(run) = unfinished(tx, scope).await? {
        return Ok(Opened::Unfinished(run));
    }
    let natural = format!("{key}\u{1f}{as_of}\u{1f}{ordinal}");
    let id = RunId(run_made(count(ordinal, "run.ordinal")?, Place::of(0), "run", &natural));
    let usage_version = segment::version(tx).await?;
    let usage_mark = imports::newest_number(tx).await?;
    let columns = &[
        "id",
        "ordinal",
        "scope_key",
        "scope",
        "as_of",
        "state",
        "usage_mark",
        "usage_version",
        "options",
        "opened_at",
    ];
    let mut rows = Bulk::into("run", columns);
    rows.row([
        id.0.into(),
        ordinal.into(),
        key.into(),
        Cell::json(scope)?,
        as_of.into(),
        RunState::Open.name().into(),
        usage_mark.into(),
        usage_version.into(),
        Cell::json(options)?,
        now.into(),
    ]);
    rows.insert(tx).await?;
    let run = by_id(tx, id).await?.context("the run was just written")?;
    Ok(Opened::New(run))
}

/// The run of this id.
pub async fn by_id(tx: &mut Tx, id: RunId) -> anyhow::Result<Option<Run>> {
    let row: Option<RunRow> =
        on!(tx, c => sqlx::query_as(select_run!("where id = $1")).bind(id.0).fetch_optional(c).await?);
    row.map(Run::try_from).transpose()
}

/// The run of this ordinal.
pub async fn by_ordinal(tx: &mut Tx, ordinal: u64) -> anyhow::Result<Option<Run>> {
    let row: Option<RunRow> = on!(tx, c => sqlx::query_as(select_run!("where ordinal = $1")).bind(stored(ordinal)).fetch_optional(c).await?);
    row.map(Run::try_from).transpose()
}

/// The open or reviewed run of this scope.
pub async fn unfinished(tx: &mut Tx, scope: &Scope) -> anyhow::Result<Option<Run>> {
    let row: Option<RunRow> = on!(tx, c => sqlx::query_as(
        select_run!("where scope_key = $1 and state in ('open', 'review')"))
        .bind(scope.key())
        .fetch_optional(c)
        .await?);
    row.map(Run::try_from).transpose()
}

/// Every open or reviewed run, oldest first.
pub async fn all_unfinished(tx: &mut Tx) -> anyhow::Result<Vec<Run>> {
    let rows: Vec<RunRow> = on!(tx, c => sqlx::query_as(
        select_run!("where state in ('open', 'review') order by ordinal")).fetch_all(c).await?);
    rows.into_iter().map(Run::try_from).collect()
}

/// The oldest run whose drafts are made and not all booked: one that waits for review, or is booking. What would move
/// prices waits for it.
pub async fn between_drafts_and_booking(tx: &mut Tx) -> anyhow::Result<Option<Run>> {
    let row: Option<RunRow> = on!(tx, c => sqlx::query_as(select_run!(
        "where state = 'review'
            or (state = 'open' and exists (select 1 from run_slice s
                                           where s.run = run.id and s.step = 'book' and s.state = 'open'))
         order by ordinal
         limit 1"))
        .fetch_optional(c)
        .await?);
    row.map(Run::try_from).transpose()
}

/// The newest runs first.
pub async fn newest(tx: &mut Tx, limit: u32) -> anyhow::Result<Vec<Run>> {
    let rows: Vec<RunRow> = on!(tx, c => sqlx::query_as(select_run!("order by ordinal desc limit $1"))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Run::try_from).collect()
}

/// Ordinal of the newest run, 0 if there is none: acts outside a run make their ids with it (rules S5).
pub async fn newest_ordinal(tx: &mut Tx) -> anyhow::Result<u64> {
    count(counter::last(tx, counter::RUN).await?, "counter run")
}

/// For which payers an as-of is too early: those of whom a run as of a later day has booked something that is not
/// reversed, with the latest such day (rules I9).
pub async fn booked_later(tx: &mut Tx, as_of: NaiveDate) -> anyhow::Result<BTreeMap<CustomerId, NaiveDate>> {
    let rows: Vec<(Uuid, NaiveDate)> = on!(tx, c => sqlx::query_as(
        "select i.payer, max(r.as_of)
         from run r
         join invoice i on i.run = r.id
         where r.as_of > $1 and r.state <> 'reversed'
         group by i.payer")
        .bind(as_of)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|(payer, day)| (CustomerId(payer), day)).collect())
}

/// Moves a run from one state to another; `false` if it was not in that state. Closing states note the time.
pub async fn set_state(
    tx: &mut Tx,
    run: RunId,
    from: RunState,
    to: RunState,
    now: DateTime<Utc>,
) -> anyhow::Result<bool> {
    let ended_at = (!matches!(to, RunState::Open | RunState::Review)).then_some(now);
    let moved = on!(tx, c => sqlx::query("update run set state = $3, ended_at = $4 where id = $1 and state = $2")
        .bind(run.0)
        .bind(from.name())
        .bind(to.name())
        .bind(ended_at)
        .execute(c)
        .await?
        .rows_affected());
    if moved == 1 && to == RunState::Closed {
        outbox::tell(tx, &[Event { kind: "Run", action: "close", object: run.0 }]).await?;
    }
    Ok(moved == 1)
}

/// Marks a closed run as taken back; when it ended stays known.
pub async fn set_reversed(tx: &mut Tx, run: RunId) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update run set state = 'reversed' where id = $1 and state = 'closed'")
        .bind(run.0)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes the run hash at the barrier.
pub async fn set_hash(tx: &mut Tx, run: RunId, hash: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update run set hash = $2 where id = $1")
        .bind(run.0)
        .bind(hash)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes what became of the usage (rules Q4).
pub async fn set_usage(tx: &mut Tx, run: RunId, usage: &UsageCounts) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update run set usage = $2 where id = $1")
        .bind(run.0)
        .bind(Json(usage))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Locks the run until the transaction ends (SQLite's writer is locked already).
pub(crate) async fn lock(tx: &mut Tx, run: RunId) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select ordinal from run where id = $1",
        postgres: "select ordinal from run where id = $1 for update",
    };
    let sql = tx.pick(&SQL);
    let found: Option<i64> = on!(tx, c => sqlx::query_scalar(sql).bind(run.0).fetch_optional(c).await?);
    found.map(drop).with_context(|| format!("run {run} does not exist"))
}

/// The run that made a booked invoice.
pub async fn of_invoice(tx: &mut Tx, invoice: domain::ids::InvoiceId) -> anyhow::Result<Option<Run>> {
    let run: Option<Option<Uuid>> = on!(tx, c => sqlx::query_scalar("select run from invoice where id = $1")
        .bind(invoice.0)
        .fetch_optional(c)
        .await?);
    match run.flatten() {
        Some(run) => by_id(tx, RunId(run)).await,
        None => Ok(None),
    }
}
