//! The payers of a run: their slice, state and reason.

use crate::bulk::Bulk;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::small;
use anyhow::anyhow;
use domain::ids::{CustomerId, RunId};
use domain::run::ItemState;
use uuid::Uuid;

/// One root payer of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunItem {
    pub payer: CustomerId,
    pub account_number: String,
    /// Place in account-number order, from 0.
    pub position: u32,
    pub slice: u32,
    pub state: ItemState,
    /// Why it failed, was parked or set aside.
    pub reason: Option<String>,
    pub attempts: u32,
    /// The payer's revision when it was last worked on.
    pub revision: i64,
    pub hash: Option<String>,
    pub drafts: u32,
    pub invoices: u32,
    /// A person has let this payer through the bounds (rules I9).
    pub released: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    payer: Uuid,
    account_number: String,
    position: i64,
    slice: i64,
    state: String,
    reason: Option<String>,
    attempts: i64,
    revision: i64,
    hash: Option<String>,
    drafts: i64,
    invoices: i64,
    released: bool,
}

impl TryFrom<Row> for RunItem {
    type Error = anyhow::Error;

    fn try_from(r: Row) -> anyhow::Result<Self> {
        Ok(Self {
            payer: CustomerId(r.payer),
            account_number: r.account_number,
            position: small(r.position, "run_item.position")?,
            slice: small(r.slice, "run_item.slice")?,
            state: ItemState::parse(&r.state).ok_or_else(|| anyhow!("run_item.state holds `{}`", r.state))?,
            reason: r.reason,
            attempts: small(r.attempts, "run_item.attempts")?,
            revision: r.revision,
            hash: r.hash,
            drafts: small(r.drafts, "run_item.drafts")?,
            invoices: small(r.invoices, "run_item.invoices")?,
            released: r.released,
        })
    }
}

/// Writes items, replacing what was there: all of a run when it opens, a slice's when it is done.
pub async fn save_items(tx: &mut Tx, run: RunId, items: &[RunItem]) -> anyhow::Result<()> {
    let columns = &[
        "run",
        "payer",
        "account_number",
        "position",
        "slice",
        "state",
        "reason",
        "attempts",
        "revision",
        "hash",
        "drafts",
        "invoices",
        "released",
    ];
    let mut rows = Bulk::into("run_item", columns).on_conflict(
        "on conflict (run, payer) do update set
             state = excluded.state,
             reason = excluded.reason,
             attempts = excluded.attempts,
             revision = excluded.revision,
             hash = excluded.hash,
             drafts = excluded.drafts,
             invoices = excluded.invoices,
             released = excluded.released",
    );
    for item in items {
        rows.row([
            run.0.into(),
            item.payer.0.into(),
            (&item.account_number).into(),
            item.position.into(),
            item.slice.into(),
            item.state.name().into(),
            (&item.reason).into(),
            item.attempts.into(),
            item.revision.into(),
            (&item.hash).into(),
            item.drafts.into(),
            item.invoices.into(),
            item.released.into(),
        ]);
    }
    rows.insert(tx).await.map(drop)
}

/// Items of a run in payer order: of one slice, or all.
pub async fn items(tx: &mut Tx, run: RunId, slice: Option<u32>) -> anyhow::Result<Vec<RunItem>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select payer, account_number, position, slice, state, reason, attempts, revision, hash, drafts, invoices, released
         from run_item
         where run = $1
           and ($2 is null or slice = $2)
         order by position")
        .bind(run.0)
        .bind(slice.map(i64::from))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(RunItem::try_from).collect()
}

/// (account number, hash) of every payer that has one, in payer order: what the run hash is made of.
pub async fn item_hashes(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<(String, String)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select account_number, hash from run_item where run = $1 and hash is not null order by position")
        .bind(run.0)
        .fetch_all(c)
        .await?))
}

/// Items of these payers, in payer order.
pub async fn items_of(tx: &mut Tx, run: RunId, payers: &[CustomerId]) -> anyhow::Result<Vec<RunItem>> {
    const SQL: PerDriver = by_keys!(
        "select payer, account_number, position, slice, state, reason, attempts, revision, hash, drafts, invoices, released
         from run_item
         where run = $2 and payer",
        uuid,
        " order by position"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).bind(run.0).fetch_all(c).await?);
    rows.into_iter().map(RunItem::try_from).collect()
}

/// Accounts that a run left out because a later one has billed them already (rules I9), in payer order, with the reason.
pub async fn left_out(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<(String, String)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select account_number, reason from run_item
         where run = $1 and state = 'nothing' and reason is not null
         order by position")
        .bind(run.0)
        .fetch_all(c)
        .await?))
}
