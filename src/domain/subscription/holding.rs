//! Resuming a subscription, and letting one charge of it rest (rules S4).

use super::life::Hold;
use super::verbs::{Dated, VerbPlanner};
use super::{ResumeOption, Verb};
use crate::refusal::{Code, Refusal};

impl VerbPlanner<'_> {
    /// What a hold has given back stays given back: `from_hold_date` would charge nothing for it.
    pub(super) fn resume(&self, option: ResumeOption) -> Result<Vec<Dated>, Refusal> {
        let hold = self.timeline.life.hold_on(self.today);
        self.check_resume(hold, option, &self.subscription.number)?;
        Ok(vec![(self.today, Verb::Resume { option })])
    }

    fn check_resume(&self, hold: Option<&Hold>, option: ResumeOption, what: &str) -> Result<(), Refusal> {
        let act = hold.and_then(|hold| self.subscription.acts.iter().find(|act| act.ordinal == hold.act));
        let gave_back = act.is_some_and(|act| {
            matches!(
                act.verb,
                Verb::Hold { refund_prorated: true } | Verb::HoldCharge { refund_prorated: true, .. }
            )
        });
        if gave_back && option == ResumeOption::FromHoldDate {
            let message = format!("the hold of {what} has given back what was paid");
            return Err(
                Refusal::new(Code::Conflict, message).hint("resume it today, or with the next_period")
            );
        }
        Ok(())
    }

    pub(super) fn hold_charge(&self, name: &str, refund_prorated: bool) -> Result<Vec<Dated>, Refusal> {
        let life = self.charge(name)?;
        if let Some(hold) = life.own_hold_on(self.today) {
            let message =
                format!("the charge {} has been on hold since {}", life.last_terms().charge.sku, hold.from);
            return Err(Refusal::new(Code::Conflict, message).hint("it can: resumecharge"));
        }
        self.check_open(life, self.today)?;
        Ok(vec![(self.today, Verb::HoldCharge { charge: life.reference, refund_prorated })])
    }

    pub(super) fn resume_charge(&self, name: &str, option: ResumeOption) -> Result<Vec<Dated>, Refusal> {
        let life = self.charge(name)?;
        let sku = &life.last_terms().charge.sku;
        let Some(hold) = life.own_hold_on(self.today) else {
            let message = format!("the charge {sku} is not on hold");
            return Err(Refusal::new(Code::Conflict, message)
                .hint("resume takes back the hold of the whole subscription"));
        };
        self.check_resume(Some(hold), option, sku)?;
        Ok(vec![(self.today, Verb::ResumeCharge { charge: life.reference, option })])
    }
}
