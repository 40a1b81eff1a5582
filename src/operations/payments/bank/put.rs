//! Putting money of a bank statement on an invoice, in the transaction of the caller.
//!
//! Key that makes a repeat quiet: the caller's, which holds the entry: what is left of it is read under its lock.

use crate::act::Actor;
use crate::context::Context;
use crate::payments::account::{account, policy_of};
use crate::payments::settle;
use anyhow::{Context as _, ensure};
use chrono::NaiveDate;
use domain::audit::{Action, Object};
use domain::catalogue::Catalogue;
use domain::direct_debit::SEPA;
use domain::ids::InvoiceId;
use domain::invoice::Settlement;
use domain::invoice::verbs::{self, Books};
use domain::money::Money;
use store::{Tx, bank, invoice, payment};
use uuid::Uuid;

/// So much of an entry for one invoice.
pub(super) struct Placement {
    pub entry: Uuid,
    pub invoice: InvoiceId,
    pub amount_minor: i64,
    /// The day on which the bank booked it.
    pub on: NaiveDate,
}

/// Settles the invoice by it: a payment made outside, with its entry in the ledger. What comes beyond what is open is the
/// payer's credit (rules Y5). Needs the lock of the invoice's settlement.
pub(super) async fn put(
    ctx: &Context,
    tx: &mut Tx,
    actor: &Actor,
    catalogue: &Catalogue,
    part: &Placement,
) -> anyhow::Result<Settlement> {
    let booked = invoice::by_id(tx, part.invoice).await?.context("the invoice is gone")?;
    let number = &booked.invoice.number;
    let attempts = payment::of_invoices(tx, &[part.invoice]).await?;
    let books = Books { catalogue, calendar: store::ledger::calendar(tx).await? };
    let policy = policy_of(catalogue, &booked);
    let account = account(&booked, &attempts, None, &policy);
    let debit = account.pending().filter(|attempt| attempt.gateway == SEPA).cloned();
    let settlement = match debit {
        // The money is what its direct debit has brought.
        Some(debit) => {
            ensure!(debit.amount_minor == part.amount_minor, "a direct debit of {number} is paid whole");
            settle::debit(tx, &booked, debit, (part.entry.to_string(), part.on), books).await?
        }
        None => {
            let effects = verbs::paid_by_bank(&account, part.amount_minor, part.on, books)?;
            if let Some(attempt) = &effects.attempt {
                let begun = payment::begin(tx, std::slice::from_ref(attempt)).await?;
                ensure!(begun == 1, "attempt {} of {number} is taken", attempt.ordinal);
            }
            settle::keep_money(tx, &booked, effects, None).await?
        }
    };
    let key = (part.entry, part.invoice);
    bank::place(tx, key, part.amount_minor, ((ctx.now)(), &actor.to_string())).await?;
    let amount = Money::new(part.amount_minor, booked.invoice.draft.currency).decimal();
    let detail = serde_json::json!({"amount": amount.to_string(), "entry": part.entry, "on": part.on});
    ctx.note(tx, actor, Action::AllocatePayment, Object::Invoice(number), detail).await?;
    Ok(settlement)
}
