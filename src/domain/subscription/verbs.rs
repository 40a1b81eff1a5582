//! Doing something to a subscription: the request is checked against its state and its book, and becomes one or more
//! dated acts (rules S1, S2, R3, R4).

use super::open::Acts;
use super::request::Request;
use super::state::{State, VerbName};
use super::timeline::{ChargeLife, Timeline, pair};
use super::{Act, CancelOption, Subscription, SwitchWhen, Terms, Verb, acts_known};
use crate::billing::BilledLine;
use crate::catalogue::{
    Alignment, AppliedDiscount, Catalogue, Charge, ChargeSetup, ChargeType, Plan, PricingModel,
};
use crate::customer::PaymentMethod;
use crate::ids::{ChargeReference, PlanId};
use crate::period::plus_days;
use crate::refusal::{self, Code, Refusal};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What a verb has to know besides the subscription.
#[derive(Debug, Clone, Copy)]
pub struct ActContext<'a> {
    pub catalogue: &'a Catalogue,
    /// What drafts and invoices have taken, by charge.
    pub billed: &'a BTreeMap<ChargeReference, Vec<BilledLine>>,
    /// Methods of the owner and of those who pay for it.
    pub methods: &'a [PaymentMethod],
    /// How often each code has been applied.
    pub redeemed: &'a BTreeMap<String, u32>,
}

/// The subscription after a request, which is done `today` and takes effect `on`: today for most verbs, another day
/// for changes of quantity, price, charges and plan, which may be dated ahead, or back as far as nothing is billed.
///
/// # Errors
/// `conflict` for a verb that the state does not allow, or what is wrong with its arguments; nothing is changed then.
pub fn act(
    subscription: &Subscription,
    context: &ActContext<'_>,
    request: &Request,
    on: NaiveDate,
    today: NaiveDate,
) -> Result<Subscription, Refusal> {
    if let Some(last) = subscription.acts.iter().map(|act| act.done).max().filter(|last| *last > today) {
        let message = format!("{} was changed on {last}, after {today}", subscription.number);
        return Err(Refusal::new(Code::OutOfOrder, message).hint(format!("do it on {last} or later")));
    }
    State::on(subscription, today).allow(request.verb(), &subscription.number)?;
    refuse_effective(request, on, today)?;
    let horizon = plus_days(today, 1);
    let timeline = Timeline::known(subscription, context.catalogue, today, horizon)
        .map_err(|missing| Refusal::new(Code::BrokenBook, missing.to_string()))?;
    let planner = VerbPlanner { subscription, context, timeline, on, today };
    let verbs = planner.verbs(request)?;
    let mut changed = subscription.clone();
    for (on, verb) in verbs {
        let ordinal = u32::try_from(changed.acts.len()).unwrap_or(u32::MAX).saturating_add(1);
        changed.acts.push(Act { on, done: today, ordinal, verb });
    }
    Ok(changed)
}

/// A verb takes the day that it is given, or refuses it (rules R3).
fn refuse_effective(request: &Request, on: NaiveDate, today: NaiveDate) -> Result<(), Refusal> {
    let takes_it = match request {
        Request::Cancel { .. }
        | Request::SwitchPlan { when: SwitchWhen::Now, .. }
        | Request::SetAmount { .. }
        | Request::SetPrice { .. }
        | Request::AddOptionalCharge { .. }
        | Request::RemoveCharge { .. }
        | Request::ToggleCharge { .. }
        | Request::ApplyDiscount { .. }
        | Request::ClearDiscount { .. } => true,
        Request::Activate
        | Request::Reactivate
        | Request::Hold { .. }
        | Request::Resume { .. }
        | Request::HoldCharge { .. }
        | Request::ResumeCharge { .. }
        | Request::Expire { .. }
        | Request::SwitchPlan { .. }
        | Request::SetPaymentMethod { .. }
        | Request::SetNextChargeDate { .. }
        | Request::SkipNextCharge { .. }
        | Request::SetTrialEnd { .. }
        | Request::Renew => false,
    };
    if takes_it || on == today {
        return Ok(());
    }
    let message = match request {
        Request::SwitchPlan { .. } => format!("`effective`: {on} is another day than `when` says"),
        _ => format!(
            "`effective`: {} takes effect on the day on which it is done, not on {on}",
            request.verb().name()
        ),
    };
    let hint = match request {
        Request::SwitchPlan { .. } => format!("leave one of them out: `when` now takes `effective` {on}"),
        _ if on > today => format!("do it on {on}"),
        _ => "leave `effective` out".to_owned(),
    };
    Err(Refusal::new(Code::BadArgument, message).hint(hint))
}

