//! Writing booked invoices in bulk.

use crate::bulk::{Bulk, Cell};
use crate::draft::{self, DraftState};
use crate::draft_body;
use crate::ledger;
use crate::line_credit;
use crate::outbox;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::{stored, word};
use anyhow::ensure;
use domain::ids::{InvoiceId, PlanId, RunId};
use domain::invoice::{Invoice, Line, at_booking};
use domain::ledger::Entry;
use domain::webhook::Event;
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use uuid::Uuid;

/// Takes the next `n` numbers of a series and returns the first; a new series starts at `begins`. The series stays locked
/// until the transaction ends, so there is no gap at any moment (rules I5).
pub async fn take_numbers(tx: &mut Tx, series: &str, begins: u64, n: u64) -> anyhow::Result<u64> {
    let next: i64 = on!(tx, c => sqlx::query_scalar(
        "insert into number_series (name, first, next)
         values ($1, $3, $3 + $2)
         on conflict (name) do update set next = number_series.next + $2
         returning next")
        .bind(series)
        .bind(stored(n))
        .bind(stored(begins))
        .fetch_one(c)
        .await?);
    crate::words::count(next - stored(n), "number_series.next")
}

/// Takes `n` of the numbers of which payment references are made, across all series: no two invoices have the same.
pub async fn take_references(tx: &mut Tx, n: usize) -> anyhow::Result<Range<u64>> {
    if n == 0 {
        return Ok(0..0);
    }
    let first = crate::counter::take(tx, crate::counter::REFERENCE, i64::try_from(n)?).await?;
    let first = crate::words::count(first, "counter.last")?;
    Ok(first..first + u64::try_from(n)?)
}

/// Writes invoices with their lines, VAT groups and open settlements, their unsealed ledger entries, and marks the
/// drafts they were made of, whose content goes. Key: the invoice's id; one that is there already is an error.
pub async fn save_booked(
    tx: &mut Tx,
    run: Option<RunId>,
    invoices: &[Invoice],
    entries: &[Entry],
) -> anyhow::Result<()> {
    for invoice in invoices {
        check(invoice)?;
    }
    save_headers(tx, run, invoices).await?;
    save_references(tx, invoices).await?;
    save_lines(tx, invoices).await?;
    line_credit::save(tx, invoices).await?;
    save_vat(tx, invoices).await?;
    save_open_settlements(tx, invoices).await?;
    save_billed_charges(tx, invoices).await?;
    ledger::save_entries(tx, run, entries).await?;
    let ids: Vec<InvoiceId> = invoices.iter().map(|i| i.draft.id).collect();
    draft::mark(tx, &ids, DraftState::Booked, None).await?;
    draft_body::drop_booked(tx, &ids).await?;
    let booked = |id: &InvoiceId| Event { kind: "Invoice", action: "book", object: id.0 };
    let events: Vec<Event> = ids.iter().map(booked).collect();
    outbox::tell(tx, &events).await
}

/// Lines, VAT groups and totals agree to the last unit (rules M2), checked before writing.
fn check(invoice: &Invoice) -> anyhow::Result<()> {
    let draft = &invoice.draft;
    let net: i64 = draft.lines.iter().map(|l| l.subtotal_minor).sum();
    let vat: i64 = draft.lines.iter().map(|l| l.vat_minor).sum();
    let group_net: i64 = draft.vat_groups.iter().map(|g| g.net_minor).sum();
    let group_vat: i64 = draft.vat_groups.iter().map(|g| g.vat_minor).sum();
    ensure!(
        (net, vat) == (draft.net_minor, draft.vat_minor) && (group_net, group_vat) == (net, vat),
        "booking invoice {}: total {} + {}, lines {net} + {vat}, VAT groups {group_net} + {group_vat}",
        invoice.number,
        draft.net_minor,
        draft.vat_minor
    );
    Ok(())
}

/// Columns of an invoice, in the order of [`header`].
const HEADER: [&str; 37] = [
    "id",
    "number",
    "series",
    "sequence",
    "run",
    "payer",
    "account_number",
    "subscription",
    "subscription_number",
    "child",
    "currency",
    "charge_date",
    "invoice_date",
    "due_date",
    "payable_by",
    "booked_on",
    "payment_term",
    "is_credit_note",
    "credits",
    "number_pattern",
    "autobill",
    "seller",
    "buyer",
    "payment_method",
    "reference",
    "language",
    "business_unit",
    "dunning_policy",
    "revision",
    "net_minor",
    "vat_minor",
    "base_currency",
    "base_rate",
    "base_rate_date",
    "base_rate_source",
    "base_net_minor",
    "base_vat_minor",
];

async fn save_headers(tx: &mut Tx, run: Option<RunId>, invoices: &[Invoice]) -> anyhow::Result<()> {
    let mut rows = Bulk::into("invoice", &HEADER);
    for invoice in invoices {
        rows.row(header(run, invoice)?);
    }
    rows.insert(tx).await.map(drop)
}

fn header(run: Option<RunId>, i: &Invoice) -> anyhow::Result<[Cell<'_>; HEADER.len()]> {
    let (d, base) = (&i.draft, i.base.as_ref());
    Ok([
        d.id.0.into(),
        (&i.number).into(),
        (&d.series).into(),
        stored(i.sequence).into(),
        run.map(|r| r.0).into(),
        d.payer.0.into(),
        (&d.account_number).into(),
        d.subscription.map(|s| s.0).into(),
        (&d.subscription_number).into(),
        d.child.map(|c| c.0).into(),
        d.currency.code().to_owned().into(),
        d.charge_date.into(),
        d.invoice_date.into(),
        d.due_date.into(),
        i.payable_by.into(),
        i.booked_on.into(),
        d.payment_term.into(),
        d.is_credit_note.into(),
        Cell::json(&d.credits)?,
        (&d.number_pattern).into(),
        d.autobill.into(),
        Cell::json(&d.seller)?,
        Cell::json(&d.buyer)?,
        (&d.payment_method).into(),
        (&d.reference).into(),
        (&d.language).into(),
        (&d.business_unit).into(),
        (&d.dunning_policy).into(),
        d.revision.into(),
        d.net_minor.into(),
        d.vat_minor.into(),
        base.map(|b| b.currency.code().to_owned()).into(),
        base.map(|b| b.rate).into(),
        base.map(|b| b.rate_date).into(),
        base.map(|b| b.rate_source.clone()).into(),
        base.map(|b| b.net_minor).into(),
        base.map(|b| b.vat_minor).into(),
    ])
}

async fn save_references(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let mut rows = Bulk::into("payment_reference", &["invoice", "kind", "reference", "creditor"]);
    for invoice in invoices {
        if let Some(own) = &invoice.payment_reference {
            let id = invoice.draft.id.0;
            rows.row([id.into(), own.kind.name().into(), (&own.reference).into(), (&own.creditor).into()]);
        }
    }
    rows.insert(tx).await.map(drop)
}

async fn save_lines(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let columns = &[
        "id",
        "invoice",
        "number",
        "key_charge",
        "key_start",
        "key_revision",
        "key_kind",
        "key_ordinal",
        "owner",
        "subscription",
        "subscription_number",
        "sku",
        "title",
        "description",
        "quantity",
        "unit_price",
        "rated_quantity",
        "unit",
        "subtotal_minor",
        "discount",
        "discount_minor",
        "discount_text",
        "tax_category",
        "tax_pct",
        "tax_reason",
        "vat_minor",
        "period_start",
        "period_end",
        "tax_date",
        "deferred",
        "arrears",
        "tax_inclusive",
        "is_amendment",
        "is_adjustment",
        "amends",
        "business_unit",
        "accounting_code",
        "exact",
    ];
    let mut rows = Bulk::into("invoice_line", columns);
    for invoice in invoices {
        for line in &invoice.draft.lines {
            rows.row(line_cells(invoice, line));
        }
    }
    rows.insert(tx).await.map(drop)
}

fn line_cells<'a>(invoice: &Invoice, l: &'a Line) -> [Cell<'a>; 38] {
    let key = l.key.as_ref();
    [
        l.id.0.into(),
        invoice.draft.id.0.into(),
        l.number.into(),
        key.map(|k| k.charge.0).into(),
        key.map(|k| k.period_start).into(),
        key.map(|k| k.revision).into(),
        key.map(|k| k.kind.name()).into(),
        key.map(|k| k.ordinal).into(),
        l.owner.0.into(),
        l.subscription.map(|s| s.0).into(),
        (&l.subscription_number).into(),
        (&l.sku).into(),
        (&l.title).into(),
        (&l.description).into(),
        l.quantity.into(),
        l.unit_price.into(),
        l.rated_quantity.into(),
        (&l.unit).into(),
        l.subtotal_minor.into(),
        l.discount.into(),
        l.discount_minor.into(),
        (&l.discount_text).into(),
        l.tax_category.name().into(),
        l.tax_pct.into(),
        (&l.tax_reason).into(),
        l.vat_minor.into(),
        l.period.start.into(),
        l.period.end.into(),
        l.tax_date.into(),
        l.deferred.into(),
        l.arrears.into(),
        l.tax_inclusive.into(),
        l.is_amendment.into(),
        l.is_adjustment.into(),
        (&l.amends).into(),
        (&l.business_unit).into(),
        (&l.accounting_code).into(),
        l.exact.to_fraction_text().into(),
    ]
}

