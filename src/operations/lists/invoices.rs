//! Invoices, booked or not, as records.

use anyhow::Context;
use domain::Decimal;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::{Draft, Invoice, InvoiceStatus, Line, PaymentStatus, Settlement};
use domain::money::{Currency, Money};
use domain::query::{Entity, Kind, Record, Value, property};
use std::collections::BTreeMap;
use store::draft::{self, DraftState};
use store::{Tx, invoice, refkey};
use uuid::Uuid;

/// Digits as they are shown: without zeros at the end.
fn shown(value: Decimal) -> Decimal {
    value.normalize()
}

pub static INVOICE: Entity = Entity {
    name: "Invoice",
    properties: &[
        property("ID", Kind::Guid),
        property("CustomerID", Kind::Guid),
        property("AccountNumber", Kind::Text),
        property("SubscriptionID", Kind::Guid),
        property("SubscriptionNumber", Kind::Text),
        property("ChildID", Kind::Guid),
        property("CurrencyCode", Kind::Text),
        property("Total", Kind::Exact),
        property("TotalVat", Kind::Exact),
        property("TotalAmount", Kind::Exact),
        property("InvoiceDate", Kind::Day),
        property("DueDate", Kind::Day),
        property("PaymentDate", Kind::Day),
        property("BookedOn", Kind::Day),
        property("InvoiceStatus", Kind::Int),
        property("PaymentStatus", Kind::Int),
        property("SettlementStatus", Kind::Int),
        property("InvoiceReference", Kind::Text),
        property("IsCreditNote", Kind::Flag),
        property("PaymentTerm", Kind::Int),
        property("InvoiceNumber", Kind::Text),
        property("InvoiceNumeric", Kind::Int),
        property("DunningStep", Kind::Int),
        property("NextRetry", Kind::Day),
        property("BusinessUnit", Kind::Text),
        property("PaymentReference", Kind::Text),
        property("RefKey", Kind::Text),
        property("CreditNoteID", Kind::Guid),
    ],
    objects: &[],
    lists: &[("InvoiceLines", &LINE)],
};

pub static LINE: Entity = Entity {
    name: "InvoiceLine",
    properties: &[
        property("ID", Kind::Guid),
        property("InvoiceID", Kind::Guid),
        property("LineNumber", Kind::Int),
        property("SKU", Kind::Text),
        property("Title", Kind::Text),
        property("Description", Kind::Text),
        property("Quantity", Kind::Exact),
        property("UnitPrice", Kind::Exact),
        property("SubTotal", Kind::Exact),
        property("Discount", Kind::Exact),
        property("DiscountAmount", Kind::Exact),
        property("TaxPct", Kind::Exact),
        property("TotalVat", Kind::Exact),
        property("TotalPrice", Kind::Exact),
        property("PeriodStart", Kind::Day),
        property("PeriodEnd", Kind::Day),
        property("IsAmendment", Kind::Flag),
        property("IsAdjustment", Kind::Flag),
        property("Unit", Kind::Text),
        property("RatedQuantity", Kind::Exact),
        property("ReferenceID", Kind::Guid),
    ],
    objects: &[],
    lists: &[],
};

/// Booked invoices and drafts of these ids, with the names that their writers gave them.
pub async fn load(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    let refkeys = refkey::of_owners(tx, ids.to_vec()).await?;
    let mut records = unnamed(tx, ids).await?;
    for record in &mut records {
        let name = match record.id() {
            Value::Guid(id) => refkeys.get(id).map(String::as_str),
            _ => None,
        };
        record.values.push(name.into());
        record.values.push(Value::Null);
    }
    credited(tx, &mut records).await?;
    Ok(records)
}

/// What was credited while nobody had paid is shown as cancelled, with the note that did it: the row stays as it was booked.
async fn credited(tx: &mut Tx, records: &mut [Record]) -> anyhow::Result<()> {
    let place = |name: &str| INVOICE.property(name).context("a property of invoices");
    let (payer, number, note) = (place("CustomerID")?, place("InvoiceNumber")?, place("CreditNoteID")?);
    let (status, booked_on) = (place("InvoiceStatus")?, place("BookedOn")?);
    let cancelled = Value::Int(i64::from(InvoiceStatus::Cancelled as u32));
    let mut notes = BTreeMap::new();
    for record in records {
        let (Value::Guid(payer), Value::Text(number)) = (&record.values[payer], &record.values[number])
        else {
            continue;
        };
        if record.values[status] != cancelled || record.values[booked_on] == Value::Null {
            continue;
        }
        if !notes.contains_key(payer) {
            notes.insert(*payer, invoice::credit_notes_of(tx, CustomerId(*payer)).await?);
        }
        let credits = |(_, credits): &&(InvoiceId, Vec<String>)| credits.contains(number);
        let found = notes[payer].iter().rfind(credits).map(|(id, _)| Value::Guid(id.0));
        record.values[note] = found.unwrap_or(Value::Null);
    }
    Ok(())
}

