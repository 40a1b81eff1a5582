//! The whole book as one file, NDJSON, that loads back unchanged: every object as it was written last.

use crate::context::Context;
use anyhow::Context as _;
use domain::book_file::ObjectKind;
use std::collections::BTreeMap;
use std::io::Write;
use store::book_object;

/// Objects read together.
const PAGE: u32 = 2_000;

/// How many objects of each kind were written, and how much of the book its file does not hold.
#[derive(Debug, Default, serde::Serialize)]
pub struct Exported {
    pub objects: BTreeMap<&'static str, u64>,
    /// Subscriptions that verbs have changed: a book file does not say that, a backup does.
    pub changed_by_verbs: u64,
}

/// Writes the book as it stands at one moment.
pub async fn export(ctx: &Context, out: &mut (dyn Write + Send)) -> anyhow::Result<Exported> {
    let mut tx = ctx.store.read().await?;
    let mut exported = Exported::default();
    for kind in ObjectKind::ALL {
        let mut after = None;
        loop {
            let page = book_object::export_page(&mut tx, *kind, after.as_ref(), PAGE).await?;
            for row in &page {
                writeln!(out, "{{\"{}\": {}}}", kind.singular(), row.document).context("writing the book")?;
            }
            *exported.objects.entry(kind.name()).or_default() += page.len() as u64;
            match page.into_iter().last() {
                Some(last) => after = Some(last),
                None => break,
            }
        }
    }
    exported.changed_by_verbs = store::book::changed_by_verbs(&mut tx).await?;
    Ok(exported)
}
