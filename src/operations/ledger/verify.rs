//! Re-checks from the database and the files what must be equal (rules L4).

use crate::context::Context;
use crate::files::file_store::{self, Named};
use crate::ledger::seal;
use crate::refusal::Stop;
use domain::audit::verify_record;
use domain::billing::{Credited, format_number, over_credited};
use domain::ledger::{ChainState, verify_link};
use std::collections::BTreeMap;
use std::path::Path;
use store::imports;
use store::ledger::SealedFilter;
use store::verify as sql;
use store::verify_books as books;

/// One equality.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    /// How many things were compared.
    pub count: u64,
    /// The first thing that does not agree.
    pub difference: Option<String>,
}

/// Pages of the chain and of the documents.
const PAGE: u32 = 5_000;

/// Payers whose credits are looked at together.
const PAYERS: u32 = 500;

/// All of them.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Verified {
    /// Everything agrees.
    pub ok: bool,
    pub checks: Vec<Check>,
}

/// Checks everything.
pub async fn verify(ctx: &Context) -> Result<Verified, Stop> {
    let checks = checks(ctx).await?;
    Ok(Verified { ok: checks.iter().all(|check| check.ok), checks })
}

/// Every check, in the order of the flow: the database file first, as a damaged one answers nothing that counts. Seals
/// before the rest, so that the chain holds all there is.
pub async fn checks(ctx: &Context) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    let mut tx = ctx.store.read().await?;
    if let Some(found) = books::integrity(&mut tx).await? {
        let is_damaged = !found.is_ok();
        checks.push(named(found));
        if is_damaged {
            return Ok(checks);
        }
    }
    drop(tx);
    seal::seal(ctx).await?;
    let mut tx = ctx.store.read().await?;
    checks.extend(sql::all(&mut tx).await?.into_iter().map(named));
    checks.push(lines(&mut tx).await?);
    checks.push(numbers(&mut tx).await?);
    checks.push(credited_lines(&mut tx).await?);
    checks.push(chain(&mut tx).await?);
    checks.push(usage_files(ctx, &mut tx).await?);
    checks.push(audit_log(&mut tx).await?);
    checks.push(documents(ctx, &mut tx).await?);
    checks.push(exports(ctx, &mut tx).await?);
    checks.push(closed_months(ctx, &mut tx).await?);
    checks.extend(objects(ctx, &mut tx).await?);
    Ok(checks)
}

