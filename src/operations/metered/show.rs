//! Subscriptions as they stand: where time and the books have brought them to, and what is left of their quotas.

use super::create::known_customer;
use super::find;
use super::used::Used;
use crate::context::{Context, tenant};
use crate::lists::{self, Noun};
use crate::refusal::Stop;
use chrono::{DateTime, Utc};
use domain::NaiveDate;
use domain::invoice::State as InvoiceState;
use domain::metered::{Allowance, Limits, Status, Subscription, allowance, available, overage};
use domain::query::Value;
use domain::subscription::{Life, State};
use domain::zone::{local_date, start_of_day};
use std::collections::BTreeMap;
use store::metered::{self, PlanRow, SubscriptionRow};
use store::{Tx, book, invoice, payer};

/// A subscription as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionView {
    pub row: SubscriptionRow,
    pub status: Status,
    pub plan_external_ids: Vec<String>,
    pub next_billing: Option<DateTime<Utc>>,
    pub quota_anchor: DateTime<Utc>,
}

/// Which subscriptions; nothing set is all of them.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFilter {
    pub customer_key: Option<String>,
    pub external_id: Option<String>,
    pub status: Option<Status>,
}

/// A quota as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaView {
    pub meter: String,
    pub max: u64,
    pub used: u64,
    pub available: u64,
    pub overage: u64,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// A subscription with its plans, and where it stands.
pub(super) struct CurrentState {
    pub status: Status,
    pub plans: Vec<PlanRow>,
}

impl CurrentState {
    pub fn limits(&self) -> Limits {
        let of =
            |plan: &PlanRow| plan.body.meters.iter().map(|(key, meter)| (key.clone(), meter.max)).collect();
        self.plans.iter().map(|plan| (plan.id.clone(), of(plan))).collect()
    }
}

/// Where a subscription stands: by the books if anything bills it, else by its own word and by time.
pub(super) async fn now_of(
    tx: &mut Tx,
    bucket: &str,
    body: &Subscription,
    now: DateTime<Utc>,
) -> Result<CurrentState, Stop> {
    let all = metered::plans(tx, bucket).await?;
    now_with(tx, &all, body, now).await
}

/// The same where the plans of its bucket have been read.
pub(super) async fn now_with(
    tx: &mut Tx,
    all: &[PlanRow],
    body: &Subscription,
    now: DateTime<Utc>,
) -> Result<CurrentState, Stop> {
    let ever: Vec<&String> = body.changes.iter().flat_map(|change| &change.plans).collect();
    let plans: Vec<PlanRow> = all.iter().filter(|plan| ever.contains(&&plan.id)).cloned().collect();
    let status = if body.billed.is_empty() {
        let trial_end =
            plans.iter().filter(|plan| body.plans().contains(&plan.id)).find_map(|plan| plan.body.trial_end);
        let has_method = body.trial_has_ended(now) && has_method(tx, body, now).await?;
        body.status_at(now, has_method, trial_end)
    } else {
        let zone = tenant(tx).await?.timezone;
        billed_status(tx, body, local_date(now, zone)).await?
    };
    Ok(CurrentState { status, plans })
}

/// Whether the customer can be charged without being asked.
async fn has_method(tx: &mut Tx, body: &Subscription, now: DateTime<Utc>) -> anyhow::Result<bool> {
    let Some(account) = known_customer(tx, &body.customer_key).await? else { return Ok(false) };
    let customer = book::customer(tx, &account).await?;
    let usable = |method: &domain::customer::PaymentMethod| {
        method.is_online() && method.expires.is_none_or(|day| now.date_naive() < day)
    };
    Ok(customer.is_some_and(|customer| customer.payment_methods.iter().any(usable)))
}

async fn billed_status(tx: &mut Tx, body: &Subscription, today: NaiveDate) -> Result<Status, Stop> {
    let mut found = Vec::new();
    for number in body.billed.values() {
        let Some(one) = book::subscription(tx, number).await? else { continue };
        let is_in_trial = Life::known(&one, today, today).trial.is_some_and(|trial| today < trial.end);
        found.push(match State::on(&one, today) {
            State::Draft if body.status == Status::Canceled => Status::Canceled,
            State::Draft => Status::Incomplete,
            State::Hold => Status::Inactive,
            State::Cancelled | State::Ended | State::Expired => Status::Canceled,
            State::Active | State::PendingEnding if is_in_trial => Status::Trialing,
            State::Active | State::PendingEnding => paid_status(tx, &one, today).await?,
        });
    }
    // What runs says more than what is over; what is owed says more than what is paid.
    const ORDER: [Status; 7] = [
        Status::Unpaid,
        Status::PastDue,
        Status::Active,
        Status::Trialing,
        Status::Incomplete,
        Status::Inactive,
        Status::Canceled,
    ];
    Ok(ORDER.into_iter().find(|status| found.contains(status)).unwrap_or(body.status))
}

/// Whether its invoices are paid.
async fn paid_status(
    tx: &mut Tx,
    one: &domain::subscription::Subscription,
    today: NaiveDate,
) -> anyhow::Result<Status> {
    let lines = payer::billed_of_subscriptions(tx, &[one.id]).await?;
    let mut ids: Vec<_> = lines.iter().filter_map(|line| line.invoice).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut status = Status::Active;
    for booked in invoice::by_ids(tx, &ids).await? {
        let gross = booked.invoice.draft.gross_minor();
        match InvoiceState::of(&booked.settlement, gross, booked.invoice.payable_by, today) {
            InvoiceState::NotCollected | InvoiceState::WrittenOff => return Ok(Status::Unpaid),
            InvoiceState::Overdue
            | InvoiceState::InDunning
            | InvoiceState::Declined
            | InvoiceState::ToBeRetried => status = Status::PastDue,
            _ => {}
        }
    }
    Ok(status)
}

