//! Requests under an Idempotency-Key. Inside [`marking`] every transaction that writes marks the row of the request first,
//! so that effect and mark are there together or not at all; a claim that somebody else has taken over lets nothing be
//! written any more.

use crate::open::Store;
use crate::tx::{Tx, on};
use crate::words::{count, read_word};
use anyhow::ensure;
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

/// Under which key something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    pub api_key: Uuid,
    pub key: Uuid,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody works on it, or has died before anything was written.
    Running,
    /// What it does is done; the answer is missing.
    Effected,
    Answered,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub status: u64,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A request as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub fingerprint: String,
    pub state: State,
    pub claimed_at: DateTime<Utc>,
    /// Id of what it has made.
    pub made: Option<Uuid>,
    pub answered: Option<Answered>,
}

tokio::task_local! {
    /// The request that this task works on, with its claim.
    static WORKED_ON: (Named, Uuid);
}

/// Does some work under a claim.
pub async fn marking<W: Future>(named: Named, claim: Uuid, work: W) -> W::Output {
    WORKED_ON.scope((named, claim), work).await
}

impl Store {
    /// Marks the request that this task works on, if it works on one.
    pub(crate) async fn mark(tx: &mut Tx) -> anyhow::Result<()> {
        let Ok((named, claim)) = WORKED_ON.try_with(|request| *request) else { return Ok(()) };
        let marked = on!(tx, c => sqlx::query(
            "update idempotency set state = 'effected'
             where api_key = $1 and key = $2 and claim = $3 and state in ('running', 'effected')")
            .bind(named.api_key)
            .bind(named.key)
            .bind(claim)
            .execute(c)
            .await?
            .rows_affected());
        ensure!(marked == 1, "the request {} was taken over by somebody else", named.key);
        Ok(())
    }
}

/// Says what the request that this task works on has made, in the transaction that makes it.
pub async fn made(tx: &mut Tx, id: Uuid) -> anyhow::Result<()> {
    let Ok((named, claim)) = WORKED_ON.try_with(|request| *request) else { return Ok(()) };
    on!(tx, c => sqlx::query(
        "update idempotency set made = $4 where api_key = $1 and key = $2 and claim = $3")
        .bind(named.api_key)
        .bind(named.key)
        .bind(claim)
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Claims a request; `false` if there is one under this key already.
pub async fn claim(
    tx: &mut Tx,
    named: Named,
    claim: Uuid,
    fingerprint: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<bool> {
    let claimed = on!(tx, c => sqlx::query(
        "insert into idempotency (api_key, key, fingerprint, claim, state, claimed_at)
         values ($1, $2, $3, $4, 'running', $5)
         on conflict (api_key, key) do nothing")
        .bind(named.api_key)
        .bind(named.key)
        .bind(fingerprint)
        .bind(claim)
        .bind(now)
        .execute(c)
        .await?
        .rows_affected());
    Ok(claimed == 1)
}

/// Takes a request over whose worker has not been heard of since `before`; `false` if somebody else was first.
pub async fn take_over(
    tx: &mut Tx,
    named: Named,
    claim: Uuid,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> anyhow::Result<bool> {
    let taken = on!(tx, c => sqlx::query(
        "update idempotency set claim = $3, claimed_at = $5
         where api_key = $1 and key = $2 and state <> 'answered' and claimed_at < $4")
        .bind(named.api_key)
        .bind(named.key)
        .bind(claim)
        .bind(before)
        .bind(now)
        .execute(c)
        .await?
        .rows_affected());
    Ok(taken == 1)
}

/// What is known under a key.
pub async fn find(tx: &mut Tx, named: Named) -> anyhow::Result<Option<Request>> {
    type Headers = Option<Json<Vec<(String, String)>>>;
    type Row = (String, String, DateTime<Utc>, Option<Uuid>, Option<i64>, Headers, Option<String>);
    let row: Option<Row> = on!(tx, c => sqlx::query_as(
        "select fingerprint, state, claimed_at, made, status, headers, body
         from idempotency
         where api_key = $1 and key = $2")
        .bind(named.api_key)
        .bind(named.key)
        .fetch_optional(c)
        .await?);
    let Some((fingerprint, state, claimed_at, made, status, headers, body)) = row else { return Ok(None) };
    let answered = match status {
        None => None,
        Some(status) => Some(Answered {
            status: count(status, "idempotency.status")?,
            headers: headers.map(|headers| headers.0).unwrap_or_default(),
            body: body.unwrap_or_default(),
        }),
    };
    let state = read_word(&state, "idempotency.state")?;
    Ok(Some(Request { fingerprint, state, claimed_at, made, answered }))
}

/// Keeps the answer.
pub async fn answer(tx: &mut Tx, named: Named, claim: Uuid, answered: &Answered) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "update idempotency set state = 'answered', status = $4, headers = $5, body = $6
         where api_key = $1 and key = $2 and claim = $3")
        .bind(named.api_key)
        .bind(named.key)
        .bind(claim)
        .bind(i64::try_from(answered.status)?)
        .bind(Json(&answered.headers))
        .bind(&answered.body)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Forgets a request that had no effect and whose answer is not kept.
pub async fn release(tx: &mut Tx, named: Named, claim: Uuid) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "delete from idempotency where api_key = $1 and key = $2 and claim = $3 and state = 'running'")
        .bind(named.api_key)
        .bind(named.key)
        .bind(claim)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Deletes what was asked before then; returns how many went.
pub async fn prune(tx: &mut Tx, before: DateTime<Utc>) -> anyhow::Result<u64> {
    Ok(on!(tx, c => sqlx::query("delete from idempotency where claimed_at < $1")
        .bind(before)
        .execute(c)
        .await?
        .rows_affected()))
}
