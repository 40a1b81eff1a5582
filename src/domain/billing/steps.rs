//! What may change a period that is billed: quantities, prices, switches, ends and holds, in the order in which they are
//! billed (rules R3, R4).

use super::changes::keeps_rhythm;
use crate::catalogue::ChargeType;
use crate::ids::ChargeReference;
use crate::period::Period;
use crate::subscription::{
    ChangeMark, ChargeLife, ChargeTerms, Moment, RemovedBy, ResumeOption, Timeline, Verb,
};
use chrono::NaiveDate;

/// Something that may change the level of a period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub on: NaiveDate,
    pub mark: ChangeMark,
    pub what: StepKind<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepKind<'a> {
    /// A quantity of the charge, or of the one that it depends on.
    Amount,
    /// A price of its own; within a period it waits for the next one.
    Price,
    /// Switched off or on, likewise.
    Toggle,
    Terms(Terms<'a>),
    /// The plan switched to has nothing in its place.
    Dropped,
    /// The plan switched to brings it, perhaps after another switch has dropped it.
    Begins,
    /// An end or a hold that gives back what is paid (rules R4).
    Refund,
    /// Service ends later than was known, or not at all.
    Extended,
    /// Service goes on after a hold.
    Resumed,
    /// Another period, on a new anchor, charges these days (rules S4): after the act of that day with this ordinal.
    Retaken {
        days: Period,
        after: u32,
    },
}

/// Terms that are compared by identity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a>(pub ChargeTerms<'a>);

impl PartialEq for Terms<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.charge, other.0.charge) && self.0.from == other.0.from
    }
}

impl Eq for Terms<'_> {}

impl Step<'_> {
    /// These days are charged by another period on a day, with the acts up to an ordinal. A hold or a switch of that day has
    /// given them back already: a run may have come before the resume (rules R4).
    pub fn retaken(days: Period, done: NaiveDate, seen: u32, steps: &[Self]) -> Self {
        let gives_back = |step: &&Self| matches!(step.what, StepKind::Refund | StepKind::Dropped);
        let before = steps.iter().filter(gives_back).map(Self::moment);
        let before = before.filter(|(day, ordinal)| *day == done && *ordinal <= seen);
        let after = before.map(|(_, ordinal)| ordinal).max().unwrap_or(0);
        let mark = ChangeMark { ordinal: 0, done, prorate: None };
        Self { on: days.start, mark, what: StepKind::Retaken { days, after } }
    }

    pub fn moment(&self) -> Moment {
        match self.what {
            StepKind::Retaken { after, .. } => (self.mark.done, after),
            _ => self.mark.moment(self.on),
        }
    }
}

/// Whether a change within a period in arrears, of the acts up to an ordinal, is prorated, so that it is billed in parts.
pub(super) fn is_cut_by_a_change(
    steps: &[Step<'_>],
    charge: &ChargeLife<'_>,
    piece: Period,
    acts: u32,
) -> bool {
    let change_handle = charge.terms_on(piece.start).plan.change_handle;
    steps.iter().any(|step| {
        let is_inside = piece.start < step.on && step.on < piece.end;
        let is_prorated = step.mark.prorate.unwrap_or(change_handle > 0);
        is_inside && is_prorated && step.mark.ordinal <= acts && step.what == StepKind::Amount
    })
}

/// The ends of earlier lives of a charge: a period billed in one of them may go on in this one.
pub(super) fn steps_of_earlier_lives<'a>(timeline: &Timeline<'a>, at: usize) -> Vec<Step<'a>> {
    let reference = timeline.charges[at].reference;
    let earlier = timeline.charges[..at].iter().filter(|life| life.reference == reference);
    earlier.filter_map(removal).collect()
}

/// The end of one charge, if it gives back what is paid.
fn removal<'a>(charge: &ChargeLife<'a>) -> Option<Step<'a>> {
    let removed = charge.removed?;
    let what = match removed.by {
        RemovedBy::Switch => StepKind::Dropped,
        RemovedBy::Hand { refund_prorated: true } => StepKind::Refund,
        RemovedBy::Hand { .. } => return None,
    };
    Some(Step { on: removed.on, mark: removed.mark, what })
}

/// Whether an end of its own has given back a one-time charge that fired on a day: it may fire again if a switch brings
/// it back.
pub(super) fn is_given_back(timeline: &Timeline<'_>, reference: ChargeReference, day: NaiveDate) -> bool {
    let life = timeline.life_at(reference, day).map(|at| &timeline.charges[at]);
    life.and_then(removal).is_some_and(|removed| removed.on <= day)
}