/// Whether any period of what bills it, or has billed it, is taken by an invoice or a draft.
pub(super) async fn is_booked(tx: &mut Tx, body: &Subscription) -> anyhow::Result<bool> {
    for number in body.ever_billed() {
        let Some(one) = book::subscription(tx, number).await? else { continue };
        if !payer::billed_of_subscriptions(tx, &[one.id]).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The subscription of this id.
pub async fn one(ctx: &Context, bucket: &str, id: &str) -> Result<SubscriptionView, Stop> {
    let mut tx = ctx.store.read().await?;
    let row = find::subscription(&mut tx, bucket, id).await?;
    let plans = metered::plans(&mut tx, bucket).await?;
    let (seen, ids) = seen(&mut tx, &plans, row, (ctx.now)()).await?;
    drop(tx);
    with_next(ctx, seen, &ids).await
}

/// Of the subscriptions of a bucket that are wanted, in the order in which they were made, so many after so many; and how
/// many they are in all.
pub async fn all(
    ctx: &Context,
    bucket: &str,
    wanted: &SubscriptionFilter,
    (offset, limit): (usize, usize),
) -> Result<(Vec<SubscriptionView>, usize), Stop> {
    let mut tx = ctx.store.read().await?;
    find::bucket(&mut tx, bucket).await?;
    let is_wanted = |row: &SubscriptionRow| {
        wanted.customer_key.as_ref().is_none_or(|key| row.body.customer_key == *key)
            && wanted.external_id.as_ref().is_none_or(|id| row.external_id == *id)
    };
    let plans = metered::plans(&mut tx, bucket).await?;
    let mut views = Vec::new();
    for row in metered::subscriptions(&mut tx, bucket).await?.into_iter().filter(is_wanted) {
        let seen = seen(&mut tx, &plans, row, (ctx.now)()).await?;
        if wanted.status.is_none_or(|status| seen.0.status == status) {
            views.push(seen);
        }
    }
    drop(tx);
    let total = views.len();
    let mut shown = Vec::new();
    for (view, ids) in views.into_iter().skip(offset).take(limit) {
        shown.push(with_next(ctx, view, &ids).await?);
    }
    Ok((shown, total))
}

/// The view, and the ids of what bills it.
async fn seen(
    tx: &mut Tx,
    plans: &[PlanRow],
    row: SubscriptionRow,
    now: DateTime<Utc>,
) -> Result<(SubscriptionView, Vec<uuid::Uuid>), Stop> {
    let standing = now_with(tx, plans, &row.body, now).await?;
    let name =
        |id: &String| standing.plans.iter().find(|plan| plan.id == *id).map(|plan| plan.external_id.clone());
    let view = SubscriptionView {
        status: standing.status,
        plan_external_ids: row.body.plans().iter().filter_map(name).collect(),
        next_billing: row.body.renews_on(standing.status, now),
        quota_anchor: row.body.quota_clock(now).boundary(0),
        row,
    };
    let mut ids = Vec::new();
    for number in view.row.body.billed.values() {
        ids.extend(book::subscription(tx, number).await?.map(|one| one.id.0));
    }
    Ok((view, ids))
}

/// Of what is billed, the next day on which it is charged.
async fn with_next(
    ctx: &Context,
    mut view: SubscriptionView,
    ids: &[uuid::Uuid],
) -> Result<SubscriptionView, Stop> {
    if view.row.body.billed.is_empty() {
        return Ok(view);
    }
    let zone = tenant(&mut ctx.store.read().await?).await?.timezone;
    let place = Noun::SubscriptionCharge.entity().property("NextChargeDate").unwrap_or_default();
    let mut days = Vec::new();
    for id in ids {
        let record = lists::by_id(ctx, Noun::Subscription, *id).await?;
        let charges = record.into_iter().flat_map(|record| record.lists).flatten();
        days.extend(charges.filter_map(|charge| match charge.values.get(place) {
            Some(Value::Day(day)) => Some(*day),
            _ => None,
        }));
    }
    let runs = !view.status.is_over() && view.status != Status::Inactive;
    view.next_billing = days.into_iter().min().filter(|_| runs).map(|day| start_of_day(day, zone));
    Ok(view)
}

/// What is left of the quotas of a subscription.
pub async fn quotas(ctx: &Context, bucket: &str, id: &str) -> Result<Vec<QuotaView>, Stop> {
    let now = (ctx.now)();
    let mut tx = ctx.store.read().await?;
    let row = find::subscription(&mut tx, bucket, id).await?;
    let standing = now_of(&mut tx, bucket, &row.body, now).await?;
    drop(tx);
    let used = Used::of_cycle(ctx, &row, now).await?;
    let limits = standing.limits();
    let of = |plan: &String| limits.get(plan).into_iter().flat_map(BTreeMap::keys).cloned();
    let mut meters: Vec<String> = row.body.plans().iter().flat_map(of).collect();
    meters.sort_unstable();
    meters.dedup();
    Ok(meters.into_iter().filter_map(|meter| quota(&row.body, &limits, &used, &meter, now)).collect())
}

/// One quota; none if the plans do not have the meter.
pub(super) fn quota(
    body: &Subscription,
    limits: &Limits,
    used: &Used,
    meter: &str,
    at: DateTime<Utc>,
) -> Option<QuotaView> {
    let Allowance { from, until, max } =
        allowance(body, limits, meter, at, |from, until| used.whole(meter, from, until));
    let max = max?;
    let used = used.whole(meter, from, until);
    let (available, overage) = (available(max, used), overage(max, used));
    Some(QuotaView { meter: meter.to_owned(), max, used, available, overage, from, until })
}
