//! What operators ask of runs, and what came of it. Whoever works the home answers; who asked reads the answer.

use crate::bulk::{Bulk, Cell};
use crate::tx::{Tx, on};
use chrono::{DateTime, Utc};
use domain::ids::{InvoiceId, RunId};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

/// One thing asked of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRequest {
    pub id: Uuid,
    pub run: RunId,
    /// The verb with its arguments, as the caller writes it.
    pub asked: Value,
    pub actor: String,
    pub asked_at: DateTime<Utc>,
    /// None as long as nobody has done it.
    pub answer: Option<Value>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    run: Uuid,
    asked: Json<Value>,
    actor: String,
    asked_at: DateTime<Utc>,
    answer: Option<Json<Value>>,
}

impl From<Row> for RunRequest {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            run: RunId(row.run),
            asked: row.asked.0,
            actor: row.actor,
            asked_at: row.asked_at,
            answer: row.answer.map(|a| a.0),
        }
    }
}

/// Writes down what is asked.
pub async fn ask(tx: &mut Tx, request: &RunRequest) -> anyhow::Result<()> {
    let mut rows = Bulk::into("run_request", &["id", "run", "asked", "actor", "asked_at", "state"]);
    rows.row([
        request.id.into(),
        request.run.0.into(),
        Cell::json(&request.asked)?,
        (&request.actor).into(),
        request.asked_at.into(),
        "open".into(),
    ]);
    rows.insert(tx).await.map(drop)
}

/// What nobody has answered, oldest first.
pub async fn open(tx: &mut Tx) -> anyhow::Result<Vec<RunRequest>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select id, run, asked, actor, asked_at, answer from run_request where state = 'open' order by asked_at, id")
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(RunRequest::from).collect())
}

/// The request of this id.
pub async fn by_id(tx: &mut Tx, id: Uuid) -> anyhow::Result<Option<RunRequest>> {
    let row: Option<Row> = on!(tx, c => sqlx::query_as(
        "select id, run, asked, actor, asked_at, answer from run_request where id = $1")
        .bind(id)
        .fetch_optional(c)
        .await?);
    Ok(row.map(RunRequest::from))
}

/// Writes the answer, in the transaction of what was done; `false` if somebody else was first: roll back.
pub async fn answer(tx: &mut Tx, id: Uuid, answer: &Value, now: DateTime<Utc>) -> anyhow::Result<bool> {
    let answered = on!(tx, c => sqlx::query(
        "update run_request set state = 'answered', answer = $2, answered_at = $3 where id = $1 and state = 'open'")
        .bind(id)
        .bind(Json(answer))
        .bind(now)
        .execute(c)
        .await?
        .rows_affected());
    Ok(answered == 1)
}

/// Deletes what was answered before then; returns how many went.
pub async fn prune(tx: &mut Tx, before: DateTime<Utc>) -> anyhow::Result<u64> {
    Ok(on!(tx, c => sqlx::query("delete from run_request where state = 'answered' and answered_at < $1")
        .bind(before)
        .execute(c)
        .await?
        .rows_affected()))
}

/// Notes that this credit note was made to take a run back.
pub async fn note_reversal(tx: &mut Tx, run: RunId, note: InvoiceId) -> anyhow::Result<()> {
    let mut rows =
        Bulk::into("run_reversal_note", &["run", "note"]).on_conflict("on conflict (run, note) do nothing");
    rows.row([run.0.into(), note.0.into()]);
    rows.insert(tx).await.map(drop)
}

/// The credit notes that took a run back, by id.
pub async fn reversal_notes(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<InvoiceId>> {
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select note from run_reversal_note where run = $1 order by note").bind(run.0).fetch_all(c).await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}
