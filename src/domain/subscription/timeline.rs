//! What a subscription agreed over time, folded from its first terms and the acts done so far (rules S4): per
//! charge the plan charge in force, quantities, prices, and the days that were set. Service periods are counted from
//! it in [`super::service`].

use super::life::{Hold, Life, acts_known, acts_up_to};
use super::{Act, Subscription, SubscriptionCharge, Verb};
use crate::catalogue::{AppliedDiscount, Catalogue, Charge, ChargeSetup, Plan, PricingModel};
use crate::ids::{ChargeReference, PlanId};
use crate::period::Period;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::borrow::Cow;

/// The fold of a subscription as known on a day.
#[derive(Debug, Clone)]
pub struct Timeline<'a> {
    pub subscription: &'a Subscription,
    /// Ordinal of the last act that is known; 0 before any.
    pub acts: u32,
    pub life: Life,
    /// Every charge that was ever agreed, in the order in which they came.
    pub charges: Vec<ChargeLife<'a>>,
    /// Discounts on the subscription, in the order of application.
    pub discounts: Vec<AppliedDiscount>,
    /// The subscription's own payment method since a day, ascending.
    methods: Vec<(NaiveDate, Option<String>)>,
    /// The plan since a day, ascending; the first one is what was agreed.
    plans: Vec<(NaiveDate, PlanId)>,
}

/// One charge of a subscription over time.
#[derive(Debug, Clone)]
pub struct ChargeLife<'a> {
    pub reference: ChargeReference,
    /// The plan charge in force, ascending; never empty. A plan switch adds one.
    pub terms: Vec<ChargeTerms<'a>>,
    /// First day of service, if it is the charge's own: optional charges, customer dates, a switch.
    pub own_start: Option<NaiveDate>,
    /// Taken over from another system, which billed whatever has a charge date before this day (rules S7).
    pub billed_through: Option<NaiveDate>,
    /// First day without the charge: removed, or not in the plan switched to.
    pub removed: Option<Removal>,
    /// Quantities set, in the order in which they take effect; the first one is what was agreed.
    pub amounts: Vec<Since<Decimal>>,
    /// Prices of its own, likewise.
    pub prices: Vec<Since<Option<Decimal>>>,
    /// Whether it is switched off, likewise.
    pub toggles: Vec<Since<bool>>,
    /// Its own holds, besides those of the subscription, in the order of the acts.
    pub(super) holds: Vec<Hold>,
    /// Charge dates that were set, in the order of the acts.
    pub(super) moved: Vec<Moved>,
    /// Charge dates that are skipped, likewise.
    pub(super) skipped: Vec<Skipped>,
    /// Discounts on the charge, in the order of application.
    pub discounts: Vec<AppliedDiscount>,
}

/// A plan charge in force.
#[derive(Debug, Clone, Copy)]
pub struct ChargeTerms<'a> {
    pub from: NaiveDate,
    pub plan: &'a Plan,
    pub charge: &'a Charge,
    /// Place of the charge in its plan.
    pub order: usize,
    /// The switch that brought it; none = agreed or added.
    pub switch: Option<ChangeMark>,
}

/// A charge date that was set. It is one of the rhythm that the act found: a later rhythm knows nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// Ordinal of the act.
    pub act: u32,
}

/// A charge date that is skipped, likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skipped {
    pub date: NaiveDate,
    pub act: u32,
}

/// Which act changed something, and how it wants to be prorated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeMark {
    pub ordinal: u32,
    pub done: NaiveDate,
    pub prorate: Option<bool>,
}

/// When a change is billed: on the later one of the day of its effect and the day on which it was done; on one day in
/// the order of doing. Whatever is replayed in this order comes out the same with a run in between and without.
pub type Moment = (NaiveDate, u32);

impl ChangeMark {
    /// The moment of a change that takes effect on a day.
    pub fn moment(&self, on: NaiveDate) -> Moment {
        (on.max(self.done), self.ordinal)
    }
}

/// What is in force since a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since<T> {
    /// [`NaiveDate::MIN`] for what was agreed.
    pub on: NaiveDate,
    pub value: T,
    /// None for what was agreed.
    pub mark: Option<ChangeMark>,
}

