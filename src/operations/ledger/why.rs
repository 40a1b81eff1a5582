//! From a ledger entry, a line or an invoice back to the usage file and line.

use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::measure;
use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, SecondsFormat};
use domain::billing;
use domain::ids::{InvoiceId, LineId};
use domain::invoice::{Invoice, Line};
use domain::measure::Window;
use domain::money::Money;
use domain::refusal::{Code, Refusal};
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use store::ledger::SealedFilter;
use store::{Tx, imports, payer};
use uuid::Uuid;

/// The evidence of one invoice, or of one of its lines.
#[derive(Debug, Clone, Serialize)]
pub struct InvoiceEvidence {
    pub entry: Option<EntryEvidence>,
    pub invoice: String,
    pub account: String,
    pub charge_date: NaiveDate,
    /// Ordinal of the run that made it.
    pub run: Option<u64>,
    pub lines: Vec<LineEvidence>,
}

/// The ledger entry that was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct EntryEvidence {
    pub sequence: Option<u64>,
    pub kind: &'static str,
    pub document: String,
}

/// A line and the events that were rated for it.
#[derive(Debug, Clone, Serialize)]
pub struct LineEvidence {
    pub number: u32,
    pub sku: String,
    pub title: String,
    pub description: String,
    pub period_start: NaiveDate,
    /// Last day, included.
    pub period_end: NaiveDate,
    pub rated_quantity: String,
    pub amount: String,
    pub events_total: usize,
    pub events: Vec<EventEvidence>,
}

/// One usage event and where it stood.
#[derive(Debug, Clone, Serialize)]
pub struct EventEvidence {
    pub file: String,
    pub line: u64,
    pub source: String,
    pub id: String,
    pub quantity: String,
    pub time: String,
}

/// Finds what `id` names and tells its story with at most `events_max` events per line (0 = all).
pub async fn why(ctx: &Context, id: &str, events_max: usize) -> Result<InvoiceEvidence, Stop> {
    let mut tx = ctx.store.read().await?;
    let found = find(&mut tx, id).await?.ok_or_else(|| {
        Refusal::new(Code::UnknownId, format!("nothing is called {id}"))
            .hint("give an invoice number such as INV-0000001, a ledger sequence number, or an id")
    })?;
    let run = store::run::of_invoice(&mut tx, found.invoice.draft.id).await?;
    drop(tx);
    let draft = &found.invoice.draft;
    let mut windows = match &run {
        Some(run) => windows(ctx, run, &found.invoice).await?,
        None => BTreeMap::new(),
    };
    let mut lines = Vec::new();
    for line in draft.lines.iter().filter(|l| found.line.is_none_or(|wanted| wanted == l.id)) {
        let window = line.key.as_ref().and_then(|k| windows.remove(&(k.charge, k.period_start)));
        lines.push(line_story(ctx, run.as_ref(), &found.invoice, line, window, events_max).await?);
    }
    Ok(InvoiceEvidence {
        entry: found.entry,
        invoice: found.invoice.number.clone(),
        account: draft.account_number.clone(),
        charge_date: draft.charge_date,
        run: run.map(|r| r.ordinal),
        lines,
    })
}

struct Evidence {
    entry: Option<EntryEvidence>,
    invoice: Invoice,
    line: Option<LineId>,
}