async fn save_vat(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let columns = &["invoice", "position", "category", "rate_pct", "reason", "net_minor", "vat_minor"];
    let mut rows = Bulk::into("invoice_vat", columns);
    for invoice in invoices {
        for (position, group) in invoice.draft.vat_groups.iter().enumerate() {
            rows.row([
                invoice.draft.id.0.into(),
                i64::try_from(position)?.into(),
                group.category.name().into(),
                group.rate_pct.into(),
                (&group.reason).into(),
                group.net_minor.into(),
                group.vat_minor.into(),
            ]);
        }
    }
    rows.insert(tx).await.map(drop)
}

async fn save_open_settlements(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let columns = &[
        "invoice",
        "status",
        "payment_status",
        "open_minor",
        "settled_minor",
        "credited_minor",
        "written_off_minor",
        "payment_date",
        "dunning_step",
        "next_retry",
    ];
    let mut rows = Bulk::into("invoice_settlement", columns);
    for invoice in invoices {
        let open = at_booking(invoice.draft.gross_minor(), invoice.booked_on);
        rows.row([
            invoice.draft.id.0.into(),
            word(&open.status)?.into(),
            word(&open.payment_status)?.into(),
            invoice.draft.gross_minor().into(),
            open.settled_minor.into(),
            open.credited_minor.into(),
            open.written_off_minor.into(),
            open.payment_date.into(),
            open.dunning_step.into(),
            open.next_retry.into(),
        ]);
    }
    rows.insert(tx).await.map(drop)
}