/// Which acts count, and the day that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct View {
    pub day: NaiveDate,
    /// Acts up to this ordinal count.
    pub acts: u32,
    /// Of later ones those up to this moment.
    pub until: Option<Moment>,
    /// Of those that take effect on the day itself those up to this ordinal; none = all.
    pub last_of_day: Option<u32>,
}

impl View {
    /// With every act that is known.
    pub fn on(day: NaiveDate) -> Self {
        Self { day, acts: u32::MAX, until: None, last_of_day: None }
    }

    fn holds(&self, on: NaiveDate, mark: Option<ChangeMark>) -> bool {
        let counts = |mark: ChangeMark| {
            mark.ordinal <= self.acts || self.until.is_some_and(|until| mark.moment(on) <= until)
        };
        let is_of_day =
            |mark: ChangeMark| on < self.day || self.last_of_day.is_none_or(|last| mark.ordinal <= last);
        on <= self.day && mark.is_none_or(|mark| counts(mark) && is_of_day(mark))
    }
}

/// The end of one charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    pub on: NaiveDate,
    pub mark: ChangeMark,
    pub by: RemovedBy,
}

/// What took a charge off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedBy {
    /// A switch to a plan that has nothing in its place.
    Switch,
    Hand {
        refund_prorated: bool,
    },
}

/// The subscription names a plan or charge that the catalogue does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("subscription {subscription}: the catalogue has no {missing}")]
pub struct NotInCatalogue {
    pub subscription: String,
    pub missing: String,
}

impl<'a> Timeline<'a> {
    /// Folds the acts done on or before `known_on`; renewals are listed up to `horizon`.
    ///
    /// # Errors
    /// If a plan or charge is not in the catalogue.
    pub fn known(
        subscription: &'a Subscription,
        catalogue: &'a Catalogue,
        known_on: NaiveDate,
        horizon: NaiveDate,
    ) -> Result<Self, NotInCatalogue> {
        Self::folded(subscription, catalogue, &acts_known(subscription, known_on), horizon)
    }

    /// As [`Self::known`], of the acts up to an ordinal: what a run that had seen no more has billed by.
    ///
    /// # Errors
    /// If a plan or charge is not in the catalogue.
    pub fn seen(
        subscription: &'a Subscription,
        catalogue: &'a Catalogue,
        acts: u32,
        horizon: NaiveDate,
    ) -> Result<Self, NotInCatalogue> {
        Self::folded(subscription, catalogue, &acts_up_to(subscription, acts), horizon)
    }

    fn folded(
        subscription: &'a Subscription,
        catalogue: &'a Catalogue,
        acts: &[&'a Act],
        horizon: NaiveDate,
    ) -> Result<Self, NotInCatalogue> {
        let life = Life::folded(subscription, acts, horizon);
        let plan = plan(subscription, catalogue, subscription.plan)?;
        let charges = subscription
            .charges
            .iter()
            .map(|own| ChargeLife::agreed(subscription, plan, own))
            .collect::<Result<_, _>>()?;
        let mut timeline = Self {
            subscription,
            acts: acts.iter().map(|act| act.ordinal).max().unwrap_or(0),
            life,
            charges,
            discounts: subscription.discount.iter().cloned().collect(),
            methods: vec![(NaiveDate::MIN, subscription.payment_method.clone())],
            plans: vec![(NaiveDate::MIN, subscription.plan)],
        };
        for act in acts {
            timeline.apply(act, acts, catalogue)?;
        }
        Ok(timeline)
    }

    /// The last plan agreed, also where the switch to it lies ahead.
    pub fn plan(&self) -> PlanId {
        self.plans[self.plans.len() - 1].1
    }

    /// The plan on a day; on that of a switch the new one.
    pub fn plan_on(&self, day: NaiveDate) -> PlanId {
        self.plans.iter().rev().find(|(since, _)| *since <= day).map_or(self.subscription.plan, |(_, id)| *id)
    }

    /// The first day on which another plan than that of `day` is in force, and that plan.
    pub fn next_plan(&self, day: NaiveDate) -> Option<(NaiveDate, PlanId)> {
        self.plans.iter().find(|(since, _)| *since > day).copied()
    }

    /// Refkey of the subscription's own payment method on a day.
    pub fn payment_method_on(&self, day: NaiveDate) -> Option<&str> {
        let last = self.methods.iter().rev().find(|(since, _)| *since <= day);
        last.and_then(|(_, refkey)| refkey.as_deref())
    }

    /// The charge with this reference that is there on or after a day, else its last life.
    pub fn charge(&self, reference: ChargeReference) -> Option<&ChargeLife<'a>> {
        self.charges.iter().rev().find(|c| c.reference == reference)
    }

