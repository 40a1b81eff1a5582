//! Whether, and on which method, an invoice is charged, and what the answer does (rules Y1–Y3).

use super::{Account, Effects};
use crate::customer::{Customer, PaymentMethod};
use crate::direct_debit::SEPA;
use crate::ids::{AttemptId, CustomerId};
use crate::invoice::{Invoice, PaymentStatus, Settlement};
use crate::payment::{Attempt, AttemptState, Decline, DeclineClass, MANUAL, blocked_until};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use std::collections::BTreeSet;

/// Why an invoice is collected now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// The first attempt, right after booking (rules Y3).
    Booking,
    /// A step of the dunning policy is due that charges again.
    Step,
    /// One that charges another method of the payer.
    StepWithOtherMethod,
    /// A person asks for it.
    Request,
}

impl Occasion {
    /// Whether it is a step of the dunning policy.
    pub fn is_step(self) -> bool {
        matches!(self, Self::Step | Self::StepWithOtherMethod)
    }
}

/// What is known beside the invoice.
#[derive(Debug, Default)]
pub struct PayerHistory {
    /// (customer, [`PaymentMethod::health_key`]) of methods that must not be tried.
    pub unhealthy: BTreeSet<(CustomerId, String)>,
    /// (customer, refkey, day) of attempts in the last 30 days.
    pub recent: Vec<(CustomerId, String, NaiveDate)>,
    /// Gateways that can be called.
    pub gateways: BTreeSet<String>,
}

/// What to do about an invoice, and its marks with that, if they move.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    pub what: Charging,
    pub settlement: Option<Settlement>,
}

/// Whether somebody is called.
#[derive(Debug, Clone, PartialEq)]
pub enum Charging {
    /// Nothing is to be collected online, or not now.
    Leave,
    /// An attempt has no answer: what became of it is asked, and if nobody knows of it, it is made with the payer's method
    /// of today, if there is one.
    AskAgain(Attempt, Option<PaymentMethod>),
    /// A new attempt, to be kept before the provider is called (rules Y1).
    Begin(Attempt, PaymentMethod),
    /// The bank fetches it: it waits for the next file (rules Y8).
    AwaitFile(PaymentMethod),
    /// No provider is called: no method that may be tried, or a cap of the card schemes.
    NotCalled { method: String, reason: String },
    /// The payer has no online method at all.
    NobodyToCharge,
    /// A person has to fix something.
    Misconfigured(String),
}

/// What a provider says to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    Declined(&'a Decline),
    /// It refuses the request itself: nothing has happened.
    Refused,
}

/// Decides. Only positive open balances are collected; the first attempt is made at booking, whoever books (rules Y3).
pub fn charge(account: &Account<'_>, known: &PayerHistory, occasion: Occasion, on: NaiveDate) -> Charge {
    let settlement = account.settlement;
    let what = decide(account, known, occasion, on);
    let taken = steps_taken(account, &what, occasion, on);
    let counted = Settlement { dunning_step: taken, ..settlement.clone() };
    let (policy, payable_by) = (account.policy, account.invoice.payable_by);
    let next = match &what {
        Decision::Leave | Decision::AskAgain(..) => None,
        Decision::NobodyToCharge if occasion == Occasion::Booking => {
            policy.is_for_manual.then(|| settlement.awaiting_payer(policy, payable_by))
        }
        Decision::NobodyToCharge => occasion.is_step().then(|| settlement.stepped(policy, payable_by, None)),
        Decision::Charge(..) => Some(counted.awaiting_answer()),
        // The dunning rests until the bank has answered.
        Decision::AwaitFile(_) => Some(Settlement { next_retry: None, ..counted }),
        Decision::Unusable { .. } => Some(counted.declined(policy, payable_by, DeclineClass::Hard, 0, on)),
        Decision::Blocked { .. } if occasion == Occasion::Request => None,
        Decision::Blocked { until, .. } => Some(later(account, *until)),
        Decision::Misconfigured(_) => occasion.is_step().then(|| later(account, on.succ_opt().unwrap_or(on))),
    };
    let what = match what {
        Decision::Leave => Charging::Leave,
        Decision::AskAgain(attempt, method) => Charging::AskAgain(attempt, method),
        Decision::NobodyToCharge => Charging::NobodyToCharge,
        Decision::Charge(attempt, method) => Charging::Begin(attempt, method),
        Decision::AwaitFile(method) => Charging::AwaitFile(method),
        Decision::Unusable { method, reason } => Charging::NotCalled { method, reason },
        Decision::Blocked { method, until } => {
            let reason = format!("the card schemes allow no attempt before {until}");
            Charging::NotCalled { method, reason }
        }
        Decision::Misconfigured(reason) => Charging::Misconfigured(reason),
    };
    Charge { what, settlement: next }
}