async fn find(tx: &mut Tx, id: &str) -> anyhow::Result<Option<Evidence>> {
    if let Some(booked) = store::invoice::by_number(tx, id).await? {
        return Ok(Some(Evidence { entry: None, invoice: booked.invoice, line: None }));
    }
    if let Ok(sequence) = id.parse::<u64>() {
        let filter = SealedFilter { first: Some(sequence), last: Some(sequence), ..SealedFilter::default() };
        let Some(sealed) = store::ledger::sealed_page(tx, &filter, 0, 1).await?.pop() else {
            return Ok(None);
        };
        let entry = EntryEvidence {
            sequence: Some(sealed.sequence),
            kind: sealed.entry.kind.name(),
            document: sealed.entry.document_number.clone(),
        };
        let booked =
            store::invoice::by_id(tx, sealed.entry.invoice).await?.context("an entry without its invoice")?;
        return Ok(Some(Evidence { entry: Some(entry), invoice: booked.invoice, line: None }));
    }
    let Ok(uuid) = id.parse::<Uuid>() else { return Ok(None) };
    if let Some(booked) = store::invoice::by_id(tx, InvoiceId(uuid)).await? {
        return Ok(Some(Evidence { entry: None, invoice: booked.invoice, line: None }));
    }
    if let Some(invoice) = store::invoice::of_line(tx, LineId(uuid)).await? {
        let booked = store::invoice::by_id(tx, invoice).await?.context("a line without its invoice")?;
        return Ok(Some(Evidence { entry: None, invoice: booked.invoice, line: Some(LineId(uuid)) }));
    }
    let Some(entry) = store::ledger::by_id(tx, domain::ids::EntryId(uuid)).await? else { return Ok(None) };
    let story =
        EntryEvidence { sequence: None, kind: entry.kind.name(), document: entry.document_number.clone() };
    let booked = store::invoice::by_id(tx, entry.invoice).await?.context("an entry without its invoice")?;
    Ok(Some(Evidence { entry: Some(story), invoice: booked.invoice, line: None }))
}

type WindowOf = BTreeMap<(domain::ids::ChargeReference, NaiveDate), Window>;

/// The windows that were measured for the invoice: those that would be due had its payer not been billed.
async fn windows(ctx: &Context, run: &store::run::Run, invoice: &Invoice) -> anyhow::Result<WindowOf> {
    let mut tx = ctx.store.read().await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let mut windows = BTreeMap::new();
    for mut book in payer::books(&mut tx, &[invoice.draft.payer], &catalogue).await? {
        book.billed.clear();
        book.reopened.clear();
        for mut window in billing::due(&book, run.as_of).windows {
            window.up_to_import = Some(run.usage_mark);
            windows.insert((window.key.charge, window.key.start), window);
        }
    }
    Ok(windows)
}

async fn line_story(
    ctx: &Context,
    run: Option<&store::run::Run>,
    invoice: &Invoice,
    line: &Line,
    window: Option<Window>,
    events_max: usize,
) -> anyhow::Result<LineEvidence> {
    let found = match (run, window) {
        (Some(run), Some(window)) => {
            let pinned = measure::pinned(ctx, run).await?;
            tokio::task::spawn_blocking(move || {
                metering::find_events(&pinned.segments, &window, &pinned.numbers)
            })
            .await??
        }
        _ => Vec::new(),
    };
    let shown = if events_max == 0 { found.len() } else { events_max.min(found.len()) };
    let mut tx = ctx.store.read().await?;
    let mut files: BTreeMap<i64, String> = BTreeMap::new();
    let mut events = Vec::with_capacity(shown);
    for event in &found[..shown] {
        if let Entry::Vacant(unknown) = files.entry(event.import) {
            let import = imports::by_number(&mut tx, event.import).await?;
            unknown.insert(import.map_or("?".to_owned(), |i| i.file_name));
        }
        events.push(EventEvidence {
            file: files[&event.import].clone(),
            line: event.line,
            source: event.source.clone(),
            id: event.id.clone(),
            quantity: domain::decimal::from_quantity9(event.quantity).to_string(),
            time: DateTime::from_timestamp_micros(event.time_us)
                .map_or(String::new(), |t| t.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        });
    }
    Ok(LineEvidence {
        number: line.number,
        sku: line.sku.clone(),
        title: line.title.clone(),
        description: line.description.clone(),
        period_start: line.period.start,
        period_end: line.period.last_day(),
        rated_quantity: line.rated_quantity.normalize().to_string(),
        amount: Money::new(line.subtotal_minor, invoice.draft.currency).to_string(),
        events_total: found.len(),
        events,
    })
}