/// Where a request is checked.
pub(super) struct VerbPlanner<'a> {
    pub(super) subscription: &'a Subscription,
    pub(super) context: &'a ActContext<'a>,
    pub(super) timeline: Timeline<'a>,
    pub(super) on: NaiveDate,
    pub(super) today: NaiveDate,
}

/// What is done, and the day on which it takes effect.
pub(super) type Dated = (NaiveDate, Verb);

impl<'a> VerbPlanner<'a> {
    fn verbs(&self, request: &Request) -> Result<Vec<Dated>, Refusal> {
        let today = |verb| Ok(vec![(self.today, verb)]);
        match request {
            Request::Activate => self.activate(),
            Request::Cancel { option, date, refund_prorated } => {
                self.cancel(*option, *date, *refund_prorated)
            }
            Request::Reactivate => self.reactivate(),
            Request::Hold { refund_prorated } => {
                self.check_all(self.today, Acts::Change)?;
                today(Verb::Hold { refund_prorated: *refund_prorated })
            }
            Request::Resume { option } => self.resume(*option),
            Request::Expire { refund_prorated } => {
                self.check_all(self.today, Acts::End)?;
                today(Verb::Expire { refund_prorated: *refund_prorated })
            }
            Request::SwitchPlan { plan, when, prorate } => self.switch_plan(plan, *when, *prorate),
            Request::SetAmount { charge, all, amount, prorate } => {
                self.set_amount(charge.as_deref(), *all, *amount, *prorate)
            }
            Request::SetPrice { charge, unit_price } => self.set_price(charge, *unit_price),
            Request::AddOptionalCharge { charge, amount, unit_price } => {
                self.add_charge(charge, *amount, *unit_price)
            }
            Request::RemoveCharge { charge, refund_prorated } => {
                let life = self.charge(charge)?;
                self.check_open(life, self.on)?;
                let verb = Verb::RemoveCharge { charge: life.reference, refund_prorated: *refund_prorated };
                Ok(vec![(self.on, verb)])
            }
            Request::ToggleCharge { charge, toggled } => {
                let life = self.charge(charge)?;
                self.check_open(life, self.on)?;
                let toggled = toggled.unwrap_or(!life.is_toggled_off(self.on));
                Ok(vec![(self.on, Verb::ToggleCharge { charge: life.reference, toggled })])
            }
            Request::HoldCharge { charge, refund_prorated } => self.hold_charge(charge, *refund_prorated),
            Request::ResumeCharge { charge, option } => self.resume_charge(charge, *option),
            Request::SetPaymentMethod { refkey } => self.set_payment_method(refkey.as_deref()),
            Request::SetNextChargeDate { charge, date } => self.set_next_charge_date(charge, *date),
            Request::SkipNextCharge { charge } => {
                let life = self.charge(charge)?;
                let next = self.next_of(life).ok_or_else(|| self.no_next(life))?;
                Ok(vec![(next.nominal, Verb::SkipNextCharge { charge: life.reference })])
            }
            Request::SetTrialEnd { date } => self.set_trial_end(*date),
            Request::Renew => self.renew(),
            Request::ApplyDiscount { charge, code } => self.apply_discount(charge.as_deref(), code),
            Request::ClearDiscount { charge } => self.clear_discount(charge.as_deref()),
        }
    }

