//! What a person says of money that waits: how much of it goes on an invoice, on which, and why not (rules Y5, Y6). Pure, so that
//! the program and a simulation take and refuse the same.

use crate::direct_debit::SEPA;
use crate::ids::InvoiceId;
use crate::invoice::{Invoice, Settlement};
use crate::money::{Currency, Money};
use crate::payment::{Attempt, under_way};
use crate::refusal::{Code, Refusal, Verb};
use rust_decimal::Decimal;

/// Minor units of a payment: what is left of it, or so much of that.
///
/// # Errors
/// `nothing_left`, `amount`, `too_much`.
pub fn amount_of(payment: i64, left: Money, asked: Option<Decimal>) -> Result<i64, Refusal> {
    if left.minor == 0 {
        let message = format!("nothing is left of payment {payment}");
        return Err(Refusal::new(Code::NothingLeft, message)
            .hint("where it is says ")
            .ask(Verb::ListReceived.plain()));
    }
    match asked {
        None => Ok(left.minor),
        Some(amount) => match crate::invoice::account::minor(amount, left.currency)? {
            minor if minor <= left.minor => Ok(minor),
            _ => Err(Refusal::new(Code::TooMuch, format!("only {left} is left of payment {payment}"))
                .option("amount", left.decimal())
                .hint(" at most")),
        },
    }
}

/// Refuses an invoice that money in a currency cannot be for. While a payment of it is under way it takes none; but a direct debit
/// takes its own sum.
///
/// # Errors
/// `credit_note`, `wrong_currency`, `payment_under_way`.
pub fn expect_payable(
    invoice: &Invoice,
    payment: i64,
    came: Money,
    pending: Option<&Attempt>,
) -> Result<(), Refusal> {
    let (name, owed) = (&invoice.number, invoice.draft.currency);
    if invoice.draft.gross_minor() < 0 {
        let message = format!("{name} is a credit note: nobody pays it");
        return Err(Refusal::new(Code::CreditNote, message).hint("name the invoice that it is for"));
    }
    if came.currency != owed {
        let message = format!("payment {payment} is in {}, {name} in {owed}", came.currency);
        let refusal = Refusal::new(Code::WrongCurrency, message).hint("send it back and note that with ");
        return Err(refusal.ask(Verb::RefundPayment.on(payment)));
    }
    match pending {
        None => Ok(()),
        Some(debit) if debit.gateway == SEPA && debit.amount_minor == came.minor => Ok(()),
        Some(debit) if debit.gateway == SEPA => Err(other_sum(name, debit)),
        Some(pending) => Err(under_way(name, pending)),
    }
}

/// A direct debit is paid whole, or not at all.
fn other_sum(name: &str, debit: &Attempt) -> Refusal {
    let owed = Money::new(debit.amount_minor, debit.currency);
    let message =
        format!("a direct debit of {owed} is under way for {name}, and it is paid whole or not at all");
    Refusal::new(Code::PaymentUnderWay, message)
        .option("amount", owed.decimal())
        .hint(", if that came for it")
}

/// Of a payer's documents those that money in a currency goes on, with what is open of each: the open invoices, the oldest first,
/// and where nothing is open the newest (rules Y5).
pub fn open_or_newest<'d>(
    documents: impl IntoIterator<Item = (&'d Invoice, &'d Settlement)>,
    currency: Currency,
    is_under_way: impl Fn(InvoiceId) -> bool,
) -> Vec<(InvoiceId, i64)> {
    let is_it = |(invoice, _): &(&Invoice, &Settlement)| {
        let draft = &invoice.draft;
        draft.currency == currency && draft.gross_minor() > 0 && !is_under_way(draft.id)
    };
    let mut all: Vec<_> = documents.into_iter().filter(is_it).collect();
    all.sort_by_key(|(i, _)| (i.draft.invoice_date, i.draft.series.clone(), i.sequence));
    let mut standing = all.iter().map(|(i, marks)| (i.draft.id, marks.open_minor(i.draft.gross_minor())));
    let mut open: Vec<_> = standing.clone().filter(|(_, open)| *open > 0).collect();
    if open.is_empty() {
        open.extend(standing.next_back());
    }
    open
}
