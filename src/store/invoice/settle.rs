//! How far invoices are settled: the marks that move after booking. Each payment, credit or set-off is a part with
//! its source as key, so that a repeat settles nothing twice.

use crate::bulk::Bulk;
use crate::outbox;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Ids, Texts};
use crate::words::word;
use anyhow::{Context, ensure};
use chrono::NaiveDate;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::PaymentStatus;
use domain::invoice::verbs::PartKind;
pub use domain::invoice::verbs::SettlementPart;
use domain::invoice::{OpenDocument, Settlement};
use domain::money::Currency;
use domain::webhook::Event;
use sqlx::types::Json;
use uuid::Uuid;

/// Writes a part and the settlement that results from it; `false`, and nothing written, if this source has settled
/// the invoice before.
pub async fn settle(tx: &mut Tx, part: &SettlementPart, settlement: &Settlement) -> anyhow::Result<bool> {
    const LOCK: PerDriver = PerDriver {
        sqlite: "select settled_minor from invoice_settlement where invoice = $1",
        postgres: "select settled_minor from invoice_settlement where invoice = $1 for update",
    };
    let sql = tx.pick(&LOCK);
    let before: Option<i64> =
        on!(tx, c => sqlx::query_scalar(sql).bind(part.invoice.0).fetch_optional(c).await?);
    let before = before.with_context(|| format!("invoice {} is not booked", part.invoice))?;
    let mut rows = Bulk::into(
        "settlement_part",
        &["invoice", "kind", "source", "document", "amount_minor", "settled_on"],
    )
    .on_conflict("on conflict (invoice, kind, source) do nothing");
    rows.row([
        part.invoice.0.into(),
        part.kind.name().into(),
        part.source.into(),
        part.document.map(|id| id.0).into(),
        part.amount_minor.into(),
        part.on.into(),
    ]);
    if rows.insert(tx).await? == 0 {
        return Ok(false);
    }
    ensure!(
        before + part.amount_minor == settlement.settled_minor,
        "settling invoice {}: {before} + {} is not {}",
        part.invoice,
        part.amount_minor,
        settlement.settled_minor
    );
    write_settlements(tx, &[(part.invoice, settlement.clone())]).await?;
    let action = match (part.kind, settlement.payment_status) {
        (PartKind::Refund, _) => "refund",
        (PartKind::SetOff | PartKind::WriteOff, _) => "credit",
        (PartKind::Payment, PaymentStatus::Paid) => "paid",
        (PartKind::Payment, _) => "partlypaid",
    };
    outbox::tell(tx, &[Event { kind: "Invoice", action, object: part.invoice.0 }]).await?;
    Ok(true)
}

/// Nobody else can move the settlements of these invoices until the transaction ends (SQLite's writer is alone).
pub async fn lock_settlements(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select json_array_length($1)",
        postgres: "select count(*)
                   from (select 1 from invoice_settlement where invoice = any($1) order by invoice for update) held",
    };
    let sql = tx.pick(&SQL);
    let _: i64 = on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(invoices)).fetch_one(c).await?);
    crate::request::held(tx).await
}

/// Nobody else can move what is open of these payers until the transaction ends. Before numbers are taken.
pub async fn lock_open(tx: &mut Tx, payers: &[CustomerId]) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select json_array_length($1)",
        postgres: "select count(*)
                   from (select 1
                         from invoice_settlement s
                         join invoice i on i.id = s.invoice
                         where s.open_minor <> 0 and i.payer = any($1)
                         order by s.invoice
                         for update of s) held",
    };
    let sql = tx.pick(&SQL);
    let _: i64 = on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(payers)).fetch_one(c).await?);
    Ok(())
}

/// Open documents of those of these payers who have an open credit in the same currency, by payer, currency and age
/// (rules I8). Invoices whose payment is under way are left out: what will come of it is not known. Needs
/// [`lock_open`].
pub async fn open_with_credit(
    tx: &mut Tx,
    payers: &[CustomerId],
) -> anyhow::Result<Vec<(CustomerId, Currency, OpenDocument)>> {
    const SQL: PerDriver = by_keys!(
        "select i.payer, i.currency, i.id, s.open_minor
         from invoice i
         join invoice_settlement s on s.invoice = i.id
         where s.open_minor <> 0
           and exists (select 1
                       from invoice credit
                       join invoice_settlement cs on cs.invoice = credit.id
                       where credit.payer = i.payer and credit.currency = i.currency and cs.open_minor < 0)
           and not exists (select 1 from payment_attempt a where a.invoice = i.id and a.state = 'pending')
           and i.payer",
        uuid,
        " order by i.payer, i.currency, i.invoice_date, i.series, i.sequence"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, String, Uuid, i64)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    rows.into_iter()
        .map(|(payer, currency, id, open_minor)| {
            Ok((CustomerId(payer), currency.parse()?, OpenDocument { id: InvoiceId(id), open_minor }))
        })
        .collect()
}

/// Those of the invoices of these numbers of which something was given up, oldest first.
pub async fn written_off(tx: &mut Tx, numbers: &[String]) -> anyhow::Result<Vec<InvoiceId>> {
    const SQL: PerDriver = by_keys!(
        "select i.id from invoice i join invoice_settlement s on s.invoice = i.id
         where s.written_off_minor <> 0 and i.number",
        text,
        " order by i.invoice_date, i.series, i.sequence"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<Uuid> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Texts(numbers.to_vec())).fetch_all(c).await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}

