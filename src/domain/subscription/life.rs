//! A subscription's life as it is known on a day: activation, trial, terms, holds and end (rules S2–S4).

use super::{Act, CancelOption, ResumeOption, Subscription, Verb};
use crate::catalogue::TermPeriod;
use crate::period::{Period, plus_days, plus_months};
use chrono::{Datelike, NaiveDate};
use std::borrow::Cow;

/// Renewals looked at in one go: daily terms over more than a century.
const RENEWALS_MAX: usize = 40_000;

/// What is known of a subscription, folded from its terms and the acts done so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Day of activation; none = draft.
    pub activated: Option<NaiveDate>,
    /// First day of service: the agreement's start, or the day after the trial (rules S3).
    pub service_start: NaiveDate,
    /// The trial, during which nothing is charged.
    pub trial: Option<Period>,
    /// First day after service, and why; none = evergreen, or renewed beyond the horizon.
    pub end: Option<Ending>,
    /// Days on which another term begins, ascending, up to the horizon.
    pub renewals: Vec<NaiveDate>,
    /// Ascending, not overlapping.
    pub holds: Vec<Hold>,
}

/// How a subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// First day after service.
    pub on: NaiveDate,
    pub cause: EndCause,
    /// Ordinal of the act that ends it; none for a term that runs out.
    pub act: Option<u32>,
}

impl Ending {
    /// Whether it happens within its day, as `immediately` does, and not with the day's beginning.
    pub fn is_within_its_day(&self) -> bool {
        matches!(self.cause, EndCause::Expired | EndCause::Cancelled(CancelOption::Immediately))
    }
}

/// Why a subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// Its term runs out and is not renewed.
    TermOver,
    Cancelled(CancelOption),
    Expired,
}

/// A stretch without service that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// First day without service.
    pub from: NaiveDate,
    /// Ordinal of the act.
    pub act: u32,
    /// First day after it, and from when it is billed again; none = still on hold.
    pub resumed: Option<(NaiveDate, ResumeOption)>,
}

impl Hold {
    /// Whether a day lies in it.
    pub fn holds(&self, day: NaiveDate) -> bool {
        self.from <= day && self.resumed.is_none_or(|(until, _)| day < until)
    }
}

impl Life {
    /// Folds the acts that were done on or before `known_on`; renewals are listed up to `horizon`.
    pub fn known(subscription: &Subscription, known_on: NaiveDate, horizon: NaiveDate) -> Self {
        Self::folded(subscription, &acts_known(subscription, known_on), horizon)
    }

    /// Folds these acts, which are in the order in which they take effect.
    pub(super) fn folded(subscription: &Subscription, acts: &[&Act], horizon: NaiveDate) -> Self {
        let activation = acts.iter().rev().find(|a| matches!(a.verb, Verb::Activate)).map(|a| a.on);
        let trial = trial(subscription, acts);
        let stopped = stopping(acts);
        let terms = Terms::of(subscription, acts);
        let (renewals, term_over) = terms.until(horizon, stopped.map(|s| s.on));
        Self {
            activated: activation.or(subscription.activated),
            service_start: trial.map_or(subscription.start, |trial| trial.end.max(subscription.start)),
            trial,
            end: [stopped, term_over].into_iter().flatten().min_by_key(|ending| ending.on),
            renewals,
            holds: holds(acts),
        }
    }

    /// First day after service, if there is one.
    pub fn ends_on(&self) -> Option<NaiveDate> {
        self.end.map(|ending| ending.on)
    }

    /// The hold that a day lies in.
    pub fn hold_on(&self, day: NaiveDate) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.holds(day))
    }

    /// The same life with the holds of one charge besides (rules S4).
    pub(super) fn with_holds(&self, own: &[Hold]) -> Cow<'_, Self> {
        if own.is_empty() {
            return Cow::Borrowed(self);
        }
        let holds = side_by_side(self.holds.iter().chain(own));
        Cow::Owned(Self { holds, ..self.clone() })
    }

    /// Where periods are counted from on a day: the start of service, or the last resume that set a new anchor.
    pub fn anchor_on(&self, day: NaiveDate) -> NaiveDate {
        let set_anew = self.holds.iter().filter_map(|hold| match hold.resumed {
            Some((until, ResumeOption::Today)) if until <= day => Some(until),
            _ => None,
        });
        set_anew.max().map_or(self.service_start, |anew| anew.max(self.service_start))
    }
}