    fn activate(&self) -> Result<Vec<Dated>, Refusal> {
        let plan = self.plan()?;
        if !plan.active {
            let message = format!("the plan {} is not active", plan.sku);
            return Err(
                Refusal::new(Code::Conflict, message).hint("activate the plan, or switch to another one")
            );
        }
        for life in &self.timeline.charges {
            let charge = life.last_terms().charge;
            let priced = life.unit_price_on(self.today).is_some()
                || charge.pricings.iter().any(|p| p.currency == self.subscription.currency);
            if !priced {
                return Err(self.not_priced(charge));
            }
        }
        Ok(vec![(self.today, Verb::Activate)])
    }

    fn cancel(
        &self,
        option: Option<CancelOption>,
        date: Option<NaiveDate>,
        refund_prorated: bool,
    ) -> Result<Vec<Dated>, Refusal> {
        let date = self.date_of_cancellation(option, date)?;
        let implied = match (date, self.term_end()) {
            (Some(_), _) => CancelOption::OnDate,
            (None, Some(_)) => CancelOption::AtRenewal,
            (None, None) => CancelOption::BeforeNextBilling,
        };
        let option = option.unwrap_or(implied);
        let on = match option {
            CancelOption::Immediately => self.today,
            CancelOption::AtRenewal => self.term_end().ok_or_else(|| self.no_term())?,
            CancelOption::BeforeNextBilling => self.next_charge_date().unwrap_or(self.today).max(self.today),
            CancelOption::OnDate => {
                let missing =
                    || Refusal::new(Code::MissingArgument, "`date` is missing: from when is it cancelled");
                let date = date.ok_or_else(missing)?;
                if date < self.today {
                    let message = format!("{date} has passed: a cancellation takes effect today or later");
                    return Err(Refusal::new(Code::BadArgument, message)
                        .hint(format!("give {} or later", self.today)));
                }
                date
            }
        };
        self.check_all(on, Acts::End)?;
        Ok(vec![(on, Verb::Cancel { option, refund_prorated })])
    }

    /// The day that is named, as `date` or as `effective`. Every other option says itself which day it is.
    fn date_of_cancellation(
        &self,
        option: Option<CancelOption>,
        date: Option<NaiveDate>,
    ) -> Result<Option<NaiveDate>, Refusal> {
        let effective = (self.on != self.today).then_some(self.on);
        let named = match (date, effective) {
            (Some(date), Some(effective)) if date != effective => {
                let message = format!("`date` is {date} and `effective` is {effective}");
                return Err(Refusal::new(Code::BadArgument, message).hint("give one of them"));
            }
            (date, effective) => date.or(effective),
        };
        let Some(day) = named else { return Ok(None) };
        let says_itself = option.is_some_and(|option| option != CancelOption::OnDate);
        let is_today = option == Some(CancelOption::Immediately) && day == self.today;
        if says_itself && !is_today {
            let message = format!("`option` says another day than {day}");
            return Err(Refusal::new(Code::BadArgument, message)
                .hint(format!("to end it on {day}, give the option on_date and that date")));
        }
        Ok(named.filter(|_| !is_today))
    }

