//! The charges of subscriptions as Upodi's clients know them: a row for every period that was billed, and one for the next
//! charge date. Nothing of it is stored: it follows from what was agreed and what was billed.

use domain::NaiveDate;
use domain::billing::BilledLine;
use domain::catalogue::{Catalogue, ChargeType};
use domain::ids::{ChargeReference, SubscriptionId, made_beside};
use domain::invoice::LineKind;
use domain::period::{Period, plus_days};
use domain::query::{Entity, Kind, Record, Value, property};
use domain::subscription::{ChargeLife, Slot, Subscription, Timeline, interval_of};
use std::collections::BTreeMap;
use store::{Tx, payer};
use uuid::Uuid;

pub static CHARGE: Entity = Entity {
    name: "SubscriptionCharge",
    properties: &[
        property("ID", Kind::Guid),
        property("ReferenceID", Kind::Guid),
        property("SubscriptionID", Kind::Guid),
        property("CustomerID", Kind::Guid),
        property("ProductPlanChargeID", Kind::Guid),
        property("SKU", Kind::Text),
        property("FullName", Kind::Text),
        property("Amount", Kind::Exact),
        property("UnitPrice", Kind::Exact),
        property("CurrencyCode", Kind::Text),
        property("NextChargeDate", Kind::Day),
        property("PreviousChargeDate", Kind::Day),
        property("ChargeStartDate", Kind::Day),
        property("ChargeEndDate", Kind::Day),
        property("InvoiceID", Kind::Guid),
        property("Toggled", Kind::Flag),
        property("StateCode", Kind::Int),
        property("Status", Kind::Int),
        property("DiscountCode", Kind::Text),
        property("RefKey", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

/// Which rows of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CycleSelection {
    /// One for each charge that is still charged.
    Pending,
    /// What was billed too, oldest first.
    All,
}

/// What was billed of some subscriptions.
pub struct Cycles {
    billed: BTreeMap<ChargeReference, Vec<BilledLine>>,
    /// By the reference of a charge.
    refkeys: BTreeMap<Uuid, String>,
    today: NaiveDate,
}

/// Periods that are looked through for the next charge date, a few first.
const PERIODS_AHEAD: [i64; 3] = [2, 12, 36];
/// Days in which a one-time charge that is agreed is looked for.
const FAR_DAYS: i64 = 36_600;

/// Upodi's numbers of a charge's state.
const DRAFT: i64 = 0;
const ACTIVE: i64 = 1;
const HELD: i64 = 2;

impl Cycles {
    pub async fn read(tx: &mut Tx, of: &[Subscription], today: NaiveDate) -> anyhow::Result<Self> {
        let ids: Vec<SubscriptionId> = of.iter().map(|subscription| subscription.id).collect();
        let mut billed: BTreeMap<ChargeReference, Vec<BilledLine>> = BTreeMap::new();
        for line in payer::billed_of_subscriptions(tx, &ids).await? {
            billed.entry(line.key.charge).or_default().push(line);
        }
        let refkeys = store::refkey::of_owners(tx, ids.iter().map(|id| id.0).collect()).await?;
        Ok(Self { billed, refkeys, today })
    }

    /// Rows of a subscription, by charge.
    pub fn of(&self, s: &Subscription, catalogue: &Catalogue, which: CycleSelection) -> Vec<Record> {
        let Ok(timeline) = Timeline::known(s, catalogue, self.today, self.today) else { return Vec::new() };
        let rows = timeline.charges.iter().flat_map(|life| {
            let refkey = self.refkeys.get(&life.reference.0).map(String::as_str);
            let row = Row { timeline: &timeline, life, refkey, today: self.today };
            let billed = self.billed.get(&life.reference).map_or(&[][..], Vec::as_slice);
            let past = billed.iter().filter(|_| which == CycleSelection::All);
            let mut rows: Vec<Record> = past.map(|line| row.billed(line)).collect();
            rows.extend(row.pending(billed));
            rows
        });
        rows.collect()
    }
}

struct Row<'t> {
    timeline: &'t Timeline<'t>,
    life: &'t ChargeLife<'t>,
    refkey: Option<&'t str>,
    today: NaiveDate,
}

impl Row<'_> {
    fn id(&self, start: NaiveDate, revision: u32, kind: LineKind, ordinal: u32) -> Uuid {
        let part =
            format!("{}\u{1f}{start}\u{1f}{revision}\u{1f}{kind:?}\u{1f}{ordinal}", self.life.reference);
        made_beside(self.timeline.subscription.id.0, "cycle", &part)
    }

    fn billed(&self, line: &BilledLine) -> Record {
        let key = &line.key;
        let values = self.values(Cycle {
            id: self.id(key.period_start, key.revision, key.kind, key.ordinal),
            on: line.period.start,
            amount: Value::Exact(line.quantity.to_decimal(9).normalize()),
            next: None,
            previous: Some(line.charge_date),
            period: Some(line.period),
            invoice: line.invoice.map(|id| id.0),
        });
        Record { values, ..Record::default() }
    }

    /// The row that is still to be charged; none of a charge that is over.
    fn pending(&self, billed: &[BilledLine]) -> Option<Record> {
        let next = self.next(billed);
        let is_gone = self.life.removed.is_some_and(|removal| removal.on <= self.today);
        let is_draft = self.timeline.life.activated.is_none();
        if next.is_none() && (is_gone || !is_draft && !self.may_come_later()) {
            return None;
        }
        let start = next.as_ref().map_or(self.timeline.subscription.start, |slot| slot.piece.start);
        let on = self.today.max(start);
        let values = self.values(Cycle {
            id: self.id(start, 0, LineKind::Regular, 0),
            on,
            amount: Value::Exact(self.timeline.amount_on(self.life, on).normalize()),
            next: next.as_ref().map(|slot| slot.date),
            previous: None,
            period: next.map(|slot| slot.piece),
            invoice: None,
        });
        Some(Record { values, ..Record::default() })
    }

    /// A one-time charge whose day is not known yet, or one that rests.
    fn may_come_later(&self) -> bool {
        let life = &self.timeline.life;
        life.ends_on().is_none_or(|end| self.today < end) && self.is_on_hold()
    }

    /// By itself, or with its subscription.
    fn is_on_hold(&self) -> bool {
        self.timeline.life.hold_on(self.today).is_some() || self.life.own_hold_on(self.today).is_some()
    }

    fn next(&self, billed: &[BilledLine]) -> Option<Slot> {
        let charge = self.life.last_terms().charge;
        if charge.charge_type == ChargeType::OneTime {
            let far = plus_days(self.today, FAR_DAYS);
            let day = self
                .life
                .triggers(&self.timeline.life, far)
                .into_iter()
                .next()
                .filter(|_| billed.is_empty())?;
            return Some(Slot::of_days(Period::single(day), day));
        }
        let is_billed = |slot: &Slot| {
            billed
                .iter()
                .any(|line| line.key.kind == LineKind::Regular && line.key.period_start == slot.piece.start)
        };
        let starts = [Some(self.today), self.timeline.life.activated, self.life.own_start];
        let ahead = billed.iter().map(|line| line.key.period_start);
        let from = starts.into_iter().flatten().chain(ahead).max().unwrap_or(self.today);
        PERIODS_AHEAD.into_iter().find_map(|periods| {
            let horizon = plus_days(interval_of(charge).bound(from, periods), 1);
            let slots = self.life.slots(&self.timeline.life, horizon).into_iter();
            slots.filter(|slot| !slot.skipped && !is_billed(slot)).min_by_key(|slot| slot.date)
        })
    }

    fn values(&self, cycle: Cycle) -> Vec<Value> {
        let s = self.timeline.subscription;
        let terms = self.life.terms_on(cycle.on);
        let day = |day: Option<NaiveDate>| day.map_or(Value::Null, Value::Day);
        let state = match () {
            () if self.timeline.life.activated.is_none() => DRAFT,
            () if cycle.previous.is_none() && self.is_on_hold() => HELD,
            () => ACTIVE,
        };
        let discount = self.life.discounts.last();
        let discount = discount.filter(|discount| discount.until.is_none_or(|until| self.today < until));
        vec![
            Value::Guid(cycle.id),
            Value::Guid(self.life.reference.0),
            Value::Guid(s.id.0),
            Value::Guid(s.customer.0),
            Value::Guid(super::catalogue::plan_charge_id(&terms.plan.sku, &terms.charge.sku)),
            terms.charge.sku.as_str().into(),
            terms.charge.fullname.as_str().into(),
            cycle.amount,
            self.life.unit_price_on(cycle.on).map_or(Value::Null, |price| Value::Exact(price.normalize())),
            s.currency.code().into(),
            day(cycle.next),
            day(cycle.previous),
            day(cycle.period.map(|period| period.start)),
            day(cycle.period.map(|period| period.last_day())),
            cycle.invoice.map_or(Value::Null, Value::Guid),
            Value::Flag(self.life.is_toggled_off(self.today)),
            Value::Int(state),
            Value::Int(1),
            discount.map(|discount| discount.code.as_str()).into(),
            self.refkey.into(),
        ]
    }
}

/// What differs between the rows of a charge.
struct Cycle {
    id: Uuid,
    /// Day whose terms are shown.
    on: NaiveDate,
    amount: Value,
    next: Option<NaiveDate>,
    previous: Option<NaiveDate>,
    period: Option<Period>,
    invoice: Option<Uuid>,
}
