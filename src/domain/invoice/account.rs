//! What a person says about money on an invoice (rules I7, Y5): how much of it is meant, and why not. Pure, so that
//! the command line and a simulation take and refuse the same.

use super::{Invoice, Settlement};
use crate::money::{Currency, Money};
use crate::refusal::{Code, Refusal, Verb};
use rust_decimal::Decimal;

/// An invoice or credit note as it stands.
#[derive(Debug, Clone, Copy)]
pub struct DocumentBalance<'a> {
    pub invoice: &'a Invoice,
    pub settlement: &'a Settlement,
}

impl DocumentBalance<'_> {
    fn open_minor(self) -> i64 {
        self.settlement.open_minor(self.invoice.draft.gross_minor())
    }

    fn is_credit(self) -> bool {
        self.invoice.draft.gross_minor() < 0
    }

    fn money(self, minor: i64) -> Money {
        Money::new(minor, self.invoice.draft.currency)
    }
}

/// Minor units that were paid elsewhere: what is open, or the amount that came, also beyond what is open (rules Y5).
///
/// # Errors
/// `credit_note`, `amount`; `nothing_open` where no amount is given and nothing is open.
pub fn payment(standing: DocumentBalance<'_>, amount: Option<Decimal>) -> Result<i64, Refusal> {
    let number = &standing.invoice.number;
    if standing.is_credit() {
        return Err(Refusal::new(Code::CreditNote, format!("{number} is a credit note: nobody pays it"))
            .hint("pay it back: ")
            .ask(Verb::RefundInvoice.on(number)));
    }
    match amount {
        Some(amount) => minor(amount, standing.invoice.draft.currency),
        None if standing.open_minor() > 0 => Ok(standing.open_minor()),
        None => Err(nothing_open(number)
            .hint("money that came beyond it is noted with its amount: ")
            .ask(Verb::MarkPaid.on(number).with("amount", "99.50"))),
    }
}

/// Minor units that are given up.
///
/// # Errors
/// `nothing_open`, `amount`, `more_than_open`.
pub fn write_off(standing: DocumentBalance<'_>, amount: Option<Decimal>) -> Result<i64, Refusal> {
    let number = &standing.invoice.number;
    let open_minor = standing.open_minor();
    if open_minor <= 0 || standing.is_credit() {
        return Err(nothing_open(number).ask(Verb::ShowInvoice.on(number)).hint(" says what settled it"));
    }
    at_most(standing, amount, open_minor, Code::MoreThanOpen, |most| {
        format!("only {most} is open on {number}")
    })
}

/// Minor units that are paid back: what is owed on a credit note or was paid too much, and never more than
/// `received_minor`, the money that came for the invoices concerned and has not gone back (rules Y5). None: no
/// invoice is concerned, as of a document that is below zero by its own prices.
///
/// # Errors
/// `nothing_owed`, `nothing_paid`, `amount`, `more_than_open`, `more_than_paid`.
pub fn refund(
    standing: DocumentBalance<'_>,
    received_minor: Option<i64>,
    amount: Option<Decimal>,
) -> Result<i64, Refusal> {
    let number = &standing.invoice.number;
    let owed_minor = -standing.open_minor();
    if owed_minor <= 0 {
        let refusal = Refusal::new(Code::NothingOwed, format!("nothing is owed to the payer on {number}"));
        return Err(refusal
            .ask(Verb::ShowInvoice.on(number))
            .hint(" says what settled it; an invoice is credited before it is refunded"));
    }
    let paid_minor = received_minor.unwrap_or(owed_minor).max(0);
    if paid_minor == 0 {
        let message = format!("nothing that was paid is left to go back on {number}");
        return Err(Refusal::new(Code::NothingPaid, message)
            .hint("what is owed on it is set against the payer's next invoice"));
    }
    if paid_minor < owed_minor {
        return at_most(standing, amount, paid_minor, Code::MoreThanPaid, |most| {
            format!("only {most} of what was paid is left to go back on {number}")
        });
    }
    at_most(standing, amount, owed_minor, Code::MoreThanOpen, |most| {
        format!("only {most} is owed to the payer on {number}")
    })
}

fn nothing_open(number: &str) -> Refusal {
    Refusal::new(Code::NothingOpen, format!("nothing is open on {number}"))
}

