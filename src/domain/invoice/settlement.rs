//! How the marks of a booked invoice move: what settles it, what a decline does, and which open credit is set
//! against which open invoice (rules I7, I8, Y1–Y3). Pure, so that a run and a simulation move them alike.

use super::{InvoiceStatus, PaymentStatus, Settlement};
use crate::dunning::DunningPolicy;
use crate::ids::InvoiceId;
use crate::payment::{DeclineClass, TECHNICAL_LADDER_MINUTES};
use chrono::NaiveDate;

/// What settles a part of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettledBy {
    /// What the payer gave: payments, less refunds, and credit of other documents.
    Money,
    /// A credit note on the invoice itself.
    Credit,
    /// Given up as bad debt.
    WriteOff,
}

impl Settlement {
    /// What is still open of `gross_minor`: above 0 the payer owes it, below 0 the payer is owed.
    pub fn open_minor(&self, gross_minor: i64) -> i64 {
        gross_minor - self.settled_minor
    }

    /// The marks after `amount_minor` more is settled on `on`. The sign is the invoice's when it settles and the opposite
    /// when it undoes. Nothing open ends the dunning, and how it came to that decides the payment status: written off if
    /// some of it was given up, credited if nobody paid, else paid.
    ///
    /// ```
    /// # use domain::invoice::{InvoiceStatus, PaymentStatus, SettledBy, Settlement};
    /// # let day = domain::NaiveDate::from_ymd_opt(2026, 2, 14).unwrap();
    /// let open = Settlement::open(InvoiceStatus::Booked);
    /// let part = open.settled(24_875, 10_000, SettledBy::Money, day);
    /// assert_eq!((part.payment_status, part.open_minor(24_875)), (PaymentStatus::NotPaid, 14_875));
    /// let paid = part.settled(24_875, 14_875, SettledBy::Money, day);
    /// assert_eq!((paid.payment_status, paid.payment_date), (PaymentStatus::Paid, Some(day)));
    /// ```
    pub fn settled(&self, gross_minor: i64, amount_minor: i64, by: SettledBy, on: NaiveDate) -> Self {
        let mut after = Self { settled_minor: self.settled_minor + amount_minor, ..self.clone() };
        match by {
            SettledBy::Money => {}
            SettledBy::Credit => after.credited_minor += amount_minor,
            SettledBy::WriteOff => after.written_off_minor += amount_minor,
        }
        if after.is_closed(gross_minor) {
            after.payment_status = after.closed_status(gross_minor);
            let paid_on = self.payment_date.filter(|_| self.is_closed(gross_minor)).or(Some(on));
            after.payment_date = paid_on.filter(|_| after.payment_status == PaymentStatus::Paid);
            after.next_retry = None;
        } else if self.is_closed(gross_minor) {
            (after.payment_status, after.payment_date) = (PaymentStatus::NotPaid, None);
        }
        after
    }

    /// Whether nothing more is expected from the payer.
    pub fn is_closed(&self, gross_minor: i64) -> bool {
        let open = self.open_minor(gross_minor);
        open == 0 || gross_minor == 0 || (open > 0) != (gross_minor > 0)
    }

    fn closed_status(&self, gross_minor: i64) -> PaymentStatus {
        let is_exact = self.open_minor(gross_minor) == 0 && gross_minor > 0;
        if is_exact && self.written_off_minor != 0 {
            PaymentStatus::Failed
        } else if is_exact && self.paid_minor() == 0 {
            PaymentStatus::Cancelled
        } else {
            PaymentStatus::Paid
        }
    }

    /// The marks while a provider has been asked and has not answered (rules Y1).
    pub fn awaiting_answer(&self) -> Self {
        Self { payment_status: PaymentStatus::PendingResponse, next_retry: None, ..self.clone() }
    }

    /// The marks after a decline on `on`: soft ones wait for the next step of the policy, hard ones too, in case the
    /// payer gives another method until then; after the last step the payment has failed. A technical decline is tried
    /// again the next day without a step, at most `technical_in_a_row` = 4 times (rules Y2, Y3).
    pub fn declined(
        &self,
        policy: &DunningPolicy,
        payable_by: NaiveDate,
        class: DeclineClass,
        technical_in_a_row: usize,
        on: NaiveDate,
    ) -> Self {
        let mut after = self.clone();
        if class == DeclineClass::Technical && technical_in_a_row < TECHNICAL_LADDER_MINUTES.len() {
            (after.payment_status, after.next_retry) = (PaymentStatus::PendingRetry, on.succ_opt());
            return after;
        }
        after.next_retry = policy.next_step(payable_by, self.dunning_step, Some(on)).map(|s| s.on);
        after.payment_status = match (class, after.next_retry) {
            (DeclineClass::Hard, _) => PaymentStatus::Declined,
            (_, Some(_)) => PaymentStatus::PendingRetry,
            (_, None) => PaymentStatus::Failed,
        };
        after
    }