/// Acts done on or before a day, in the order in which they take effect; on one day in the order of doing (rules
/// T7: an act that is done after a switch of that day finds the new plan).
pub fn acts_known(subscription: &Subscription, known_on: NaiveDate) -> Vec<&Act> {
    in_order(subscription.acts.iter().filter(|act| act.done <= known_on).collect())
}

/// Acts up to an ordinal, in the order in which they take effect.
pub fn acts_up_to(subscription: &Subscription, ordinal: u32) -> Vec<&Act> {
    in_order(subscription.acts.iter().filter(|act| act.ordinal <= ordinal).collect())
}

fn in_order(mut acts: Vec<&Act>) -> Vec<&Act> {
    acts.sort_by_key(|act| (act.on, act.ordinal));
    acts
}

/// The trial as agreed, or as set last.
fn trial(subscription: &Subscription, acts: &[&Act]) -> Option<Period> {
    let set = acts.iter().rev().find_map(|act| match act.verb {
        Verb::SetTrialEnd { date } => Some(date),
        _ => None,
    });
    let end = set.or(subscription.trial_end)?;
    (end > subscription.start).then(|| Period::new(subscription.start, end))
}

/// The act that ends the subscription: the last one that was not taken back.
fn stopping(acts: &[&Act]) -> Option<Ending> {
    let mut by_ordinal: Vec<&&Act> = acts.iter().collect();
    by_ordinal.sort_by_key(|act| act.ordinal);
    by_ordinal.into_iter().fold(None, |ending, act| match act.verb {
        Verb::Cancel { option, .. } => {
            Some(Ending { on: act.on, cause: EndCause::Cancelled(option), act: Some(act.ordinal) })
        }
        Verb::Expire { .. } => Some(Ending { on: act.on, cause: EndCause::Expired, act: Some(act.ordinal) }),
        Verb::Reactivate => None,
        _ => ending,
    })
}

fn holds(acts: &[&Act]) -> Vec<Hold> {
    let mut by_ordinal: Vec<&&Act> = acts.iter().collect();
    by_ordinal.sort_by_key(|act| act.ordinal);
    let mut holds: Vec<Hold> = Vec::new();
    for act in by_ordinal {
        match act.verb {
            Verb::Hold { .. } => holds.push(Hold { from: act.on, act: act.ordinal, resumed: None }),
            Verb::Resume { option } => {
                if let Some(hold) = holds.last_mut() {
                    hold.resumed = hold.resumed.or(Some((act.on.max(hold.from), option)));
                }
            }
            _ => {}
        }
    }
    holds
}

/// Holds that may overlap as holds that do not: nothing is served on the days of any of them, and each resume stays on its
/// day. One that counts from its own day takes no service; it keeps its first day, on which arrears are closed.
fn side_by_side<'h>(holds: impl Iterator<Item = &'h Hold>) -> Vec<Hold> {
    let takes_no_service = |hold: &Hold| matches!(hold.resumed, Some((_, ResumeOption::FromHoldDate)));
    let (charged, mut resting): (Vec<Hold>, Vec<Hold>) = holds.copied().partition(takes_no_service);
    let end = |hold: &Hold| hold.resumed.map_or(NaiveDate::MAX, |(until, _)| until);
    // Of two resumes on one day the one that sets a new anchor comes last, and counts.
    let sets_anchor = |hold: &Hold| matches!(hold.resumed, Some((_, ResumeOption::Today)));
    resting.sort_by_key(|hold| (end(hold), sets_anchor(hold), hold.act));
    let mut found: Vec<Hold> = Vec::new();
    for (place, hold) in resting.iter().enumerate() {
        let begun = resting[place..].iter().map(|other| other.from).min().unwrap_or(hold.from);
        let from = found.last().map_or(begun, |last| begun.max(end(last)));
        if from < NaiveDate::MAX {
            found.push(Hold { from, ..*hold });
        }
    }
    for hold in charged {
        let is_served = !found.iter().any(|rest| rest.from <= hold.from && hold.from < end(rest));
        let next = found.iter().map(|rest| rest.from).filter(|from| hold.from < *from).min();
        let until = next.map_or(end(&hold), |next| next.min(end(&hold)));
        if is_served {
            found.push(Hold { resumed: Some((until, ResumeOption::FromHoldDate)), ..hold });
        }
    }
    found.sort_by_key(|hold| (hold.from, end(hold)));
    found
}

