//! Booked invoices: inserted once in the booking transaction, with their number, and never changed (rules I5,
//! I6). What moves afterwards is in [`settle`].

mod list;
mod save;
mod settle;

pub(crate) use list::tax_category;
pub use list::{
    InvoiceFilter, InvoiceState, PayerTotal, buyers, by_id, by_ids, by_number, by_numbers, ids, next_numbers,
    of_line, of_run, totals_by_payer, with_earlier_of_run,
};
pub use save::{save_booked, take_numbers, take_references};
pub use settle::{
    SettledPart, SettlementPart, credit_notes_of, kept_minor, lock_open, lock_settlements, moved_of_payer,
    open_with_credit, parts, save_settlements, settle, written_off,
};

use domain::invoice::{Invoice, Settlement};

/// An invoice as booked, and how far it is settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Booked {
    pub invoice: Invoice,
    pub settlement: Settlement,
}