    /// Quantity in force on a day: a dependent charge multiplies its parent's (Upodi `productchargetype` 10), which may
    /// itself depend on another.
    pub fn amount_on(&self, charge: &ChargeLife<'a>, day: NaiveDate) -> Decimal {
        self.amount_in(charge, View::on(day))
    }

    /// As [`Self::amount_on`], of the acts that count.
    pub fn amount_in(&self, charge: &ChargeLife<'a>, view: View) -> Decimal {
        let own = charge.amount_in(view);
        let followed = self.followed_in(charge, view);
        let amount =
            followed.iter().try_fold(own, |amount, parent| amount.checked_mul(parent.amount_in(view)));
        amount.unwrap_or(Decimal::MAX)
    }

    /// The life of a reference that a period beginning on a day belongs to: the last one that has begun by then.
    pub fn life_at(&self, reference: ChargeReference, day: NaiveDate) -> Option<usize> {
        let lives = || self.charges.iter().enumerate().filter(|(_, life)| life.reference == reference);
        let begun = lives().rfind(|(_, life)| life.own_start.is_none_or(|own| own <= day));
        begun.or_else(|| lives().next()).map(|(at, _)| at)
    }

    /// The charges whose quantities a dependent one multiplies, nearest first; the book file refuses rings.
    fn followed_in(&self, charge: &ChargeLife<'a>, view: View) -> Vec<&ChargeLife<'a>> {
        let mut followed = Vec::new();
        let mut last = charge;
        while let Some(parent) = self.parent_in(last, view).filter(|_| followed.len() < self.charges.len()) {
            followed.push(parent);
            last = parent;
        }
        followed
    }

    /// The charge that a dependent one follows; none if it stands alone or counts usage.
    fn parent_in(&self, charge: &ChargeLife<'a>, view: View) -> Option<&ChargeLife<'a>> {
        let sku = charge.terms_in(view).charge.depends_on.as_deref()?;
        self.charges.iter().rev().find(|other| {
            let terms = other.terms_in(view);
            terms.charge.sku == sku && !terms.charge.is_metered() && other.reference != charge.reference
        })
    }

    /// The charges that a dependent one has followed at any time, by whatever plan.
    pub fn ever_followed(&self, charge: &ChargeLife<'a>) -> Vec<&ChargeLife<'a>> {
        let mut found: Vec<&ChargeLife<'a>> = Vec::new();
        let mut skus: Vec<&str> = charge.follows().collect();
        while let Some(sku) = skus.pop() {
            for other in &self.charges {
                let is_it = other.terms.iter().any(|terms| terms.charge.sku == sku);
                let is_new = !found.iter().any(|known| std::ptr::eq(*known, other));
                if is_it && is_new && other.reference != charge.reference {
                    found.push(other);
                    skus.extend(other.follows());
                }
            }
        }
        found
    }

    fn apply(&mut self, act: &Act, acts: &[&'a Act], catalogue: &'a Catalogue) -> Result<(), NotInCatalogue> {
        let mark = |prorate| ChangeMark { ordinal: act.ordinal, done: act.done, prorate };
        match &act.verb {
            Verb::SetAmount { charge, amount, prorate } => {
                let since = Since { on: act.on, value: *amount, mark: Some(mark(*prorate)) };
                self.on_charge(*charge, |life| life.amounts.push(since));
            }
            Verb::SetPrice { charge, unit_price } => {
                let since = Since { on: act.on, value: *unit_price, mark: Some(mark(None)) };
                self.on_charge(*charge, |life| life.prices.push(since));
            }
            Verb::ToggleCharge { charge, toggled } => {
                let since = Since { on: act.on, value: *toggled, mark: Some(mark(None)) };
                self.on_charge(*charge, |life| life.toggles.push(since));
            }
            Verb::HoldCharge { charge, .. } => {
                let hold = Hold { from: act.on, act: act.ordinal, resumed: None };
                self.on_charge(*charge, |life| life.holds.push(hold));
            }
            Verb::ResumeCharge { charge, option } => {
                let resumed = (act.on, *option);
                self.on_charge(*charge, |life| {
                    if let Some(hold) = life.holds.last_mut() {
                        hold.resumed = hold.resumed.or(Some(resumed));
                    }
                });
            }
            Verb::SetNextChargeDate { charge, date } => {
                let moved = Moved { from: act.on, to: *date, act: act.ordinal };
                self.on_charge(*charge, |life| life.set_next_date(moved));
            }
            Verb::SkipNextCharge { charge } => {
                let skipped = Skipped { date: act.on, act: act.ordinal };
                self.on_charge(*charge, |life| life.skipped.push(skipped));
            }
            Verb::RemoveCharge { charge, refund_prorated } => {
                let by = RemovedBy::Hand { refund_prorated: *refund_prorated };
                let removed = Removal { on: act.on, mark: mark(None), by };
                self.on_charge(*charge, |life| life.removed = Some(removed));
            }
            Verb::AddOptionalCharge { charge, reference, amount, unit_price } => {
                if let Some(plan) = self.plan_with(charge, act.on, acts, catalogue)? {
                    let terms = terms(self.subscription, plan, charge, act.on, None)?;
                    self.charges.push(ChargeLife::added(*reference, terms, act.on, *amount, *unit_price));
                }
            }
            Verb::SwitchPlan { plan: to, prorate, .. } => {
                let plan = plan(self.subscription, catalogue, *to)?;
                self.switch(plan, act.on, mark(*prorate));
                self.plans.push((act.on, *to));
            }
            Verb::SetPaymentMethod { refkey } => self.methods.push((act.on, refkey.clone())),
            Verb::ApplyDiscount { charge: None, discount } => self.discounts.push(discount.clone()),
            Verb::ApplyDiscount { charge: Some(charge), discount } => {
                self.on_charge(*charge, |life| life.discounts.push(discount.clone()));
            }
            Verb::ClearDiscount { charge: None } => clear(&mut self.discounts, act.on),
            Verb::ClearDiscount { charge: Some(charge) } => {
                self.on_charge(*charge, |life| clear(&mut life.discounts, act.on));
            }
            Verb::Activate
            | Verb::Cancel { .. }
            | Verb::Reactivate
            | Verb::Hold { .. }
            | Verb::Resume { .. }
            | Verb::Expire { .. }
            | Verb::SetTrialEnd { .. }
            | Verb::Renew => {}
        }
        Ok(())
    }

    /// The plan that an optional charge added on a day is of: the one in force, or one that a switch of that day brings.
    /// None if a switch asked for later has come before it: what the new plan does not have ends with the switch, and
    /// does not begin after it.
    fn plan_with(
        &self,
        sku: &str,
        on: NaiveDate,
        acts: &[&'a Act],
        catalogue: &'a Catalogue,
    ) -> Result<Option<&'a Plan>, NotInCatalogue> {
        let of_that_day = acts.iter().filter_map(|act| match act.verb {
            Verb::SwitchPlan { plan, .. } if act.on == on => Some(plan),
            _ => None,
        });
        for id in [self.plan()].into_iter().chain(of_that_day) {
            let plan = plan(self.subscription, catalogue, id)?;
            if plan.charges.iter().any(|charge| charge.sku == sku) {
                return Ok(Some(plan));
            }
        }
        for (_, id) in &self.plans {
            if plan(self.subscription, catalogue, *id)?.charges.iter().any(|charge| charge.sku == sku) {
                return Ok(None);
            }
        }
        let missing = format!("charge {sku} in a plan of its time");
        Err(NotInCatalogue { subscription: self.subscription.number.clone(), missing })
    }

    fn on_charge(&mut self, reference: ChargeReference, change: impl FnOnce(&mut ChargeLife<'a>)) {
        if let Some(life) = self.charges.iter_mut().rev().find(|c| c.reference == reference) {
            change(life);
        }
    }

    /// rules S2: charges are paired by anchor code; the others end, and the new plan's standard ones begin.
    fn switch(&mut self, plan: &'a Plan, on: NaiveDate, mark: ChangeMark) {
        let mut paired: Vec<&str> = Vec::new();
        for life in self.charges.iter_mut().filter(|life| life.removed.is_none_or(|gone| gone.on > on)) {
            if std::ptr::eq(life.last_terms().plan, plan) {
                continue; // an option of the new plan, added for the day of the switch
            }
            match pair(life.last_terms().charge, plan) {
                Some((order, charge)) => {
                    paired.push(charge.sku.as_str());
                    if charge.pricing_model != PricingModel::Custom {
                        life.prices.push(Since { on, value: None, mark: Some(mark) });
                    }
                    life.terms.push(ChargeTerms { from: on, plan, charge, order, switch: Some(mark) });
                }
                None => life.removed = Some(Removal { on, mark, by: RemovedBy::Switch }),
            }
        }
        for (order, charge) in plan.charges.iter().enumerate() {
            if charge.setup == ChargeSetup::Optional || paired.contains(&charge.sku.as_str()) {
                continue;
            }
            let reference = ChargeReference::for_charge(self.subscription.id, charge.anchor(), 0);
            let terms = ChargeTerms { from: on, plan, charge, order, switch: Some(mark) };
            self.charges.push(ChargeLife::added(reference, terms, on, charge.default_amount, None));
        }
    }
}

/// The charge of another plan that takes over: the same anchor, the same kind, billed at the same end of its period.
pub fn pair<'p>(charge: &Charge, plan: &'p Plan) -> Option<(usize, &'p Charge)> {
    plan.charges.iter().enumerate().find(|(_, other)| {
        other.anchor() == charge.anchor()
            && other.charge_type == charge.charge_type
            && other.is_arrears() == charge.is_arrears()
    })
}

fn clear(discounts: &mut [AppliedDiscount], on: NaiveDate) {
    if let Some(last) = discounts.last_mut() {
        last.until = Some(last.until.map_or(on, |until| until.min(on)));
    }
}

fn plan<'a>(s: &Subscription, catalogue: &'a Catalogue, id: PlanId) -> Result<&'a Plan, NotInCatalogue> {
    let missing = || NotInCatalogue { subscription: s.number.clone(), missing: format!("plan with id {id}") };
    catalogue.plans.get(&id).ok_or_else(missing)
}

fn terms<'a>(
    subscription: &Subscription,
    plan: &'a Plan,
    sku: &str,
    from: NaiveDate,
    switch: Option<ChangeMark>,
) -> Result<ChargeTerms<'a>, NotInCatalogue> {
    let found = plan.charges.iter().enumerate().find(|(_, charge)| charge.sku == sku);
    let (order, charge) = found.ok_or_else(|| NotInCatalogue {
        subscription: subscription.number.clone(),
        missing: format!("charge {sku} in the plan {}", plan.sku),
    })?;
    Ok(ChargeTerms { from, plan, charge, order, switch })
}