/// The terms of an agreement: the first one, and those that follow by renewal.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// First day after the initial term; none = evergreen.
    first_end: Option<NaiveDate>,
    /// Day of the month that term ends aim at.
    day: u32,
    renewal: Option<(TermPeriod, u32)>,
    auto_renew: bool,
    /// Renewals that were asked for.
    asked_for: usize,
}

impl Terms {
    /// The terms of a subscription with the acts that are known.
    pub fn of(subscription: &Subscription, acts: &[&Act]) -> Self {
        let derived = subscription
            .initial_term
            .map(|term| after(subscription.start, term, 1, subscription.start.day()));
        let first_end = subscription.end.or(derived);
        let day = match subscription.end {
            Some(end) => end.day(),
            None => subscription.start.day(),
        };
        Self {
            first_end,
            day,
            renewal: subscription.renewal_term.or(subscription.initial_term),
            auto_renew: subscription.auto_renew,
            asked_for: acts.iter().filter(|act| matches!(act.verb, Verb::Renew)).count(),
        }
    }

    /// Whether a term follows when one is over.
    pub fn renews_by_itself(&self) -> bool {
        self.auto_renew && self.renewal.is_some()
    }

    /// Whether there is a term to renew by.
    pub fn can_renew(&self) -> bool {
        self.first_end.is_some() && self.renewal.is_some()
    }

    /// First day after the term that holds `day`, renewals that were asked for included; none = evergreen or over before.
    pub fn end_after(&self, day: NaiveDate) -> Option<NaiveDate> {
        (0..RENEWALS_MAX).map_while(|n| self.end(n)).find(|end| *end > day)
    }

    /// End of term `n`, if there is such a term; counted from the first end, so that months' ends return (rules T2).
    fn end(&self, n: usize) -> Option<NaiveDate> {
        let first = self.first_end?;
        if n == 0 {
            return Some(first);
        }
        let renewal = self.renewal.filter(|_| self.auto_renew || n <= self.asked_for)?;
        Some(after(first, renewal, i64::try_from(n).unwrap_or(i64::MAX), self.day))
    }

    /// Days on which a further term begins up to `horizon` (and before the stop), and the end that no term follows.
    fn until(&self, horizon: NaiveDate, stop: Option<NaiveDate>) -> (Vec<NaiveDate>, Option<Ending>) {
        let mut renewals = Vec::new();
        for n in 0..RENEWALS_MAX {
            let Some(end) = self.end(n) else { return (renewals, None) };
            if stop.is_some_and(|stop| stop <= end) {
                return (renewals, None);
            }
            if self.end(n + 1).is_none_or(|next| next <= end) {
                return (renewals, Some(Ending { on: end, cause: EndCause::TermOver, act: None }));
            }
            if end > horizon {
                return (renewals, None);
            }
            renewals.push(end);
        }
        (renewals, None)
    }
}

