//! Payment attempts: the row is committed before the provider is called, the outcome after (rules Y1, Y2).

use crate::bulk::Bulk;
use crate::outbox;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::{read_word, small};
use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::{AttemptId, CustomerId, InvoiceId};
use domain::payment::Attempt;
use domain::webhook::Event;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Writes pending attempts; one that exists, or whose invoice has a pending one, is left alone. Returns how many
/// are new.
pub async fn begin(tx: &mut Tx, attempts: &[Attempt]) -> anyhow::Result<u64> {
    let columns = &[
        "id",
        "invoice",
        "customer",
        "ordinal",
        "amount_minor",
        "currency",
        "method",
        "gateway",
        "attempted_on",
        "state",
        "provider_reference",
        "decline_code",
        "fee_minor",
    ];
    let mut rows = Bulk::into("payment_attempt", columns).on_conflict("on conflict do nothing");
    for a in attempts {
        rows.row([
            a.id.0.into(),
            a.invoice.0.into(),
            a.customer.0.into(),
            a.ordinal.into(),
            a.amount_minor.into(),
            a.currency.code().to_owned().into(),
            (&a.method).into(),
            (&a.gateway).into(),
            a.on.into(),
            a.state.name().into(),
            (&a.provider_reference).into(),
            (&a.decline_code).into(),
            a.fee_minor.into(),
        ]);
    }
    let begun = rows.insert(tx).await?;
    let made = |attempt: &Attempt| Event { kind: "Transaction", action: "create", object: attempt.id.0 };
    let events: Vec<Event> = attempts.iter().map(made).collect();
    outbox::tell(tx, &events).await?;
    Ok(begun)
}

/// Notes an event of a provider; `false` if it has been told before.
pub async fn note_event(
    tx: &mut Tx,
    gateway: &str,
    (id, kind): (&str, &str),
    at: DateTime<Utc>,
) -> anyhow::Result<bool> {
    let mut rows = Bulk::into("provider_event", &["gateway", "id", "kind", "received_at"])
        .on_conflict("on conflict (gateway, id) do nothing");
    rows.row([gateway.into(), id.into(), kind.into(), at.into()]);
    Ok(rows.insert(tx).await? == 1)
}

/// Keeps what attempts are asked with until they are answered.
pub async fn asked_with(tx: &mut Tx, tokens: &[(AttemptId, String)]) -> anyhow::Result<()> {
    let mut rows = Bulk::into("charge_asked", &["attempt", "token"])
        .on_conflict("on conflict (attempt) do update set token = excluded.token");
    for (attempt, token) in tokens {
        rows.row([attempt.0.into(), token.into()]);
    }
    rows.insert(tx).await.map(drop)
}

/// What the attempts of these invoices that have no answer were asked with.
pub async fn tokens_asked(
    tx: &mut Tx,
    invoices: &[InvoiceId],
) -> anyhow::Result<BTreeMap<AttemptId, String>> {
    const SQL: PerDriver = by_keys!(
        "select k.attempt, k.token from charge_asked k join payment_attempt a on a.id = k.attempt where a.invoice",
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, String)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(invoices)).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(attempt, token)| (AttemptId(attempt), token)).collect())
}

/// Writes the outcome of a pending attempt; `false` if it has been answered before.
pub async fn answer(tx: &mut Tx, attempt: &Attempt) -> anyhow::Result<bool> {
    on!(tx, c => sqlx::query("delete from charge_asked where attempt = $1")
        .bind(attempt.id.0)
        .execute(c)
        .await
        .map(drop))?;
    let answered = on!(tx, c => sqlx::query(
        "update payment_attempt
         set state = $2, provider_reference = $3, decline_code = $4, fee_minor = $5
         where id = $1 and state = 'pending'")
        .bind(attempt.id.0)
        .bind(attempt.state.name())
        .bind(&attempt.provider_reference)
        .bind(&attempt.decline_code)
        .bind(attempt.fee_minor)
        .execute(c)
        .await?
        .rows_affected());
    Ok(answered == 1)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    invoice: Uuid,
    customer: Uuid,
    ordinal: i64,
    amount_minor: i64,
    currency: String,
    method: String,
    gateway: String,
    attempted_on: NaiveDate,
    state: String,
    provider_reference: Option<String>,
    decline_code: Option<String>,
    fee_minor: i64,
}

impl TryFrom<Row> for Attempt {
    type Error = anyhow::Error;

    fn try_from(r: Row) -> anyhow::Result<Self> {
        Ok(Self {
            id: AttemptId(r.id),
            invoice: InvoiceId(r.invoice),
            customer: CustomerId(r.customer),
            ordinal: small(r.ordinal, "payment_attempt.ordinal")?,
            amount_minor: r.amount_minor,
            currency: r.currency.parse()?,
            method: r.method,
            gateway: r.gateway,
            on: r.attempted_on,
            state: read_word(&r.state, "payment_attempt.state")?,
            provider_reference: r.provider_reference,
            decline_code: r.decline_code,
            fee_minor: r.fee_minor,
        })
    }
}

macro_rules! select_attempt {
    ($rest:literal) => {
        concat!(
            "select id, invoice, customer, ordinal, amount_minor, currency, method, gateway, attempted_on, state,
                    provider_reference, decline_code, fee_minor
             from payment_attempt ",
            $rest
        )
    };
}

/// Attempts of these invoices, by invoice and ordinal.
pub async fn of_invoices(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<Vec<Attempt>> {
    const SQL: PerDriver = by_keys!(select_attempt!("where invoice"), uuid, " order by invoice, ordinal");
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(invoices)).fetch_all(c).await?);
    rows.into_iter().map(Attempt::try_from).collect()
}

