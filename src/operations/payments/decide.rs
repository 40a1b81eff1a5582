//! Whether, and on which method, an invoice is charged: a function of what is known, so that it can be checked by
//! eye (rules Y2, Y3).

use crate::payments::tried::{Occasion, attempt_id, health_key};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::customer::{Customer, PaymentMethod};
use domain::ids::CustomerId;
use domain::payment::{Attempt, AttemptState, blocked_until};
use std::collections::BTreeSet;
use store::invoice::Booked;

/// What is known beside the invoice.
#[derive(Debug, Default)]
pub struct Known {
    /// (customer, [`health_key`]) of methods that must not be tried.
    pub unhealthy: BTreeSet<(CustomerId, String)>,
    /// (customer, refkey, day) of attempts in the last 30 days.
    pub recent: Vec<(CustomerId, String, NaiveDate)>,
    /// Gateways that this program has.
    pub gateways: BTreeSet<String>,
}

/// What to do about an invoice.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nothing is to be collected online, or not now.
    Leave,
    /// An attempt has no answer: what became of it is asked, and if nobody knows of it, it is made with the payer's method
    /// of today, if there is one.
    AskAgain(Attempt, Option<PaymentMethod>),
    /// A new attempt.
    Charge(Attempt, PaymentMethod),
    /// The payer has online methods, but none that may be tried.
    Unusable { method: String, reason: String },
    /// The payer has no online method at all.
    NobodyToCharge,
    /// A card scheme's cap is reached.
    Blocked { method: String, until: NaiveDate },
    /// A person has to mend something.
    Misconfigured(String),
}

/// Decides. Only positive open balances are collected; the first attempt is made at booking, whoever books (rules Y3).
pub fn decide(
    booked: &Booked,
    payer: Option<&Customer>,
    attempts: &[&Attempt],
    known: &Known,
    occasion: Occasion,
    on: NaiveDate,
) -> Decision {
    let (draft, settlement) = (&booked.invoice.draft, &booked.settlement);
    let number = &booked.invoice.number;
    let Some(payer) = payer else { return Decision::Leave };
    if let Some(pending) = attempts.iter().find(|a| a.state == AttemptState::Pending) {
        let is_same = |m: &&PaymentMethod| {
            m.refkey == pending.method && m.token.is_some() && m.gateway.as_ref() == Some(&pending.gateway)
        };
        let method = payer.payment_methods.iter().find(is_same).cloned();
        return Decision::AskAgain((*pending).clone(), method);
    }
    let is_time = match occasion {
        Occasion::Booking => attempts.is_empty() && !has_been_declined(booked),
        Occasion::Step | Occasion::StepWithOtherMethod => {
            settlement.next_retry.is_some_and(|day| day <= on) && last_day(attempts) < Some(on)
        }
        Occasion::ByHand => true,
    };
    let open_minor = settlement.open_minor(draft.gross_minor());
    if open_minor <= 0 || draft.gross_minor() <= 0 || !is_time {
        return Decision::Leave;
    }
    let method = match choose(booked, payer, attempts, known, occasion, on) {
        Choice::Manual => return Decision::NobodyToCharge,
        Choice::Unusable(method, reason) => return Decision::Unusable { method, reason },
        Choice::Method(method) => method,
    };
    let gateway = method.gateway.clone().unwrap_or_default();
    if !known.gateways.contains(&gateway) {
        return Decision::Misconfigured(format!(
            "method {} of {number} is at `{gateway}`, a gateway that is not set up",
            method.refkey
        ));
    }
    if let Some(until) = capped_until(payer.id, &method.refkey, known, on) {
        return Decision::Blocked { method: method.refkey, until };
    }
    let ordinal = attempts.iter().map(|a| a.ordinal).max().unwrap_or(0) + 1;
    let attempt = Attempt {
        id: attempt_id(draft.id, ordinal),
        invoice: draft.id,
        customer: payer.id,
        ordinal,
        amount_minor: open_minor,
        currency: draft.currency,
        method: method.refkey.clone(),
        gateway,
        on,
        state: AttemptState::Pending,
        provider_reference: None,
        decline_code: None,
        fee_minor: 0,
    };
    Decision::Charge(attempt, method)
}

/// Whether an online method will be charged for what is open on a day, so that the payer need not do anything: never
/// one that was declined for good (rules Y3).
pub fn is_collected(
    booked: &Booked,
    payer: &Customer,
    unhealthy: &BTreeSet<(CustomerId, String)>,
    on: NaiveDate,
) -> bool {
    let known = Known { unhealthy: unhealthy.clone(), ..Known::default() };
    matches!(choose(booked, payer, &[], &known, Occasion::Booking, on), Choice::Method(_))
}

fn last_day(attempts: &[&Attempt]) -> Option<NaiveDate> {
    attempts.iter().map(|a| a.on).max()
}

/// Set aside at booking without a call: the ladder goes on with it.
fn has_been_declined(booked: &Booked) -> bool {
    booked.settlement.next_retry.is_some()
}

enum Choice {
    /// Nobody can be charged without the payer.
    Manual,
    /// Why no online method may be tried.
    Unusable(String, String),
    Method(PaymentMethod),
}

