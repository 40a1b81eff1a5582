//! From a due item and its quantity to lines before tax (rules P1–P9, R1–R3, D1, M5, Q5).

use super::balance::Credited;
use super::items::{ChangeTiming, Item, ItemKind};
use super::windows::{is_measured, stretch_starts, window_key};
use super::{BilledLine, PayerBook, RunContext};
use crate::catalogue::{BusinessUnit, ChargeType, PricingModel, TaxCategory};
use crate::discount::{self, DiscountCandidates, DiscountLevel, Discounted, WinningDiscount};
use crate::exact::Exact;
use crate::ids::{self, DiscountId, LineId};
use crate::invoice::{Line, LineKey, LineKind};
use crate::measure::{GroupMeasure, Measure, Measured};
use crate::money::Money;
use crate::period::Period;
use crate::pricing::{self, Priced, Stretch};
use crate::proration::{part_after_discount, part_minor};
use crate::subscription::Subscription;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Largest amount of a line, minor units: sums of lines stay far inside 64 bits.
pub(super) const LINE_MAX_MINOR: i64 = 1_000_000_000_000_000;

/// A line before tax, with what tax, fixed discounts and grouping must know.
#[derive(Debug, Clone)]
pub(super) struct Rated {
    pub line: Line,
    pub taken: BilledLine,
    pub tax: LineTax,
    /// The fixed-amount discount that the line may carry.
    pub fixed: Option<FixedGrant>,
    pub place: LineOrder,
    /// The policy that the line's plan names.
    pub dunning_policy: Option<String>,
}

/// How a line comes to its tax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LineTax {
    ByRule,
    /// By the rule of another day: that of what it gives back.
    ByRuleOf(NaiveDate),
    Exempt(Option<String>),
    /// It amends something booked and keeps its category and rate (rules M5).
    Kept,
}

/// Order of lines on an invoice: subscription number, charge order in the plan, period, kind, ordinal.
pub(super) type LineOrder = (String, usize, NaiveDate, LineKind, u32, ids::ChargeReference);

/// One application of a fixed-amount discount: it is granted once per charge date (rules D1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FixedGrant {
    pub level: u8,
    /// Customer, subscription or charge that enjoys it.
    pub on: uuid::Uuid,
    pub discount: DiscountId,
    pub from: NaiveDate,
}

/// Why a payer cannot be billed as it stands; a person decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parked(pub String);

/// What came of an item.
#[derive(Debug, Default)]
pub(super) struct Rating {
    pub rated: Vec<Rated>,
    /// Periods that are taken without a line.
    pub silent: Vec<BilledLine>,
}

/// What rating looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct RatingInput<'a> {
    pub book: &'a PayerBook,
    pub measured: &'a Measured,
    pub run: RunContext,
    /// Billed in this run so far, by charge.
    pub billed_now: &'a BTreeMap<ids::ChargeReference, Vec<BilledLine>>,
    /// What has been credited of the payer's lines, in this run too.
    pub credited: &'a Credited,
    /// What is rated together, as it is due on one day.
    pub due: &'a [&'a Item<'a>],
    /// Lines of this day's periods, if something changes them on the same day: no run has billed them yet.
    pub today: &'a [BilledLine],
}