/// Notes the charges of plans that have been billed (rules P9): by SKU, of every plan the subscription has had.
async fn save_billed_charges(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    const PLANS: PerDriver = by_keys!("select id, plans from subscription where id", uuid, "");
    let lines = invoices.iter().flat_map(|i| &i.draft.lines);
    let billed: BTreeSet<(Uuid, &str)> =
        lines.filter_map(|l| l.subscription.map(|s| (s.0, l.sku.as_str()))).collect();
    let subscriptions: BTreeSet<Uuid> = billed.iter().map(|(s, _)| *s).collect();
    let sql = tx.pick(&PLANS);
    let rows: Vec<(Uuid, Json<BTreeSet<PlanId>>)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids(subscriptions.into_iter().collect())).fetch_all(c).await?);
    let plans: BTreeMap<Uuid, BTreeSet<PlanId>> =
        rows.into_iter().map(|(id, Json(plans))| (id, plans)).collect();
    let mut charges: BTreeSet<(Uuid, &str)> = BTreeSet::new();
    for (subscription, sku) in billed {
        charges.extend(plans.get(&subscription).into_iter().flatten().map(|plan| (plan.0, sku)));
    }
    let mut rows =
        Bulk::into("billed_charge", &["plan", "sku"]).on_conflict("on conflict (plan, sku) do nothing");
    for (plan, sku) in charges {
        rows.row([plan.into(), sku.into()]);
    }
    rows.insert(tx).await.map(drop)
}