/// `count` terms after a day; months aim at `day` of the month (rules T2).
fn after(from: NaiveDate, (unit, interval): (TermPeriod, u32), count: i64, day: u32) -> NaiveDate {
    let units = i64::from(interval).saturating_mul(count);
    match unit {
        TermPeriod::Days => plus_days(from, units),
        TermPeriod::Months => plus_months(from, units, day),
        TermPeriod::Quarters => plus_months(from, units.saturating_mul(3), day),
        TermPeriod::Years => plus_months(from, units.saturating_mul(12), day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::sample::{act, day, subscription};

    fn known(s: &Subscription, on: &str) -> Life {
        Life::known(s, day(on), day(on))
    }

    #[test]
    fn an_agreement_without_a_term_is_evergreen() {
        let s = subscription("2026-01-31");
        let life = known(&s, "2030-01-01");
        assert_eq!((life.activated, life.end, life.renewals.len()), (Some(day("2026-01-31")), None, 0));
    }

    #[test]
    fn terms_renew_from_the_first_end_and_return_to_the_31st() {
        let mut s = subscription("2026-01-31");
        s.initial_term = Some((TermPeriod::Months, 1));
        s.auto_renew = true;
        let life = known(&s, "2026-05-01");
        let expected = ["2026-02-28", "2026-03-31", "2026-04-30"].map(day);
        assert_eq!(life.renewals, expected);
        assert_eq!(life.end, None);
    }

    #[test]
    fn without_autorenew_the_term_runs_out_unless_somebody_renews_it() {
        let mut s = subscription("2026-01-01");
        s.initial_term = Some((TermPeriod::Quarters, 1));
        let over = known(&s, "2026-02-01").end.unwrap();
        assert_eq!((over.on, over.cause), (day("2026-04-01"), EndCause::TermOver));
        s.renewal_term = Some((TermPeriod::Days, 10));
        s.acts.push(act(1, "2026-03-01", Verb::Renew));
        let life = known(&s, "2026-05-01");
        assert_eq!((life.ends_on(), life.renewals), (Some(day("2026-04-11")), vec![day("2026-04-01")]));
    }

    #[test]
    fn a_cancellation_is_known_from_the_day_it_was_done_and_can_be_taken_back() {
        let mut s = subscription("2026-01-01");
        let cancel = Verb::Cancel { option: CancelOption::OnDate, refund_prorated: false };
        s.acts.push(Act { on: day("2026-03-15"), done: day("2026-02-10"), ordinal: 1, verb: cancel });
        assert_eq!(known(&s, "2026-02-09").end, None);
        assert_eq!(known(&s, "2026-02-10").ends_on(), Some(day("2026-03-15")));
        s.acts.push(act(2, "2026-03-01", Verb::Reactivate));
        assert_eq!(known(&s, "2026-03-01").end, None);
    }

    #[test]
    fn holds_pair_with_their_resume() {
        let mut s = subscription("2026-01-01");
        s.acts.push(act(1, "2026-01-10", Verb::Hold { refund_prorated: false }));
        s.acts.push(act(2, "2026-02-15", Verb::Resume { option: ResumeOption::Today }));
        s.acts.push(act(3, "2026-03-01", Verb::Hold { refund_prorated: false }));
        let life = known(&s, "2026-03-02");
        assert_eq!(life.holds.len(), 2);
        assert!(life.hold_on(day("2026-02-14")).is_some() && life.hold_on(day("2026-02-15")).is_none());
        assert!(life.hold_on(day("2026-03-01")).is_some());
        assert_eq!(life.anchor_on(day("2026-03-01")), day("2026-02-15"));
    }

    #[test]
    fn holds_of_a_charge_and_of_its_subscription_come_side_by_side() {
        use ResumeOption::{FromHoldDate, NextPeriod, Today};
        let hold = |from: &str, until: &str, option| {
            let resumed = (!until.is_empty()).then(|| (day(&format!("2026-{until}")), option));
            Hold { from: day(&format!("2026-{from}")), act: 1, resumed }
        };
        let apart = |own: &[Hold], of_all: &[Hold]| {
            let found = side_by_side(of_all.iter().chain(own)).into_iter().map(|hold| {
                let until =
                    hold.resumed.map(|(until, option)| format!("{} {option:?}", until.format("%m-%d")));
                format!("{} {}", hold.from.format("%m-%d"), until.unwrap_or_default())
            });
            found.collect::<Vec<_>>()
        };
        let first = [hold("01-10", "01-20", NextPeriod)];
        for (own, expected) in [
            (hold("02-01", "02-05", Today), vec!["01-10 01-20 NextPeriod", "02-01 02-05 Today"]),
            (hold("01-15", "02-05", Today), vec!["01-10 01-20 NextPeriod", "01-20 02-05 Today"]),
            (hold("01-12", "01-14", Today), vec!["01-10 01-14 Today", "01-14 01-20 NextPeriod"]),
            (hold("01-05", "", Today), vec!["01-05 01-20 NextPeriod", "01-20 "]),
            (
                hold("01-05", "01-15", FromHoldDate),
                vec!["01-05 01-10 FromHoldDate", "01-10 01-20 NextPeriod"],
            ),
            (hold("01-12", "01-30", FromHoldDate), vec!["01-10 01-20 NextPeriod"]),
        ] {
            assert_eq!(apart(&[own], &first), expected, "{own:?}");
        }
    }

    #[test]
    fn a_trials_end_is_the_first_day_of_service() {
        let mut s = subscription("2026-01-01");
        s.trial_end = Some(day("2026-01-15"));
        let life = known(&s, "2026-01-01");
        assert_eq!(life.service_start, day("2026-01-15"));
        assert_eq!(life.trial, Some(Period::new(day("2026-01-01"), day("2026-01-15"))));
    }
}