/// An attempt by its id.
pub async fn by_id(tx: &mut Tx, id: AttemptId) -> anyhow::Result<Option<Attempt>> {
    let row: Option<Row> = on!(tx, c => sqlx::query_as(select_attempt!("where id = $1"))
        .bind(id.0)
        .fetch_optional(c)
        .await?);
    row.map(Attempt::try_from).transpose()
}

/// Attempts of these ids.
pub async fn by_ids(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Attempt>> {
    const SQL: PerDriver = by_keys!(select_attempt!("where id"), uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql).bind(Ids(ids.to_vec())).fetch_all(c).await?);
    rows.into_iter().map(Attempt::try_from).collect()
}

/// Attempts without an answer, oldest invoice first: they are asked again with the same id. Direct debits are not: the bank
/// answers with a file.
pub async fn pending(tx: &mut Tx, limit: u32) -> anyhow::Result<Vec<Attempt>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        select_attempt!("where state = 'pending' and gateway <> 'sepa' order by attempted_on, invoice, ordinal limit $1"))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Attempt::try_from).collect()
}

/// (customer, refkey, day) of every attempt of these customers on or after a day, for the card schemes' caps.
pub async fn recent(
    tx: &mut Tx,
    customers: &[CustomerId],
    since: NaiveDate,
) -> anyhow::Result<Vec<(CustomerId, String, NaiveDate)>> {
    const SQL: PerDriver = by_keys!(
        "select customer, method, attempted_on from payment_attempt where attempted_on >= $2 and customer",
        uuid,
        " order by customer, method, attempted_on"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, String, NaiveDate)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(customers)).bind(since).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(customer, method, on)| (CustomerId(customer), method, on)).collect())
}

/// Marks a method as not to be tried again.
pub async fn mark_unhealthy(
    tx: &mut Tx,
    customer: CustomerId,
    method: &str,
    since: NaiveDate,
    reason: &str,
) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into unhealthy_method (customer, method, since, reason)
         values ($1, $2, $3, $4)
         on conflict (customer, method) do nothing")
        .bind(customer.0)
        .bind(method)
        .bind(since)
        .bind(reason)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// (customer, refkey) of the methods of these customers that must not be tried.
pub async fn unhealthy(tx: &mut Tx, customers: &[CustomerId]) -> anyhow::Result<Vec<(CustomerId, String)>> {
    const SQL: PerDriver = by_keys!(
        "select customer, method from unhealthy_method where customer",
        uuid,
        " order by customer, method"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, String)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(customers)).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(customer, method)| (CustomerId(customer), method)).collect())
}

/// Invoices whose next dunning step is due on `as_of`, by day and id.
pub async fn due_retries(tx: &mut Tx, as_of: NaiveDate, limit: u32) -> anyhow::Result<Vec<InvoiceId>> {
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select invoice from invoice_settlement where next_retry <= $1 order by next_retry, invoice limit $2")
        .bind(as_of)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}

/// Notes in the transaction of a booking that its first charge is due.
pub async fn owe_first_charge(tx: &mut Tx, invoice: InvoiceId, on: NaiveDate) -> anyhow::Result<()> {
    let mut rows = Bulk::into("first_charge", &["invoice", "due_on"]);
    rows.row([invoice.0.into(), on.into()]);
    rows.insert(tx).await.map(drop)
}

/// Whether the first charge of an invoice that a person booked was not decided yet.
pub async fn owes_first_charge(tx: &mut Tx, invoice: InvoiceId) -> anyhow::Result<bool> {
    let rows: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from first_charge where invoice = $1")
        .bind(invoice.0)
        .fetch_one(c)
        .await?);
    Ok(rows > 0)
}

/// Invoices whose first charge is due on `as_of`, by day and id.
pub async fn first_charges_owed(tx: &mut Tx, as_of: NaiveDate, limit: u32) -> anyhow::Result<Vec<InvoiceId>> {
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select invoice from first_charge where due_on <= $1 order by due_on, invoice limit $2")
        .bind(as_of)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}

/// Their first charge is decided.
pub async fn first_charges_decided(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!("delete from first_charge where invoice", uuid, "");
    let sql = tx.pick(&SQL);
    on!(tx, c => sqlx::query(sql).bind(Ids::of(invoices)).execute(c).await.map(drop))?;
    Ok(())
}