    /// rules S3: the trial of a service that has not begun.
    fn set_trial_end(&self, date: NaiveDate) -> Result<Vec<Dated>, Refusal> {
        let (life, number) = (&self.timeline.life, &self.subscription.number);
        let begins = life.service_start;
        if date < self.today || date <= self.subscription.start {
            let from = self.today.max(next_day(self.subscription.start));
            let message = format!("a trial of {number} cannot end on {date}");
            return Err(Refusal::new(Code::BadArgument, message).hint(format!("give {from} or later")));
        }
        if life.activated.is_some() && begins <= self.today {
            let message = format!("{number} has been served since {begins}: no trial can be set any more");
            return Err(Refusal::new(Code::Conflict, message)
                .hint("to stop charging it for a while: ")
                .ask(refusal::Verb::ChangeSubscription(VerbName::Hold).on(number)));
        }
        let references: Vec<ChargeReference> = self.timeline.charges.iter().map(|c| c.reference).collect();
        let mut billed =
            references.iter().filter_map(|reference| self.context.billed.get(reference)).flatten();
        if let Some(line) = billed.find(|line| line.period.start >= begins) {
            let message = format!("{number} is billed from {} on already", line.period.start);
            return Err(Refusal::new(Code::BeforeBooked, message)
                .hint("cancel the draft, or credit the invoice for a rebill, first"));
        }
        if let Some(end) = life.ends_on().filter(|end| *end <= date) {
            return Err(Refusal::new(Code::Conflict, format!("{number} ends on {end}"))
                .hint("a trial ends before the subscription does"));
        }
        Ok(vec![(self.today, Verb::SetTrialEnd { date })])
    }

    fn reactivate(&self) -> Result<Vec<Dated>, Refusal> {
        if self.timeline.life.end.is_some_and(|end| end.act.is_some()) {
            return Ok(vec![(self.today, Verb::Reactivate)]);
        }
        let message = format!("{} is not cancelled", self.subscription.number);
        Err(Refusal::new(Code::Conflict, message)
            .hint("only a cancellation that lies ahead can be taken back"))
    }

    fn switch_plan(&self, sku: &str, when: SwitchWhen, prorate: Option<bool>) -> Result<Vec<Dated>, Refusal> {
        let catalogue = self.context.catalogue;
        let id = PlanId::of(sku);
        let Some(plan) = catalogue.plans.get(&id) else {
            let known: Vec<&str> = catalogue.plans.values().map(|plan| plan.sku.as_str()).collect();
            let message = format!("there is no plan `{sku}`");
            return Err(Refusal::new(Code::UnknownPlan, message).hint(format!("one of {}", known.join(", "))));
        };
        let on = match when {
            SwitchWhen::Now => self.on,
            SwitchWhen::NextCharge => self.charge_date_after_today().unwrap_or(self.on).max(self.on),
            SwitchWhen::AtRenewal => self.term_end().ok_or_else(|| self.no_term())?,
        };
        self.check_switch(plan, id, on)?;
        self.check_served(&plan.sku, on)?;
        self.check_all(on, Acts::Change)?;
        Ok(vec![(on, Verb::SwitchPlan { plan: id, when, prorate })])
    }