    /// The marks of an invoice that nobody can be charged for, once its dunning is planned.
    pub fn awaiting_payer(&self, policy: &DunningPolicy, payable_by: NaiveDate) -> Self {
        let next_retry = policy.next_step(payable_by, self.dunning_step, None).map(|s| s.on);
        Self { next_retry, ..self.clone() }
    }

    /// The marks after a step of the policy that charged nobody: a mail, a hold, a retry without a method. `on` is its
    /// day, none if nothing was done and another step may be taken the same day.
    pub fn stepped(&self, policy: &DunningPolicy, payable_by: NaiveDate, on: Option<NaiveDate>) -> Self {
        let mut after = Self { dunning_step: self.dunning_step + 1, ..self.clone() };
        after.next_retry = policy.next_step(payable_by, after.dunning_step, on).map(|s| s.on);
        if self.payment_status == PaymentStatus::NotPaid && on.is_some() {
            after.payment_status = PaymentStatus::Dunning;
        }
        if self.payment_status == PaymentStatus::PendingRetry && after.next_retry.is_none() {
            after.payment_status = PaymentStatus::Failed;
        }
        after
    }
}

/// An invoice or credit note of one payer and currency on which something is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenDocument {
    pub id: InvoiceId,
    /// Above 0 the payer owes it, below 0 the payer is owed. Minor units.
    pub open_minor: i64,
}

/// An amount of a credit that settles a part of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetOff {
    pub credit: InvoiceId,
    pub invoice: InvoiceId,
    /// Above 0, minor units.
    pub amount_minor: i64,
}

/// Sets credits against open invoices, both oldest first, until one side is used up (rules I8). `documents` are
/// one payer's of one currency, oldest first.
pub fn set_off(documents: &[OpenDocument]) -> Vec<SetOff> {
    let mut owed: Vec<(InvoiceId, i64)> =
        documents.iter().filter(|d| d.open_minor > 0).map(|d| (d.id, d.open_minor)).collect();
    let mut parts = Vec::new();
    for credit in documents.iter().filter(|d| d.open_minor < 0) {
        let mut left = credit.open_minor.saturating_neg();
        for (invoice, open) in owed.iter_mut().filter(|(_, open)| *open > 0) {
            let amount_minor = left.min(*open);
            if amount_minor == 0 {
                break;
            }
            left -= amount_minor;
            *open -= amount_minor;
            parts.push(SetOff { credit: credit.id, invoice: *invoice, amount_minor });
        }
    }
    parts
}

