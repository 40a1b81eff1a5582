//! Collecting an invoice from the payer's online method, at the sandbox (rules.md Y1–Y4).

use super::book::Book;
use super::settling::Happened;
use crate::customer::{Customer, PaymentMethod};
use crate::ids::{AttemptId, InvoiceId};
use crate::ledger::{EntryKind, fee_entry, payment_entry};
use crate::payment::{Attempt, AttemptState, Decline, DeclineClass, SandboxAnswer, blocked_until, sandbox_answer};
use crate::subscription::Refusal;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// Gateway that a simulation has.
const SANDBOX: &str = "sandbox";

/// Why an invoice is collected now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The first attempt, right after booking.
    Booking,
    /// A person asks for it.
    ByHand,
}

/// Which method an invoice is charged to.
enum Choice {
    /// Nobody can be charged without the payer.
    Manual,
    /// There are online methods, but none that may be tried.
    Unusable,
    Method(PaymentMethod),
}

impl Book {
    /// Tries to collect what is open of an invoice. Whether it was tried is answered; a decline is no refusal.
    pub fn collect(&mut self, id: InvoiceId, occasion: Occasion, on: NaiveDate) -> Result<bool, Refusal> {
        let Some(place) = self.place_of(id) else { return Ok(false) };
        let Some(booked) = self.documents[place].booked() else { return Ok(false) };
        let draft = &booked.invoice.draft;
        let amount_minor = booked.open_minor();
        let is_time = occasion == Occasion::ByHand || draft.autobill;
        if amount_minor <= 0 || draft.gross_minor() <= 0 || !is_time {
            return Ok(false);
        }
        let Some(payer) = self.customer(draft.payer) else { return Ok(false) };
        let method = match self.choose(payer, draft.payment_method.as_deref(), occasion, on) {
            Choice::Method(method) => method,
            Choice::Manual => return Ok(false),
            Choice::Unusable => {
                self.declined(place, DeclineClass::Hard, on);
                return Ok(false);
            }
        };
        if method.gateway.as_deref() != Some(SANDBOX) || self.is_capped(&method, payer, on) {
            return Ok(false);
        }
        let ordinal = self.attempts_on(id).map(|attempt| attempt.ordinal).max().unwrap_or(0) + 1;
        let attempt = Attempt {
            id: AttemptId::of(&format!("{id}\u{1f}{ordinal}")),
            invoice: id,
            customer: payer.id,
            ordinal,
            amount_minor,
            currency: draft.currency,
            method: method.refkey.clone(),
            gateway: SANDBOX.to_owned(),
            on,
            state: AttemptState::Pending,
            provider_reference: None,
            decline_code: None,
            fee_minor: 0,
        };
        self.charge(place, attempt, &method)?;
        Ok(true)
    }

    fn charge(&mut self, place: usize, attempt: Attempt, method: &PaymentMethod) -> Result<(), Refusal> {
        let token = method.token.as_deref().unwrap_or_default();
        let declined_before = self
            .attempts_on(attempt.invoice)
            .filter(|a| a.state == AttemptState::SoftDecline && a.method == attempt.method)
            .count();
        let number = self.documents[place].booked().map(|b| b.invoice.number.clone()).unwrap_or_default();
        // An answer that is lost is asked for again, under the same key.
        match sandbox_answer(token, attempt.amount_minor, u32::try_from(declined_before).unwrap_or(u32::MAX)) {
            SandboxAnswer::Paid { fee_minor } | SandboxAnswer::PaidAnswerLost { fee_minor } => {
                let (on, amount_minor) = (attempt.on, attempt.amount_minor);
                let paid = Happened { kind: EntryKind::Payment, on, amount_minor, part_minor: amount_minor };
                self.happen(place, &paid, payment_entry)?;
                if fee_minor != 0 {
                    let fee = Happened { kind: EntryKind::Fee, on, amount_minor: fee_minor, part_minor: 0 };
                    self.happen(place, &fee, fee_entry)?;
                }
                self.note_attempt(Attempt { state: AttemptState::Paid, fee_minor, ..attempt }, &number);
            }
            SandboxAnswer::Declined(Decline { class, code, .. }) => {
                if class == DeclineClass::Hard {
                    self.unhealthy.insert((attempt.customer, method.refkey.clone(), token.to_owned()));
                }
                self.declined(place, class, attempt.on);
                let attempt = Attempt { state: class.state(), decline_code: Some(code), ..attempt };
                self.note_attempt(attempt, &number);
            }
        }
        Ok(())
    }

    fn declined(&mut self, place: usize, class: DeclineClass, on: NaiveDate) {
        if let Some(booked) = self.booked_mut(place) {
            booked.settlement = booked.settlement.declined(booked.invoice.payable_by, class, 0, on);
        }
    }

    /// The method that the invoice names, else, if that one is gone or may not be tried, the payer's default. By hand
    /// a method that was declined for good may be tried once more.
    fn choose(&self, payer: &Customer, named: Option<&str>, occasion: Occasion, on: NaiveDate) -> Choice {
        let named = named.and_then(|refkey| payer.payment_methods.iter().find(|m| m.refkey == refkey));
        let mut choice = Choice::Manual;
        for method in named.into_iter().chain(payer.default_method()).filter(|method| method.is_online()) {
            let expired = method.expires.is_some_and(|day| day <= on);
            let key = (payer.id, method.refkey.clone(), method.token.clone().unwrap_or_default());
            let declined = occasion != Occasion::ByHand && self.unhealthy.contains(&key);
            if !expired && !declined {
                return Choice::Method(method.clone());
            }
            choice = Choice::Unusable;
        }
        choice
    }

    /// Whether a cap of the card schemes is reached (rules.md Y2). Attempts are known by the day: each counts as made
    /// at noon.
    fn is_capped(&self, method: &PaymentMethod, payer: &Customer, on: NaiveDate) -> bool {
        let own = self.attempts.iter().filter(|a| a.customer == payer.id && a.method == method.refkey);
        let instants: Vec<DateTime<Utc>> = own.map(|attempt| noon(attempt.on)).collect();
        blocked_until(&instants, noon(on)).is_some()
    }

    pub fn attempts_on(&self, invoice: InvoiceId) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.invoice == invoice)
    }
}

fn noon(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default()).and_utc()
}
