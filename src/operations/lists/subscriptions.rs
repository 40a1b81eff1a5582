//! Subscriptions as records, as they stand today, with the charges that they have then.

use super::customers::payment_method_id;
use super::cycles::{CHARGE, CycleSelection, Cycles};
use super::documented::{document_of, unit_id, with_document, with_object};
use crate::context::{Context, catalogue};
use domain::NaiveDate;
use domain::book_file::{Node, ObjectKind};
use domain::catalogue::Catalogue;
use domain::catalogue::TermPeriod;
use domain::query::{Entity, Kind, Record, Value, property};
use domain::subscription::{Life, State, Subscription, Timeline};
use store::book_object;
use store::{Tx, book};
use uuid::Uuid;

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
        property("BusinessUnitID", Kind::Guid),
        property("PaymentMethodID", Kind::Guid),
        property("DiscountCode", Kind::Text),
        property("Note", Kind::Text),
        property("CreatedDate", Kind::Instant),
        property("CreatedBy", Kind::Text),
        property("ModifiedDate", Kind::Instant),
        property("ModifiedBy", Kind::Text),
    ],
    objects: &[],
    lists: &[("SubscriptionCharges", &CHARGE)],
};

/// The subscriptions of these ids.
pub async fn load(
    ctx: &Context,
    tx: &mut Tx,
    ids: &[Uuid],
    which: CycleSelection,
) -> anyhow::Result<Vec<Record>> {
    let subscriptions = book::subscriptions_by_ids(tx, ids).await?;
    if subscriptions.is_empty() {
        return Ok(Vec::new());
    }
    let catalogue = catalogue(tx).await.map_err(crate::Stop::broke)?;
    let today = ctx.today_of(&catalogue);
    let cycles = Cycles::read(tx, &subscriptions, today).await?;
    let keys = subscriptions.iter().map(|subscription| subscription.number.clone()).collect();
    let objects = book_object::of_keys(tx, ObjectKind::Subscription, keys).await?;
    let one = |s: &Subscription| {
        let object = objects.get(&s.number);
        let document = object.and_then(document_of).unwrap_or(Node::Null);
        let mut record = with_document(&SUBSCRIPTION, record(s, &catalogue, today), &document);
        record.lists = vec![cycles.of(s, &catalogue, which)];
        with_object(&SUBSCRIPTION, record, object)
    };
    Ok(subscriptions.iter().map(one).collect())
}

/// The first properties of a subscription, which say what it is and how it stands.
pub fn standing(s: &Subscription, catalogue: &Catalogue, today: NaiveDate) -> [Value; 9] {
    let timeline = Timeline::known(s, catalogue, today, today).ok();
    let plan = timeline.as_ref().map_or(s.plan, |timeline| timeline.plan_on(today));
    [
        Value::Guid(s.id.0),
        s.number.as_str().into(),
        Value::Guid(s.customer.0),
        Value::Guid(plan.0),
        Value::Day(s.start),
        day(s.end),
        Value::Int(i64::from(State::on(s, today) as u32)),
        Value::Int(i64::from(s.activated.is_some())),
        s.refkey.as_deref().into(),
    ]
}

fn day(day: Option<NaiveDate>) -> Value {
    day.map_or(Value::Null, Value::Day)
}

fn record(s: &Subscription, catalogue: &Catalogue, today: NaiveDate) -> Record {
    let timeline = Timeline::known(s, catalogue, today, today).ok();
    let [initial_period, initial_interval] = term(s.initial_term);
    let [renewal_period, renewal_interval] = term(s.renewal_term);
    let mut values = standing(s, catalogue, today).to_vec();
    values.extend([
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
        unit_id(s.business_unit.as_deref()),
        s.payment_method
            .as_deref()
            .map_or(Value::Null, |refkey| Value::Guid(payment_method_id(s.customer, refkey))),
        timeline
            .as_ref()
            .and_then(|timeline| timeline.discounts.last())
            .filter(|discount| discount.until.is_none_or(|until| today < until))
            .map(|discount| discount.code.as_str())
            .into(),
    ]);
    Record { values, ..Record::default() }
}

/// Upodi's number of the unit, and how many of them; nothing for none.
fn term(term: Option<(TermPeriod, u32)>) -> [Value; 2] {
    match term {
        Some((period, interval)) => [Value::Int(i64::from(period as u32)), Value::Int(interval.into())],
        None => [Value::Int(0), Value::Null],
    }
}
