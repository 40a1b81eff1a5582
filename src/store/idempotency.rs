//! The rows of requests under an Idempotency-Key: claimed, marked and answered. What a request does in its transactions
//! stands in [`crate::request`].

use crate::tx::{Tx, on};
use crate::words::{count, read_word, word};
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

/// Who claims a request.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// Name of the process.
    pub process: &'a str,
    pub now: DateTime<Utc>,
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
    pub claim: Uuid,
    pub claimed_at: DateTime<Utc>,
    /// Process that works on it; none once it has let go of it.
    pub claimed_by: Option<String>,
    /// Id of what it has made.
    pub made: Option<Uuid>,
    pub answered: Option<Answered>,
}

/// Marks a request in a transaction that writes for it.
pub(crate) async fn mark(tx: &mut Tx, named: Named, claim: Uuid) -> anyhow::Result<()> {
    let marked = on!(tx, c => sqlx::query(
        "update idempotency set state = case when state = 'answered' then state else 'effected' end
         where api_key = $1 and key = $2 and claim = $3")
        .bind(named.api_key)
        .bind(named.key)
        .bind(claim)
        .execute(c)
        .await?
        .rows_affected());
    ensure!(marked == 1, "the request {} was taken over by somebody else", named.key);
    Ok(())
}

/// Keeps the id of what a request has made.
pub(crate) async fn made(tx: &mut Tx, named: Named, claim: Uuid, id: Uuid) -> anyhow::Result<()> {
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
    by: &Claimant<'_>,
) -> anyhow::Result<bool> {
    let claimed = on!(tx, c => sqlx::query(
        "insert into idempotency (api_key, key, fingerprint, claim, state, claimed_at, claimed_by)
         values ($1, $2, $3, $4, 'running', $5, $6)
         on conflict (api_key, key) do nothing")
        .bind(named.api_key)
        .bind(named.key)
        .bind(fingerprint)
        .bind(claim)
        .bind(by.now)
        .bind(by.process)
        .execute(c)
        .await?
        .rows_affected());
    Ok(claimed == 1)
}

/// Takes a request over as it was last seen; `false` if somebody else was first, or it has come further since.
pub async fn take_over(
    tx: &mut Tx,
    named: Named,
    claim: Uuid,
    known: &Request,
    by: &Claimant<'_>,
) -> anyhow::Result<bool> {
    let taken = on!(tx, c => sqlx::query(
        "update idempotency set claim = $3, claimed_at = $5, claimed_by = $6
         where api_key = $1 and key = $2 and state <> 'answered' and claim = $4 and state = $7")
        .bind(named.api_key)
        .bind(named.key)
        .bind(claim)
        .bind(known.claim)
        .bind(by.now)
        .bind(by.process)
        .bind(word(&known.state)?)
        .execute(c)
        .await?
        .rows_affected());
    Ok(taken == 1)
}

/// What is known under a key.
pub async fn find(tx: &mut Tx, named: Named) -> anyhow::Result<Option<Request>> {
    type Headers = Option<Json<Vec<(String, String)>>>;
    #[derive(sqlx::FromRow)]
    struct Row {
        fingerprint: String,
        state: String,
        claim: Uuid,
        claimed_at: DateTime<Utc>,
        claimed_by: Option<String>,
        made: Option<Uuid>,
        status: Option<i64>,
        headers: Headers,
        body: Option<String>,
    }
    let row: Option<Row> = on!(tx, c => sqlx::query_as(
        "select fingerprint, state, claim, claimed_at, claimed_by, made, status, headers, body
         from idempotency
         where api_key = $1 and key = $2")
        .bind(named.api_key)
        .bind(named.key)
        .fetch_optional(c)
        .await?);
    let Some(row) = row else { return Ok(None) };
    let Row { fingerprint, state, claim, claimed_at, claimed_by, made, status, headers, body } = row;
    let answered = match status {
        None => None,
        Some(status) => Some(Answered {
            status: count(status, "idempotency.status")?,
            headers: headers.map(|headers| headers.0).unwrap_or_default(),
            body: body.unwrap_or_default(),
        }),
    };
    let state = read_word(&state, "idempotency.state")?;
    Ok(Some(Request { fingerprint, state, claim, claimed_at, claimed_by, made, answered }))
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

/// Forgets a request that had no effect and whose answer is not kept; of one that had an effect, lets go.
pub async fn release(tx: &mut Tx, named: Named, claim: Uuid) -> anyhow::Result<()> {
    const STATEMENTS: [&str; 2] = [
        "delete from idempotency where api_key = $1 and key = $2 and claim = $3 and state = 'running'",
        "update idempotency set claimed_by = null where api_key = $1 and key = $2 and claim = $3",
    ];
    for statement in STATEMENTS {
        on!(tx, c => sqlx::query(statement)
            .bind(named.api_key)
            .bind(named.key)
            .bind(claim)
            .execute(c)
            .await
            .map(drop))?;
    }
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