    /// rules S2: an active plan in the same currency, at least one shared anchor, prices for all that begins.
    fn check_switch(&self, plan: &Plan, id: PlanId, on: NaiveDate) -> Result<(), Refusal> {
        let conflict = |message: String| Err(Refusal::new(Code::Conflict, message));
        if id == self.timeline.plan() {
            return conflict(format!("{} has the plan {} already", self.subscription.number, plan.sku));
        }
        if !plan.active {
            return conflict(format!("the plan {} is not active", plan.sku));
        }
        let currency = self.subscription.currency;
        if !plan.currencies.contains(&currency) && plan.currency != currency {
            return conflict(format!("the plan {} is not sold in {currency}", plan.sku));
        }
        let lives: Vec<&ChargeLife<'_>> = self
            .timeline
            .charges
            .iter()
            .filter(|life| life.removed.is_none_or(|gone| gone.on > on))
            .collect();
        if !lives.iter().any(|life| pair(life.last_terms().charge, plan).is_some()) {
            let message = format!("the plan {} shares no anchor code with the present one", plan.sku);
            return Err(Refusal::new(Code::Conflict, message)
                .hint("give charges that follow one another the same anchorcode"));
        }
        for charge in &plan.charges {
            let follows = lives.iter().find(|life| life.last_terms().charge.anchor() == charge.anchor());
            let pairs = follows.is_some_and(|life| pair(life.last_terms().charge, plan).is_some());
            if follows.is_some() && !pairs {
                let message = format!(
                    "the charges with anchor `{}` are billed at different ends of a period",
                    charge.anchor()
                );
                return conflict(message);
            }
            let begins = charge.setup == ChargeSetup::Standard || follows.is_some();
            // A custom price is the subscription's own: it goes along.
            let goes_along = charge.pricing_model == PricingModel::Custom
                && follows.is_some_and(|life| life.unit_price_on(on).is_some());
            if begins && !goes_along && charge.version_on(currency, on).is_empty() {
                return Err(self.not_priced(charge));
            }
        }
        let discounts = self.timeline.discounts.iter().filter(|d| d.until.is_none_or(|until| until > on));
        for applied in discounts {
            let code = self.code(&applied.code);
            if let Some((_, code)) = code.filter(|(_, c)| !c.plans.is_empty() && !c.plans.contains(&plan.sku))
            {
                let message = format!("the discount {} is not for the plan {}", code.complete(), plan.sku);
                return Err(Refusal::new(Code::Conflict, message).hint("clear the discount first"));
            }
        }
        Ok(())
    }

