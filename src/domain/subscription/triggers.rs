//! Days on which a one-time charge is billed (rules T4, T5, S4).

use super::life::{EndCause, Life};
use super::service::interval_of;
use super::timeline::ChargeLife;
use super::{CancelOption, ResumeOption};
use crate::catalogue::{Alignment, ChargeType};
use chrono::NaiveDate;

impl ChargeLife<'_> {
    /// Days on which a one-time charge is billed, up to `horizon`.
    pub fn triggers(&self, life: &Life, horizon: NaiveDate) -> Vec<NaiveDate> {
        let life = &*self.rests_in(life);
        let named = self.trigger_days(life);
        let days = named.into_iter().filter_map(|named| {
            let served = self.served_trigger(life, named)?;
            let day = self.moved_to(named).or_else(|| self.moved_to(served)).unwrap_or(served);
            let is_skipped = self.skipped.iter().any(|skipped| [named, day].contains(&skipped.date));
            (day <= horizon && !is_skipped).then_some(day)
        });
        days.collect()
    }

    /// The days that its alignment names.
    fn trigger_days(&self, life: &Life) -> Vec<NaiveDate> {
        let charge = self.terms[0].charge;
        let Some(activated) = life.activated.filter(|_| charge.charge_type == ChargeType::OneTime) else {
            return Vec::new();
        };
        let after_trial = |day: NaiveDate| day.max(life.trial.map_or(day, |trial| trial.end));
        let own = |day: NaiveDate| self.own_start.map_or(day, |own| own.max(day));
        let ended = |is_meant: fn(EndCause) -> bool| life.end.filter(|e| is_meant(e.cause)).map(|e| e.on);
        match charge.alignment {
            Alignment::SubscriptionStart => vec![own(life.service_start)],
            Alignment::SubscriptionActivation => vec![own(after_trial(activated))],
            Alignment::CustomerDate => self.own_start.into_iter().collect(),
            Alignment::PeriodEnd => {
                let interval = interval_of(charge);
                let from = own(life.service_start);
                vec![interval.bound(interval.anchor_on_or_after(from), 1)]
            }
            Alignment::SubscriptionRenewal => life.renewals.clone(),
            Alignment::SubscriptionEnd => ended(|_| true).into_iter().collect(),
            Alignment::SubscriptionCancellation => {
                let at_once = |cause| cause == EndCause::Cancelled(CancelOption::Immediately);
                ended(at_once).into_iter().collect()
            }
        }
    }

    /// The day on which a charge fires that is to fire on a day; none if it is gone by then, or on hold.
    fn served_trigger(&self, life: &Life, named: NaiveDate) -> Option<NaiveDate> {
        let fires_at_the_end = matches!(
            self.terms[0].charge.alignment,
            Alignment::SubscriptionEnd | Alignment::SubscriptionCancellation | Alignment::PeriodEnd
        );
        let day = if fires_at_the_end { named } else { self.after_hold(life, named)? };
        let is_gone = self.removed.is_some_and(|removed| removed.on <= day);
        let is_over = life.ends_on().is_some_and(|end| if fires_at_the_end { end < day } else { end <= day });
        (!is_gone && !is_over).then_some(day)
    }

    /// rules S4: a one-time charge is no paid time. A hold of its own day takes nothing from it; what falls into a hold
    /// waits for the resume, but for a fee of every renewal, which is not owed then.
    fn after_hold(&self, life: &Life, named: NaiveDate) -> Option<NaiveDate> {
        let mut day = named;
        while let Some(hold) = life.hold_on(day).filter(|hold| hold.from < day) {
            match hold.resumed? {
                (_, ResumeOption::FromHoldDate) => break,
                _ if self.terms[0].charge.alignment == Alignment::SubscriptionRenewal => return None,
                (resumed, _) => day = resumed,
            }
        }
        Some(day)
    }

    fn moved_to(&self, day: NaiveDate) -> Option<NaiveDate> {
        self.moved.iter().rev().find(|moved| moved.from == day).map(|moved| moved.to)
    }
}