/// Every link of the hash chain, computed again from its entry.
async fn chain(tx: &mut store::Tx) -> anyhow::Result<Check> {
    let mut end = ChainState::default();
    loop {
        let page = store::ledger::sealed_page(tx, &SealedFilter::default(), end.sequence, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for link in &page {
            match verify_link(&end, link) {
                Ok(next) => end = next,
                Err(fault) => return Ok(check("ledger chain", end.sequence, Some(fault.to_string()))),
            }
        }
    }
    let known = store::ledger::chain_end(tx).await?;
    let difference = (known != end)
        .then(|| format!("the chain ends at {}, its entries at {}", known.sequence, end.sequence));
    Ok(check("ledger chain", end.sequence, difference))
}

/// Every record of the audit log follows the one before it and says what it said. Records of versions that kept no chain
/// stand before it.
async fn audit_log(tx: &mut store::Tx) -> anyhow::Result<Check> {
    let (mut end, mut is_chained) = (ChainState::default(), false);
    loop {
        let page = store::audit::page(tx, end.sequence, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for (ordinal, record) in page {
            is_chained |= record.is_some();
            let next = match &record {
                Some(record) => verify_record(&end, record).map_err(|fault| fault.to_string()),
                None if is_chained => Err(format!("record {ordinal} has lost its hash")),
                None if ordinal != end.sequence + 1 => Err(format!("record {} is missing", end.sequence + 1)),
                None => Ok(ChainState { sequence: ordinal, ..end }),
            };
            match next {
                Ok(next) => end = next,
                Err(difference) => return Ok(check("journal chain", ordinal, Some(difference))),
            }
        }
    }
    let known = store::audit::last_ordinal(tx).await?;
    let difference = (known != end.sequence)
        .then(|| format!("{known} records were written, the audit log ends at {}", end.sequence));
    Ok(check("journal chain", end.sequence, difference))
}

/// Every booked line comes to what it prints, and has the quantity of its period.
async fn lines(tx: &mut store::Tx) -> anyhow::Result<Check> {
    let (mut after, mut count) = (None, 0);
    loop {
        let page = books::lines(tx, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(check("printed_lines", count, None)) };
        after = Some(last.id);
        for line in page {
            count += 1;
            if let Some(difference) = line.printed.difference(line.billed) {
                let difference = format!("{}: line {}: {difference}", line.invoice, line.number);
                return Ok(check("printed_lines", count, Some(difference)));
            }
        }
    }
}

/// Every invoice has the number that its series, pattern and date make.
async fn numbers(tx: &mut store::Tx) -> anyhow::Result<Check> {
    let (mut after, mut count) = (None, 0);
    loop {
        let page = books::heads(tx, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(check("invoice_numbers", count, None)) };
        after = Some(last.id);
        // What was taken over has the number that the other system gave it.
        for head in page.into_iter().filter(|head| !head.number_pattern.is_empty()) {
            count += 1;
            let sequence = u64::try_from(head.sequence)?;
            let made = format_number(&head.number_pattern, sequence, head.invoice_date);
            if made.as_ref() != Ok(&head.number) {
                let made = made.unwrap_or_else(|why| why.to_string());
                let difference = format!("{}: its pattern, place and date make {made}", head.number);
                return Ok(check("invoice_numbers", count, Some(difference)));
            }
        }
    }
}

/// Every segment, key run and reject file has the bytes that were written. A reject file that was fixed in its place
/// counts as whole once it has been brought in.
async fn usage_files(ctx: &Context, tx: &mut store::Tx) -> anyhow::Result<Check> {
    let named = file_store::usage_named(tx).await?.into_iter().map(|(file, _)| file);
    let rejects = imports::reject_files(tx).await?;
    let rejects = rejects.into_iter().map(|(path, sha256)| Named { path, sha256 });
    let files: BTreeMap<String, Named> = named.chain(rejects).map(|file| (file.path.clone(), file)).collect();
    let lost = ctx.files.need_or_tell(files.values().cloned()).await?;
    let count = u64::try_from(files.len())?;
    for (path, file) in files {
        let path_here = ctx.folders.root.join(&path);
        let hashed = tokio::task::spawn_blocking(move || metering::file_hash(&path_here)).await?;
        let difference = match (lost.get(&path), hashed, file.sha256) {
            (Some(lost), ..) => lost.clone(),
            (None, Err(error), _) => format!("{error:#}"),
            (None, Ok(hash), Some(known)) if hash != known && !is_mended(tx, &path, &hash).await? => {
                format!("{path}: not the bytes that were written")
            }
            (None, Ok(_), _) => continue,
        };
        return Ok(check("usage_files", count, Some(difference)));
    }
    Ok(check("usage_files", count, None))
}

/// Whether this is a reject file that was fixed where it lay and brought in.
async fn is_mended(tx: &mut store::Tx, path: &str, hash: &str) -> anyhow::Result<bool> {
    Ok(path.starts_with("rejects/") && imports::is_brought_in(tx, hash).await?)
}

/// No line was credited beyond itself, and no VAT group beyond its VAT (rules M3).
async fn credited_lines(tx: &mut store::Tx) -> anyhow::Result<Check> {
    let (mut after, mut count) = (None, 0);
    loop {
        let page = store::line_credit::credited_page(tx, after, PAYERS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.payer);
        for of in &page {
            count += u64::try_from(of.lines.len())?;
            let difference = over_credited(&of.lines, &Credited::of(&of.credits));
            if difference.is_some() {
                return Ok(check("credited lines", count, difference));
            }
        }
    }
    Ok(check("credited lines", count, None))
}

/// Every document on disk has the hash that was recorded.
async fn documents(ctx: &Context, tx: &mut store::Tx) -> anyhow::Result<Check> {
    let mut after: Option<(domain::ids::InvoiceId, String)> = None;
    let mut count = 0;
    loop {
        let last = after.as_ref().map(|(id, template)| (*id, template.as_str()));
        let page = store::document::page(tx, last, PAGE).await?;
        let Some(end) = page.last() else { break };
        after = Some((end.invoice, end.template.clone()));
        let lost = ctx.files.need_or_tell(page.iter().map(Named::from)).await?;
        for document in &page {
            count += 1;
            let difference = lost.get(&Named::from(document).path).cloned();
            let differs = || differs(&ctx.folders.documents, &document.path, &document.sha256);
            if let Some(difference) = difference.or_else(differs) {
                return Ok(check("document hashes", count, Some(difference)));
            }
        }
    }
    Ok(check("document hashes", count, None))
}

/// Every marked export on disk has the hash that was recorded; where it is several files, each has its own. Where it is one,
/// the manifest beside it says what was recorded.
async fn exports(ctx: &Context, tx: &mut store::Tx) -> anyhow::Result<Check> {
    let marks = store::ledger::exports(tx).await?;
    let mut named: Vec<Named> = marks.iter().map(Named::from).collect();
    named.extend(marks.iter().flat_map(|mark| parts(&mark.manifest)));
    let of_one = marks.iter().filter(|mark| parts(&mark.manifest).is_empty());
    let beside: Vec<(Named, &serde_json::Value)> =
        of_one.map(|mark| (manifest_of(&mark.path), &mark.manifest)).collect();
    named.extend(beside.iter().map(|(file, _)| file.clone()));
    let of_manifests = || beside.iter().find_map(|(file, known)| manifest_differs(ctx, file, known));
    let difference = exports_differ(ctx, &named).await?.or_else(of_manifests);
    Ok(check("export files", u64::try_from(marks.len())?, difference))
}

/// The file beside an export that says what is in it.
fn manifest_of(export: &str) -> Named {
    Named { path: format!("exports/{export}.manifest.json"), sha256: None }
}

fn manifest_differs(ctx: &Context, file: &Named, known: &serde_json::Value) -> Option<String> {
    let path = &file.path;
    let read = std::fs::read(ctx.folders.root.join(path)).map_err(|e| format!("{path}: {e}"));
    match read.map(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes)) {
        Err(told) => Some(told),
        Ok(Ok(found)) if found == *known => None,
        Ok(_) => Some(format!("{path}: not what was written")),
    }
}

/// The file of every closed month on disk has the hash that was recorded.
async fn closed_months(ctx: &Context, tx: &mut store::Tx) -> anyhow::Result<Check> {
    let closed = store::ledger::closed_periods(tx).await?;
    let named: Vec<Named> = closed
        .iter()
        .map(|period| Named { path: format!("exports/{}", period.path), sha256: Some(period.sha256.clone()) })
        .collect();
    let difference = exports_differ(ctx, &named).await?;
    Ok(check("closed months", u64::try_from(closed.len())?, difference))
}

/// The files that a manifest of several names.
fn parts(manifest: &serde_json::Value) -> Vec<Named> {
    let files = manifest.get("files").and_then(serde_json::Value::as_array);
    let part = |file: &serde_json::Value| {
        let text = |key: &str| file.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        Some(Named { path: format!("exports/{}", text("name")?), sha256: text("sha256") })
    };
    files.into_iter().flatten().filter_map(part).collect()
}

async fn exports_differ(ctx: &Context, named: &[Named]) -> anyhow::Result<Option<String>> {
    let lost = ctx.files.need_or_tell(named.iter().cloned()).await?;
    Ok(named.iter().find_map(|file| {
        let path = file.path.strip_prefix("exports/").unwrap_or(&file.path);
        let differs = || differs(&ctx.folders.exports, path, file.sha256.as_deref()?);
        lost.get(&file.path).cloned().or_else(differs)
    }))
}

/// What a month must agree with before it is closed: the books in the database, and the chain.
pub async fn books(ctx: &Context) -> anyhow::Result<Vec<Check>> {
    let mut tx = ctx.store.read().await?;
    let mut checks: Vec<Check> = sql::all(&mut tx).await?.into_iter().map(named).collect();
    checks.push(chain(&mut tx).await?);
    Ok(checks)
}

/// The buckets hold every file that the database names, with the bytes that were recorded. No check without a bucket.
async fn objects(ctx: &Context, tx: &mut store::Tx) -> anyhow::Result<Option<Check>> {
    let mut listed = std::collections::HashMap::new();
    let mut folders = Vec::new();
    for folder in ["usage", "documents"] {
        if let Some(found) = ctx.files.listed(folder).await? {
            listed.extend(found);
            folders.push(folder);
        }
    }
    if folders.is_empty() {
        return Ok(None);
    }
    let mut named = file_store::all_named(tx).await?;
    named.retain(|(file, _)| folders.iter().any(|folder| file.path.starts_with(folder)));
    let difference = named.iter().find_map(|(file, bytes)| match listed.get(&file.path) {
        None => Some(format!("{}: the bucket has no such object", file.path)),
        Some(found) if found != bytes => {
            Some(format!("{}: {found} bytes in the bucket instead of {bytes}", file.path))
        }
        Some(_) => None,
    });
    Ok(Some(check("objects in buckets", u64::try_from(named.len())?, difference)))
}

fn differs(folder: &Path, path: &str, sha256: &str) -> Option<String> {
    match crate::files::hash::sha256_of_file(&folder.join(path)) {
        Err(e) => Some(format!("{path}: {e}")),
        Ok((found, _)) if found != sha256 => Some(format!("{path}: not the bytes that were written")),
        Ok(_) => None,
    }
}

fn named(found: sql::Check) -> Check {
    check(found.name, found.count, found.differences.into_iter().next())
}

fn check(name: &'static str, count: u64, difference: Option<String>) -> Check {
    Check { name, ok: difference.is_none(), count, difference }
}