    fn set_amount(
        &self,
        charge: Option<&str>,
        all: bool,
        amount: Decimal,
        prorate: Option<bool>,
    ) -> Result<Vec<Dated>, Refusal> {
        let takes_quantity = |life: &&ChargeLife<'_>| {
            !life.last_terms().charge.is_metered() && life.removed.is_none_or(|gone| gone.on > self.on)
        };
        let named;
        let lives: Vec<&ChargeLife<'_>> = match charge {
            Some(name) => {
                named = self.charge(name)?;
                vec![named]
            }
            None => {
                let recurring =
                    |life: &&ChargeLife<'_>| life.last_terms().charge.charge_type == ChargeType::Recurring;
                let mut lives: Vec<_> = self.timeline.charges.iter().filter(takes_quantity).collect();
                if all {
                    lives.retain(recurring);
                }
                lives
            }
        };
        if charge.is_some() && all {
            let message = "`charge` names one charge, and `all` means every recurring one";
            return Err(Refusal::new(Code::BadArgument, message).hint("give one of them"));
        }
        if lives.is_empty() || (charge.is_none() && !all && lives.len() > 1) {
            let message = "`charge` is missing: several charges have a quantity".to_owned();
            return Err(Refusal::new(Code::MissingArgument, message).hint(self.charge_names()));
        }
        let mut acts = Vec::with_capacity(lives.len());
        for life in lives {
            let charge = life.last_terms().charge;
            if charge.is_metered() {
                return Err(measured(charge));
            }
            let is_prorated =
                charge.charge_type == ChargeType::Recurring && charge.pricing_model != PricingModel::Custom;
            if prorate == Some(true) && !all && !is_prorated {
                let message = format!("`prorate`: the charge {} is never prorated", charge.sku);
                return Err(Refusal::new(Code::BadArgument, message).hint("leave `prorate` out"));
            }
            self.check_open(life, self.on)?;
            acts.push((self.on, Verb::SetAmount { charge: life.reference, amount, prorate }));
        }
        Ok(acts)
    }

    fn set_price(&self, name: &str, unit_price: Option<Decimal>) -> Result<Vec<Dated>, Refusal> {
        let life = self.charge(name)?;
        let charge = life.terms_on(self.on).charge;
        takes_one_price(charge, unit_price)?;
        if unit_price.is_none() && charge.version_on(self.subscription.currency, self.on).is_empty() {
            return Err(self.not_priced(charge));
        }
        self.check_open(life, self.on)?;
        Ok(vec![(self.on, Verb::SetPrice { charge: life.reference, unit_price })])
    }

    fn add_charge(
        &self,
        name: &str,
        amount: Option<Decimal>,
        unit_price: Option<Decimal>,
    ) -> Result<Vec<Dated>, Refusal> {
        let charge = self.option(name)?;
        if charge.setup != ChargeSetup::Optional {
            let message = format!("the charge {} is standard: it is on every subscription", charge.sku);
            return Err(Refusal::new(Code::Conflict, message).hint("only optional charges can be added"));
        }
        self.check_served(&charge.sku, self.on)?;
        takes_one_price(charge, unit_price)?;
        if amount.is_some() && charge.is_metered() {
            return Err(measured(charge));
        }
        if unit_price.is_none() && charge.version_on(self.subscription.currency, self.on).is_empty() {
            return Err(self.not_priced(charge));
        }
        let reference = (0..)
            .map(|n| ChargeReference::for_charge(self.subscription.id, charge.anchor(), n))
            .find(|reference| self.timeline.charge(*reference).is_none());
        let reference = reference.ok_or_else(|| Refusal::new(Code::Conflict, "too many charges"))?;
        let amount = amount.unwrap_or(charge.default_amount);
        Ok(vec![(
            self.on,
            Verb::AddOptionalCharge { charge: charge.sku.clone(), reference, amount, unit_price },
        )])
    }

    /// A charge of the plan that is in force on the day on which it is added.
    fn option(&self, name: &str) -> Result<&'a Charge, Refusal> {
        let plan_with = |id: PlanId| {
            let plan = self.context.catalogue.plans.get(&id)?;
            let of_name = |c: &&Charge| c.sku == name || c.anchor_code.as_deref() == Some(name);
            Some((plan, plan.charges.iter().find(of_name)))
        };
        let (plan, found) = plan_with(self.timeline.plan_on(self.on))
            .ok_or_else(|| Refusal::new(Code::BrokenBook, "its plan is not in the catalogue"))?;
        if let Some(charge) = found {
            return Ok(charge);
        }
        let refusal =
            Refusal::new(Code::UnknownCharge, format!("the plan {} has no charge `{name}`", plan.sku));
        let to_come = self.timeline.next_plan(self.on);
        let comes =
            to_come.and_then(|(day, id)| Some((day, plan_with(id)?))).filter(|(_, (_, c))| c.is_some());
        Err(match comes {
            Some((day, (plan, _))) => {
                refusal.hint(format!("{} has it, from {day} on: give `effective` {day}", plan.sku))
            }
            None => refusal,
        })
    }

    fn set_payment_method(&self, refkey: Option<&str>) -> Result<Vec<Dated>, Refusal> {
        let known = |refkey: &str| self.context.methods.iter().any(|method| method.refkey == refkey);
        if let Some(unknown) = refkey.filter(|refkey| !known(refkey)) {
            let names: Vec<&str> = self.context.methods.iter().map(|method| method.refkey.as_str()).collect();
            let message = format!("there is no payment method `{unknown}`");
            return Err(
                Refusal::new(Code::UnknownMethod, message).hint(format!("one of {}", names.join(", ")))
            );
        }
        Ok(vec![(self.today, Verb::SetPaymentMethod { refkey: refkey.map(str::to_owned) })])
    }

    fn set_next_charge_date(&self, name: &str, date: NaiveDate) -> Result<Vec<Dated>, Refusal> {
        let life = self.charge(name)?;
        if date < self.today {
            let message = format!("{date} has passed");
            return Err(
                Refusal::new(Code::BadArgument, message).hint(format!("give {} or later", self.today))
            );
        }
        let verb = Verb::SetNextChargeDate { charge: life.reference, date };
        let waits = life.own_start.is_none() && life.last_terms().charge.alignment == Alignment::CustomerDate;
        if waits {
            return Ok(vec![(self.today, verb)]);
        }
        let next = self.next_of(life).ok_or_else(|| self.no_next(life))?;
        Ok(vec![(next.nominal, verb)])
    }

    fn renew(&self) -> Result<Vec<Dated>, Refusal> {
        let terms = self.terms();
        let conflict = |message: String| Err(Refusal::new(Code::Conflict, message));
        if terms.renews_by_itself() {
            return conflict(format!("{} renews by itself", self.subscription.number));
        }
        if !terms.can_renew() {
            return conflict(format!("{} has no term to renew by", self.subscription.number));
        }
        Ok(vec![(self.today, Verb::Renew)])
    }

    fn apply_discount(&self, charge: Option<&str>, code: &str) -> Result<Vec<Dated>, Refusal> {
        let plan = self.plan()?;
        let discount = applicable(self.context, code, self.today, Some(&plan.sku))?;
        let charge = charge.map(|name| self.charge(name)).transpose()?.map(|life| life.reference);
        let discount = AppliedDiscount { from: self.on, ..discount };
        Ok(vec![(self.on, Verb::ApplyDiscount { charge, discount })])
    }

    fn clear_discount(&self, charge: Option<&str>) -> Result<Vec<Dated>, Refusal> {
        let life = charge.map(|name| self.charge(name)).transpose()?;
        let discounts = life.map_or(&self.timeline.discounts, |life| &life.discounts);
        if discounts.last().is_none_or(|last| last.until.is_some_and(|until| until <= self.on)) {
            return Err(Refusal::new(Code::Conflict, "there is no discount to clear"));
        }
        Ok(vec![(self.on, Verb::ClearDiscount { charge: life.map(|life| life.reference) })])
    }

    fn plan(&self) -> Result<&'a Plan, Refusal> {
        let plan = self.context.catalogue.plans.get(&self.timeline.plan());
        plan.ok_or_else(|| Refusal::new(Code::BrokenBook, "its plan is not in the catalogue"))
    }

    /// A charge by reference, SKU or anchor code; the last one that is still there.
    pub(super) fn charge(&self, name: &str) -> Result<&ChargeLife<'a>, Refusal> {
        let is_it = |life: &&ChargeLife<'_>| {
            let charge = life.last_terms().charge;
            charge.sku == name
                || charge.anchor() == name
                || life.reference.to_string().eq_ignore_ascii_case(name)
        };
        let there = |life: &&ChargeLife<'_>| life.removed.is_none_or(|gone| gone.on > self.today);
        let mut found = self.timeline.charges.iter().filter(is_it).filter(there);
        let Some(first) = found.next() else {
            let message = format!("{} has no charge `{name}`", self.subscription.number);
            return Err(Refusal::new(Code::UnknownCharge, message).hint(self.charge_names()));
        };
        let more: Vec<String> = found.map(|life| life.reference.to_string()).collect();
        if more.is_empty() {
            return Ok(first);
        }
        let message = format!("{} has the charge `{name}` several times", self.subscription.number);
        let hint = format!("give its reference: {}, {}", first.reference, more.join(", "));
        Err(Refusal::new(Code::AmbiguousCharge, message).hint(hint))
    }

    fn charge_names(&self) -> String {
        let there =
            self.timeline.charges.iter().filter(|life| life.removed.is_none_or(|gone| gone.on > self.today));
        let names: Vec<&str> = there.map(|life| life.last_terms().charge.sku.as_str()).collect();
        format!("one of {}", names.join(", "))
    }

    fn code(
        &self,
        complete: &str,
    ) -> Option<(&'a crate::catalogue::Discount, &'a crate::catalogue::DiscountCode)> {
        find_code(self.context.catalogue, complete).map(|(_, discount, code)| (discount, code))
    }

    fn terms(&self) -> Terms {
        Terms::of(self.subscription, &acts_known(self.subscription, self.today))
    }

    /// First day after the running term.
    fn term_end(&self) -> Option<NaiveDate> {
        self.terms().end_after(self.today)
    }

    fn no_term(&self) -> Refusal {
        let message = format!("{} has no term that ends", self.subscription.number);
        Refusal::new(Code::Conflict, message)
            .hint("choose another day: immediately, before_next_billing or on_date")
    }

    fn no_next(&self, life: &ChargeLife<'_>) -> Refusal {
        let sku = &life.last_terms().charge.sku;
        Refusal::new(Code::Conflict, format!("the charge {sku} has no charge date ahead"))
    }

    fn not_priced(&self, charge: &Charge) -> Refusal {
        let currency = self.subscription.currency;
        let message = format!("the charge {} has no price in {currency}", charge.sku);
        Refusal::new(Code::Conflict, message).hint(format!("add a {currency} price to the charge"))
    }
}