/// The marks of an invoice at booking: what is zero is paid (rules I8).
pub fn at_booking(gross_minor: i64, booked_on: NaiveDate) -> Settlement {
    let open = Settlement::open(InvoiceStatus::Booked);
    if gross_minor == 0 { open.settled(0, 0, SettledBy::Money, booked_on) } else { open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dunning::{DunningAction, DunningStep};

    fn day(month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, month, day).unwrap()
    }

    fn policy() -> DunningPolicy {
        DunningPolicy::default()
    }

    fn document(name: &str, open_minor: i64) -> OpenDocument {
        OpenDocument { id: InvoiceId::of(name), open_minor }
    }

    #[test]
    fn credits_settle_the_oldest_invoices_first_until_one_side_is_used_up() {
        let documents = [
            document("1", 100),
            document("2", 50),
            document("CN1", -120),
            document("3", 80),
            document("CN2", -10),
        ];
        let parts: Vec<_> =
            set_off(&documents).iter().map(|s| (s.credit, s.invoice, s.amount_minor)).collect();
        let id = InvoiceId::of;
        assert_eq!(parts, [(id("CN1"), id("1"), 100), (id("CN1"), id("2"), 20), (id("CN2"), id("2"), 10)]);
        assert_eq!(set_off(&[document("CN", -5)]), []);
        assert_eq!(set_off(&[document("1", 5)]), []);
    }

    #[test]
    fn a_credit_note_is_settled_with_its_own_sign_and_a_refund_of_too_much_undoes() {
        let open = Settlement::open(InvoiceStatus::Booked);
        let by_money =
            |marks: &Settlement, gross, amount, on| marks.settled(gross, amount, SettledBy::Money, on);
        let credit = by_money(&open, -125, -100, day(2, 1));
        assert!(!credit.is_closed(-125));
        assert!(by_money(&credit, -125, -25, day(2, 2)).is_closed(-125));
        let too_much = by_money(&open, 100, 125, day(2, 1));
        assert_eq!((too_much.is_closed(100), too_much.open_minor(100)), (true, -25));
        let back = by_money(&too_much, 100, -25, day(2, 3));
        assert_eq!((back.is_closed(100), back.payment_date), (true, Some(day(2, 1))));
        let chargeback = by_money(&back, 100, -100, day(2, 4));
        assert_eq!((chargeback.payment_status, chargeback.payment_date), (PaymentStatus::NotPaid, None));
    }

    #[test]
    fn what_is_zero_is_paid_at_booking() {
        assert_eq!(at_booking(0, day(2, 1)).payment_status, PaymentStatus::Paid);
        assert_eq!(at_booking(1, day(2, 1)).payment_status, PaymentStatus::NotPaid);
    }

    #[test]
    fn declines_climb_the_ladder_and_end_as_failed() {
        let mut marks = Settlement::open(InvoiceStatus::Booked);
        marks = marks.declined(&policy(), day(2, 15), DeclineClass::Soft, 0, day(2, 1));
        let mut days = Vec::new();
        while let Some(on) = marks.next_retry {
            assert_eq!(marks.payment_status, PaymentStatus::PendingRetry);
            days.push(on);
            marks.dunning_step += 1;
            marks = marks.declined(&policy(), day(2, 15), DeclineClass::Soft, 0, on);
        }
        assert_eq!(days, [day(2, 15), day(2, 16), day(2, 18), day(2, 20), day(2, 23), day(2, 28)]);
        assert_eq!(marks.payment_status, PaymentStatus::Failed);
    }

    #[test]
    fn hard_declines_stay_declined_and_technical_ones_take_no_step_four_times() {
        let marks = Settlement::open(InvoiceStatus::Booked);
        let hard = marks.declined(&policy(), day(2, 15), DeclineClass::Hard, 0, day(2, 1));
        assert_eq!((hard.payment_status, hard.next_retry), (PaymentStatus::Declined, Some(day(2, 15))));
        let technical = marks.declined(&policy(), day(2, 15), DeclineClass::Technical, 3, day(2, 1));
        assert_eq!((technical.next_retry, technical.dunning_step), (Some(day(2, 2)), 0));
        let tired = marks.declined(&policy(), day(2, 15), DeclineClass::Technical, 4, day(2, 1));
        assert_eq!(tired.next_retry, Some(day(2, 15)));
    }

    #[test]
    fn steps_that_charge_nobody_go_on_to_the_next_and_end_with_the_last() {
        let steps = [(10, DunningAction::Mail), (20, DunningAction::Retry), (30, DunningAction::Hold)];
        let steps = steps.map(|(days, action)| DunningStep::new(days, action)).to_vec();
        let policy = DunningPolicy { is_for_manual: true, steps, ..policy() };
        let open = Settlement::open(InvoiceStatus::Booked).awaiting_payer(&policy, day(2, 1));
        assert_eq!((open.payment_status, open.next_retry), (PaymentStatus::NotPaid, Some(day(2, 11))));
        let mailed = open.stepped(&policy, day(2, 1), Some(day(2, 11)));
        assert_eq!((mailed.payment_status, mailed.next_retry), (PaymentStatus::Dunning, Some(day(2, 21))));
        let passed = mailed.stepped(&policy, day(2, 1), None);
        assert_eq!((passed.dunning_step, passed.next_retry), (2, Some(day(3, 3))));
        let held = passed.stepped(&policy, day(2, 1), Some(day(3, 3)));
        assert_eq!((held.payment_status, held.next_retry), (PaymentStatus::Dunning, None));
        let declined = Settlement { payment_status: PaymentStatus::PendingRetry, ..passed };
        let failed = declined.stepped(&policy, day(2, 1), Some(day(3, 3)));
        assert_eq!(failed.payment_status, PaymentStatus::Failed, "no step is left that may collect it");
    }
}