/// Steps of the policy that are taken once a charge has begun: a step counts with its attempt, a repeat of a technical failure
/// is none, and a step that falls on the day of the attempt at booking is that attempt (rules Y3).
fn steps_taken(account: &Account<'_>, what: &Decision, occasion: Occasion, on: NaiveDate) -> u32 {
    let taken = account.settlement.dunning_step;
    match occasion {
        Occasion::Step | Occasion::StepWithOtherMethod => {
            taken + u32::from(account.technical_in_a_row() == 0)
        }
        Occasion::Booking if matches!(what, Decision::Charge(..) | Decision::AwaitFile(_)) => {
            account.policy.steps_at_booking(account.invoice.payable_by, on).max(taken)
        }
        Occasion::Booking | Occasion::Request => taken,
    }
}

/// The step that was coming waits until a day; the first attempt goes over to the first step.
fn later(account: &Account<'_>, until: NaiveDate) -> Settlement {
    let (settlement, payable_by) = (account.settlement, account.invoice.payable_by);
    let next = account.policy.next_step(payable_by, settlement.dunning_step, until.pred_opt());
    let payment_status = if next.is_some() { PaymentStatus::PendingRetry } else { PaymentStatus::Failed };
    Settlement { payment_status, next_retry: next.map(|step| step.on), ..settlement.clone() }
}

/// What an answer that is no payment does to an attempt and its invoice. `technical_in_a_row` counts the technical failures
/// right before it.
pub fn answered(
    account: &Account<'_>,
    attempt: Attempt,
    technical_in_a_row: usize,
    answer: Answer<'_>,
) -> Effects {
    let (class, code) = match answer {
        Answer::Declined(decline) => (decline.class, decline.code.clone()),
        Answer::Refused => (DeclineClass::Technical, "refused".to_owned()),
    };
    let (policy, payable_by) = (account.policy, account.invoice.payable_by);
    let after = account.settlement.declined(policy, payable_by, class, technical_in_a_row, attempt.on);
    let state = class.state();
    Effects {
        attempt: Some(Attempt { state, decline_code: Some(code), ..attempt }),
        settlement: Some(after),
        declined_for_good: class == DeclineClass::Hard,
        ..Effects::default()
    }
}

/// What to do about an invoice.
#[derive(Debug, Clone, PartialEq)]
enum Decision {
    Leave,
    AskAgain(Attempt, Option<PaymentMethod>),
    Charge(Attempt, PaymentMethod),
    AwaitFile(PaymentMethod),
    /// The payer has online methods, but none that may be tried.
    Unusable {
        method: String,
        reason: String,
    },
    NobodyToCharge,
    /// A card scheme's cap is reached.
    Blocked {
        method: String,
        until: NaiveDate,
    },
    Misconfigured(String),
}