impl RatingInput<'_> {
    /// Lines of a due item. A quantity of 0 takes its period without a line (rules P4, Q5).
    pub fn rate(&self, item: &Item<'_>) -> Result<Rating, Parked> {
        if item.as_nothing {
            return Ok(Rating { rated: Vec::new(), silent: vec![self.nothing(item, LineKind::Regular, 0)] });
        }
        match item.kind {
            ItemKind::Period | ItemKind::OneTime => self.regular(item),
            ItemKind::ChangeCredit { .. } => self.credit(item),
            ItemKind::ChangeCharge { .. } => self.charge(item),
        }
    }

    fn regular(&self, item: &Item<'_>) -> Result<Rating, Parked> {
        let mut rating = Rating::default();
        let mut before_discount_minor = 0;
        let mut ordinal = 0;
        for value in self.values(item)? {
            if !value.priced.charged {
                continue;
            }
            let key = LineKey { ordinal, ..item.key() };
            before_discount_minor += rounded(item, value.amount)?;
            rating.rated.push(self.priced_line(item, key, &value)?);
            ordinal += 1;
        }
        if let Some(true_up) = self.true_up(item, before_discount_minor)? {
            rating.rated.push(true_up);
        }
        if ordinal == 0 {
            rating.silent.push(self.nothing(item, LineKind::Regular, 0));
        }
        Ok(rating)
    }

    /// What each group of an item is worth: quantities measured, or the one that is agreed.
    fn values(&self, item: &Item<'_>) -> Result<Vec<Value>, Parked> {
        let as_set;
        let window = if is_measured(item) {
            self.measured.get(&window_key(item)).map(|window| window.groups.as_slice()).unwrap_or_default()
        } else {
            let measure = Measure { quantity: Exact::of(item.amount), events: 0, each: Vec::new() };
            as_set = [GroupMeasure { group: None, stretches: vec![measure] }];
            &as_set[..]
        };
        self.values_of(item, window)
    }

    pub(super) fn values_of(&self, item: &Item<'_>, groups: &[GroupMeasure]) -> Result<Vec<Value>, Parked> {
        let charge = item.terms.charge;
        let currency = item.subscription.currency;
        let starts = if charge.is_metered() {
            stretch_starts(charge, currency, item.piece)
        } else {
            vec![item.piece.start]
        };
        let empty;
        let groups = if groups.is_empty() {
            empty =
                [GroupMeasure { group: None, stretches: starts.iter().map(|_| Measure::empty()).collect() }];
            &empty[..]
        } else {
            groups
        };
        let mut values = Vec::with_capacity(groups.len());
        for group in groups {
            let stretches: Vec<Stretch<'_>> = starts
                .iter()
                .zip(&group.stretches)
                .map(|(on, measure)| Stretch { on: *on, measure })
                .collect();
            let priced = pricing::price(charge, currency, item.unit_price, &stretches);
            rounded(item, priced.amount)?;
            let (amount, whole) = share(item, priced.amount);
            values.push(Value { group: group.group.clone(), priced, amount, whole, whole_less: None });
        }
        Ok(values)
    }

    pub(super) fn priced_line(&self, item: &Item<'_>, key: LineKey, value: &Value) -> Result<Rated, Parked> {
        let winner = self.discount(item);
        let fraction = winner.and_then(|w| w.fraction()).unwrap_or_default();
        let mut rated = self.line(item, key, value, fraction)?;
        let unit = rated.line.unit.clone();
        let may_be_granted = rated.taken.key.kind == LineKind::Regular;
        let unit_price = value.priced.unit_price.filter(|_| !is_prorated(item));
        if let Some(unit_price) = unit_price {
            rated.line.quantity = value.priced.quantity.to_decimal(9);
            rated.line.unit_price = unit_price;
        }
        rated.line.description = describe(item, value, unit.as_deref(), unit_price.is_some());
        let is_discounted = !fraction.is_zero() || value.whole_less.is_some();
        rated.line.discount_text = winner.filter(|_| is_discounted).map(|w| w.discount.invoice_text.clone());
        rated.taken.group.clone_from(&value.group);
        rated.fixed = winner.filter(|_| may_be_granted).and_then(|w| fixed_grant(item, w));
        Ok(rated)
    }

    /// The line that lifts a period to its minimum, shown with the last regular line (rules P6).
    fn true_up(&self, item: &Item<'_>, before_discount_minor: i64) -> Result<Option<Rated>, Parked> {
        let Some(minimum) = self.minimum(item) else { return Ok(None) };
        let currency = item.subscription.currency;
        let missing = pricing::shortfall(minimum, currency, before_discount_minor);
        if missing == 0 {
            return Ok(None);
        }
        let value = Value::of_minor(missing, currency);
        let key = LineKey { kind: LineKind::TrueUp, ..item.key() };
        let mut rated = self.priced_line(item, key, &value)?;
        rated.line.description = format!("up to the minimum of {}", decimals(minimum, currency));
        Ok(Some(rated))
    }

    /// The least that the item's days cost, major units; a stub owes its share.
    pub(super) fn minimum(&self, item: &Item<'_>) -> Option<Exact> {
        let currency = item.subscription.currency;
        let whole = pricing::minimum(item.terms.charge, currency).filter(|_| is_whole_or_stub(item))?;
        if !item.is_part() {
            return Some(whole);
        }
        let minor = part_minor(whole, currency, item.charged_from, item.piece, item.full);
        Some(Exact::of_minor(minor, currency))
    }

    /// What was billed of a charge, before and in this run so far.
    pub(super) fn billed(&self, reference: ids::ChargeReference) -> impl Iterator<Item = &BilledLine> {
        let before = self.book.billed.get(&reference);
        before.into_iter().chain(self.billed_now.get(&reference)).flatten()
    }

    pub(super) fn billed_of(&self, item: &Item<'_>) -> impl Iterator<Item = &BilledLine> {
        let start = item.piece.start;
        self.billed(item.reference).filter(move |line| line.key.period_start == start)
    }

    /// rules D1: the most specific discount that runs on the line's tax date.
    pub(super) fn discount<'i>(&'i self, item: &'i Item<'_>) -> Option<WinningDiscount<'i>> {
        let candidates = DiscountCandidates {
            customer: item.owner.discount_on(item.tax_date()),
            subscription: item.subscription_discount.as_ref(),
            charge: item.charge_discount.as_ref(),
        };
        discount::winning(
            candidates,
            &self.book.catalogue.discounts,
            item.tax_date(),
            item.subscription.currency,
        )
    }

    pub(super) fn line(
        &self,
        item: &Item<'_>,
        key: LineKey,
        value: &Value,
        fraction: Decimal,
    ) -> Result<Rated, Parked> {
        rounded(item, value.amount)?;
        let (charge, subscription) = (item.terms.charge, item.subscription);
        let currency = subscription.currency;
        let discounted = discounted(item, value, fraction);
        let before = discounted.subtotal_minor + discounted.discount_minor;
        let unit = owner_unit(self.book, item);
        let timing = match item.kind {
            ItemKind::ChangeCredit { timing, .. } | ItemKind::ChangeCharge { timing, .. } => Some(timing),
            _ => None,
        };
        let line = Line {
            id: line_id(self.run, &key),
            number: 0,
            owner: item.owner.id,
            subscription: Some(subscription.id),
            subscription_number: Some(subscription.number.clone()),
            sku: charge.sku.clone(),
            title: charge.invoice_text.clone(),
            description: String::new(),
            quantity: Decimal::ONE,
            unit_price: Money::new(before, currency).decimal(),
            rated_quantity: value.priced.quantity.to_decimal(9),
            unit: uom(self.book, item),
            subtotal_minor: discounted.subtotal_minor,
            discount: fraction,
            discount_minor: discounted.discount_minor,
            discount_text: None,
            tax_category: TaxCategory::O,
            tax_pct: Decimal::ZERO,
            tax_reason: None,
            vat_minor: 0,
            period: item.piece,
            tax_date: item.tax_date(),
            deferred: charge.charge_type == ChargeType::Recurring && !charge.is_arrears(),
            arrears: item.is_arrears(),
            tax_inclusive: item.terms.plan.tax_inclusive,
            is_amendment: timing == Some(ChangeTiming::NextCharge),
            is_adjustment: timing == Some(ChangeTiming::AtOnce),
            amends: None,
            business_unit: unit.map(|unit| unit.refkey.clone()),
            accounting_code: unit.and_then(|unit| unit.accounting_code.clone()),
            exact: value.amount,
            credits: Vec::new(),
            key: Some(key.clone()),
        };
        let taken = BilledLine {
            line: Some(line.id),
            quantity: value.priced.quantity,
            net_minor: discounted.subtotal_minor,
            priced_minor: discounted.subtotal_minor,
            discount: fraction,
            ..self.nothing(item, key.kind, key.ordinal)
        };
        let tax =
            if charge.taxable { LineTax::ByRule } else { LineTax::Exempt(charge.exempt_reason.clone()) };
        let place = place(subscription, item, &key);
        let dunning_policy = item.terms.plan.dunning_policy.clone();
        Ok(Rated { line, taken, tax, fixed: None, place, dunning_policy })
    }

    /// The period as taken without a line.
    pub(super) fn nothing(&self, item: &Item<'_>, kind: LineKind, ordinal: u32) -> BilledLine {
        BilledLine {
            key: LineKey { kind, ordinal, ..item.key() },
            subscription: item.subscription.id,
            period: item.piece,
            charge_date: item.date,
            line: None,
            invoice: None,
            invoice_number: None,
            currency: item.subscription.currency,
            group: None,
            quantity: Exact::ZERO,
            net_minor: 0,
            discount: Decimal::ZERO,
            granted_minor: 0,
            priced_minor: 0,
            vat_minor: 0,
            tax_category: TaxCategory::O,
            tax_pct: Decimal::ZERO,
            usage_mark: self.run.usage_mark,
            acts_seen: Some(item.acts_seen),
        }
    }
}

