//! Whose usage a record is: from the text in a file to a subscription (rules Q3).

use super::names::Names;
use domain::ids::ChargeReference;
use domain::usage::{Reject, RejectCode, shown};
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

/// Every name that a record may carry as its subject, and every meter that some plan counts. Subscriptions and
/// charges have numbers (from 1) in the store; a number is never given twice.
#[derive(Debug, Clone, Default)]
pub struct Subjects {
    meters: Vec<Box<str>>,
    meter_numbers: FxHashMap<Box<str>, u32>,
    subscriptions: Names,
    greatest_number: u32,
    charges: FxHashMap<u128, Resolved>,
    accounts: FxHashMap<Box<str>, Vec<u32>>,
    /// (subscription, meter) of charges that count the meter.
    counted: FxHashSet<(u32, u32)>,
    billed: FxHashMap<(u32, u32), Billed>,
    /// Meters of which only the number of events counts.
    only_counted: FxHashSet<Box<str>>,
}

/// How far a meter of a subscription has been billed (rules Q5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Billed {
    /// Events before this instant are late. Microseconds since the epoch.
    pub late_before_us: i64,
    /// Events before this instant are rejected as `too_late`, as the charge's policy is `reject`.
    pub refused_before_us: i64,
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub subscription: u32,
    /// 0 unless the subject named one charge.
    pub charge: u32,
    pub meter: u32,
}

impl Subjects {
    /// Nobody and nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a meter known: some charge of some plan counts it.
    pub fn add_meter(&mut self, meter: &str) {
        self.number_of(meter);
    }

    /// Adds a subscription of an account. `number` is its number in the store, `name` its subscription number.
    pub fn add_subscription(&mut self, number: u32, name: &str, account: &str) {
        self.subscriptions.insert(name, number);
        self.greatest_number = self.greatest_number.max(number);
        match self.accounts.get_mut(account) {
            Some(list) => list.push(number),
            None => {
                self.accounts.insert(account.into(), vec![number]);
            }
        }
    }

    /// Adds a charge that counts `meter`; `number` is its number in the store.
    pub fn add_charge(&mut self, reference: ChargeReference, subscription: u32, number: u32, meter: &str) {
        let meter = self.number_of(meter);
        self.charges.insert(reference.0.as_u128(), Resolved { subscription, charge: number, meter });
        self.counted.insert((subscription, meter));
    }

    /// Says that every charge of this meter counts events, so that they need no quantity.
    pub fn set_only_counted(&mut self, meter: &str) {
        self.only_counted.insert(meter.into());
    }

    /// Says how far a charge that counts a meter has been billed. Where several charges of a subscription count one
    /// meter, an event is late if it is for any of them, and refused only if all of them refuse it.
    pub fn set_billed(&mut self, subscription: u32, meter: &str, billed: Billed) {
        let meter = self.number_of(meter);
        let known = self.billed.entry((subscription, meter)).or_insert(billed);
        known.late_before_us = known.late_before_us.max(billed.late_before_us);
        known.refused_before_us = known.refused_before_us.min(billed.refused_before_us);
    }

    /// Number of subscriptions.
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The greatest number of a subscription, 0 if there is none.
    pub(crate) fn greatest_number(&self) -> u32 {
        self.greatest_number
    }

    pub(crate) fn is_only_counted(&self, meter: &str) -> bool {
        self.only_counted.contains(meter)
    }

    /// Whether no event needs to go without a quantity.
    pub(crate) fn all_have_quantities(&self) -> bool {
        self.only_counted.is_empty()
    }

    pub(crate) fn meters(&self) -> &[Box<str>] {
        &self.meters
    }

    pub(crate) fn billed(&self, resolved: Resolved) -> Option<Billed> {
        if self.billed.is_empty() {
            return None;
        }
        self.billed.get(&(resolved.subscription, resolved.meter)).copied()
    }

    /// The meter of the charge that `subject` names; none if it names no charge.
    pub(crate) fn meter_of_charge(&self, subject: &str) -> Option<&str> {
        let charge = self.charge(subject)?;
        self.meters.get(charge.meter as usize).map(AsRef::as_ref)
    }

    /// The number of a meter that some charge counts.
    pub(crate) fn meter(&self, meter: &str) -> Result<u32, Reject> {
        self.meter_numbers.get(meter).copied().ok_or_else(|| unknown_meter(meter))
    }

