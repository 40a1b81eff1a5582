//! The attempts of a run. The first is the run itself; a rerun or a release adds one, and what the run said before
//! stays (rules I10).

use crate::bulk::Bulk;
use crate::run::RunItem;
use crate::tx::{Tx, on};
use crate::words::{read_word, small, word};
use chrono::{DateTime, Utc};
use domain::ids::RunId;
use domain::run::{ItemState, UsageCounts};
use sqlx::types::Json;
use std::collections::BTreeMap;

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKind {
    /// What failed is billed again.
    Rerun,
    /// A parked payer is let through.
    Release,
}

/// What an attempt said.
#[derive(Debug, Clone, PartialEq)]
pub struct RunAttempt {
    /// Counts from 2: the first is the run itself.
    pub attempt: u32,
    pub kind: AttemptKind,
    pub actor: String,
    pub asked_at: DateTime<Utc>,
    pub usage: Option<UsageCounts>,
    /// Over what this attempt bills.
    pub hash: Option<String>,
    /// Its payers, and what the run had said of each before it.
    pub items: Vec<BeforeAttempt>,
}

/// A payer as it stood before an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeforeAttempt {
    pub account_number: String,
    pub state: ItemState,
    pub reason: Option<String>,
}

/// Adds an attempt for these payers, as they stand now; returns its number.
pub async fn add(
    tx: &mut Tx,
    run: RunId,
    kind: AttemptKind,
    actor: &str,
    before: &[RunItem],
    now: DateTime<Utc>,
) -> anyhow::Result<u32> {
    let attempt = latest(tx, run).await? + 1;
    let mut rows = Bulk::into("run_attempt", &["run", "attempt", "kind", "actor", "asked_at"]);
    rows.row([run.0.into(), attempt.into(), word(&kind)?.into(), actor.into(), now.into()]);
    rows.insert(tx).await?;
    let columns = &["run", "attempt", "payer", "account_number", "state", "reason", "hash"];
    let mut rows = Bulk::into("run_attempt_item", columns);
    for item in before {
        rows.row([
            run.0.into(),
            attempt.into(),
            item.payer.0.into(),
            (&item.account_number).into(),
            item.state.name().into(),
            (&item.reason).into(),
            (&item.hash).into(),
        ]);
    }
    rows.insert(tx).await?;
    Ok(attempt)
}

/// The number of the attempt that a run is at.
pub async fn latest(tx: &mut Tx, run: RunId) -> anyhow::Result<u32> {
    let latest: Option<i64> = on!(tx, c => sqlx::query_scalar("select max(attempt) from run_attempt where run = $1")
        .bind(run.0)
        .fetch_one(c)
        .await?);
    latest.map_or(Ok(1), |n| small(n, "run_attempt.attempt"))
}

/// Writes what became of the usage of an attempt (rules Q4).
pub async fn set_usage(tx: &mut Tx, run: RunId, attempt: u32, usage: &UsageCounts) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update run_attempt set usage = $3 where run = $1 and attempt = $2")
        .bind(run.0)
        .bind(i64::from(attempt))
        .bind(Json(usage))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes the hash of an attempt at its barrier.
pub async fn set_hash(tx: &mut Tx, run: RunId, attempt: u32, hash: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update run_attempt set hash = $3 where run = $1 and attempt = $2")
        .bind(run.0)
        .bind(i64::from(attempt))
        .bind(hash)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// (account number, hash) of the payers of an attempt that have one, in payer order.
pub async fn item_hashes(tx: &mut Tx, run: RunId, attempt: u32) -> anyhow::Result<Vec<(String, String)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select i.account_number, i.hash
         from run_item i
         join run_attempt_item a on a.run = i.run and a.payer = i.payer
         where i.run = $1 and a.attempt = $2 and i.hash is not null
         order by i.position")
        .bind(run.0)
        .bind(i64::from(attempt))
        .fetch_all(c)
        .await?))
}

#[derive(sqlx::FromRow)]
struct Row {
    attempt: i64,
    kind: String,
    actor: String,
    asked_at: DateTime<Utc>,
    usage: Option<Json<UsageCounts>>,
    hash: Option<String>,
}

/// Every attempt but the first, in order.
pub async fn all(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<RunAttempt>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select attempt, kind, actor, asked_at, usage, hash from run_attempt where run = $1 order by attempt")
        .bind(run.0)
        .fetch_all(c)
        .await?);
    let items: Vec<(i64, String, String, Option<String>)> = on!(tx, c => sqlx::query_as(
        "select attempt, account_number, state, reason from run_attempt_item where run = $1 order by attempt, account_number")
        .bind(run.0)
        .fetch_all(c)
        .await?);
    let mut before: BTreeMap<i64, Vec<BeforeAttempt>> = BTreeMap::new();
    for (attempt, account_number, state, reason) in items {
        let state = read_word(&state, "run_attempt_item.state")?;
        before.entry(attempt).or_default().push(BeforeAttempt { account_number, state, reason });
    }
    rows.into_iter()
        .map(|row| {
            Ok(RunAttempt {
                attempt: small(row.attempt, "run_attempt.attempt")?,
                kind: read_word(&row.kind, "run_attempt.kind")?,
                actor: row.actor,
                asked_at: row.asked_at,
                usage: row.usage.map(|u| u.0),
                hash: row.hash,
                items: before.remove(&row.attempt).unwrap_or_default(),
            })
        })
        .collect()
}
