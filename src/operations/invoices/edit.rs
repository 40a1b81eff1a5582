//! Drafts that a person changes before they are booked. One transaction under the payer's lock: a changed draft
//! is made anew by the core, lines taken off are waived, and the journal says who did what.
//!
//! Key that makes a repeat quiet: none is needed; what is changed twice is changed to the same.

use crate::context::Context;
use anyhow::Context as _;
use domain::billing::{self, DraftEdit};
use domain::invoice::Draft;
use domain::journal::{Action, Object};
use domain::refusal::{Code, Refusal, Verb};
use std::sync::Arc;
use store::draft::{self, DraftKey};
use store::payer;

/// Whether the change is made or only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Change,
    Show,
}

/// Changes an open draft; `Err` holds why not, and nothing is changed then.
pub async fn edit(
    ctx: &Context,
    key: &DraftKey,
    edit: &DraftEdit,
    mode: Mode,
    actor: &str,
) -> anyhow::Result<Result<Draft, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    payer::lock(&mut tx, &[key.payer]).await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let book =
        payer::books(&mut tx, &[key.payer], &catalogue).await?.pop().context("the payer has a book")?;
    let Some(before) = draft::by_ids(&mut tx, &[key.id]).await?.pop() else {
        return Ok(Err(not_open(key)));
    };
    let edited = match billing::edited(&book, &before, edit) {
        Ok(edited) => edited,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if mode == Mode::Show {
        return Ok(Ok(edited.draft));
    }
    if !draft::replace(&mut tx, &edited.draft).await? {
        return Ok(Err(not_open(key)));
    }
    draft::reprice_lines(&mut tx, &edited.draft.lines).await?;
    draft::waive_lines(&mut tx, &edited.removed).await?;
    let detail = serde_json::json!({"account": key.account_number, "change": edit,
                                    "net_minor": [before.net_minor, edited.draft.net_minor]});
    ctx.note(&mut tx, actor, Action::EditDraft, Object::Draft(key.id), detail).await?;
    tx.commit().await?;
    Ok(Ok(edited.draft))
}

pub(crate) fn not_open(key: &DraftKey) -> Refusal {
    Refusal::new(Code::NotOpen, format!("draft {} is not open any more", key.id))
        .ask(Verb::ListDrafts.plain())
        .hint(" lists those that are")
}
