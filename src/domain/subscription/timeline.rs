//! What a subscription agreed over time, folded from its first terms and the acts done so far (rules.md S4): per
//! charge the plan charge in force, quantities, prices, and the days set by hand. Service periods are counted from
//! it in [`super::service`].

use super::life::{Life, acts_known};
use super::{Act, Subscription, SubscriptionCharge, Verb};
use crate::catalogue::{AppliedDiscount, Catalogue, Charge, ChargeSetup, Plan, PricingModel};
use crate::ids::{ChargeReference, PlanId};
use crate::period::Period;
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// The fold of a subscription as known on a day.
#[derive(Debug, Clone)]
pub struct Timeline<'a> {
    pub subscription: &'a Subscription,
    pub life: Life,
    /// Every charge that was ever agreed, in the order in which they came.
    pub charges: Vec<ChargeLife<'a>>,
    /// Discounts on the subscription, in the order of application.
    pub discounts: Vec<AppliedDiscount>,
    /// The subscription's own payment method since a day, ascending.
    methods: Vec<(NaiveDate, Option<String>)>,
    plan: PlanId,
}

/// One charge of a subscription over time.
#[derive(Debug, Clone)]
pub struct ChargeLife<'a> {
    pub reference: ChargeReference,
    /// The plan charge in force, ascending; never empty. A plan switch adds one.
    pub terms: Vec<ChargeTerms<'a>>,
    /// First day of service, if it is the charge's own: optional charges, customer dates, a switch.
    pub own_start: Option<NaiveDate>,
    /// First day without the charge: removed, or not in the plan switched to.
    pub removed: Option<Removal>,
    /// Quantities set, in the order in which they take effect; the first one is what was agreed.
    pub amounts: Vec<AmountStep>,
    /// Prices of its own, likewise.
    prices: Vec<(NaiveDate, Option<Decimal>)>,
    toggles: Vec<(NaiveDate, bool)>,
    /// Charge dates set by hand: from → to.
    pub(super) moved: Vec<(NaiveDate, NaiveDate)>,
    /// Charge dates that are skipped.
    pub(super) skipped: Vec<NaiveDate>,
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

/// Which act changed something, and how it wants to be prorated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeMark {
    pub ordinal: u32,
    pub done: NaiveDate,
    pub prorate: Option<bool>,
}

/// A quantity in force since a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountStep {
    /// [`NaiveDate::MIN`] for what was agreed.
    pub on: NaiveDate,
    pub amount: Decimal,
    /// None for what was agreed.
    pub mark: Option<ChangeMark>,
}