/// Whether a period that was billed at these terms, with the acts up to an ordinal, is given back from its first day on.
pub(super) fn is_given_back_whole(
    timeline: &Timeline<'_>,
    charge: &ChargeLife<'_>,
    (start, seen): (NaiveDate, u32),
    billed: ChargeTerms<'_>,
) -> bool {
    let gives_back = |step: &Step<'_>| match step.what {
        StepKind::Refund | StepKind::Dropped => true,
        StepKind::Terms(Terms(terms)) => !keeps_rhythm(billed, terms),
        _ => false,
    };
    let mut steps = steps(timeline, charge).into_iter();
    steps.any(|step| step.on <= start && step.mark.ordinal > seen && gives_back(&step))
}

/// How far into time the periods of a charge reach that may share days with one that ends on `end`.
pub(super) fn reach(steps: &[Step<'_>], end: NaiveDate) -> NaiveDate {
    let changes_rhythm = |step: &Step<'_>| matches!(step.what, StepKind::Terms(_) | StepKind::Begins);
    if steps.iter().any(changes_rhythm) { NaiveDate::MAX } else { end }
}

/// Every change of a charge's level, in the order in which they are billed.
pub(super) fn steps<'a>(timeline: &Timeline<'a>, charge: &ChargeLife<'a>) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let mut push = |on, mark: Option<ChangeMark>, what| {
        steps.extend(mark.map(|mark| Step { on, mark, what }));
    };
    for since in &charge.amounts {
        push(since.on, since.mark, StepKind::Amount);
    }
    for parent in timeline.ever_followed(charge) {
        for since in &parent.amounts {
            push(since.on, since.mark, StepKind::Amount);
        }
    }
    for since in &charge.prices {
        push(since.on, since.mark, StepKind::Price);
    }
    for since in &charge.toggles {
        push(since.on, since.mark, StepKind::Toggle);
    }
    push(charge.terms[0].from, charge.terms[0].switch, StepKind::Begins);
    for terms in &charge.terms[1..] {
        push(terms.from, terms.switch, StepKind::Terms(Terms(*terms)));
    }
    if let Some(removed) = removal(charge) {
        push(removed.on, Some(removed.mark), removed.what);
    }
    let is_once = charge.terms[0].charge.charge_type == ChargeType::OneTime;
    for (on, mark, what) in ends_and_holds(timeline, charge.reference, is_once) {
        push(on, Some(mark), what);
    }
    // A switch gives the plan's price back: its own step comes first, and says all.
    steps.sort_by_key(|step| (step.moment(), step.what == StepKind::Price));
    steps
}

/// What ends service and gives back the rest of what was paid in advance, if asked (rules R4); what takes an end back; and
/// what resumes service. A one-time charge is no paid time, of which a hold could give something back (rules S4).
fn ends_and_holds<'a>(
    timeline: &Timeline<'a>,
    reference: ChargeReference,
    is_once: bool,
) -> Vec<(NaiveDate, ChangeMark, StepKind<'a>)> {
    let acts = &timeline.subscription.acts;
    let is_known = |ordinal: u32| ordinal <= timeline.acts;
    let mut found = Vec::new();
    let is_of_another = |verb: &Verb| match verb {
        Verb::HoldCharge { charge, .. } | Verb::ResumeCharge { charge, .. } => *charge != reference,
        _ => false,
    };
    for act in acts.iter().filter(|act| is_known(act.ordinal) && !is_of_another(&act.verb)) {
        let mark = ChangeMark { ordinal: act.ordinal, done: act.done, prorate: Some(true) };
        let ends = timeline.life.end.filter(|end| end.act == Some(act.ordinal)).map(|end| end.on);
        match act.verb {
            Verb::Cancel { refund_prorated: true, .. } | Verb::Expire { refund_prorated: true } => {
                found.extend(ends.map(|on| (on, mark, StepKind::Refund)));
            }
            Verb::Hold { refund_prorated: true } | Verb::HoldCharge { refund_prorated: true, .. }
                if !is_once =>
            {
                found.push((act.on, mark, StepKind::Refund));
            }
            _ => {}
        }
        let extends = matches!(
            act.verb,
            Verb::Cancel { .. }
                | Verb::Reactivate
                | Verb::Resume { option: ResumeOption::FromHoldDate }
                | Verb::ResumeCharge { option: ResumeOption::FromHoldDate, .. }
        );
        if extends {
            found.push((act.done, mark, StepKind::Extended));
        } else if !is_once && matches!(act.verb, Verb::Resume { .. } | Verb::ResumeCharge { .. }) {
            found.push((act.on, mark, StepKind::Resumed));
        }
    }
    found
}