    /// To be called with some hundreds of subjects before they are resolved: see [`Names::touch`].
    pub(crate) fn touch<'a>(&self, subjects: impl Iterator<Item = &'a str>) {
        self.subscriptions.touch(subjects);
    }

    /// Subscription number, then charge reference, then account number.
    #[inline]
    pub(crate) fn resolve(&self, subject: &str, number: u32) -> Result<Resolved, Reject> {
        if let Some(subscription) = self.subscriptions.get(subject) {
            return Ok(Resolved { subscription, charge: 0, meter: number });
        }
        self.resolve_other(subject, number)
    }

    /// A subject that is no subscription number.
    fn resolve_other(&self, subject: &str, number: u32) -> Result<Resolved, Reject> {
        let meter = self.meters.get(number as usize).map_or("", AsRef::as_ref);
        if let Some(charge) = self.charge(subject) {
            return if charge.meter == number {
                Ok(charge)
            } else {
                Err(self.other_meter(charge, subject, meter))
            };
        }
        let Some(subscriptions) = self.accounts.get(subject) else { return Err(unknown_subject(subject)) };
        let mut counting = subscriptions.iter().filter(|s| self.counted.contains(&(**s, number)));
        match (counting.next(), counting.next()) {
            (Some(&subscription), None) => Ok(Resolved { subscription, charge: 0, meter: number }),
            (None, _) => Err(nobody_counts(subject, meter)),
            (Some(_), Some(_)) => Err(ambiguous(subject, meter, counting.count() + 2)),
        }
    }

    fn charge(&self, subject: &str) -> Option<Resolved> {
        // Most subjects are not UUIDs: tell by the length before parsing.
        if !matches!(subject.len(), 32 | 36) {
            return None;
        }
        self.charges.get(&Uuid::try_parse(subject).ok()?.as_u128()).copied()
    }

    fn number_of(&mut self, meter: &str) -> u32 {
        if let Some(&number) = self.meter_numbers.get(meter) {
            return number;
        }
        let number = u32::try_from(self.meters.len()).unwrap_or(u32::MAX);
        self.meters.push(meter.into());
        self.meter_numbers.insert(meter.into(), number);
        number
    }

    #[cold]
    fn other_meter(&self, charge: Resolved, subject: &str, meter: &str) -> Reject {
        let counts = self.meters.get(charge.meter as usize).map_or("", AsRef::as_ref);
        let text = format!("charge {} counts {}, not {}", shown(subject), shown(counts), shown(meter));
        Reject::new(RejectCode::UnknownMeter, text)
    }
}

#[cold]
fn unknown_meter(meter: &str) -> Reject {
    Reject::new(RejectCode::UnknownMeter, format!("no charge of any plan counts meter {}", shown(meter)))
}

#[cold]
fn unknown_subject(subject: &str) -> Reject {
    let text = format!("no subscription, charge or account is called {}", shown(subject));
    Reject::new(RejectCode::UnknownSubject, text)
}

#[cold]
fn nobody_counts(account: &str, meter: &str) -> Reject {
    let text = format!("account {} has no subscription that counts {}", shown(account), shown(meter));
    Reject::new(RejectCode::UnknownSubject, text)
}

#[cold]
fn ambiguous(account: &str, meter: &str, count: usize) -> Reject {
    let (account, meter) = (shown(account), shown(meter));
    let text =
        format!("account {account} has {count} subscriptions that count {meter}: name the subscription");
    Reject::new(RejectCode::AmbiguousSubject, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_subscription_then_a_charge_then_an_account() {
        let charge = ChargeReference::of("SUB-1 api");
        let mut subjects = Subjects::new();
        subjects.add_subscription(1, "SUB-1", "CU-1");
        subjects.add_subscription(2, "SUB-2", "CU-1");
        subjects.add_subscription(3, "SUB-3", "CU-3");
        subjects.add_charge(charge, 1, 10, "api");
        subjects.add_charge(ChargeReference::of("SUB-1 gb"), 1, 11, "gb");
        subjects.add_charge(ChargeReference::of("SUB-2 gb"), 2, 12, "gb");
        subjects.add_meter("spare");
        let at = |subject: &str, meter: &str| {
            let resolved = subjects.meter(meter).and_then(|meter| subjects.resolve(subject, meter));
            resolved.map(|r| (r.subscription, r.charge)).map_err(|r| r.code)
        };
        assert_eq!(at("SUB-2", "api"), Ok((2, 0)));
        assert_eq!(at(&charge.to_string(), "api"), Ok((1, 10)));
        assert_eq!(at(&charge.to_string().to_uppercase(), "api"), Ok((1, 10)));
        assert_eq!(at("CU-1", "api"), Ok((1, 0)));
        assert_eq!(at("CU-1", "gb"), Err(RejectCode::AmbiguousSubject));
        assert_eq!(at("CU-3", "api"), Err(RejectCode::UnknownSubject));
        assert_eq!(at("CU-9", "api"), Err(RejectCode::UnknownSubject));
        assert_eq!(at("SUB-1", "disk"), Err(RejectCode::UnknownMeter));
        assert_eq!(at(&charge.to_string(), "gb"), Err(RejectCode::UnknownMeter));
        assert_eq!(at("SUB-3", "spare"), Ok((3, 0)));
        assert_eq!(subjects.meter_of_charge(&charge.to_string()), Some("api"));
    }
}