/// The end of one charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    pub on: NaiveDate,
    /// The switch that dropped it; none = removed by hand.
    pub switch: Option<ChangeMark>,
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
        let life = Life::known(subscription, known_on, horizon);
        let plan = plan(subscription, catalogue, subscription.plan)?;
        let charges = subscription
            .charges
            .iter()
            .map(|own| ChargeLife::agreed(subscription, plan, own))
            .collect::<Result<_, _>>()?;
        let mut timeline = Self {
            subscription,
            life,
            charges,
            discounts: subscription.discount.iter().cloned().collect(),
            methods: vec![(NaiveDate::MIN, subscription.payment_method.clone())],
            plan: subscription.plan,
        };
        for act in acts_known(subscription, known_on) {
            timeline.apply(act, catalogue)?;
        }
        Ok(timeline)
    }

    /// The last plan agreed, also where the switch to it lies ahead.
    pub fn plan(&self) -> PlanId {
        self.plan
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
        let own = charge.amount_on(day);
        let followed = self.followed_on(charge, day);
        let amount =
            followed.iter().try_fold(own, |amount, parent| amount.checked_mul(parent.amount_on(day)));
        amount.unwrap_or(Decimal::MAX)
    }

    /// The charges whose quantities a dependent one multiplies on a day, nearest first; the book file refuses rings.
    pub fn followed_on(&self, charge: &ChargeLife<'a>, day: NaiveDate) -> Vec<&ChargeLife<'a>> {
        let mut followed = Vec::new();
        let mut last = charge;
        while let Some(parent) = self.parent_on(last, day).filter(|_| followed.len() < self.charges.len()) {
            followed.push(parent);
            last = parent;
        }
        followed
    }

    /// The charge that a dependent one follows on a day; none if it stands alone or counts usage.
    fn parent_on(&self, charge: &ChargeLife<'a>, day: NaiveDate) -> Option<&ChargeLife<'a>> {
        let sku = charge.terms_on(day).charge.depends_on.as_deref()?;
        self.charges.iter().rev().find(|other| {
            let terms = other.terms_on(day);
            terms.charge.sku == sku && !terms.charge.is_metered() && other.reference != charge.reference
        })
    }

    fn apply(&mut self, act: &Act, catalogue: &'a Catalogue) -> Result<(), NotInCatalogue> {
        let mark = |prorate| ChangeMark { ordinal: act.ordinal, done: act.done, prorate };
        match &act.verb {
            Verb::SetAmount { charge, amount, prorate } => {
                let step = AmountStep { on: act.on, amount: *amount, mark: Some(mark(*prorate)) };
                self.on_charge(*charge, |life| life.amounts.push(step));
            }
            Verb::SetPrice { charge, unit_price } => {
                self.on_charge(*charge, |life| life.prices.push((act.on, *unit_price)));
            }
            Verb::ToggleCharge { charge, toggled } => {
                self.on_charge(*charge, |life| life.toggles.push((act.on, *toggled)));
            }
            Verb::SetNextChargeDate { charge, date } => {
                self.on_charge(*charge, |life| life.set_next_date(act.on, *date));
            }
            Verb::SkipNextCharge { charge } => self.on_charge(*charge, |life| life.skipped.push(act.on)),
            Verb::RemoveCharge { charge } => {
                self.on_charge(*charge, |life| life.removed = Some(Removal { on: act.on, switch: None }));
            }
            Verb::AddOptionalCharge { charge, reference, amount, unit_price } => {
                let plan = plan(self.subscription, catalogue, self.plan)?;
                let terms = terms(self.subscription, plan, charge, act.on, None)?;
                self.charges.push(ChargeLife::added(*reference, terms, act.on, *amount, *unit_price));
            }
            Verb::SwitchPlan { plan: to, prorate, .. } => {
                let plan = plan(self.subscription, catalogue, *to)?;
                self.switch(plan, act.on, mark(*prorate));
                self.plan = *to;
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
            | Verb::Hold
            | Verb::Resume { .. }
            | Verb::Expire
            | Verb::Renew => {}
        }
        Ok(())
    }

    fn on_charge(&mut self, reference: ChargeReference, change: impl FnOnce(&mut ChargeLife<'a>)) {
        if let Some(life) = self.charges.iter_mut().rev().find(|c| c.reference == reference) {
            change(life);
        }
    }

    /// rules.md S2: charges are paired by anchor code; the others end, and the new plan's standard ones begin.
    fn switch(&mut self, plan: &'a Plan, on: NaiveDate, mark: ChangeMark) {
        let mut paired: Vec<&str> = Vec::new();
        for life in self.charges.iter_mut().filter(|life| life.removed.is_none_or(|gone| gone.on > on)) {
            match pair(life.last_terms().charge, plan) {
                Some((order, charge)) => {
                    paired.push(charge.sku.as_str());
                    if charge.pricing_model != PricingModel::Custom {
                        life.prices.push((on, None));
                    }
                    life.terms.push(ChargeTerms { from: on, plan, charge, order, switch: Some(mark) });
                }
                None => life.removed = Some(Removal { on, switch: Some(mark) }),
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
            removed: None,
            amounts: vec![AmountStep { on: NaiveDate::MIN, amount, mark: None }],
            prices: vec![(NaiveDate::MIN, unit_price)],
            toggles: Vec::new(),
            moved: Vec::new(),
            skipped: Vec::new(),
            discounts: Vec::new(),
        }
    }

    /// The plan charge in force on a day; before the first one that one.
    pub fn terms_on(&self, day: NaiveDate) -> ChargeTerms<'a> {
        let in_force = self.terms.iter().rev().find(|terms| terms.from <= day);
        *in_force.unwrap_or(&self.terms[0])
    }

    /// The plan charge that bills a piece of service: in arrears the one in force at its end, as a prorated switch has cut
    /// it (rules.md R3).
    pub fn terms_of(&self, piece: Period) -> ChargeTerms<'a> {
        let at_start = self.terms_on(piece.start);
        if at_start.charge.is_arrears() { self.terms_on(piece.last_day()) } else { at_start }
    }

    /// The plan charge agreed last.
    pub fn last_terms(&self) -> ChargeTerms<'a> {
        self.terms[self.terms.len() - 1]
    }

    /// The charge's own quantity on a day.
    pub fn amount_on(&self, day: NaiveDate) -> Decimal {
        let in_force = self.amounts.iter().rev().find(|step| step.on <= day);
        in_force.map_or(self.amounts[0].amount, |step| step.amount)
    }

    /// Quantity of a usage charge set by hand for the days `[from, until)`: the last one set in them, else the
    /// default (rules.md Q6). What was agreed or set before counts for the first period alone.
    pub fn amount_by_hand(&self, from: Option<NaiveDate>, until: NaiveDate) -> Decimal {
        let from = from.unwrap_or(NaiveDate::MIN);
        let set = self.amounts.iter().rev().find(|step| from <= step.on && step.on < until);
        set.map_or_else(
            || self.terms_on(from.max(self.terms[0].from)).charge.default_amount,
            |step| step.amount,
        )
    }

    /// Price of its own on a day.
    pub fn unit_price_on(&self, day: NaiveDate) -> Option<Decimal> {
        self.prices.iter().rev().find(|(since, _)| *since <= day).and_then(|(_, price)| *price)
    }

    /// Whether it is switched off on a day: it goes on through its periods, but nothing is billed.
    pub fn is_toggled_off(&self, day: NaiveDate) -> bool {
        self.toggles.iter().rev().find(|(since, _)| *since <= day).is_some_and(|(_, toggled)| *toggled)
    }

    fn set_next_date(&mut self, from: NaiveDate, to: NaiveDate) {
        let waits_for_a_date = self.own_start.is_none()
            && self.terms[0].charge.alignment == crate::catalogue::Alignment::CustomerDate;
        if waits_for_a_date {
            self.own_start = Some(to);
        } else {
            self.moved.retain(|(slot, _)| *slot != from);
            self.moved.push((from, to));
        }
    }
}
