//! Invoices that a person writes: a draft outside any run, taxed and numbered like the others. One transaction: the
//! payer's book is read, the draft is made by the core, and the journal says who did it. Booking is `by_hand::book`.
//!
//! Key that makes a repeat quiet: the draft's id, a function of customer and refkey, else of the content. What is a
//! draft or an invoice already is refused; a draft that was dropped may be made again.

use crate::context::Context;
use anyhow::Context as _;
use domain::billing::{CustomInvoice, custom_draft};
use domain::invoice::Draft;
use domain::journal::{Action, Object};
use domain::refusal::{Code, Refusal, Verb};
use std::sync::Arc;
use store::draft::{self, DraftState};
use store::{Tx, book, payer};

/// Makes the draft; `Err` holds why not, and nothing is changed then.
pub async fn create(
    ctx: &Context,
    custom: &CustomInvoice,
    actor: &str,
) -> anyhow::Result<Result<Draft, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    let draft = match drafted(&mut tx, custom, Lock::ForChange).await? {
        Ok(draft) => draft,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(state) = draft::add_by_hand(&mut tx, &draft).await? {
        return Ok(Err(exists(&draft, state)));
    }
    let detail = serde_json::json!({"account": draft.account_number, "date": draft.invoice_date, "refkey": custom.refkey});
    ctx.note(&mut tx, actor, Action::CreateDraft, Object::Draft(draft.id), detail).await?;
    tx.commit().await?;
    Ok(Ok(draft))
}

/// The draft as [`create`] would make it; nothing is written.
pub async fn dry_run(ctx: &Context, custom: &CustomInvoice) -> anyhow::Result<Result<Draft, Refusal>> {
    let mut tx = ctx.store.read().await?;
    drafted(&mut tx, custom, Lock::None).await
}

/// Whether the payer's book stays as it was read until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    ForChange,
    None,
}

async fn drafted(tx: &mut Tx, custom: &CustomInvoice, lock: Lock) -> anyhow::Result<Result<Draft, Refusal>> {
    let Some(owner) = book::customer(tx, &custom.account_number).await? else {
        let message = format!("there is no customer `{}`", custom.account_number);
        return Ok(Err(Refusal::new(Code::UnknownCustomer, message)
            .ask(Verb::ListSubscriptions.plain())
            .hint(" lists account numbers")));
    };
    let payer = match lock {
        Lock::ForChange => payer::lock_of(tx, owner.id).await?,
        Lock::None => book::payer_of(tx, owner.id).await?,
    };
    let catalogue = Arc::new(store::catalogue::load(tx).await?.context("the book is empty")?);
    let book = payer::books(tx, &[payer], &catalogue).await?.pop().context("the payer has a book")?;
    Ok(custom_draft(&book, custom))
}

fn exists(draft: &Draft, state: DraftState) -> Refusal {
    let (account, date, id) = (&draft.account_number, draft.invoice_date, draft.id);
    let what = if state == DraftState::Booked { "booked" } else { "a draft" };
    let message = format!("this invoice to {account} of {date} is {what} already");
    Refusal::new(Code::Exists, message)
        .ask(Verb::ShowInvoice.on(id))
        .hint("; if a second one is meant, give it a `refkey` of its own in the file")
}