fn decide(account: &Account<'_>, known: &PayerHistory, occasion: Occasion, on: NaiveDate) -> Decision {
    let (draft, settlement) = (&account.invoice.draft, account.settlement);
    let number = &account.invoice.number;
    let Some(payer) = account.payer else { return Decision::Leave };
    if let Some(pending) = account.pending() {
        if pending.gateway == SEPA {
            return Decision::Leave; // the bank has the file, and answers with one
        }
        let is_same = |m: &&PaymentMethod| {
            m.refkey == pending.method && m.token.is_some() && m.gateway.as_ref() == Some(&pending.gateway)
        };
        let method = payer.payment_methods.iter().find(is_same).cloned();
        return Decision::AskAgain(pending.clone(), method);
    }
    let last_day = account.attempts.iter().map(|attempt| attempt.on).max();
    let is_time = match occasion {
        // Set aside at booking without a call: the ladder goes on with it.
        Occasion::Booking => account.attempts.is_empty() && settlement.next_retry.is_none(),
        Occasion::Step | Occasion::StepWithOtherMethod => {
            settlement.next_retry.is_some_and(|day| day <= on) && last_day < Some(on)
        }
        Occasion::Request => true,
    };
    let open_minor = account.open_minor();
    if open_minor <= 0 || draft.gross_minor() <= 0 || !is_time {
        return Decision::Leave;
    }
    let method = match choose(account.invoice, payer, &account.attempts, known, occasion, on) {
        Choice::Manual => return Decision::NobodyToCharge,
        Choice::Unusable(method, reason) => return Decision::Unusable { method, reason },
        Choice::Method(method) => method,
    };
    let gateway = method.gateway.clone().unwrap_or_default();
    if !known.gateways.contains(&gateway) {
        let refkey = &method.refkey;
        return Decision::Misconfigured(match method.mandate {
            Some(_) => format!(
                "method {refkey} of {number} is a direct debit, and the tenant has no `iban` and `creditorid`"
            ),
            None => format!("method {refkey} of {number} is at `{gateway}`, a gateway that is not set up"),
        });
    }
    if method.mandate.is_some() {
        return Decision::AwaitFile(method);
    }
    if let Some(until) = capped_until(payer.id, &method.refkey, known, on) {
        return Decision::Blocked { method: method.refkey, until };
    }
    Decision::Charge(new_attempt(account, payer, &method, on), method)
}

/// An attempt on what is open, before anybody is asked.
pub(super) fn new_attempt(
    account: &Account<'_>,
    payer: &Customer,
    method: &PaymentMethod,
    on: NaiveDate,
) -> Attempt {
    let (draft, ordinal) = (&account.invoice.draft, account.next_ordinal());
    Attempt {
        id: AttemptId::nth(draft.id, ordinal),
        invoice: draft.id,
        customer: payer.id,
        ordinal,
        amount_minor: account.open_minor(),
        currency: draft.currency,
        method: method.refkey.clone(),
        gateway: method.gateway.clone().unwrap_or_default(),
        on,
        state: AttemptState::Pending,
        provider_reference: None,
        decline_code: None,
        fee_minor: 0,
    }
}

/// The method by which what is open comes on a day, so that the payer need not do anything: never one that was declined
/// for good (rules Y3).
pub fn collected_by(
    invoice: &Invoice,
    payer: &Customer,
    unhealthy: &BTreeSet<(CustomerId, String)>,
    on: NaiveDate,
) -> Option<PaymentMethod> {
    let known = PayerHistory { unhealthy: unhealthy.clone(), ..PayerHistory::default() };
    match choose(invoice, payer, &[], &known, Occasion::Booking, on) {
        Choice::Method(method) => Some(method),
        Choice::Manual | Choice::Unusable(..) => None,
    }
}

pub(super) enum Choice {
    /// Nobody can be charged without the payer.
    Manual,
    /// Why no online method may be tried.
    Unusable(String, String),
    Method(PaymentMethod),
}

/// The method that the invoice names, else, if that one is gone or may not be tried, the payer's default. On request a
/// method that was declined for good may be tried once more. A step that asks for another method takes the payer's first
/// one that was not tried last, if there is one.
pub(super) fn choose(
    invoice: &Invoice,
    payer: &Customer,
    attempts: &[&Attempt],
    known: &PayerHistory,
    occasion: Occasion,
    on: NaiveDate,
) -> Choice {
    let currency = invoice.draft.currency;
    let usual = payer.charged_methods(invoice.draft.payment_method.as_deref(), currency);
    let tried = attempts.iter().filter(|a| a.gateway != MANUAL);
    let last = tried.max_by_key(|a| a.ordinal).map(|a| a.method.as_str());
    let others = payer.payment_methods.iter().filter(|m| Some(m.refkey.as_str()) != last);
    let others = others.filter(|m| occasion == Occasion::StepWithOtherMethod && m.is_collected(currency));
    let mut why = Choice::Manual;
    for method in others.chain(usual) {
        let expired = method.expires.is_some_and(|day| day <= on);
        let declined = known.unhealthy.contains(&(payer.id, method.health_key()));
        let reason = match (expired, declined && occasion != Occasion::Request) {
            (true, _) => "the method has expired",
            (_, true) => "the method was declined for good",
            (false, false) => return Choice::Method(method.clone()),
        };
        if matches!(why, Choice::Manual) {
            why = Choice::Unusable(method.refkey.clone(), reason.to_owned());
        }
    }
    why
}

