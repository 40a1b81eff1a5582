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
use domain::catalogue::{Catalogue, Tenant};
use domain::ids::InvoiceId;
use domain::ledger::{ChainHash, Sealed};
use domain::refusal::{Code, Refusal};
use domain::report::MonthRange;
use ledger::{Balance, Company, ExportError, ExportInput, FileMark, Format, Header, Manifest, Opening};
use serde::Serialize;
use sha2::{Digest, Sha256};
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
pub struct MadeExport {
    pub manifest: Manifest,
    /// One, or as many as the target's limits ask for.
    pub files: Vec<Vec<u8>>,
    /// Set once it lies in the exports folder: the file, or the manifest of several.
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

impl MadeExport {
    /// The one file, or all of them one after the other.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self.files.as_slice() {
            [one] => Cow::Borrowed(one),
            several => Cow::Owned(several.concat()),
        }
    }

    /// The files under the name of the export: `ledger.csv`, or `ledger-01.csv`, `ledger-02.csv`.
    pub fn named(&self, stem: &str, extension: &str) -> Vec<(String, &[u8])> {
        let is_one = self.files.len() == 1;
        let name = |place: usize| match is_one {
            true => format!("{stem}.{extension}"),
            false => format!("{stem}-{place:02}.{extension}"),
        };
        (1..).zip(&self.files).map(|(place, file)| (name(place), file.as_slice())).collect()
    }

    /// As it lies there, or in the answer itself.
    pub fn view<'a>(&'a self, path: Option<&'a Path>) -> ExportView<'a> {
        let content = path.is_none().then(|| Cow::Owned(String::from_utf8_lossy(&self.bytes()).into_owned()));
        ExportView { manifest: &self.manifest, path, content }
    }
}

/// Seals what is unsealed, then writes the range into memory, and a marked one into the exports folder too.
/// None if a marked export finds nothing new.
pub async fn export(ctx: &Context, format: Format, range: Range) -> Result<Option<MadeExport>, Stop> {
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
    let made = build(ctx, &mut tx, format, &filter).await?;
    drop(tx);
    if range != Range::Next {
        return Ok(Some(made));
    }
    Ok(Some(mark(ctx, format, made).await?))
}

async fn build(
    ctx: &Context,
    tx: &mut Tx,
    format: Format,
    filter: &SealedFilter,
) -> Result<MadeExport, Stop> {
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
    let before =
        if format == Format::Saft { base_balances(tx, &catalogue, filter).await? } else { Vec::new() };
    let header = Header {
        tenant: &catalogue.tenant.fullname,
        title: "ledger",
        chart,
        units,
        company: company(ctx, &catalogue.tenant),
        buyers: &buyers,
        balances: &before,
        opening: opening.as_ref().map(|(on, balances)| Opening { on: *on, balances }),
        receivables: Some(&closing),
    };
    let input = ExportInput { header, entries: &entries };
    let (manifest, files) = ledger::files(format, &input).map_err(refused)?;
    Ok(MadeExport { manifest, files, path: None })
}

fn company<'a>(ctx: &Context, tenant: &'a Tenant) -> Company<'a> {
    Company {
        vat_number: tenant.company_vat.as_deref(),
        currency: tenant.currency,
        country: tenant.address.country.as_deref(),
        street: tenant.address.line1.as_deref(),
        postal_code: tenant.address.postal_code.as_deref(),
        city: tenant.address.city.as_deref(),
        email: tenant.email.as_deref(),
        iban: tenant.iban.as_deref(),
        consultant: ctx.settings.datev.0,
        client: ctx.settings.datev.1,
    }
}

/// What a format cannot say is the asker's to change; all else is a fault of ours.
fn refused(error: ExportError) -> Stop {
    let (code, way_out) = match &error {
        ExportError::NoRate { .. } => (
            Code::NoRate,
            "csv, hledger, ledger, beancount, xero and quickbooks keep the documents' currencies",
        ),
        ExportError::Account { .. } => {
            (Code::WrongAccount, "give it such a code in `accounts` of the tenant")
        }
        ExportError::TooMany { .. } => (Code::TooLarge, "choose another format"),
        ExportError::Missing { .. } => (Code::MissingArgument, "add it to the tenant of the book"),
        _ => return Stop::Broke(error.into()),
    };
    Refusal::new(code, error.to_string()).hint(way_out).into()
}