/// What a payer has paid in a currency less what went back, minor units. What a document below zero gives that credits no
/// invoice is the payer's own (rules Q2), and refunds that have no answer yet count as gone.
pub async fn kept_minor(tx: &mut Tx, payer: CustomerId, currency: Currency) -> anyhow::Result<i64> {
    let kept: i64 = on!(tx, c => sqlx::query_scalar(
        "select cast(coalesce(sum(m.minor), 0) as bigint)
         from (select p.amount_minor as minor
               from settlement_part p
               join invoice i on i.id = p.invoice
               where i.payer = $1 and i.currency = $2 and p.kind in ('payment', 'refund')
               union all
               select -r.amount_minor
               from refund_asked r
               join invoice i on i.id = r.invoice
               where i.payer = $1 and i.currency = $2
               union all
               select -(i.net_minor + i.vat_minor)
               from invoice i
               where i.payer = $1 and i.currency = $2 and i.net_minor + i.vat_minor < 0 and cast(i.credits as text) = '[]') m")
        .bind(payer.0)
        .bind(currency.code())
        .fetch_one(c)
        .await?);
    Ok(kept)
}

/// A part of a settlement, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledPart {
    pub kind: String,
    /// The other document of a set-off.
    pub document: Option<InvoiceId>,
    pub amount_minor: i64,
    pub on: NaiveDate,
}

/// Parts of an invoice's settlement, oldest first.
pub async fn parts(tx: &mut Tx, invoice: InvoiceId) -> anyhow::Result<Vec<SettledPart>> {
    // Before the other document had a column of its own, it was the source.
    let rows: Vec<(String, Option<Uuid>, i64, NaiveDate)> = on!(tx, c => sqlx::query_as(
        "select kind, case kind when 'set_off' then coalesce(document, source) end, amount_minor, settled_on
         from settlement_part
         where invoice = $1
         order by settled_on, kind, source")
        .bind(invoice.0)
        .fetch_all(c)
        .await?);
    let read = |(kind, document, amount_minor, on): (String, Option<Uuid>, i64, NaiveDate)| SettledPart {
        kind,
        document: document.map(InvoiceId),
        amount_minor,
        on,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// What moved the account of a payer beside documents: payments, refunds and write-offs, with minor units as they settle.
pub async fn moved_of_payer(
    tx: &mut Tx,
    payer: CustomerId,
) -> anyhow::Result<Vec<(InvoiceId, String, i64, NaiveDate)>> {
    let rows: Vec<(Uuid, String, i64, NaiveDate)> = on!(tx, c => sqlx::query_as(
        "select p.invoice, p.kind, p.amount_minor, p.settled_on
         from settlement_part p
         join invoice i on i.id = p.invoice
         where i.payer = $1 and p.kind <> 'set_off'
         order by p.settled_on, p.invoice, p.kind, p.source")
        .bind(payer.0)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|(id, kind, amount_minor, on)| (InvoiceId(id), kind, amount_minor, on)).collect())
}

/// The credit notes of a payer, each with the numbers of the invoices that it credits.
pub async fn credit_notes_of(
    tx: &mut Tx,
    payer: CustomerId,
) -> anyhow::Result<Vec<(InvoiceId, Vec<String>)>> {
    let rows: Vec<(Uuid, Json<Vec<String>>)> = on!(tx, c => sqlx::query_as(
        "select id, credits from invoice where payer = $1 and is_credit_note order by series, sequence")
        .bind(payer.0)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|(id, Json(credits))| (InvoiceId(id), credits)).collect())
}

/// Replaces settlements: payment status, dunning step, next retry. Amounts move only through [`settle`].
pub async fn save_settlements(tx: &mut Tx, settlements: &[(InvoiceId, Settlement)]) -> anyhow::Result<()> {
    write_settlements(tx, settlements).await?;
    let action = |settlement: &Settlement| match settlement.payment_status {
        PaymentStatus::Declined | PaymentStatus::PendingRetry => Some("declined"),
        PaymentStatus::Dunning => Some("dunning"),
        _ => None,
    };
    let events: Vec<Event> = settlements
        .iter()
        .filter_map(|(id, s)| Some(Event { kind: "Invoice", action: action(s)?, object: id.0 }))
        .collect();
    outbox::tell(tx, &events).await
}

async fn write_settlements(tx: &mut Tx, settlements: &[(InvoiceId, Settlement)]) -> anyhow::Result<()> {
    for (invoice, s) in settlements {
        let (status, payment_status) = (word(&s.status)?, word(&s.payment_status)?);
        let saved = on!(tx, c => sqlx::query(
            "update invoice_settlement
             set status = $2, payment_status = $3, settled_minor = $4, payment_date = $5, dunning_step = $6,
                 next_retry = $7, credited_minor = $8, written_off_minor = $9,
                 open_minor = (select i.net_minor + i.vat_minor from invoice i where i.id = $1) - $4
             where invoice = $1")
            .bind(invoice.0)
            .bind(status)
            .bind(payment_status)
            .bind(s.settled_minor)
            .bind(s.payment_date)
            .bind(i64::from(s.dunning_step))
            .bind(s.next_retry)
            .bind(s.credited_minor)
            .bind(s.written_off_minor)
            .execute(c)
            .await?
            .rows_affected());
        ensure!(saved == 1, "invoice {invoice} has no settlement");
    }
    Ok(())
}