fn at_most(
    standing: DocumentBalance<'_>,
    amount: Option<Decimal>,
    most_minor: i64,
    code: Code,
    message: impl Fn(Money) -> String,
) -> Result<i64, Refusal> {
    let Some(amount) = amount else { return Ok(most_minor) };
    let asked = minor(amount, standing.invoice.draft.currency)?;
    if asked <= most_minor {
        return Ok(asked);
    }
    let most = standing.money(most_minor);
    Err(Refusal::new(code, message(most)).option("amount", most.decimal()).hint(" at most"))
}

/// Minor units of an amount above 0 that has no more decimals than its currency.
///
/// # Errors
/// `amount`.
pub fn minor(amount: Decimal, currency: Currency) -> Result<i64, Refusal> {
    let decimals = currency.decimals();
    let fault = || {
        let message = format!("`{amount}` is not an amount above 0 with at most {decimals} decimals");
        Refusal::new(Code::Amount, message).hint("for example ").option("amount", "99.50")
    };
    let mut scaled = amount.normalize();
    if scaled <= Decimal::ZERO || scaled.scale() > decimals {
        return Err(fault());
    }
    scaled.rescale(decimals);
    let exact = (scaled.scale() == decimals).then(|| i64::try_from(scaled.mantissa()).ok()).flatten();
    exact.ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::sample;
    use crate::invoice::InvoiceStatus;

    /// Refused with a code, or so many minor units, of a document of 100.00 with so much settled.
    fn asked(
        gross_minor: i64,
        settled_minor: i64,
        verb: impl Fn(DocumentBalance<'_>) -> Result<i64, Refusal>,
    ) -> Result<i64, Code> {
        let invoice = sample::invoice("INV-0000001", &[(gross_minor, "0")]);
        let settlement = Settlement { settled_minor, ..Settlement::open(InvoiceStatus::Booked) };
        verb(DocumentBalance { invoice: &invoice, settlement: &settlement }).map_err(|refusal| refusal.code)
    }

    fn dec(text: &str) -> Option<Decimal> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn money_beyond_what_is_open_is_taken_and_a_mark_without_an_amount_is_not() {
        let pay = |amount: Option<Decimal>| move |standing: DocumentBalance<'_>| payment(standing, amount);
        assert_eq!(asked(10_000, 4_000, pay(None)), Ok(6_000));
        assert_eq!(asked(10_000, 10_000, pay(dec("100"))), Ok(10_000));
        assert_eq!(asked(10_000, 4_000, pay(dec("99.50"))), Ok(9_950));
        assert_eq!(asked(10_000, 10_000, pay(None)), Err(Code::NothingOpen));
        assert_eq!(asked(-10_000, 0, pay(None)), Err(Code::CreditNote));
        for amount in ["0", "-1", "0.001", "99999999999999999999"] {
            assert_eq!(asked(10_000, 0, pay(dec(amount))), Err(Code::Amount), "{amount}");
        }
    }

    #[test]
    fn what_goes_back_was_owed_and_was_paid() {
        let back = |paid: Option<i64>, amount: Option<Decimal>| {
            move |at: DocumentBalance<'_>| refund(at, paid, amount)
        };
        assert_eq!(asked(-10_000, 0, back(Some(25_000), None)), Ok(10_000));
        assert_eq!(asked(-10_000, 0, back(Some(4_000), None)), Ok(4_000));
        assert_eq!(asked(-10_000, 0, back(Some(4_000), dec("40.01"))), Err(Code::MoreThanPaid));
        assert_eq!(asked(-10_000, 0, back(Some(0), None)), Err(Code::NothingPaid), "written off, never paid");
        assert_eq!(asked(-10_000, 0, back(None, None)), Ok(10_000));
        assert_eq!(asked(10_000, 15_000, back(Some(15_000), None)), Ok(5_000), "paid too much");
        assert_eq!(asked(10_000, 15_000, back(Some(15_000), dec("50.01"))), Err(Code::MoreThanOpen));
        assert_eq!(asked(10_000, 0, back(Some(0), None)), Err(Code::NothingOwed));
    }

    #[test]
    fn no_more_is_given_up_than_is_open() {
        let give_up =
            |amount: Option<Decimal>| move |standing: DocumentBalance<'_>| write_off(standing, amount);
        assert_eq!(asked(10_000, 4_000, give_up(None)), Ok(6_000));
        assert_eq!(asked(10_000, 4_000, give_up(dec("60.01"))), Err(Code::MoreThanOpen));
        assert_eq!(asked(10_000, 10_000, give_up(None)), Err(Code::NothingOpen));
        assert_eq!(asked(-10_000, 0, give_up(None)), Err(Code::NothingOpen));
    }
}