fn next_day(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(day)
}

/// Models whose whole price is one number.
fn takes_one_price(charge: &Charge, unit_price: Option<Decimal>) -> Result<(), Refusal> {
    let takes_one =
        matches!(charge.pricing_model, PricingModel::Flat | PricingModel::PerUnit | PricingModel::Custom);
    if takes_one || unit_price.is_none() {
        return Ok(());
    }
    let model = charge.pricing_model.name();
    let message = format!("the charge {} has the model {model}: one price cannot stand for it", charge.sku);
    Err(Refusal::new(Code::Conflict, message))
}

fn measured(charge: &Charge) -> Refusal {
    let message = format!("the quantity of {} is measured", charge.sku);
    Refusal::new(Code::Conflict, message).hint(format!("ingest usage of the meter {}", charge.meter))
}

/// A code by its complete form, with its discount.
fn find_code<'c>(
    catalogue: &'c Catalogue,
    complete: &str,
) -> Option<(crate::ids::DiscountId, &'c crate::catalogue::Discount, &'c crate::catalogue::DiscountCode)> {
    catalogue.discounts.iter().find_map(|(id, discount)| {
        discount.codes.iter().find(|code| code.complete() == complete).map(|code| (*id, discount, code))
    })
}

/// The discount that a code grants from `today` on (rules D1): known, not expired, not used up, and for the plan.
///
/// # Errors
/// `unknown_code`, `expired_code`, `used_up`, `restricted_code`.
pub fn applicable(
    context: &ActContext<'_>,
    code: &str,
    today: NaiveDate,
    plan: Option<&str>,
) -> Result<AppliedDiscount, Refusal> {
    let Some((discount, _, found)) = find_code(context.catalogue, code) else {
        let message = format!("there is no discount code `{code}`");
        return Err(Refusal::new(Code::UnknownCode, message).hint("a code is written PREFIX-CODE"));
    };
    let is_inactive = context.catalogue.discounts.get(&discount).is_some_and(|discount| !discount.active);
    if is_inactive {
        let message = format!("the discount of the code {code} is inactive: it is applied to nobody new");
        return Err(
            Refusal::new(Code::Conflict, message).hint("set the discount's `status` to active in the book")
        );
    }
    if let Some(expired) = found.expire_date.filter(|expired| *expired <= today) {
        return Err(Refusal::new(
            Code::ExpiredCode,
            format!("the code {code} cannot be applied from {expired} on"),
        ));
    }
    let used = context.redeemed.get(code).copied().unwrap_or(0);
    if found.redemption > 0 && used >= found.redemption {
        return Err(Refusal::new(
            Code::UsedUp,
            format!("the code {code} has been applied {used} times already"),
        ));
    }
    if let Some(plan) = plan.filter(|plan| !found.plans.is_empty() && !found.plans.iter().any(|p| p == plan))
    {
        let message =
            format!("the code {code} is only for the plans {}, not for {plan}", found.plans.join(", "));
        return Err(Refusal::new(Code::RestrictedCode, message));
    }
    Ok(AppliedDiscount { discount, code: code.to_owned(), from: today, until: None })
}
