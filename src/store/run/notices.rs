//! What is told of a run once it has ended or is stuck: its report by mail, and pings of a monitor. A notice is
//! planned in the transaction of its cause, and claimed before it is sent, as deliveries are.

use crate::bulk::Bulk;
use crate::delivery::{Claim, DeliveryState};
use crate::tx::{Tx, on};
use crate::words::{read_word, small, word};
use chrono::{DateTime, Utc};
use domain::ids::RunId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The run's report, by mail.
    Report,
    /// The monitor is told that all went well.
    Ping,
    /// The monitor is told that it did not.
    PingFail,
}

impl Channel {
    /// The word of tables and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Ping => "ping",
            Self::PingFail => "ping_fail",
        }
    }
}

/// One notice of one attempt of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub run: RunId,
    /// Attempt of the run: 1, and one more for each rerun.
    pub attempt: u32,
    pub channel: Channel,
    /// Where the report goes; empty for a ping.
    pub address: String,
    /// Of the report's mail; empty for a ping.
    pub message_id: String,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub tries: u32,
    /// When to try next; none = at once.
    pub due_at: Option<DateTime<Utc>>,
}

/// Writes the intent to tell; what is there stays as it is. A ping that still waits is not sent any more: the newest one
/// says how things are.
pub async fn plan(tx: &mut Tx, notices: &[Notice]) -> anyhow::Result<u64> {
    if notices.iter().any(|n| n.channel != Channel::Report) {
        on!(tx, c => sqlx::query("delete from run_notice where state = 'pending' and channel <> 'report'")
            .execute(c)
            .await
            .map(drop))?;
    }
    let columns =
        &["run", "attempt", "channel", "address", "message_id", "state", "reason", "tries", "due_at"];
    let mut rows = Bulk::into("run_notice", columns).on_conflict("on conflict do nothing");
    for n in notices {
        rows.row([
            n.run.0.into(),
            n.attempt.into(),
            n.channel.name().into(),
            (&n.address).into(),
            (&n.message_id).into(),
            word(&n.state)?.into(),
            (&n.reason).into(),
            n.tries.into(),
            n.due_at.into(),
        ]);
    }
    rows.insert(tx).await
}

#[derive(sqlx::FromRow)]
struct Row {
    run: Uuid,
    attempt: i64,
    channel: String,
    address: String,
    message_id: String,
    state: String,
    reason: Option<String>,
    tries: i64,
    due_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Notice {
    type Error = anyhow::Error;

    fn try_from(r: Row) -> anyhow::Result<Self> {
        Ok(Self {
            run: RunId(r.run),
            attempt: small(r.attempt, "run_notice.attempt")?,
            channel: read_word(&r.channel, "run_notice.channel")?,
            address: r.address,
            message_id: r.message_id,
            state: read_word(&r.state, "run_notice.state")?,
            reason: r.reason,
            tries: small(r.tries, "run_notice.tries")?,
            due_at: r.due_at,
        })
    }
}

macro_rules! select_notice {
    ($rest:literal) => {
        concat!(
            "select n.run, n.attempt, n.channel, n.address, n.message_id, n.state, n.reason, n.tries, n.due_at
             from run_notice n ",
            $rest
        )
    };
}

/// Pending notices that are due by then, the oldest run first; none = all that wait, whatever their time.
pub async fn due(tx: &mut Tx, by: Option<DateTime<Utc>>) -> anyhow::Result<Vec<Notice>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_notice!(
        "where n.state = 'pending' and ($1 is null or n.due_at is null or n.due_at <= $1)
         order by n.run, n.attempt, n.channel, n.address"))
        .bind(by)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Notice::try_from).collect()
}

/// What a run has told, or has still to tell.
pub async fn of_run(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<Notice>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_notice!(
        "where n.run = $1 order by n.attempt, n.channel, n.address"))
        .bind(run.0)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Notice::try_from).collect()
}

/// What did not arrive and is worth a look: reports that wait or were refused, and the newest ping if it failed or waits.
pub async fn open(tx: &mut Tx) -> anyhow::Result<Vec<Notice>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_notice!(
        "where n.state <> 'sent'
           and n.tries > 0
           and (n.channel = 'report'
                or not exists (select 1
                               from run_notice later
                               where later.channel <> 'report'
                                 and (later.run > n.run or (later.run = n.run and later.attempt > n.attempt))))
         order by n.run, n.attempt, n.channel, n.address"))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Notice::try_from).collect()
}

/// Makes what was refused pending again; returns how many.
pub async fn retry(tx: &mut Tx) -> anyhow::Result<u64> {
    Ok(on!(tx, c => sqlx::query(
        "update run_notice set state = 'pending', reason = null, due_at = null, tries = 1
         where state = 'failed' and channel = 'report'")
        .execute(c)
        .await?
        .rows_affected()))
}

/// Claims those that are still as they were read and that nobody else is at.
pub async fn claim(tx: &mut Tx, notices: Vec<Notice>, claim: Claim<'_>) -> anyhow::Result<Vec<Notice>> {
    let mut claimed = Vec::with_capacity(notices.len());
    for n in notices {
        let rows = on!(tx, c => sqlx::query(
            "update run_notice
             set claimed_by = $6, claimed_until = $7
             where run = $1 and attempt = $2 and channel = $3 and address = $4
               and state = 'pending'
               and tries = $5
               and (claimed_by is null or claimed_by = $6 or claimed_until <= $8)")
            .bind(n.run.0)
            .bind(i64::from(n.attempt))
            .bind(n.channel.name())
            .bind(&n.address)
            .bind(i64::from(n.tries))
            .bind(claim.by)
            .bind(claim.until)
            .bind(claim.now)
            .execute(c)
            .await?
            .rows_affected());
        if rows == 1 {
            claimed.push(n);
        }
    }
    Ok(claimed)
}

/// Writes what became of a pending notice that this claimant holds. What was sent is noted whoever holds it by now.
pub async fn answer(tx: &mut Tx, notice: &Notice, claimant: &str) -> anyhow::Result<()> {
    let state = word(&notice.state)?;
    on!(tx, c => sqlx::query(
        "update run_notice
         set state = $5, reason = $6, tries = $7, due_at = $8, claimed_by = null, claimed_until = null
         where run = $1 and attempt = $2 and channel = $3 and address = $4 and state = 'pending'
           and (claimed_by = $9 or $5 = 'sent')")
        .bind(notice.run.0)
        .bind(i64::from(notice.attempt))
        .bind(notice.channel.name())
        .bind(&notice.address)
        .bind(&state)
        .bind(&notice.reason)
        .bind(i64::from(notice.tries))
        .bind(notice.due_at)
        .bind(claimant)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