/// What a group of a period is worth.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub group: Option<String>,
    pub priced: Priced,
    /// Major units before discount, prorated.
    pub amount: Exact,
    /// The price of the full period, if `amount` is only a part of it.
    pub whole: Option<Exact>,
    /// That price less a fixed amount that was granted to the period.
    pub whole_less: Option<Exact>,
}

impl Value {
    /// An amount that no quantity stands behind.
    pub fn of_minor(minor: i64, currency: crate::money::Currency) -> Self {
        let amount = Exact::of_minor(minor, currency);
        let priced =
            Priced { amount, quantity: Exact::ZERO, charged: true, unit_price: None, tiers: Vec::new() };
        Self { group: None, priced, amount, whole: None, whole_less: None }
    }
}

/// rules M5: category, rate and invoice of what is amended; none is tested again.
pub(super) fn keep_tax(rated: &mut Rated, original: &BilledLine) {
    rated.line.amends.clone_from(&original.invoice_number);
    if matches!(rated.tax, LineTax::Exempt(_)) && original.tax_category == TaxCategory::E {
        return; // the charge says why
    }
    rated.tax = LineTax::Kept;
    rated.line.tax_category = original.tax_category;
    rated.line.tax_pct = original.tax_pct;
}

/// Minor units of an exact amount, if a line can carry them.
pub(super) fn rounded(item: &Item<'_>, amount: Exact) -> Result<i64, Parked> {
    let minor = amount.checked_round_half_away(item.subscription.currency.decimals());
    minor.filter(|minor| minor.abs() <= LINE_MAX_MINOR).ok_or_else(|| {
        let (sku, number) = (&item.terms.charge.sku, &item.subscription.number);
        Parked(format!(
            "{sku} of {number} from {}: the amount is beyond what an invoice carries",
            item.piece.start
        ))
    })
}

