//! How marks and ledger move when something is paid, set off or refunded (rules.md I7, I8, L1).

use super::book::{Book, Booked};
use super::run::not_posted;
use crate::catalogue::Catalogue;
use crate::ids::{CustomerId, InvoiceId};
use crate::invoice::{Invoice, OpenDocument, Settlement, TransactionWire, set_off};
use crate::ledger::{Entry, EntryKind, Happening, PostingFault};
use crate::money::{Currency, Money};
use crate::payment::{Attempt, AttemptState};
use crate::subscription::Refusal;
use chrono::NaiveDate;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Upodi's numbers of transaction states and types.
pub(super) const STATE_SUCCESS: u32 = 1;
const STATE_DECLINE: u32 = 8;
const STATE_MANUAL: u32 = 32;
pub(super) const TYPE_PAYMENT: u32 = 8;
pub(super) const TYPE_REFUND: u32 = 16;
const TYPE_DECLINE: u32 = 32;

/// Gateway of what was paid outside.
pub(super) const BY_HAND: &str = "manual";

/// Something that happens to a booked document: an entry of a kind, and a part of its settlement.
pub(super) struct Happened {
    pub kind: EntryKind,
    pub on: NaiveDate,
    /// Of the entry, above 0.
    pub amount_minor: i64,
    /// Of the settlement.
    pub part_minor: i64,
}

pub(super) type EntryOf =
    fn(&Invoice, &Catalogue, Option<NaiveDate>, Happening) -> Result<Entry, PostingFault>;

impl Book {
    /// Sets open credits of a payer against its oldest open invoices of the same currency (rules.md I8).
    pub fn set_off(&mut self, payer: CustomerId, on: NaiveDate) {
        let mut open: BTreeMap<Currency, Vec<(NaiveDate, String, u64, OpenDocument)>> = BTreeMap::new();
        for booked in self.documents.iter().filter_map(|document| document.booked()) {
            let draft = &booked.invoice.draft;
            if draft.payer == payer && booked.open_minor() != 0 {
                let document = OpenDocument { id: draft.id, open_minor: booked.open_minor() };
                let place = (draft.invoice_date, draft.series.clone(), booked.invoice.sequence, document);
                open.entry(draft.currency).or_default().push(place);
            }
        }
        for mut documents in open.into_values() {
            documents.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
            let documents: Vec<OpenDocument> = documents.into_iter().map(|(_, _, _, document)| document).collect();
            for pair in set_off(&documents) {
                self.set_off_pair(pair.credit, pair.invoice, pair.amount_minor, on);
            }
        }
    }

    /// Settles a credit and an invoice against each other. Both stand on the receivable already: no entry.
    pub fn set_off_pair(&mut self, credit: InvoiceId, invoice: InvoiceId, amount_minor: i64, on: NaiveDate) {
        for (id, part_minor) in [(invoice, amount_minor), (credit, -amount_minor)] {
            let place = self.place_of(id);
            if let Some(booked) = place.and_then(|place| self.booked_mut(place)) {
                booked.settlement = settled(booked, part_minor, on);
            }
        }
    }

    /// Moves marks and ledger of the document at `place`.
    pub fn happen(&mut self, place: usize, happened: &Happened, entry_of: EntryOf) -> Result<u32, Refusal> {
        let catalogue = self.catalogue()?;
        let Some(booked) = self.documents.get(place).and_then(|document| document.booked()) else {
            return Err(Refusal::new("not_booked", "the document is not booked"));
        };
        let id = booked.invoice.draft.id;
        let sealed = self.sealed.iter().map(|sealed| &sealed.entry);
        let before = sealed.chain(&self.entries).filter(|entry| entry.invoice == id && entry.kind == happened.kind);
        let ordinal = before.map(|entry| entry.ordinal).max().unwrap_or(0) + 1;
        let happening = Happening { ordinal, on: happened.on, amount_minor: happened.amount_minor };
        let entry = entry_of(&booked.invoice, &catalogue, None, happening).map_err(|fault| not_posted(&fault))?;
        let settlement = settled(booked, happened.part_minor, happened.on);
        self.entries.push(entry);
        if let Some(booked) = self.booked_mut(place) {
            booked.settlement = settlement;
        }
        Ok(ordinal)
    }

    /// An attempt that has its answer becomes a transaction.
    pub fn note_attempt(&mut self, attempt: Attempt, number: &str) {
        let state_code = match attempt.state {
            AttemptState::Paid if attempt.gateway == BY_HAND => STATE_MANUAL,
            AttemptState::Paid => STATE_SUCCESS,
            _ => STATE_DECLINE,
        };
        let kind = if attempt.state == AttemptState::Paid { TYPE_PAYMENT } else { TYPE_DECLINE };
        self.transactions.push(TransactionWire {
            id: attempt.id.0,
            customer_id: attempt.customer.0,
            invoice_id: attempt.invoice.0,
            invoice_number: number.to_owned(),
            state_code,
            kind,
            total_amount: Money::new(attempt.amount_minor, attempt.currency).decimal().to_string(),
            currency_code: attempt.currency.to_string(),
            date: attempt.on,
            error_code: attempt.decline_code.clone(),
        });
        self.attempts.push(attempt);
    }

    /// Money that went back.
    pub fn note_refund(&mut self, invoice: &Invoice, amount_minor: i64, on: NaiveDate, ordinal: u32) {
        let draft = &invoice.draft;
        self.transactions.push(TransactionWire {
            id: Uuid::new_v5(&draft.id.0, format!("refund\u{1f}{ordinal}").as_bytes()),
            customer_id: draft.payer.0,
            invoice_id: draft.id.0,
            invoice_number: invoice.number.clone(),
            state_code: STATE_SUCCESS,
            kind: TYPE_REFUND,
            total_amount: Money::new(amount_minor, draft.currency).decimal().to_string(),
            currency_code: draft.currency.to_string(),
            date: on,
            error_code: None,
        });
    }
}

fn settled(booked: &Booked, part_minor: i64, on: NaiveDate) -> Settlement {
    booked.settlement.settled(booked.invoice.draft.gross_minor(), part_minor, on)
}