/// The entries of a month as a file that is made the same each time, in the exports folder; nothing is marked. All of the month
/// must be sealed.
pub async fn month(ctx: &Context, format: Format, span: MonthRange) -> Result<(String, MadeExport), Stop> {
    let mut tx = ctx.store.read().await?;
    let (from, before) = (Some(span.start), Some(span.end));
    let mut made =
        build(ctx, &mut tx, format, &SealedFilter { from, before, ..SealedFilter::default() }).await?;
    drop(tx);
    let name = put(ctx, &format!("books-{span}"), format, &mut made).await?;
    Ok((name, made))
}

/// Writes an export and its manifest into the exports folder, and to the bucket behind it. The name by which it is known: the
/// file's, or of several the manifest's, which holds the hash of each.
async fn put(ctx: &Context, stem: &str, format: Format, made: &mut MadeExport) -> anyhow::Result<String> {
    let files: Vec<(String, Vec<u8>)> = made
        .named(stem, format.extension())
        .into_iter()
        .map(|(name, bytes)| (name, bytes.to_vec()))
        .collect();
    if let [_, _, ..] = files.as_slice() {
        let mark = |(name, bytes): &(String, Vec<u8>)| FileMark {
            name: name.clone(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            sha256: sha256(bytes),
        };
        made.manifest.files = files.iter().map(mark).collect();
    }
    let beside = format!("{stem}.{}.manifest.json", format.extension());
    let known = files.first().filter(|_| files.len() == 1).map_or(&beside, |(name, _)| name).clone();
    let manifest = serde_json::to_vec_pretty(&made.manifest)?;
    let files: Vec<(String, Vec<u8>)> = files.into_iter().chain([(beside, manifest)]).collect();
    let paths: Vec<String> = files.iter().map(|(name, _)| format!("exports/{name}")).collect();
    put::put_all(&ctx.doors, &ctx.folders.exports, files).await?;
    ctx.files.publish(ctx.doors, paths).await?;
    Ok(known)
}

fn sha256(bytes: &[u8]) -> ChainHash {
    ChainHash(Sha256::digest(bytes).into())
}

/// SHA-256 of the file by which an export is known.
pub(crate) fn known_hash(made: &MadeExport) -> anyhow::Result<String> {
    Ok(match made.manifest.files.is_empty() {
        true => made.manifest.sha256.to_string(),
        false => sha256(&serde_json::to_vec_pretty(&made.manifest)?).to_string(),
    })
}

/// What stood on every account before the range, in the base currency.
async fn base_balances(
    tx: &mut Tx,
    catalogue: &Catalogue,
    filter: &SealedFilter,
) -> anyhow::Result<Vec<Balance>> {
    let base = catalogue.tenant.currency;
    let (last, before) = match (filter.first, filter.from) {
        (Some(first), _) if first > 1 => (Some(first - 1), None),
        (None, Some(from)) => (None, Some(from)),
        _ => return Ok(Vec::new()),
    };
    let balances = store::ledger::base_balances(tx, base, last, before).await?;
    let of = |(account, minor)| Balance { account, currency: base, minor: i128::from(minor) };
    Ok(balances.into_iter().map(of).collect())
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
async fn mark(ctx: &Context, format: Format, mut made: MadeExport) -> anyhow::Result<MadeExport> {
    anyhow::ensure!(made.manifest.is_contiguous(), "a marked export has a gap in its sequence numbers");
    let (first, last) = (made.manifest.first_sequence, made.manifest.last_sequence);
    let name = put(ctx, &format!("ledger-{first:08}-{last:08}"), format, &mut made).await?;
    let mut tx = ctx.store.begin().await?;
    let ordinal = store::ledger::exports(&mut tx).await?.last().map_or(1, |e| e.ordinal + 1);
    let export = LedgerExport {
        ordinal,
        format: made.manifest.format.clone(),
        first,
        last,
        last_hash: made.manifest.last_hash.to_string(),
        path: name.clone(),
        sha256: known_hash(&made)?,
        manifest: serde_json::to_value(&made.manifest)?,
        exported_at: (ctx.now)(),
    };
    store::ledger::mark_export(&mut tx, &export).await?;
    tx.commit().await?;
    made.path = Some(ctx.folders.exports.join(name));
    Ok(made)
}
