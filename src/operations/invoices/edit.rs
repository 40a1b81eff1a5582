//! Drafts that a person changes before they are booked. One transaction under the payer's lock: a changed draft
//! is made again by the core, lines taken off are waived, and the audit log says who did what.
//!
//! Idempotency key: none is needed; what is changed twice is changed to the same.

use crate::act::{Act, Mode};
use crate::context::Context;
use crate::invoices::find;
use crate::invoices::name::name_of;
use crate::invoices::view::DraftView;
use crate::refusal::Stop;
use anyhow::Context as _;
use domain::audit::{Action, Object};
use domain::billing::{self, DraftEdit};
use domain::refusal::{Code, Refusal, Verb};
use std::sync::Arc;
use store::draft::{self, DraftState};
use store::payer;

/// Changes the open draft of this name, or shows what it would be.
pub async fn edit(
    ctx: &Context,
    act: &Act,
    name: &str,
    change: &DraftEdit,
    mode: Mode,
) -> Result<DraftView, Stop> {
    let mut tx = mode.begin(ctx).await?;
    let key = find::draft(&mut tx, name).await?;
    if mode == Mode::Change {
        payer::lock(&mut tx, &[key.payer]).await?;
    }
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let book =
        payer::books(&mut tx, &[key.payer], &catalogue).await?.pop().context("the payer has a book")?;
    let state = draft::state(&mut tx, key.id).await?.map(|(state, _)| state);
    let before = draft::by_ids(&mut tx, &[key.id]).await?.pop();
    let before = before.filter(|_| state == Some(DraftState::Open)).ok_or_else(|| not_open(name))?;
    if before.is_credit_note && key.run == draft::NO_RUN {
        let message = "a credit note that is drafted is not changed";
        return Err(Refusal::new(Code::CreditNote, message)
            .hint("drop it, and draft another one that names lines and amounts")
            .into());
    }
    let edited = billing::edited(&book, &before, change)
        .map_err(|refusal| refusal.or("fix the file and run the same command again"))?;
    if mode == Mode::Change {
        if !draft::replace(&mut tx, &edited.draft).await? {
            return Err(not_open(name).into());
        }
        draft::reprice_lines(&mut tx, &edited.draft.lines).await?;
        draft::waive_lines(&mut tx, &edited.removed).await?;
        let detail = serde_json::json!({"account": key.account_number, "change": change,
                                        "net_minor": [before.net_minor, edited.draft.net_minor]});
        ctx.note(&mut tx, &act.actor, Action::EditDraft, Object::Draft(key.id), detail).await?;
    }
    let name = name_of(&mut tx, key.id).await?;
    if mode == Mode::Change {
        tx.commit().await?;
    }
    Ok(DraftView { draft: edited.draft, name, set_aside: None })
}

pub(crate) fn not_open(name: &str) -> Refusal {
    Refusal::new(Code::NotOpen, format!("draft {name} is not open any more"))
        .ask(Verb::ListDrafts.plain())
        .hint(" lists those that are")
}