async fn unnamed(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    let ids: Vec<InvoiceId> = ids.iter().copied().map(InvoiceId).collect();
    let booked = invoice::by_ids(tx, &ids).await?;
    let is_booked = |id: &InvoiceId| booked.iter().any(|b| b.invoice.draft.id == *id);
    let unbooked: Vec<InvoiceId> = ids.iter().copied().filter(|id| !is_booked(id)).collect();
    let mut records: Vec<Record> =
        booked.iter().map(|b| record(&b.invoice.draft, Some(&b.invoice), &b.settlement)).collect();
    if unbooked.is_empty() {
        return Ok(records);
    }
    for draft in draft::by_ids(tx, &unbooked).await? {
        let state = draft::state(tx, draft.id).await?.map(|(state, _)| state);
        let status = match state {
            Some(DraftState::Cancelled) => InvoiceStatus::Cancelled,
            _ => InvoiceStatus::Draft,
        };
        records.push(record(&draft, None, &Settlement::open(status)));
    }
    Ok(records)
}

fn record(draft: &Draft, booked: Option<&Invoice>, settlement: &Settlement) -> Record {
    let money = |minor: i64| Value::Exact(Money::new(minor, draft.currency).decimal());
    let guid = |id: Option<Uuid>| id.map_or(Value::Null, Value::Guid);
    let day = |day: Option<domain::NaiveDate>| day.map_or(Value::Null, Value::Day);
    let is_credited =
        booked.is_some() && !draft.is_credit_note && settlement.payment_status == PaymentStatus::Cancelled;
    let status = if is_credited { InvoiceStatus::Cancelled } else { settlement.status };
    let settled = settlement.settlement_status(draft.gross_minor());
    let values = vec![
        Value::Guid(draft.id.0),
        Value::Guid(draft.payer.0),
        draft.account_number.as_str().into(),
        guid(draft.subscription.map(|id| id.0)),
        draft.subscription_number.as_deref().into(),
        guid(draft.child.map(|id| id.0)),
        draft.currency.code().into(),
        money(draft.net_minor),
        money(draft.vat_minor),
        money(draft.gross_minor()),
        Value::Day(draft.invoice_date),
        Value::Day(booked.map_or(draft.due_date, |invoice| invoice.payable_by)),
        day(settlement.payment_date),
        day(booked.map(|invoice| invoice.booked_on)),
        Value::Int(i64::from(status as u32)),
        Value::Int(i64::from(settlement.payment_status as u32)),
        Value::Int(i64::from(settled as u32)),
        draft.reference.as_deref().into(),
        Value::Flag(draft.is_credit_note),
        Value::Int(draft.payment_term.into()),
        booked.map(|invoice| invoice.number.as_str()).into(),
        booked.map_or(Value::Null, |invoice| Value::Int(i64::try_from(invoice.sequence).unwrap_or(i64::MAX))),
        Value::Int(settlement.dunning_step.into()),
        day(settlement.next_retry),
        draft.business_unit.as_deref().into(),
        booked.and_then(|i| i.payment_reference.as_ref()).map(|own| own.reference.as_str()).into(),
    ];
    let lines = draft.lines.iter().map(|line| line_record(line, draft.id, draft.currency)).collect();
    Record { values, objects: Vec::new(), lists: vec![lines] }
}

fn line_record(line: &Line, invoice: InvoiceId, currency: Currency) -> Record {
    let money = |minor: i64| Value::Exact(Money::new(minor, currency).decimal());
    let values = vec![
        Value::Guid(line.id.0),
        Value::Guid(invoice.0),
        Value::Int(line.number.into()),
        line.sku.as_str().into(),
        line.title.as_str().into(),
        line.description.as_str().into(),
        Value::Exact(shown(line.quantity)),
        Value::Exact(shown(line.unit_price)),
        money(line.subtotal_minor),
        Value::Exact(shown(line.discount)),
        money(line.discount_minor),
        Value::Exact(shown(line.tax_pct)),
        money(line.vat_minor),
        money(line.gross_minor()),
        Value::Day(line.period.start),
        Value::Day(line.period.last_day()),
        Value::Flag(line.is_amendment),
        Value::Flag(line.is_adjustment),
        line.unit.as_deref().into(),
        Value::Exact(shown(line.rated_quantity)),
        line.key.as_ref().map_or(Value::Null, |key| Value::Guid(key.charge.0)),
    ];
    Record { values, ..Record::default() }
}