/// What is charged of the price of a whole period, and that price if it is only a part (rules R1, R2).
fn share(item: &Item<'_>, whole: Exact) -> (Exact, Option<Exact>) {
    if !is_prorated(item) {
        return (whole, None);
    }
    let currency = item.subscription.currency;
    let minor = part_minor(whole, currency, item.charged_from, item.piece, item.full);
    (Exact::of_minor(minor, currency), Some(whole))
}

fn is_prorated(item: &Item<'_>) -> bool {
    let charge = item.terms.charge;
    item.is_part()
        && charge.charge_type == ChargeType::Recurring
        && charge.pricing_model != PricingModel::Custom
}

fn is_whole_or_stub(item: &Item<'_>) -> bool {
    matches!(item.kind, ItemKind::Period | ItemKind::OneTime)
}

/// Adds to a change what its days are short of a minimum, rounded apart as the period's own line for it is (rules P6,
/// R2): the parts of a period sum to the period. `price` and `minimum` are those of the whole one.
pub(super) fn lift_to_minimum(rated: &mut Rated, item: &Item<'_>, price: Exact, minimum: Exact) {
    let currency = item.subscription.currency;
    let line = &mut rated.line;
    let missing_until = |day: NaiveDate| {
        let days = Period::new(item.charged_from, day);
        let part = |amount: Exact| part_minor(amount, currency, item.charged_from, days, item.full);
        let missing = pricing::shortfall(Exact::of_minor(part(minimum), currency), currency, part(price));
        (
            missing,
            discount::take_off(Exact::of_minor(missing, currency), line.discount, currency).subtotal_minor,
        )
    };
    let ((missing, subtotal), before) = (missing_until(item.piece.end), missing_until(item.piece.start));
    let sign = if matches!(item.kind, ItemKind::ChangeCredit { .. }) { -1 } else { 1 };
    let (missing, subtotal) = (sign * (missing - before.0), sign * (subtotal - before.1));
    line.subtotal_minor += subtotal;
    line.discount_minor += missing - subtotal;
    line.unit_price = Money::new(line.subtotal_minor + line.discount_minor, currency).decimal();
    line.exact = line.exact.plus(Exact::of_minor(missing, currency));
    rated.taken.net_minor = line.subtotal_minor;
}

