//! Takes a run back: a credit note for every invoice that it booked and that is not wholly credited yet (rules.md I4, I7);
//! for a rebill, what it billed is due again.
//! What is booked stays; the notes and their entries stand against it. Some invoices at a time share a transaction.
//!
//! Key that makes a repeat quiet: what is left to credit of an invoice. A reversal that was killed goes on where it
//! stopped when it is asked for again.

use crate::by_hand::{self, Asked, Credit};
use crate::context::JobContext;
use anyhow::Context;
use domain::billing::CreditScope;
use domain::ids::InvoiceId;
use domain::invoice::Invoice;
use domain::journal::{Action, Object};
use store::invoice;
use store::run::Run;

/// Invoices in one transaction.
const BATCH: usize = 50;

/// What a reversal did.
#[derive(Debug, Clone, Default)]
pub struct Reversed {
    /// Credit notes made now.
    pub notes: Vec<InvoiceId>,
    /// Billed lines that are due again.
    pub reopened: usize,
    /// Invoices that were credited before.
    pub already: u64,
    /// Credit notes of the run itself, and zero invoices: there is nothing to credit.
    pub left_alone: u64,
    /// Number and reason of invoices that could not be credited.
    pub refused: Vec<(String, String)>,
}

/// Credits every invoice of a closed run.
pub async fn reverse(ctx: &JobContext, run: &Run, rebill: bool, asked: &Asked) -> anyhow::Result<Reversed> {
    let mut tx = ctx.store.read().await?;
    let ids = invoice::of_run(&mut tx, run.id).await?;
    drop(tx);
    let mut reversed = Reversed::default();
    let credit = Credit { scope: CreditScope::Whole, rebill };
    for batch in ids.chunks(BATCH) {
        let mut tx = ctx.store.begin().await?;
        let invoices: Vec<Invoice> =
            invoice::by_ids(&mut tx, batch).await?.into_iter().map(|booked| booked.invoice).collect();
        by_hand::lock(&mut tx, &invoices).await?;
        let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
        let mut made = 0;
        for booked in invoice::by_ids(&mut tx, batch).await? {
            if booked.invoice.draft.gross_minor() <= 0 {
                reversed.left_alone += 1;
                continue;
            }
            match by_hand::credit_within(ctx, &mut tx, &booked.invoice, &credit, asked, &catalogue).await? {
                Ok(credited) => {
                    made += 1;
                    reversed.reopened += credited.reopened;
                    match credited.note {
                        Some(note) => reversed.notes.push(note.invoice.draft.id),
                        None => reversed.already += 1,
                    }
                }
                Err(refusal) if matches!(refusal.code, "nothing_left" | "nothing_to_rebill") => {
                    reversed.already += 1;
                }
                Err(refusal) => reversed.refused.push((booked.invoice.number, refusal.message)),
            }
        }
        if made > 0 {
            let detail = serde_json::json!({"on": asked.on, "credited": made, "rebill": rebill});
            ctx.note(&mut tx, &asked.actor, Action::ReverseRun, Object::Run(run.ordinal), detail).await?;
            tx.commit().await?;
        }
    }
    Ok(reversed)
}