/// The day from which a method may be charged again, if a cap is reached. Attempts are known by the day, so each
/// counts as made at noon.
fn capped_until(payer: CustomerId, refkey: &str, known: &PayerHistory, on: NaiveDate) -> Option<NaiveDate> {
    let own =
        known.recent.iter().filter(|(customer, method, _)| (*customer, method.as_str()) == (payer, refkey));
    let instants: Vec<DateTime<Utc>> = own.map(|(_, _, day)| noon(*day)).collect();
    blocked_until(&instants, noon(on)).map(|until| until.date_naive())
}

fn noon(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default()).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::sample;
    use crate::customer::Address;
    use crate::dunning::DunningPolicy;
    use crate::ids::InvoiceId;
    use crate::invoice::{InvoiceStatus, SettledBy};

    fn day(month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, month, day).unwrap()
    }

    /// An invoice of 248.75 DKK, booked on 1 February, to be paid by the 15th.
    struct Booked {
        invoice: Invoice,
        settlement: Settlement,
    }

    fn booked() -> Booked {
        let mut invoice = sample::invoice("INV-1", &[(19_900, "25")]);
        invoice.draft.payer = CustomerId::of("CU-1");
        invoice.draft.payment_method = Some("card".into());
        (invoice.booked_on, invoice.payable_by) = (day(2, 1), day(2, 15));
        Booked { invoice, settlement: Settlement::open(InvoiceStatus::Booked) }
    }

    fn decide(
        booked: &Booked,
        payer: Option<&Customer>,
        attempts: &[&Attempt],
        known: &PayerHistory,
        occasion: Occasion,
        on: NaiveDate,
    ) -> Decision {
        let policy = DunningPolicy::default();
        let Booked { invoice, settlement } = booked;
        let account = Account { invoice, settlement, attempts: attempts.to_vec(), payer, policy: &policy };
        super::decide(&account, known, occasion, on)
    }

    fn method(refkey: &str, token: &str) -> PaymentMethod {
        PaymentMethod {
            refkey: refkey.into(),
            kind: "token".into(),
            gateway: Some("sandbox".into()),
            token: Some(token.into()),
            is_default: false,
            expires: None,
            mandate: None,
        }
    }

    fn payer(payment_methods: Vec<PaymentMethod>) -> Customer {
        Customer {
            id: CustomerId::of("CU-1"),
            account_number: "CU-1".into(),
            fullname: "Kaffe & Co".into(),
            company_name: None,
            company_vat: None,
            refkey: None,
            currency: "DKK".parse().unwrap(),
            autobill: true,
            payment_term: None,
            address: Address::default(),
            email: None,
            delivery: Default::default(),
            phone: None,
            business_unit: None,
            collective_billing: false,
            parent: None,
            bill_to_parent: false,
            our_reference: None,
            identifiers: Default::default(),
            buyer_reference: None,
            delivery_country: None,
            invoice_form: None,
            language: None,
            discount: None,
            former_discounts: Vec::new(),
            contacts: Vec::new(),
            payment_methods,
            active: true,
        }
    }

    fn known() -> PayerHistory {
        PayerHistory { gateways: ["sandbox".to_owned()].into(), ..PayerHistory::default() }
    }

    fn charged(decision: Decision) -> Attempt {
        match decision {
            Decision::Charge(attempt, _) => attempt,
            other => panic!("not charged: {other:?}"),
        }
    }

    #[test]
    fn the_first_attempt_is_for_all_that_is_open_and_made_once() {
        let (mut invoice, payer) = (booked(), payer(vec![method("card", "tok_ok")]));
        invoice.settlement = invoice.settlement.settled(24_875, 4_875, SettledBy::Money, day(2, 1));
        let first = charged(decide(&invoice, Some(&payer), &[], &known(), Occasion::Booking, day(2, 1)));
        assert_eq!(
            (first.ordinal, first.amount_minor, first.id),
            (1, 20_000, AttemptId::nth(InvoiceId::of("INV-1"), 1))
        );
        let again = decide(&invoice, Some(&payer), &[&first], &known(), Occasion::Booking, day(2, 1));
        assert!(matches!(again, Decision::AskAgain(attempt, _) if attempt.id == first.id));
        let declined = Attempt { state: AttemptState::SoftDecline, ..first };
        let quiet = decide(&invoice, Some(&payer), &[&declined], &known(), Occasion::Booking, day(2, 1));
        assert_eq!(quiet, Decision::Leave);
    }

    #[test]
    fn nothing_is_collected_of_what_is_paid_credited_or_paid_outside() {
        let payer = payer(vec![method("card", "tok_ok")]);
        let decide = |booked: &Booked, payer: &Customer| {
            decide(booked, Some(payer), &[], &known(), Occasion::Booking, day(2, 1))
        };
        let mut paid = booked();
        paid.settlement = paid.settlement.settled(24_875, 24_875, SettledBy::Money, day(2, 1));
        let mut credit = booked();
        (credit.invoice.draft.net_minor, credit.invoice.draft.vat_minor) = (-100, -25);
        for leave in [&paid, &credit] {
            assert_eq!(decide(leave, &payer), Decision::Leave);
        }
        let mut reviewed = booked();
        reviewed.invoice.draft.autobill = false;
        assert!(matches!(decide(&reviewed, &payer), Decision::Charge(..)), "a person has booked it");
        let mut transfer = payer.clone();
        transfer.payment_methods[0].token = None;
        assert_eq!(decide(&booked(), &transfer), Decision::NobodyToCharge);
    }

    #[test]
    fn a_step_of_the_ladder_is_taken_when_due_and_once_a_day() {
        let (mut invoice, payer) = (booked(), payer(vec![method("card", "tok_ok")]));
        let first = charged(decide(&invoice, Some(&payer), &[], &known(), Occasion::Booking, day(2, 1)));
        let first = Attempt { state: AttemptState::SoftDecline, ..first };
        invoice.settlement.next_retry = Some(day(2, 15));
        let on = |on| decide(&invoice, Some(&payer), &[&first], &known(), Occasion::Step, on);
        assert_eq!(on(day(2, 14)), Decision::Leave);
        let second = charged(on(day(2, 15)));
        assert_eq!(second.ordinal, 2);
        let second = Attempt { state: AttemptState::SoftDecline, ..second };
        let same_day =
            decide(&invoice, Some(&payer), &[&first, &second], &known(), Occasion::Step, day(2, 15));
        assert_eq!(same_day, Decision::Leave);
    }

    #[test]
    fn a_method_that_is_bad_gives_way_to_the_default_and_another_token_heals_it() {
        let (invoice, mut payer) =
            (booked(), payer(vec![method("card", "tok_expired"), method("new", "tok_ok")]));
        let mut known = known();
        known.unhealthy.insert((payer.id, payer.payment_methods[0].health_key()));
        let try_it =
            |payer: &Customer, occasion| decide(&invoice, Some(payer), &[], &known, occasion, day(2, 1));
        assert!(
            matches!(try_it(&payer, Occasion::Booking), Decision::Unusable { method, .. } if method == "card")
        );
        assert_eq!(charged(try_it(&payer, Occasion::Request)).method, "card");
        payer.payment_methods[1].is_default = true;
        assert_eq!(charged(try_it(&payer, Occasion::Booking)).method, "new");
        payer.payment_methods[0].token = Some("tok_ok".into());
        assert_eq!(charged(try_it(&payer, Occasion::Booking)).method, "card");
        payer.payment_methods[0].expires = Some(day(2, 1));
        assert_eq!(charged(try_it(&payer, Occasion::Booking)).method, "new");
        payer.payment_methods[1].expires = Some(day(2, 2));
        assert_eq!(charged(try_it(&payer, Occasion::Booking)).method, "new");
    }

    #[test]
    fn a_step_that_asks_for_another_method_takes_one_that_was_not_tried_last() {
        let mut invoice = booked();
        invoice.settlement.next_retry = Some(day(2, 15));
        let first = |payer: &Customer| {
            let first = decide(&booked(), Some(payer), &[], &known(), Occasion::Booking, day(2, 1));
            Attempt { state: AttemptState::SoftDecline, ..charged(first) }
        };
        let two = payer(vec![method("card", "tok_soft_decline"), method("new", "tok_ok")]);
        let step = |payer: &Customer, occasion| {
            charged(decide(&invoice, Some(payer), &[&first(payer)], &known(), occasion, day(2, 15))).method
        };
        assert_eq!(step(&two, Occasion::Step), "card");
        assert_eq!(step(&two, Occasion::StepWithOtherMethod), "new");
        let one = payer(vec![method("card", "tok_soft_decline")]);
        assert_eq!(step(&one, Occasion::StepWithOtherMethod), "card", "there is no other");
        let (first, second) = (first(&two), AttemptId::nth(InvoiceId::of("INV-1"), 2));
        let manual = MANUAL.to_owned();
        let paid =
            Attempt { id: second, ordinal: 2, gateway: manual, state: AttemptState::Paid, ..first.clone() };
        let paid = Attempt { method: MANUAL.to_owned(), ..paid };
        let occasion = Occasion::StepWithOtherMethod;
        let other = decide(&invoice, Some(&two), &[&first, &paid], &known(), occasion, day(2, 15));
        assert_eq!(charged(other).method, "new", "a payment outside tries no method");
    }

    #[test]
    fn caps_of_the_card_schemes_are_kept_before_calling() {
        let (invoice, payer) = (booked(), payer(vec![method("card", "tok_ok")]));
        let with = |days: Vec<NaiveDate>| {
            let recent = days.into_iter().map(|day| (payer.id, "card".to_owned(), day)).collect();
            let known = PayerHistory { recent, ..known() };
            decide(&invoice, Some(&payer), &[], &known, Occasion::Booking, day(2, 20))
        };
        charged(with(vec![day(2, 20); 9]));
        assert!(matches!(with(vec![day(2, 20); 10]), Decision::Blocked { until, .. } if until == day(2, 21)));
        let twenty = (1..=20).map(|d| day(2, d)).collect();
        assert!(matches!(with(twenty), Decision::Blocked { until, .. } if until == day(3, 3)));
    }

    #[test]
    fn a_gateway_that_is_not_set_up_is_for_a_person() {
        let mut payer = payer(vec![method("card", "pm_1")]);
        payer.payment_methods[0].gateway = Some("stripe".into());
        let decision = decide(&booked(), Some(&payer), &[], &known(), Occasion::Booking, day(2, 1));
        assert!(matches!(decision, Decision::Misconfigured(why) if why.contains("`stripe`")));
    }

    #[test]
    fn a_step_that_falls_on_the_day_of_booking_is_the_attempt_of_that_day() {
        let mut due_at_once = booked();
        due_at_once.invoice.payable_by = day(2, 1);
        let payer = payer(vec![method("card", "tok_soft_decline")]);
        let policy = DunningPolicy::default();
        let steps = |booked: &Booked| {
            let Booked { invoice, settlement } = booked;
            let payer = Some(&payer);
            let account = Account { invoice, settlement, attempts: Vec::new(), payer, policy: &policy };
            let begun = charge(&account, &known(), Occasion::Booking, day(2, 1)).settlement.unwrap();
            let waits = Settlement { next_retry: None, ..begun };
            waits.declined(&policy, booked.invoice.payable_by, DeclineClass::Soft, 0, day(2, 1)).next_retry
        };
        assert_eq!([steps(&due_at_once), steps(&booked())], [Some(day(2, 2)), Some(day(2, 15))]);
    }
}