fn place(subscription: &Subscription, item: &Item<'_>, key: &LineKey) -> LineOrder {
    (subscription.number.clone(), item.terms.order, item.piece.start, key.kind, key.ordinal, key.charge)
}

pub(super) fn line_id(run: RunContext, key: &LineKey) -> LineId {
    let LineKey { charge, period_start, revision, kind, ordinal } = key;
    let natural = format!("{charge}\u{1f}{period_start}\u{1f}{revision}\u{1f}{}\u{1f}{ordinal}", kind.name());
    LineId(ids::run_made(run.ordinal, run.place, "line", &natural))
}

fn fixed_grant(item: &Item<'_>, winner: WinningDiscount<'_>) -> Option<FixedGrant> {
    winner.fixed_amount()?;
    let (level, on) = match winner.level {
        DiscountLevel::Customer => (0, item.owner.id.0),
        DiscountLevel::Subscription => (1, item.subscription.id.0),
        DiscountLevel::Charge => (2, item.reference.0),
    };
    Some(FixedGrant { level, on, discount: winner.applied.discount, from: winner.applied.from })
}

/// The owner's business unit: the subscription's, else the customer's (rules B2).
fn owner_unit<'b>(book: &'b PayerBook, item: &Item<'_>) -> Option<&'b BusinessUnit> {
    let refkey = item.subscription.business_unit.as_ref().or(item.owner.business_unit.as_ref())?;
    book.catalogue.business_units.get(refkey)
}

fn uom(book: &PayerBook, item: &Item<'_>) -> Option<String> {
    let refkey = item.terms.charge.uom.as_ref()?;
    book.catalogue.uoms.get(refkey).map(|uom| uom.fullname.clone())
}

/// Group, quantity and tiers where the line shows 1 × its amount, and the share of a stub (rules P7).
fn describe(item: &Item<'_>, value: &Value, unit: Option<&str>, shows_quantity: bool) -> String {
    let charge = item.terms.charge;
    let mut parts = Vec::new();
    if let (Some(property), Some(group)) = (&charge.group_by, &value.group) {
        parts.push(format!("{property}: {group}"));
    }
    if !shows_quantity {
        let tiers = pricing::tier_text(&value.priced.tiers, unit, item.subscription.currency);
        if !tiers.is_empty() {
            parts.push(tiers);
        } else if value.priced.quantity != Exact::ONE && !value.priced.quantity.is_zero() {
            let quantity = value.priced.quantity.to_decimal(9);
            parts.push(unit.map_or_else(|| quantity.to_string(), |unit| format!("{quantity} {unit}")));
        }
    }
    if is_prorated(item) {
        parts.push(format!("{} of {} days", item.piece.days(), item.full.days()));
    }
    parts.join("; ")
}

fn decimals(amount: Exact, currency: crate::money::Currency) -> String {
    Money::new(amount.round_half_away(currency.decimals()), currency).decimal().to_string()
}

/// What a discount leaves of a value, and of it the share of the days that are billed.
fn discounted(item: &Item<'_>, value: &Value, fraction: Decimal) -> Discounted {
    let currency = item.subscription.currency;
    match (value.whole, value.whole_less) {
        (Some(whole), None) => {
            part_after_discount(whole, fraction, currency, item.charged_from, item.piece, item.full)
        }
        (Some(whole), Some(less)) => {
            let part = |of| part_minor(of, currency, item.charged_from, item.piece, item.full);
            Discounted { subtotal_minor: part(less), discount_minor: part(whole) - part(less) }
        }
        (None, _) => discount::take_off(value.amount, fraction, currency),
    }
}
