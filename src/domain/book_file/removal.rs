//! Taking an object out of use, or out of the book: what names it, and how that is refused.

use super::nearest::nearest;
use super::{ObjectKind, rate_key, tax_rule_key};
use crate::catalogue::{Catalogue, Plan};
use crate::ids::{DiscountId, PlanId};
use crate::refusal::{Code, Refusal, Verb};
use crate::subscription::VerbName;

impl ObjectKind {
    /// The kind of this name, in one or in many.
    ///
    /// # Errors
    /// `unknown_kind`.
    pub fn named(name: &str) -> Result<Self, Refusal> {
        let is_it = |kind: &&Self| {
            kind.singular().eq_ignore_ascii_case(name) || kind.name().eq_ignore_ascii_case(name)
        };
        if let Some(kind) = Self::ALL.iter().find(is_it) {
            return Ok(*kind);
        }
        let names = || Self::ALL.iter().map(|kind| kind.singular());
        let hint = match nearest(name, names()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("one of {}", names().collect::<Vec<_>>().join(", ")),
        };
        Err(Refusal::new(Code::UnknownKind, format!("the book has no kind `{name}`")).hint(hint))
    }
}

/// Whether bills may move when an object of this kind that nothing names is taken away.
pub fn moves_prices(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::TaxRule | ObjectKind::Rate)
}

/// What of the catalogue names an object of it, in words.
pub fn named_by(catalogue: &Catalogue, kind: ObjectKind, key: &str) -> Option<String> {
    let by_plan = |names: &dyn Fn(&Plan) -> bool| {
        let plan = catalogue.plans.values().find(|plan| names(plan))?;
        Some(format!("the plan {} names it", plan.sku))
    };
    match kind {
        ObjectKind::Uom => by_plan(&|plan| plan.charges.iter().any(|c| c.uom.as_deref() == Some(key))),
        ObjectKind::ProductFamily => by_plan(&|plan| plan.family.as_deref() == Some(key)),
        ObjectKind::DunningPolicy => {
            let unit = catalogue.business_units.values().find(|u| u.dunning_policy.as_deref() == Some(key));
            let is_default = catalogue.dunning_policies.get(key).is_some_and(|policy| policy.is_default);
            unit.map(|unit| format!("the business unit {} names it", unit.refkey))
                .or_else(|| by_plan(&|plan| plan.dunning_policy.as_deref() == Some(key)))
                .or_else(|| is_default.then(|| "it is the default".to_owned()))
        }
        ObjectKind::ProductPlan => {
            let mut discounts = catalogue.discounts.values();
            let by_code =
                discounts.find(|d| d.codes.iter().any(|code| code.plans.iter().any(|p| p == key)))?;
            Some(format!("a code of the discount {} is for it", by_code.refkey))
        }
        _ => None,
    }
}

/// Takes an object out of the catalogue.
pub fn remove(catalogue: &mut Catalogue, kind: ObjectKind, key: &str) {
    match kind {
        ObjectKind::BusinessUnit => drop(catalogue.business_units.remove(key)),
        ObjectKind::TaxRule => catalogue.tax_rules.retain(|rule| tax_rule_key(rule) != key),
        ObjectKind::Rate => catalogue.rates.retain(|rate| rate_key(rate) != key),
        ObjectKind::Uom => drop(catalogue.uoms.remove(key)),
        ObjectKind::ProductFamily => drop(catalogue.families.remove(key)),
        ObjectKind::ProductPlan => drop(catalogue.plans.remove(&PlanId::of(key))),
        ObjectKind::Discount => drop(catalogue.discounts.remove(&DiscountId::of(key))),
        ObjectKind::DunningPolicy => drop(catalogue.dunning_policies.remove(key)),
        ObjectKind::Tenant | ObjectKind::Customer | ObjectKind::Subscription => {}
    }
}

/// Nothing has this key; `near` are keys that there are.
pub fn unknown<'k>(kind: ObjectKind, key: &str, near: impl IntoIterator<Item = &'k str>) -> Refusal {
    let refusal = Refusal::new(Code::UnknownObject, format!("there is no {} `{key}`", kind.singular()));
    match nearest(key, near) {
        Some(name) => refusal.hint(format!("did you mean `{name}`?")),
        None => refusal.ask(Verb::ListBook.on(kind.singular())).hint(" lists them"),
    }
}

/// What is gone stays gone.
pub fn was_deleted(kind: ObjectKind, key: &str) -> Refusal {
    let message = format!("the {} `{key}` was deleted, and its name stays taken", kind.singular());
    Refusal::new(Code::Deleted, message).hint("give a new one another name")
}

/// Something uses it: `by` says what.
pub fn in_use(kind: ObjectKind, key: &str, by: &str) -> Refusal {
    let refusal = Refusal::new(Code::InUse, format!("the {} `{key}` is in use: {by}", kind.singular()));
    match kind {
        ObjectKind::Tenant => refusal.hint("begin a new home for another tenant"),
        ObjectKind::Subscription => {
            refusal.ask(Verb::ChangeSubscription(VerbName::Cancel).on(key)).hint(" ends it")
        }
        _ => refusal
            .ask(Verb::DeactivateObject.on(format!("{} {}", kind.singular(), quoted(key))))
            .hint(" lets nothing new use it"),
    }
}

/// How an object of a kind that is never inactive is taken out of use.
pub fn has_no_status(kind: ObjectKind, key: &str) -> Option<Refusal> {
    let name = format!("{} {}", kind.singular(), quoted(key));
    let refusal = Refusal::new(Code::Conflict, format!("a {} is never inactive", kind.singular()));
    Some(match kind {
        ObjectKind::Tenant => refusal.hint("the tenant is who sells: change it instead"),
        ObjectKind::TaxRule => refusal
            .hint("give it the first day on which it no longer holds: ")
            .ask(Verb::PatchObject.on(name))
            .hint(" with `validto`"),
        ObjectKind::Rate => refusal.ask(Verb::DeleteObject.on(name)).hint(" takes it away"),
        ObjectKind::Subscription => {
            refusal.ask(Verb::ChangeSubscription(VerbName::Cancel).on(key)).hint(" ends it")
        }
        _ => return None,
    })
}

/// A key as one word.
fn quoted(key: &str) -> String {
    if key.contains([' ', '|', '*']) { format!("'{key}'") } else { key.to_owned() }
}
