//! Re-checks from the database and the files what must be equal (rules.md L4).

use crate::context::JobContext;
use crate::shelf::{self, Named};
use crate::{files, seal_ledger};
use domain::ledger::{ChainState, verify_link};
use std::path::Path;
use store::ledger::SealedFilter;
use store::verify as sql;

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

/// Every check, in the order of the flow. Seals first, so that the chain holds all there is.
pub async fn verify(ctx: &JobContext) -> anyhow::Result<Vec<Check>> {
    seal_ledger::seal(ctx).await?;
    let mut tx = ctx.store.read().await?;
    let mut checks = Vec::new();
    for found in sql::all(&mut tx).await? {
        checks.push(check(found.name, found.count, found.differences.into_iter().next()));
    }
    checks.push(chain(&mut tx).await?);
    checks.push(documents(ctx, &mut tx).await?);
    checks.push(exports(ctx, &mut tx).await?);
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

/// Every document on disk has the hash that was recorded.
async fn documents(ctx: &JobContext, tx: &mut store::Tx) -> anyhow::Result<Check> {
    let mut after: Option<(domain::ids::InvoiceId, String)> = None;
    let mut count = 0;
    loop {
        let last = after.as_ref().map(|(id, template)| (*id, template.as_str()));
        let page = store::document::page(tx, last, PAGE).await?;
        let Some(end) = page.last() else { break };
        after = Some((end.invoice, end.template.clone()));
        let lost = ctx.shelf.need_or_tell(page.iter().map(Named::from)).await?;
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

/// Every marked export on disk has the hash that was recorded.
async fn exports(ctx: &JobContext, tx: &mut store::Tx) -> anyhow::Result<Check> {
    let marks = store::ledger::exports(tx).await?;
    let lost = ctx.shelf.need_or_tell(marks.iter().map(Named::from)).await?;
    let difference = marks.iter().find_map(|mark| {
        let differs = || differs(&ctx.folders.exports, &mark.path, &mark.sha256);
        lost.get(&Named::from(mark).path).cloned().or_else(differs)
    });
    Ok(check("export files", u64::try_from(marks.len())?, difference))
}

/// The buckets hold every file that the database names, with the bytes that were recorded. No check without a bucket.
async fn objects(ctx: &JobContext, tx: &mut store::Tx) -> anyhow::Result<Option<Check>> {
    let mut listed = std::collections::HashMap::new();
    let mut folders = Vec::new();
    for folder in ["usage", "documents"] {
        if let Some(found) = ctx.shelf.listed(folder).await? {
            listed.extend(found);
            folders.push(folder);
        }
    }
    if folders.is_empty() {
        return Ok(None);
    }
    let mut named = shelf::all_named(tx).await?;
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
    match std::fs::read(folder.join(path)) {
        Err(e) => Some(format!("{path}: {e}")),
        Ok(bytes) if files::sha256_hex(&bytes) != sha256 => {
            Some(format!("{path}: not the bytes that were written"))
        }
        Ok(_) => None,
    }
}

fn check(name: &'static str, count: u64, difference: Option<String>) -> Check {
    Check { name, ok: difference.is_none(), count, difference }
}