impl<'a> ChargeLife<'a> {
    fn agreed(
        subscription: &Subscription,
        plan: &'a Plan,
        own: &SubscriptionCharge,
    ) -> Result<Self, NotInCatalogue> {
        let terms = terms(subscription, plan, &own.charge, NaiveDate::MIN, None)?;
        let mut life = Self::added(own.reference, terms, NaiveDate::MIN, own.amount, own.unit_price);
        life.own_start = own.start;
        life.billed_through = own.billed_through.or(subscription.billed_through);
        life.discounts.extend(own.discount.clone());
        Ok(life)
    }

    fn added(
        reference: ChargeReference,
        terms: ChargeTerms<'a>,
        on: NaiveDate,
        amount: Decimal,
        unit_price: Option<Decimal>,
    ) -> Self {
        Self {
            reference,
            terms: vec![terms],
            own_start: Some(on),
            billed_through: None,
            removed: None,
            amounts: vec![Since { on: NaiveDate::MIN, value: amount, mark: None }],
            prices: vec![Since { on: NaiveDate::MIN, value: unit_price, mark: None }],
            toggles: Vec::new(),
            holds: Vec::new(),
            moved: Vec::new(),
            skipped: Vec::new(),
            discounts: Vec::new(),
        }
    }

    /// SKUs of the charges that it depends on, by each plan.
    fn follows(&self) -> impl Iterator<Item = &'a str> {
        self.terms.iter().filter_map(|terms| terms.charge.depends_on.as_deref())
    }

    /// The plan charge in force on a day; before the first one that one.
    pub fn terms_on(&self, day: NaiveDate) -> ChargeTerms<'a> {
        self.terms_in(View::on(day))
    }

    /// As [`Self::terms_on`], of the acts that count.
    pub fn terms_in(&self, view: View) -> ChargeTerms<'a> {
        let in_force = self.terms[1..].iter().rev().find(|terms| view.holds(terms.from, terms.switch));
        *in_force.unwrap_or(&self.terms[0])
    }

    /// The plan charge that bills a piece of service: in arrears the one in force at its end, as a prorated switch has cut
    /// it (rules R3).
    pub fn terms_of(&self, piece: Period) -> ChargeTerms<'a> {
        let at_start = self.terms_on(piece.start);
        if at_start.charge.is_arrears() { self.terms_on(piece.last_day()) } else { at_start }
    }

    /// The plan charge agreed last.
    pub fn last_terms(&self) -> ChargeTerms<'a> {
        self.terms[self.terms.len() - 1]
    }

    /// The charge's own quantity, of the acts that count.
    pub fn amount_in(&self, view: View) -> Decimal {
        in_force(&self.amounts, view).map_or(self.amounts[0].value, |since| since.value)
    }

    /// Quantity that was set of a usage charge for the days `[from, until)`: the last one set in them, else the
    /// default (rules Q6). What was agreed or set before counts for the first period alone.
    pub fn amount_set(&self, from: Option<NaiveDate>, until: NaiveDate) -> Decimal {
        let from = from.unwrap_or(NaiveDate::MIN);
        let set = self.amounts.iter().rev().find(|step| from <= step.on && step.on < until);
        set.map_or_else(
            || self.terms_on(from.max(self.terms[0].from)).charge.default_amount,
            |step| step.value,
        )
    }

    /// Price of its own on a day.
    pub fn unit_price_on(&self, day: NaiveDate) -> Option<Decimal> {
        self.unit_price_in(View::on(day))
    }

    /// As [`Self::unit_price_on`], of the acts that count.
    pub fn unit_price_in(&self, view: View) -> Option<Decimal> {
        in_force(&self.prices, view).and_then(|since| since.value)
    }

    /// Whether it is switched off on a day: it goes on through its periods, but nothing is billed.
    pub fn is_toggled_off(&self, day: NaiveDate) -> bool {
        self.is_off_in(View::on(day))
    }

    /// As [`Self::is_toggled_off`], of the acts that count.
    pub fn is_off_in(&self, view: View) -> bool {
        in_force(&self.toggles, view).is_some_and(|since| since.value)
    }

    /// The life of its subscription, with the charge's own holds.
    pub fn rests_in<'l>(&self, life: &'l Life) -> Cow<'l, Life> {
        life.with_holds(&self.holds)
    }

    /// The charge's own hold that a day lies in.
    pub fn own_hold_on(&self, day: NaiveDate) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.holds(day))
    }

    fn set_next_date(&mut self, moved: Moved) {
        let waits_for_a_date = self.own_start.is_none()
            && self.terms[0].charge.alignment == crate::catalogue::Alignment::CustomerDate;
        if waits_for_a_date {
            self.own_start = Some(moved.to);
        } else {
            self.moved.retain(|earlier| earlier.from != moved.from);
            self.moved.push(moved);
        }
    }
}

fn in_force<T>(sinces: &[Since<T>], view: View) -> Option<&Since<T>> {
    sinces.iter().rev().find(|since| view.holds(since.on, since.mark))
}
