//! Subscriptions as records, as they stand today, with the charges that they have then.

use crate::context::{Context, catalogue};
use domain::NaiveDate;
use domain::catalogue::Catalogue;
use domain::catalogue::TermPeriod;
use domain::query::{Entity, Kind, Property, Record, Value};
use domain::subscription::{ChargeLife, Life, State, Subscription, Timeline};
use store::{Tx, book};
use uuid::Uuid;

const fn property(name: &'static str, kind: Kind) -> Property {
    Property { name, kind }
}

pub static SUBSCRIPTION: Entity = Entity {
    name: "Subscription",
    properties: &[
        property("ID", Kind::Guid),
        property("SubscriptionNumber", Kind::Text),
        property("CustomerID", Kind::Guid),
        property("ProductPlanID", Kind::Guid),
        property("StartDate", Kind::Day),
        property("EndDate", Kind::Day),
        property("StateCode", Kind::Int),
        property("Status", Kind::Int),
        property("RefKey", Kind::Text),
        property("IsEvergreen", Kind::Flag),
        property("AutoRenew", Kind::Flag),
        property("InitialTermPeriod", Kind::Int),
        property("InitialTermInterval", Kind::Int),
        property("RenewalTermPeriod", Kind::Int),
        property("RenewalTermInterval", Kind::Int),
        property("SubscriptionReference", Kind::Text),
        property("CurrencyCode", Kind::Text),
        property("ActivationDate", Kind::Day),
        property("TrialEnd", Kind::Day),
        property("BusinessUnit", Kind::Text),
        property("PaymentMethod", Kind::Text),
    ],
    objects: &[],
    lists: &[("SubscriptionCharges", &CHARGE)],
};

pub static CHARGE: Entity = Entity {
    name: "SubscriptionCharge",
    properties: &[
        property("ReferenceID", Kind::Guid),
        property("SubscriptionID", Kind::Guid),
        property("SKU", Kind::Text),
        property("FullName", Kind::Text),
        property("Amount", Kind::Exact),
        property("UnitPrice", Kind::Exact),
        property("CurrencyCode", Kind::Text),
        property("Toggled", Kind::Flag),
        property("Removed", Kind::Day),
    ],
    objects: &[],
    lists: &[],
};

/// The subscriptions of these ids.
pub async fn load(ctx: &Context, tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    let subscriptions = book::subscriptions_by_ids(tx, ids).await?;
    if subscriptions.is_empty() {
        return Ok(Vec::new());
    }
    let catalogue = catalogue(tx).await.map_err(crate::Stop::broke)?;
    let today = ctx.today_of(&catalogue);
    Ok(subscriptions.iter().map(|subscription| record(subscription, &catalogue, today)).collect())
}

fn record(s: &Subscription, catalogue: &Catalogue, today: NaiveDate) -> Record {
    let day = |day: Option<NaiveDate>| day.map_or(Value::Null, Value::Day);
    let timeline = Timeline::known(s, catalogue, today, today).ok();
    let plan = timeline.as_ref().map_or(s.plan, |timeline| timeline.plan_on(today));
    let [initial_period, initial_interval] = term(s.initial_term);
    let [renewal_period, renewal_interval] = term(s.renewal_term);
    let state = State::on(s, today);
    let values = vec![
        Value::Guid(s.id.0),
        s.number.as_str().into(),
        Value::Guid(s.customer.0),
        Value::Guid(plan.0),
        Value::Day(s.start),
        day(s.end),
        Value::Int(i64::from(state as u32)),
        Value::Int(i64::from(s.activated.is_some())),
        s.refkey.as_deref().into(),
        Value::Flag(s.end.is_none()),
        Value::Flag(s.auto_renew),
        initial_period,
        initial_interval,
        renewal_period,
        renewal_interval,
        s.reference.as_deref().into(),
        s.currency.code().into(),
        day(s.activated),
        day(Life::known(s, today, today).trial.map(|trial| trial.end)),
        s.business_unit.as_deref().into(),
        s.payment_method.as_deref().into(),
    ];
    let charges = timeline.iter().flat_map(|timeline| {
        timeline.charges.iter().map(|life| charge(s, timeline, life, today)).collect::<Vec<_>>()
    });
    Record { values, objects: Vec::new(), lists: vec![charges.collect()] }
}

/// Upodi's number of the unit, and how many of them; nothing for none.
fn term(term: Option<(TermPeriod, u32)>) -> [Value; 2] {
    match term {
        Some((period, interval)) => [Value::Int(i64::from(period as u32)), Value::Int(interval.into())],
        None => [Value::Int(0), Value::Null],
    }
}

fn charge(s: &Subscription, timeline: &Timeline<'_>, life: &ChargeLife<'_>, today: NaiveDate) -> Record {
    let terms = life.terms_on(today);
    let values = vec![
        Value::Guid(life.reference.0),
        Value::Guid(s.id.0),
        terms.charge.sku.as_str().into(),
        terms.charge.fullname.as_str().into(),
        Value::Exact(timeline.amount_on(life, today).normalize()),
        life.unit_price_on(today).map_or(Value::Null, |price| Value::Exact(price.normalize())),
        s.currency.code().into(),
        Value::Flag(life.is_toggled_off(today)),
        life.removed.map_or(Value::Null, |removal| Value::Day(removal.on)),
    ];
    Record { values, ..Record::default() }
}
