//! The invoice was paid outside: a bank transfer, cash (rules Y5). Dunning ends when nothing is open.
//!
//! Idempotency key: none; money may come twice. What was noted before is refused where no amount says so.

use crate::act::{Act, note_amount};
use crate::context::Context;
use crate::invoices::find;
use crate::invoices::view::InvoiceView;
use crate::payments::account::{account, policy_of};
use crate::payments::settle;
use crate::refusal::Stop;
use anyhow::{Context as _, ensure};
use domain::Decimal;
use domain::audit::Action;
use domain::invoice::account as amounts;
use domain::invoice::verbs::{self, Books};
use domain::payment::{Attempt, AttemptState, under_way};
use domain::refusal::Verb;
use store::{Tx, payment};

/// What came.
#[derive(Debug, Clone)]
pub struct Paid<'a> {
    /// Its number.
    pub invoice: &'a str,
    /// Major units; none = all that is open.
    pub amount: Option<Decimal>,
    pub pending: Pending,
}

/// Whether the payment is known to be under way; a person who has asked the provider may overrule it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    Refuse,
    /// The attempt without an answer ends here, as technical.
    Overrule,
}

/// Notes a payment made outside.
pub async fn mark_paid(ctx: &Context, act: &Act, paid: &Paid<'_>) -> Result<InvoiceView, Stop> {
    act.insist_near(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let booked = find::locked(&mut tx, paid.invoice, "paid").await?;
    let (id, number) = (booked.invoice.draft.id, booked.invoice.number.clone());
    let amount_minor = amounts::payment(find::standing(&booked), paid.amount)?;
    let attempts = payment::of_invoices(&mut tx, &[id]).await?;
    if let Some(under_way) = attempts.iter().find(|a| a.state == AttemptState::Pending) {
        overrule(&mut tx, under_way, paid.pending, &number).await?;
    }
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let books = Books { catalogue: &catalogue, calendar: store::ledger::calendar(&mut tx).await? };
    let policy = policy_of(&catalogue, &booked);
    let account = account(&booked, &attempts, None, &policy);
    let effects = verbs::paid_manually(&account, amount_minor, act.on, books).map_err(anyhow::Error::from)?;
    if let Some(attempt) = &effects.attempt {
        begin(&mut tx, attempt, &number).await?;
    }
    settle::keep_money(&mut tx, &booked, effects, None).await?;
    note_amount(ctx, &mut tx, &number, Action::MarkPaid, act, amount_minor).await?;
    InvoiceView::committed(ctx, tx, id).await
}

async fn begin(tx: &mut Tx, attempt: &Attempt, number: &str) -> anyhow::Result<()> {
    let begun = payment::begin(tx, std::slice::from_ref(attempt)).await?;
    ensure!(begun == 1, "attempt {} of {number} is taken", attempt.ordinal);
    Ok(())
}

/// The attempt that has no answer ends here, or nothing is done.
async fn overrule(tx: &mut Tx, attempt: &Attempt, pending: Pending, number: &str) -> Result<(), Stop> {
    if pending == Pending::Refuse {
        return Err(under_way(number, attempt)
            .hint(", or overrule it with ")
            .ask(Verb::MarkPaid.on(number).switch("despite_pending"))
            .into());
    }
    payment::answer(tx, &attempt.overruled()).await?;
    Ok(())
}
