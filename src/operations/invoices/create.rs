//! Invoices that a person writes: a draft outside any run, taxed and numbered like the others. One transaction: the
//! payer's book is read, the draft is made by the core, and the audit log says who did it.
//!
//! Idempotency key: the draft's id, a function of customer and refkey, else of the content. What is a
//! draft or an invoice already is refused; a draft that was dropped may be made again.

use crate::act::{Act, Mode};
use crate::context::Context;
use crate::invoices::name::name_of;
use crate::invoices::view::DraftView;
use crate::refusal::{Stop, unknown_customer};
use anyhow::Context as _;
use domain::audit::{Action, Object};
use domain::billing::{CustomInvoice, custom_draft};
use domain::invoice::Draft;
use domain::refusal::{Code, Refusal, Verb};
use std::sync::Arc;
use store::draft::{self, DraftState};
use store::refkey::{self, Named};
use store::{Tx, book, payer};

/// Makes the draft, or shows what it would be.
pub async fn create(ctx: &Context, act: &Act, custom: &CustomInvoice, mode: Mode) -> Result<DraftView, Stop> {
    let mut tx = mode.begin(ctx).await?;
    let draft = drafted(&mut tx, custom, mode)
        .await
        .map_err(|stop| stop.or("fix the file and run the same command again"))?;
    if mode == Mode::Change {
        if let Some(state) = draft::add_manual(&mut tx, &draft).await? {
            return Err(exists(&draft, state).into());
        }
        if let Some(refkey) = &custom.refkey {
            refkey::set(&mut tx, Named::Invoice, draft.id.0, draft.id.0, refkey).await?;
        }
        store::request::made(&mut tx, draft.id.0).await?;
        let detail = serde_json::json!({"account": draft.account_number, "date": draft.invoice_date, "refkey": custom.refkey});
        ctx.note(&mut tx, &act.actor, Action::CreateDraft, Object::Draft(draft.id), detail).await?;
        let name = name_of(&mut tx, draft.id).await?;
        tx.commit().await?;
        return Ok(DraftView { draft, name, set_aside: None });
    }
    Ok(DraftView::shown(draft))
}

async fn drafted(tx: &mut Tx, custom: &CustomInvoice, mode: Mode) -> Result<Draft, Stop> {
    let account = &custom.account_number;
    let owner = book::customer(tx, account).await?.ok_or_else(|| unknown_customer(account))?;
    let payer = mode.payer_of(tx, owner.id).await?;
    let catalogue = Arc::new(store::catalogue::load(tx).await?.context("the book is empty")?);
    let book = payer::books(tx, &[payer], &catalogue).await?.pop().context("the payer has a book")?;
    Ok(custom_draft(&book, custom)?)
}

fn exists(draft: &Draft, state: DraftState) -> Refusal {
    let (account, date, id) = (&draft.account_number, draft.invoice_date, draft.id);
    let what = if state == DraftState::Booked { "booked" } else { "a draft" };
    let message = format!("this invoice to {account} of {date} is {what} already");
    Refusal::new(Code::Exists, message)
        .ask(Verb::ShowInvoice.on(id))
        .hint("; if a second one is meant, give it a `refkey` of its own in the file")
}
