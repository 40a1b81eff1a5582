//! What is done to an invoice from its booking on: book, credit, charge, dun, mark paid, refund, write off, set off. Pure functions from an
//! [`Account`] to [`Effects`]: the operations load an account and save the effects in one transaction, and a simulation keeps
//! accounts in memory and applies the same.

mod book;
mod charge;
mod debit;
mod dun;
mod money;

pub use book::{BookingFault, Credit, CreditDraft, Noted, Numbers, book, credit, credit_draft, notes_on};
pub use charge::{Answer, Charge, Charging, Occasion, PayerHistory, answered, charge, collected_by};
pub use debit::{Debiting, FileEntry, Returned, debit, given_back, rejected};
pub use dun::{NextStep, coming, stepped};
pub use money::{
    Concerned, Owed, meets_write_off, paid_by_bank, paid_manually, paid_online, received_minor, refund,
    refund_of_credit, set_off_pair, taken_back, write_off,
};

use super::{Invoice, Settlement};
use crate::catalogue::Catalogue;
use crate::customer::Customer;
use crate::dunning::DunningPolicy;
use crate::ids::InvoiceId;
use crate::invoice::account::DocumentBalance;
use crate::ledger::{Calendar, Entry};
use crate::payment::{Attempt, AttemptState};
use chrono::NaiveDate;
use uuid::Uuid;

/// A booked invoice with what is known of it.
#[derive(Debug, Clone)]
pub struct Account<'a> {
    pub invoice: &'a Invoice,
    pub settlement: &'a Settlement,
    /// Attempts on it, oldest first, payments that a person noted too.
    pub attempts: Vec<&'a Attempt>,
    /// None if the payer is gone.
    pub payer: Option<&'a Customer>,
    pub policy: &'a DunningPolicy,
}

impl<'a> Account<'a> {
    /// Above 0 the payer owes it, below 0 the payer is owed.
    pub fn open_minor(&self) -> i64 {
        self.settlement.open_minor(self.invoice.draft.gross_minor())
    }

    /// As far as money is concerned.
    pub fn standing(&self) -> DocumentBalance<'a> {
        DocumentBalance { invoice: self.invoice, settlement: self.settlement }
    }

    /// The attempt that has no answer yet.
    pub fn pending(&self) -> Option<&'a Attempt> {
        self.attempts.iter().copied().find(|attempt| attempt.state == AttemptState::Pending)
    }

    /// Technical failures at the end of its attempts.
    pub fn technical_in_a_row(&self) -> usize {
        self.technical_before(u32::MAX)
    }

    /// Technical failures right before the attempt of this ordinal.
    pub fn technical_before(&self, ordinal: u32) -> usize {
        let earlier = self.attempts.iter().rev().filter(|a| a.ordinal < ordinal);
        earlier.take_while(|a| a.state == AttemptState::Technical).count()
    }

    fn next_ordinal(&self) -> u32 {
        self.attempts.iter().map(|attempt| attempt.ordinal).max().unwrap_or(0) + 1
    }
}

/// What ledger entries are made with.
#[derive(Debug, Clone, Copy)]
pub struct Books<'a> {
    pub catalogue: &'a Catalogue,
    /// How far they have come (rules I2, L1).
    pub calendar: Calendar,
}

/// What comes of a verb, to be kept in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// An attempt that begins, or has its answer.
    pub attempt: Option<Attempt>,
    /// What settles a part, each once.
    pub parts: Vec<SettlementPart>,
    /// The marks after it.
    pub settlement: Option<Settlement>,
    pub entries: Vec<Entry>,
    /// The attempt's method was declined for good.
    pub declined_for_good: bool,
}

/// What moved a settlement. Its key is the invoice, the kind and the source: what comes twice settles once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementPart {
    pub invoice: InvoiceId,
    pub kind: PartKind,
    /// The attempt, credit note or bank line it came from.
    pub source: Uuid,
    /// The other document of a set-off.
    pub document: Option<InvoiceId>,
    /// Minor units of the invoice's currency; the sign is the invoice's when it settles, opposite when it undoes.
    pub amount_minor: i64,
    pub on: NaiveDate,
}

/// What kind of thing settles a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    Payment,
    SetOff,
    WriteOff,
    Refund,
}

impl PartKind {
    /// The word used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::SetOff => "set_off",
            Self::WriteOff => "write_off",
            Self::Refund => "refund",
        }
    }
}
