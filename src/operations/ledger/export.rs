//! `export_ledger`: the ledger as a file for the accountant. A marked export (`--next`) takes a contiguous range of
//! sealed entries, and the marks tile the ledger; a report by date marks nothing (rules L3).
//!
//! Idempotency key: the first sequence of a range; the file's name follows from it.

use crate::context::Context;
use crate::files::put;
use crate::ledger::seal;
use crate::refusal::Stop;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::ids::InvoiceId;
use domain::ledger::Sealed;
use domain::refusal::{Code, Refusal};
use ledger::{Balance, Exporter, Format, Header, Manifest, Opening};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use store::Tx;
use store::ledger::{LedgerExport, SealedFilter};

/// Entries per page.
const PAGE: u32 = 5_000;

/// What somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Everything sealed.
    All,
    /// Posting dates, both included.
    Dates { from: Option<NaiveDate>, to: Option<NaiveDate> },
    /// What no marked export holds yet.
    Next,
}

/// An export that was made.
#[derive(Debug, Clone)]
pub struct Made {
    pub manifest: Manifest,
    pub bytes: Vec<u8>,
    /// Set once the file lies in the exports folder.
    pub path: Option<PathBuf>,
}

/// What an answer says of an export.
#[derive(Debug, Serialize)]
pub struct ExportView<'a> {
    #[serde(flatten)]
    pub manifest: &'a Manifest,
    /// Where it lies.
    pub path: Option<&'a Path>,
    /// All of it, if it lies nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Cow<'a, str>>,
}

/// What an answer says where there is nothing new.
#[derive(Debug, Default, Serialize)]
pub struct NothingNew {
    pub entries: u64,
    /// There is none.
    pub path: Option<PathBuf>,
}

impl Made {
    /// As it lies there, or in the answer itself.
    pub fn view<'a>(&'a self, path: Option<&'a Path>) -> ExportView<'a> {
        let content = path.is_none().then(|| String::from_utf8_lossy(&self.bytes));
        ExportView { manifest: &self.manifest, path, content }
    }
}

/// Seals what is unsealed, then writes the range into memory, and a marked one into the exports folder too.
/// None if a marked export finds nothing new.
pub async fn export(ctx: &Context, format: Format, range: Range) -> Result<Option<Made>, Stop> {
    if let Range::Dates { from: Some(from), to: Some(to) } = range
        && to < from
    {
        return Err(Refusal::new(Code::Dates, format!("the last day, {to}, lies before the first, {from}"))
            .hint("both days are included")
            .into());
    }
    seal::seal(ctx).await?;
    let mut tx = ctx.store.read().await?;
    let filter = match range {
        Range::All => SealedFilter::default(),
        Range::Dates { from, to } => {
            SealedFilter { from, before: to.map(domain::zone::next_day), ..SealedFilter::default() }
        }
        Range::Next => match store::ledger::next_range(&mut tx).await? {
            Some((first, last)) => {
                SealedFilter { first: Some(first), last: Some(last), ..SealedFilter::default() }
            }
            None => return Ok(None),
        },
    };
    let made = build(&mut tx, format, &filter).await?;
    drop(tx);
    if range != Range::Next {
        return Ok(Some(made));
    }
    Ok(Some(mark(ctx, format, made).await?))
}

async fn build(tx: &mut Tx, format: Format, filter: &SealedFilter) -> anyhow::Result<Made> {
    let catalogue = store::catalogue::load(tx).await?.context("the book is empty")?;
    let mut entries: Vec<Sealed> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |s| s.sequence);
        let page = store::ledger::sealed_page(tx, filter, after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    if format.wants_dates_ascending() {
        entries.sort_by_key(|s| (s.entry.posting_date, s.sequence));
    }
    let mut documents: Vec<InvoiceId> = entries.iter().map(|s| s.entry.invoice).collect();
    documents.sort_unstable();
    documents.dedup();
    let mut buyers = BTreeMap::new();
    for chunk in documents.chunks(2_000) {
        buyers.extend(store::invoice::buyers(tx, chunk).await?);
    }
    let units = &catalogue.business_units;
    let chart = &catalogue.tenant.accounts;
    let receivable = domain::ledger::receivable_codes(chart, units.values());
    let opening = opening(tx, &receivable, filter, &entries).await?;
    let closing = balances(tx, &receivable, filter.last, filter.before).await?;
    let header = Header {
        tenant: &catalogue.tenant.fullname,
        title: "ledger",
        chart,
        units,
        buyers: &buyers,
        opening: opening.as_ref().map(|(on, balances)| Opening { on: *on, balances }),
        receivables: Some(&closing),
    };
    let mut bytes = Vec::new();
    let mut exporter = Exporter::begin(format, header, &mut bytes)?;
    for sealed in &entries {
        exporter.entry(sealed)?;
    }
    let manifest = exporter.finish()?;
    Ok(Made { manifest, bytes, path: None })
}

/// Receivables before the range, so that its last assertion is the database's.
async fn opening(
    tx: &mut Tx,
    receivable: &[String],
    filter: &SealedFilter,
    entries: &[Sealed],
) -> anyhow::Result<Option<(NaiveDate, Vec<Balance>)>> {
    let (last, before) = match (filter.first, filter.from) {
        (Some(first), _) if first > 1 => (Some(first - 1), None),
        (None, Some(from)) => (None, Some(from)),
        _ => return Ok(None),
    };
    let first_day = entries.iter().map(|s| s.entry.posting_date).min();
    let Some(on) = filter.from.into_iter().chain(first_day).min() else { return Ok(None) };
    Ok(Some((on, balances(tx, receivable, last, before).await?)))
}

async fn balances(
    tx: &mut Tx,
    accounts: &[String],
    last: Option<u64>,
    before: Option<NaiveDate>,
) -> anyhow::Result<Vec<Balance>> {
    let balances = store::ledger::balances(tx, accounts, last, before).await?;
    Ok(balances
        .into_iter()
        .map(|b| Balance { account: b.account, currency: b.currency, minor: i128::from(b.minor) })
        .collect())
}

/// File first, mark after: a crash between the two leaves a file that the next try writes again, byte for byte.
async fn mark(ctx: &Context, format: Format, mut made: Made) -> anyhow::Result<Made> {
    let manifest = &made.manifest;
    anyhow::ensure!(manifest.is_contiguous(), "a marked export has a gap in its sequence numbers");
    let name =
        format!("ledger-{:08}-{:08}.{}", manifest.first_sequence, manifest.last_sequence, format.extension());
    let beside = serde_json::to_vec_pretty(manifest)?;
    let files = vec![(name.clone(), made.bytes.clone()), (format!("{name}.manifest.json"), beside)];
    let paths: Vec<String> = files.iter().map(|(name, _)| format!("exports/{name}")).collect();
    put::put_all(&ctx.doors, &ctx.folders.exports, files).await?;
    ctx.shelf.publish(ctx.doors, paths).await?;
    let mut tx = ctx.store.begin().await?;
    let ordinal = store::ledger::exports(&mut tx).await?.last().map_or(1, |e| e.ordinal + 1);
    let export = LedgerExport {
        ordinal,
        format: manifest.format.clone(),
        first: manifest.first_sequence,
        last: manifest.last_sequence,
        last_hash: manifest.last_hash.to_string(),
        path: name.clone(),
        sha256: manifest.sha256.to_string(),
        manifest: serde_json::to_value(manifest)?,
        exported_at: (ctx.now)(),
    };
    store::ledger::mark_export(&mut tx, &export).await?;
    tx.commit().await?;
    made.path = Some(ctx.folders.exports.join(name));
    Ok(made)
}
