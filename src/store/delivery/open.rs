//! What has not reached its buyer (rules I10): mails that wait, mails that were refused, invoices without anybody to
//! mail them to. Customers with `"delivery": "none"` are never in it.

use crate::tx::{PerDriver, Tx, on};
use crate::words::{count, small};
use chrono::{DateTime, Utc};
use domain::ids::{InvoiceId, RunId};
use domain::run::MailCounts;
use uuid::Uuid;

/// Why a delivery is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenState {
    /// Will be tried again by itself.
    Waiting,
    /// Refused for good, or given up: a person decides.
    Refused,
    /// There is no address: a person decides.
    Nobody,
}

impl OpenState {
    /// The word of tables and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Nobody => "nobody",
        }
    }
}

/// One open delivery, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDelivery {
    pub invoice: InvoiceId,
    pub number: String,
    pub account_number: String,
    /// Ordinal of the run that booked the invoice; none if a person did.
    pub run: Option<u64>,
    pub channel: String,
    pub address: String,
    pub message_id: String,
    pub state: OpenState,
    pub reason: Option<String>,
    pub attempts: u32,
    pub due_at: Option<DateTime<Utc>>,
}

/// Which open deliveries; every field narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenFilter {
    pub run: Option<RunId>,
    pub account_number: Option<String>,
    pub state: Option<OpenState>,
    /// 0 = all.
    pub limit: u32,
}

/// `open_deliveries!("select …", "where …")`: two reads of small partial indexes, and never of what was sent.
macro_rules! open_deliveries {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " from (select * from delivery where state = 'pending' and closed_on is null
                    union all
                    select * from delivery where state = 'failed' and closed_on is null) d
              join invoice i on i.id = d.invoice
              join customer c on c.id = i.payer
              where coalesce(c.body ->> 'delivery', 'mail') <> 'none' ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    invoice: Uuid,
    number: String,
    account_number: String,
    run: Option<i64>,
    channel: String,
    address: String,
    message_id: String,
    state: String,
    reason: Option<String>,
    attempts: i64,
    due_at: Option<DateTime<Utc>>,
}

fn state_of(state: &str, address: &str) -> OpenState {
    match (state, address) {
        ("pending", _) => OpenState::Waiting,
        (_, "") => OpenState::Nobody,
        _ => OpenState::Refused,
    }
}

impl TryFrom<Row> for OpenDelivery {
    type Error = anyhow::Error;

    fn try_from(r: Row) -> anyhow::Result<Self> {
        Ok(Self {
            invoice: InvoiceId(r.invoice),
            number: r.number,
            account_number: r.account_number,
            run: r.run.map(|n| count(n, "run.ordinal")).transpose()?,
            state: state_of(&r.state, &r.address),
            channel: r.channel,
            address: r.address,
            message_id: r.message_id,
            reason: r.reason,
            attempts: small(r.attempts, "delivery.attempts")?,
            due_at: r.due_at,
        })
    }
}

/// Open deliveries, by the number of the invoice.
pub async fn list_open(tx: &mut Tx, filter: &OpenFilter) -> anyhow::Result<Vec<OpenDelivery>> {
    let limit = if filter.limit == 0 { i64::MAX } else { i64::from(filter.limit) };
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(open_deliveries!(
        "select d.invoice, i.number, i.account_number, (select r.ordinal from run r where r.id = i.run) as run,
                d.channel, d.address, d.message_id, d.state, d.reason, d.attempts, d.due_at",
        "and ($1 is null or i.run = $1)
         and ($2 is null or i.account_number = $2)
         and ($3 is null
              or ($3 = 'waiting' and d.state = 'pending')
              or ($3 = 'refused' and d.state = 'failed' and d.address <> '')
              or ($3 = 'nobody' and d.state = 'failed' and d.address = ''))
         order by i.series, i.sequence, d.channel, d.address
         limit $4"))
        .bind(filter.run.map(|r| r.0))
        .bind(&filter.account_number)
        .bind(filter.state.map(OpenState::name))
        .bind(limit)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(OpenDelivery::try_from).collect()
}

/// The mails about a run's invoices, as they stand now.
pub async fn counts_of_run(tx: &mut Tx, run: RunId) -> anyhow::Result<MailCounts> {
    let rows: Vec<(String, bool, i64)> = on!(tx, c => sqlx::query_as(
        "select d.state, d.address = '', count(*)
         from invoice i
         join delivery d on d.invoice = i.id
         join customer c on c.id = i.payer
         where i.run = $1
           and d.channel <> 'by_hand'
           and (d.state = 'sent'
                or (d.closed_on is null and coalesce(c.body ->> 'delivery', 'mail') <> 'none'))
         group by d.state, d.address = ''")
        .bind(run.0)
        .fetch_all(c)
        .await?);
    counted(rows)
}

/// All open mails of the home, none of those sent.
pub async fn open_counts(tx: &mut Tx) -> anyhow::Result<MailCounts> {
    let rows: Vec<(String, bool, i64)> = on!(tx, c => sqlx::query_as(open_deliveries!(
        "select d.state, d.address = '', count(*)", "group by d.state, d.address = ''"))
        .fetch_all(c)
        .await?);
    counted(rows)
}

fn counted(rows: Vec<(String, bool, i64)>) -> anyhow::Result<MailCounts> {
    let mut counts = MailCounts::default();
    for (state, is_nobody, n) in rows {
        let n = count(n, "delivery")?;
        match (state.as_str(), state_of(&state, if is_nobody { "" } else { "@" })) {
            ("sent", _) => counts.sent += n,
            (_, OpenState::Waiting) => counts.waiting += n,
            (_, OpenState::Refused) => counts.refused += n,
            (_, OpenState::Nobody) => counts.nobody += n,
        }
    }
    Ok(counts)
}

/// How many invoices of other runs, or of none, have not reached their buyer.
pub async fn open_of_others(tx: &mut Tx, run: RunId) -> anyhow::Result<u64> {
    const SQL: PerDriver = PerDriver {
        sqlite: open_deliveries!("select count(distinct d.invoice)", "and i.run is not $1"),
        postgres: open_deliveries!("select count(distinct d.invoice)", "and i.run is distinct from $1"),
    };
    let sql = tx.pick(&SQL);
    let n: i64 = on!(tx, c => sqlx::query_scalar(sql).bind(run.0).fetch_one(c).await?);
    count(n, "delivery")
}
