//! How long bulk writing takes. Run when it is asked for, in release: `cargo test --release -p store -- --ignored`.

use super::sample;
use crate::{Store, invoice, ledger};
use domain::ids::{EntryId, InvoiceId, LineId, Place, run_made};
use domain::invoice::{Invoice, Line};
use domain::ledger::Entry;

const SLICES: u32 = 40;
const PER_SLICE: u32 = 500;

/// Invoice `n` with five lines.
fn large_invoice(n: u32) -> (Invoice, Entry) {
    let id = |kind: &str, part: u32| run_made(1, Place::of(n), kind, &format!("{n:08} {part}"));
    let mut invoice = sample::invoice(n);
    invoice.draft.id = InvoiceId(id("invoice", 0));
    let (first, second) = (invoice.draft.lines[0].clone(), invoice.draft.lines[1].clone());
    let free = |number| Line { subtotal_minor: 0, number, ..second.clone() };
    invoice.draft.lines = vec![first, second.clone(), free(3), free(4), free(5)];
    for line in &mut invoice.draft.lines {
        line.id = LineId(id("line", line.number));
    }
    let mut entry = sample::entry(n);
    entry.id = EntryId(id("entry", 0));
    entry.invoice = invoice.draft.id;
    (invoice, entry)
}

async fn book(store: &Store) {
    sample::load(store).await;
    for slice in 0..SLICES {
        let numbers = slice * PER_SLICE + 1..=(slice + 1) * PER_SLICE;
        let (invoices, entries): (Vec<Invoice>, Vec<Entry>) = numbers.map(large_invoice).unzip();
        let mut tx = store.begin().await.unwrap();
        invoice::take_numbers(&mut tx, "invoice", 1, u64::from(PER_SLICE)).await.unwrap();
        invoice::save_booked(&mut tx, None, &invoices, &entries).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = store.read().await.unwrap();
    assert_eq!(ledger::unsealed_count(&mut tx).await.unwrap(), u64::from(SLICES * PER_SLICE));
}

#[tokio::test]
#[ignore = "measures 20,000 invoices of five lines"]
async fn booking_on_sqlite() {
    let home = super::sqlite().await;
    book(&home.store).await;
}

#[tokio::test]
#[ignore = "measures 20,000 invoices of five lines"]
async fn booking_on_postgres() {
    let Some(home) = super::postgres().await else { return };
    book(&home.store).await;
}