/// The method that the invoice names, else, if that one is gone or may not be tried, the payer's default. By hand a
/// method that was declined for good may be tried once more. A step that asks for another method takes the payer's first
/// one that was not tried last, if there is one.
fn choose(
    booked: &Booked,
    payer: &Customer,
    attempts: &[&Attempt],
    known: &Known,
    occasion: Occasion,
    on: NaiveDate,
) -> Choice {
    let named = booked.invoice.draft.payment_method.as_ref();
    let named = named.and_then(|refkey| payer.payment_methods.iter().find(|m| m.refkey == *refkey));
    let last = attempts.iter().max_by_key(|a| a.ordinal).map(|a| a.method.as_str());
    let others = payer.payment_methods.iter().filter(|m| Some(m.refkey.as_str()) != last);
    let others = others.filter(|_| occasion == Occasion::StepWithOtherMethod);
    let mut why = Choice::Manual;
    for method in others.chain(named).chain(payer.default_method()).filter(|m| m.is_online()) {
        let expired = method.expires.is_some_and(|day| day <= on);
        let declined = known.unhealthy.contains(&(payer.id, health_key(method)));
        let reason = match (expired, declined && occasion != Occasion::ByHand) {
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
fn capped_until(payer: CustomerId, refkey: &str, known: &Known, on: NaiveDate) -> Option<NaiveDate> {
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
    #![allow(clippy::unwrap_used)]

    use super::*;
    use domain::customer::Address;
    use domain::ids::InvoiceId;
    use domain::ids::SubscriptionId;
    use domain::invoice::{Draft, Invoice, InvoiceStatus, Party, Settlement};

    fn day(month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, month, day).unwrap()
    }

    fn party() -> Party {
        Party { name: "Kaffe & Co".into(), vat_number: None, address: Address::default(), email: None }
    }

    /// An invoice of 248.75 DKK, booked on 1 February, to be paid by the 15th.
    fn booked() -> Booked {
        let draft = Draft {
            id: InvoiceId::of("INV-1"),
            payer: CustomerId::of("CU-1"),
            account_number: "CU-1".into(),
            subscription: Some(SubscriptionId::of("SUB-1")),
            subscription_number: Some("SUB-1".into()),
            child: None,
            currency: "DKK".parse().unwrap(),
            charge_date: day(2, 1),
            invoice_date: day(2, 1),
            due_date: day(2, 15),
            payment_term: 14,
            is_credit_note: false,
            credits: Vec::new(),
            series: "invoice".into(),
            number_pattern: "INV-{seq}".into(),
            autobill: true,
            seller: party(),
            buyer: party(),
            payment_method: Some("card".into()),
            reference: None,
            language: "en".into(),
            business_unit: None,
            dunning_policy: None,
            lines: Vec::new(),
            vat_groups: Vec::new(),
            net_minor: 19_900,
            vat_minor: 4_975,
            revision: 1,
        };
        let invoice = Invoice {
            draft,
            number: "INV-1".into(),
            sequence: 1,
            booked_on: day(2, 1),
            payable_by: day(2, 15),
            base: None,
        };
        Booked { invoice, settlement: Settlement::open(InvoiceStatus::Booked) }
    }

    fn method(refkey: &str, token: &str) -> PaymentMethod {
        PaymentMethod {
            refkey: refkey.into(),
            kind: "token".into(),
            gateway: Some("sandbox".into()),
            token: Some(token.into()),
            is_default: false,
            expires: None,
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
            language: None,
            discount: None,
            former_discounts: Vec::new(),
            contacts: Vec::new(),
            payment_methods,
        }
    }

    fn known() -> Known {
        Known { gateways: ["sandbox".to_owned()].into(), ..Known::default() }
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
        invoice.settlement = invoice.settlement.settled(24_875, 4_875, day(2, 1));
        let first = charged(decide(&invoice, Some(&payer), &[], &known(), Occasion::Booking, day(2, 1)));
        assert_eq!(
            (first.ordinal, first.amount_minor, first.id),
            (1, 20_000, attempt_id(InvoiceId::of("INV-1"), 1))
        );
        let again = decide(&invoice, Some(&payer), &[&first], &known(), Occasion::Booking, day(2, 1));
        assert!(matches!(again, Decision::AskAgain(attempt, _) if attempt.id == first.id));
        let declined = Attempt { state: AttemptState::SoftDecline, ..first };
        let quiet = decide(&invoice, Some(&payer), &[&declined], &known(), Occasion::Booking, day(2, 1));
        assert_eq!(quiet, Decision::Leave);
    }

    #[test]
    fn nothing_is_collected_of_what_is_paid_credited_or_paid_by_hand() {
        let payer = payer(vec![method("card", "tok_ok")]);
        let decide = |booked: &Booked, payer: &Customer| {
            decide(booked, Some(payer), &[], &known(), Occasion::Booking, day(2, 1))
        };
        let mut paid = booked();
        paid.settlement = paid.settlement.settled(24_875, 24_875, day(2, 1));
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
        known.unhealthy.insert((payer.id, health_key(&payer.payment_methods[0])));
        let try_it =
            |payer: &Customer, occasion| decide(&invoice, Some(payer), &[], &known, occasion, day(2, 1));
        assert!(
            matches!(try_it(&payer, Occasion::Booking), Decision::Unusable { method, .. } if method == "card")
        );
        assert_eq!(charged(try_it(&payer, Occasion::ByHand)).method, "card");
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
    }

    #[test]
    fn caps_of_the_card_schemes_are_kept_before_calling() {
        let (invoice, payer) = (booked(), payer(vec![method("card", "tok_ok")]));
        let with = |days: Vec<NaiveDate>| {
            let recent = days.into_iter().map(|day| (payer.id, "card".to_owned(), day)).collect();
            let known = Known { recent, ..known() };
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
}
