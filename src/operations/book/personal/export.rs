//! A payer's data as one document: what the books, the mails and the audit log hold of them.
//!
//! Idempotency key: it only reads.

use super::Person;
use crate::context::Context;
use crate::ledger::why;
use crate::refusal::Stop;
use domain::customer::Customer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::audit;
use store::bank::{self, EntryFilter};
use store::invoice::{self, Booked, InvoiceFilter};
use store::{Tx, delivery, document, erasure, payment};

/// Records of the audit log about one customer; there are as many as somebody changed it.
const RECORDS_MAX: u32 = 100_000;

/// Everything, as JSON. A payment method's token is a key to money and no data about a person: it is left out.
pub async fn export(ctx: &Context, account: &str) -> Result<Value, Stop> {
    let mut tx = ctx.store.read().await?;
    let person = Person::find(&mut tx, account).await?;
    let id = person.customer.id;
    let erased = erasure::of_accounts(&mut tx, &[account]).await?.pop();
    let wanted = InvoiceFilter { payer: Some(id), ..InvoiceFilter::default() };
    let ids = invoice::ids(&mut tx, &wanted).await?;
    let booked = invoice::by_ids(&mut tx, &ids).await?;
    let names: BTreeMap<_, _> =
        booked.iter().map(|b| (b.invoice.draft.id, b.invoice.number.clone())).collect();
    let number = |id| names.get(&id).cloned().unwrap_or_default();
    let payments: Vec<Value> = payment::of_invoices(&mut tx, &ids)
        .await?
        .into_iter()
        .map(|a| {
            json!({"invoice": number(a.invoice), "on": a.on, "amount_minor": a.amount_minor, "currency": a.currency,
                   "method": a.method, "gateway": a.gateway, "state": a.state, "reference": a.provider_reference})
        })
        .collect();
    let filter = EntryFilter { payer: Some(id), ..EntryFilter::default() };
    let transfers: Vec<Value> = bank::entries(&mut tx, filter)
        .await?
        .into_iter()
        .map(|row| {
            let said = row.received;
            json!({"on": said.booked_on, "amount_minor": said.amount_minor, "currency": said.currency, "name": said.name,
                   "from": said.from, "reference": said.reference, "text": said.text, "placed": row.placed})
        })
        .collect();
    let mails: Vec<Value> = delivery::of_invoices(&mut tx, &ids)
        .await?
        .into_iter()
        .map(|d| {
            json!({"invoice": number(d.invoice), "what": d.channel, "address": d.address, "state": d.state,
                   "reason": d.reason, "messageid": d.message_id, "closed": d.closed.map(|c| c.why)})
        })
        .collect();
    let documents: Vec<Value> = document::of_invoices(&mut tx, &ids)
        .await?
        .into_iter()
        .map(|d| json!({"invoice": number(d.invoice), "file": format!("documents/{}", d.path)}))
        .collect();
    let records = records_of(&mut tx, account).await?;
    drop(tx);
    Ok(json!({
        "account": account,
        "erased": erased.map(|e| json!({"on": e.erased_on, "kept_until": e.kept_until})),
        "customer": of_customer(&person.customer)?,
        "subscriptions": serde_json::to_value(&person.subscriptions).map_err(anyhow::Error::from)?,
        "invoices": booked.iter().map(of_invoice).collect::<Result<Vec<_>, _>>()?,
        "payments": payments,
        "transfers": transfers,
        "mails": mails,
        "documents": documents,
        "usage": usage(ctx, &booked).await?,
        "journal": records,
    }))
}

fn of_customer(customer: &Customer) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(customer)?;
    for method in value["payment_methods"].as_array_mut().into_iter().flatten() {
        if let Some(fields) = method.as_object_mut() {
            fields.remove("token");
        }
    }
    Ok(value)
}

fn of_invoice(booked: &Booked) -> anyhow::Result<Value> {
    Ok(json!({
        "number": booked.invoice.number,
        "invoice": serde_json::to_value(&booked.invoice)?,
        "settlement": serde_json::to_value(&booked.settlement)?,
    }))
}

async fn records_of(tx: &mut Tx, account: &str) -> anyhow::Result<Vec<Value>> {
    let filter = audit::Filter { object: Some(format!("customer {account}")), ..audit::Filter::default() };
    let records = audit::newest(tx, &filter, RECORDS_MAX).await?;
    let told = records.into_iter().map(
        |r| json!({"at": r.at, "actor": r.actor, "action": r.action, "object": r.object, "detail": r.detail}),
    );
    Ok(told.collect())
}

/// For each line that usage was rated for: how many events, and the file and line of each.
async fn usage(ctx: &Context, booked: &[Booked]) -> Result<Vec<Value>, Stop> {
    let mut lines = Vec::new();
    for booked in booked {
        let story = why::why(ctx, &booked.invoice.number, 0).await?;
        for line in story.lines.into_iter().filter(|line| line.events_total > 0) {
            lines.push(json!({"invoice": story.invoice, "line": line.number, "events": line.events}));
        }
    }
    Ok(lines)
}
