//! Usage that was handed in and is missing in what is billed: files that were refused whole, and records of files that went
//! in. Whoever runs, shows or reports a run tells both.

use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::open_rejects::OpenRejectsView;
use crate::usage::refused::RefusedView;
use chrono::{DateTime, Utc};
use serde::Serialize;
use store::{Tx, open_rejects, refused_file};

/// What waits, each the oldest first. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct MissingUsage {
    #[serde(rename = "refusedfiles")]
    pub refused_files: Vec<RefusedView>,
    /// Records that were refused of files that went in. `ingest` has ended with its own code for them.
    #[serde(rename = "openrejects")]
    pub open_rejects: Vec<OpenRejectsView>,
}

/// All that waits now.
pub async fn waiting(ctx: &Context) -> Result<MissingUsage, Stop> {
    let mut tx = ctx.store.read().await?;
    Ok(MissingUsage::of(&mut tx, None).await?)
}

impl MissingUsage {
    /// What waits and is missing in what ended then: what was refused before.
    pub(crate) async fn of(tx: &mut Tx, until: Option<DateTime<Utc>>) -> anyhow::Result<Self> {
        let before = |at: DateTime<Utc>| until.is_none_or(|end| at <= end);
        let files = refused_file::waiting(tx).await?.into_iter().filter(|file| before(file.refused_at));
        let rejects = open_rejects::waiting(tx).await?.into_iter().filter(|open| before(open.brought_in_at));
        Ok(Self {
            refused_files: files.map(RefusedView::from).collect(),
            open_rejects: rejects.map(OpenRejectsView::from).collect(),
        })
    }

    /// Whether a run in which this is missing waits for a person: a file that is missing whole does that.
    pub fn is_set_aside(&self) -> bool {
        !self.refused_files.is_empty()
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.refused_files.is_empty() && self.open_rejects.is_empty()
    }
}
