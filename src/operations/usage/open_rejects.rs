//! Records that were refused and are missing in what is billed. What an import refused waits, and is told by `run`, `doctor`
//! and `/metrics`, until its reject file is brought in, or somebody says that it is not to be waited for.
//!
//! Idempotency key: the import.

use crate::context::Context;
use crate::usage::refused::absolute;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use store::Tx;
use store::open_rejects::{self, OpenRejects};

/// What an import refused and nobody has fixed. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct OpenRejectsView {
    /// The reject file, relative to the home folder.
    pub rejectfile: String,
    /// The usage file that the records were in.
    pub file: String,
    pub rejected: u64,
    pub rejects: BTreeMap<String, u64>,
    /// When they were refused.
    pub refused: DateTime<Utc>,
}

impl OpenRejectsView {
    /// `7 record(s) of usage.csv: 5 unknown_subject, 2 bad_time`.
    pub fn why(&self) -> String {
        let codes: Vec<String> = self.rejects.iter().map(|(code, n)| format!("{n} {code}")).collect();
        format!("{} record(s) of {}: {}", self.rejected, self.file, codes.join(", "))
    }

    /// The same with the file in which they lie.
    pub fn in_words(&self) -> String {
        format!("{} ({})", self.why(), self.rejectfile)
    }
}

impl From<OpenRejects> for OpenRejectsView {
    fn from(open: OpenRejects) -> Self {
        Self {
            rejectfile: open.reject_path,
            file: open.file_name,
            rejected: open.rejected,
            rejects: open.rejects,
            refused: open.brought_in_at,
        }
    }
}

/// A file was brought in from this path: what lay in that reject file waits no more. What is refused of it again waits
/// with the file that was brought in.
pub(crate) async fn settle(ctx: &Context, tx: &mut Tx, path: &Path) -> anyhow::Result<()> {
    for open in open_rejects::waiting(tx).await?.iter().filter(|open| lies_at(ctx, open, path)) {
        open_rejects::settle(tx, open.import).await?;
    }
    Ok(())
}

/// Whether a path is that of a reject file, links followed or not.
fn lies_at(ctx: &Context, open: &OpenRejects, path: &Path) -> bool {
    let own = ctx.folders.root.join(&open.reject_path);
    let is_one_file =
        || own.canonicalize().is_ok_and(|own| path.canonicalize().is_ok_and(|path| path == own));
    absolute(&own) == absolute(path) || is_one_file()
}

/// Says that what lies in the reject file of this path, or where only one has it of this name, is not to be waited for;
/// the path of it, none if no or more than one waiting file is meant.
pub(crate) async fn forget(ctx: &Context, tx: &mut Tx, name: &str) -> anyhow::Result<Option<String>> {
    let waiting = open_rejects::waiting(tx).await?;
    let path = Path::new(name);
    let is_named = |open: &&OpenRejects| {
        open.reject_path == name
            || lies_at(ctx, open, path)
            || Path::new(&open.reject_path).file_name().is_some_and(|own| own.to_string_lossy() == name)
    };
    let mut meant = waiting.iter().filter(is_named);
    let (Some(open), None) = (meant.next(), meant.next()) else { return Ok(None) };
    open_rejects::settle(tx, open.import).await?;
    Ok(Some(open.reject_path.clone()))
}
