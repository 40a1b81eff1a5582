//! The state of an invoice in a word (rules I4): the same on the wire, in lists, filters and reports.

use super::{InvoiceStatus, PaymentStatus, Settlement};
use chrono::NaiveDate;

/// State of an invoice or credit note, as people ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Draft,
    Cancelled,
    PaidTooMuch,
    Paid,
    /// Its own credit notes took all of it back, and nobody paid.
    Credited,
    /// Nothing is open, as some of it was given up.
    WrittenOff,
    /// Nothing of a credit note is owed any more.
    Settled,
    /// A credit note of which something is owed.
    Credit,
    PaymentUnderWay,
    ToBeRetried,
    InDunning,
    Declined,
    NotCollected,
    Overdue,
    Open,
}

impl State {
    /// As a document of this gross stands on a day; `payable_by` is its due date.
    ///
    /// ```
    /// # use domain::invoice::{InvoiceStatus, SettledBy, Settlement, State};
    /// # let day = domain::NaiveDate::from_ymd_opt(2026, 2, 14).unwrap();
    /// let open = Settlement::open(InvoiceStatus::Booked);
    /// let given_up = open.settled(24_875, 24_875, SettledBy::WriteOff, day);
    /// assert_eq!(State::of(&given_up, 24_875, day, day).word(), "written_off");
    /// ```
    pub fn of(settlement: &Settlement, gross_minor: i64, payable_by: NaiveDate, as_of: NaiveDate) -> Self {
        match settlement.status {
            InvoiceStatus::Draft => return Self::Draft,
            InvoiceStatus::Cancelled => return Self::Cancelled,
            InvoiceStatus::Booked | InvoiceStatus::Failed => {}
        }
        if settlement.is_closed(gross_minor) {
            return Self::closed(settlement, gross_minor);
        }
        match settlement.payment_status {
            _ if gross_minor < 0 => Self::Credit,
            PaymentStatus::PendingResponse | PaymentStatus::Pending => Self::PaymentUnderWay,
            PaymentStatus::PendingRetry => Self::ToBeRetried,
            PaymentStatus::Dunning => Self::InDunning,
            PaymentStatus::Declined => Self::Declined,
            PaymentStatus::Failed => Self::NotCollected,
            _ if payable_by < as_of => Self::Overdue,
            _ => Self::Open,
        }
    }

    fn closed(settlement: &Settlement, gross_minor: i64) -> Self {
        match settlement.payment_status {
            PaymentStatus::Cancelled => Self::Credited,
            PaymentStatus::Failed => Self::WrittenOff,
            _ if settlement.open_minor(gross_minor) != 0 => Self::PaidTooMuch,
            _ if gross_minor < 0 => Self::Settled,
            _ => Self::Paid,
        }
    }

    /// The word that programs see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Cancelled => "cancelled",
            Self::PaidTooMuch | Self::Paid | Self::Settled => "paid",
            Self::Credited => "credited",
            Self::WrittenOff => "written_off",
            Self::Credit | Self::PaymentUnderWay | Self::Open => "open",
            Self::ToBeRetried | Self::Declined | Self::NotCollected => "declined",
            Self::InDunning | Self::Overdue => "overdue",
        }
    }

    /// The state in words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Cancelled => "cancelled",
            Self::PaidTooMuch => "paid too much",
            Self::Paid => "paid",
            Self::Credited => "credited",
            Self::WrittenOff => "written off",
            Self::Settled => "settled",
            Self::Credit => "credit",
            Self::PaymentUnderWay => "payment under way",
            Self::ToBeRetried => "to be retried",
            Self::InDunning => "in dunning",
            Self::Declined => "declined",
            Self::NotCollected => "not collected",
            Self::Overdue => "overdue",
            Self::Open => "open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoice::{SettledBy, SettlementStatus};

    const GROSS: i64 = 10_000;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 2, 1).unwrap()
    }

    /// Payment and settlement status and the word, after these parts.
    fn after(parts: &[(i64, SettledBy)]) -> (u32, u32, &'static str) {
        let mut marks = Settlement::open(InvoiceStatus::Booked);
        for (amount_minor, by) in parts {
            marks = marks.settled(GROSS, *amount_minor, *by, day());
        }
        let word = State::of(&marks, GROSS, day(), day()).word();
        (marks.payment_status as u32, marks.settlement_status(GROSS) as u32, word)
    }

    #[test]
    fn what_closed_an_invoice_is_its_state_in_any_order() {
        use SettledBy::{Credit, Money, WriteOff};
        for (parts, expected) in [
            (vec![(GROSS, Money)], (20, 4, "paid")),
            (vec![(GROSS, Credit)], (50, 4, "credited")),
            (vec![(GROSS, WriteOff)], (1024, 4, "written_off")),
            (vec![(2 * GROSS, Money)], (20, 8, "paid")),
            (vec![(4_000, Credit), (6_000, Money)], (20, 4, "paid")),
            (vec![(4_000, Credit), (6_000, WriteOff)], (1024, 4, "written_off")),
            (vec![(4_000, Money), (6_000, WriteOff)], (1024, 4, "written_off")),
            (vec![(4_000, Credit)], (0, 2, "open")),
            (vec![(4_000, WriteOff)], (0, 2, "open")),
            (vec![(GROSS, Money), (-GROSS, Money)], (0, 0, "open")),
            (vec![(GROSS, WriteOff), (GROSS, Money), (-GROSS, WriteOff)], (20, 4, "paid")),
            (vec![(GROSS, WriteOff), (GROSS, Credit), (-GROSS, WriteOff)], (50, 4, "credited")),
        ] {
            assert_eq!(after(&parts), expected, "{parts:?}");
            let turned: Vec<(i64, SettledBy)> = parts.iter().rev().copied().collect();
            assert_eq!(after(&turned), expected, "turned round: {parts:?}");
        }
    }

    #[test]
    fn nobody_paid_what_is_credited_or_given_up() {
        let open = Settlement::open(InvoiceStatus::Booked);
        let given_up = open.settled(GROSS, GROSS, SettledBy::WriteOff, day());
        assert_eq!((given_up.payment_date, given_up.paid_minor()), (None, 0));
        assert_eq!(given_up.settlement_status(GROSS), SettlementStatus::Settled);
        let paid = given_up.settled(GROSS, GROSS, SettledBy::Money, day());
        let recovered = paid.settled(GROSS, -GROSS, SettledBy::WriteOff, day());
        assert_eq!((recovered.payment_date, recovered.paid_minor()), (Some(day()), GROSS));
    }

    #[test]
    fn what_is_open_is_open_overdue_or_declined() {
        let later = day().succ_opt().unwrap();
        let with = |payment_status| Settlement { payment_status, ..Settlement::open(InvoiceStatus::Booked) };
        for (status, word) in [
            (PaymentStatus::NotPaid, "overdue"),
            (PaymentStatus::Dunning, "overdue"),
            (PaymentStatus::PendingRetry, "declined"),
            (PaymentStatus::Failed, "declined"),
            (PaymentStatus::PendingResponse, "open"),
        ] {
            assert_eq!(State::of(&with(status), GROSS, day(), later).word(), word, "{status:?}");
        }
        assert_eq!(State::of(&with(PaymentStatus::NotPaid), GROSS, day(), day()).word(), "open");
        assert_eq!(State::of(&with(PaymentStatus::NotPaid), -GROSS, day(), later).words(), "credit");
    }
}
