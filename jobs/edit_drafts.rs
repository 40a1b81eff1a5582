//! Drafts that a person changes before they are booked. One transaction under the payer's lock: the draft is made anew by
//! the core, lines taken off are waived, and the journal says who changed what.
//!
//! Key that makes a repeat quiet: none is needed; what is changed twice is changed to the same.

use crate::context::JobContext;
use anyhow::Context;
use domain::billing::{self, DraftEdit};
use domain::invoice::Draft;
use domain::subscription::Refusal;
use std::sync::Arc;
use store::draft::{self, DraftKey};
use store::{journal, payer};

/// Whether the change is made or only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Change,
    Show,
}

/// Changes an open draft; `Err` holds why not, and nothing is changed then.
pub async fn edit(
    ctx: &JobContext,
    key: &DraftKey,
    edit: &DraftEdit,
    mode: Mode,
    actor: &str,
) -> anyhow::Result<Result<Draft, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    payer::lock(&mut tx, key.payer).await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let book =
        payer::books(&mut tx, &[key.payer], &catalogue).await?.pop().context("the payer has a book")?;
    let before = draft::by_ids(&mut tx, &[key.id]).await?.pop().context("the draft is gone")?;
    let edited = match billing::edited(&book, &before, edit) {
        Ok(edited) => edited,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if mode == Mode::Show {
        return Ok(Ok(edited.draft));
    }
    if !draft::replace(&mut tx, &edited.draft).await? {
        let message = format!("draft {} is not open any more", key.id);
        return Ok(Err(Refusal::new("not_open", message).hint("`tallybook invoices --state draft`")));
    }
    draft::waive_lines(&mut tx, &edited.removed).await?;
    let record = journal::Record {
        at: (ctx.now)(),
        actor: actor.to_owned(),
        action: "draft.edit".to_owned(),
        object: format!("draft {}", key.id),
        detail: serde_json::json!({"account": key.account_number, "change": edit,
                                   "net_minor": [before.net_minor, edited.draft.net_minor]}),
    };
    journal::record(&mut tx, &record).await?;
    tx.commit().await?;
    Ok(Ok(edited.draft))
}
