//! Takes from the quotas of a subscription, or says that nothing is left.
//!
//! Key that makes a repeat quiet: the id of the request, with the meter.

use super::find;
use super::show::{QuotaView, now_of, quota};
use super::used::{Cells, Use, Used};
use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::live::{Live, NewUsage, RecordOutcome, Together};
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use domain::Decimal;
use domain::metered::Limits;
use domain::refusal::{Code, Refusal};
use domain::usage::RejectCode;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::LazyLock;
use store::Tx;
use store::metered::{self, Event, SubscriptionRow};
use tokio::sync::Mutex;

/// Who asks this process at the same moment for the same subscription waits, so that nothing is given twice. Other
/// processes wait for its row.
static DOORS: LazyLock<Vec<Mutex<()>>> = LazyLock::new(|| (0..64).map(|_| Mutex::new(())).collect());

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Consumption {
    /// So much of each meter; 0 only asks whether anything is left.
    pub meters: BTreeMap<String, u64>,
    pub id: String,
    pub at: DateTime<Utc>,
    /// Count it even beyond the quota.
    pub force: bool,
}

/// What is left afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    pub meters: Vec<Meter>,
}

/// A meter with its quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    pub key: String,
    pub max: u64,
    pub available: u64,
}

/// Counts what is used.
pub async fn consume(
    ctx: &Context,
    live: &Live,
    bucket: &str,
    id: &str,
    asked: &Consumption,
) -> Result<Consumed, Stop> {
    let _alone = DOORS[door(id)].lock().await;
    let mut tx = ctx.store.read().await?;
    let row = find::subscription(&mut tx, bucket, id).await?;
    let standing = now_of(&mut tx, bucket, &row.body, (ctx.now)()).await?;
    if !standing.status.has_access() {
        let message = format!("the subscription {id} is {}", standing.status.name());
        return Err(Refusal::new(Code::NoAccess, message).into());
    }
    let counted = counted(&mut tx, bucket, &row, asked).await?;
    drop(tx);
    let limits = standing.limits();
    let (from, until) = row.body.quota_clock(asked.at).cycle(asked.at);
    let ids = asked.meters.keys().map(|meter| event_id(asked, meter)).collect();
    let billed = Used::billed(ctx, &row, (from, until), Cells::of_quotas(&row), ids).await?;
    let here = metered::events(&mut ctx.store.read().await?, &row.id, from, until).await?;
    let mut used = billed.clone().with(here);
    let new = allowed(&row, &limits, &used, asked, &counted)?;
    keep(ctx, live, bucket, &row, asked, (&limits, &billed), &new).await?;
    for (meter, amount) in new {
        used.add(Use { id: String::new(), meter, amount: amount.into(), at: asked.at });
    }
    let left = asked.meters.keys().filter_map(|meter| quota(&row.body, &limits, &used, meter, asked.at));
    let meter = |left: QuotaView| Meter { key: left.meter, max: left.max, available: left.available };
    Ok(Consumed { meters: left.map(meter).collect() })
}

fn door(id: &str) -> usize {
    id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % DOORS.len()
}

/// The name of one meter's part of a request.
fn event_id(asked: &Consumption, meter: &str) -> String {
    format!("{}:{meter}", asked.id)
}

/// One meter's part of a request.
fn event(row: &SubscriptionRow, asked: &Consumption, meter: &str, amount: u64) -> Event {
    Event {
        id: event_id(asked, meter),
        subscription: row.id.clone(),
        meter: meter.to_owned(),
        amount: i64::try_from(amount).unwrap_or(i64::MAX),
        at: asked.at,
    }
}

/// An id stands for one use within a bucket, in whichever cycle and of whichever subscription.
fn taken(asked: &Consumption, amount: impl Display, meter: &str) -> Refusal {
    let message = format!("`{}` was counted before with {amount} of {meter}", asked.id);
    Refusal::new(Code::Conflict, message).hint("take a new id")
}

/// Meters of a request that were counted here before.
async fn counted(
    tx: &mut Tx,
    bucket: &str,
    row: &SubscriptionRow,
    asked: &Consumption,
) -> Result<BTreeSet<String>, Stop> {
    let mut counted = BTreeSet::new();
    for (meter, amount) in &asked.meters {
        let new = event(row, asked, meter, *amount);
        match metered::event(tx, bucket, &new.id).await? {
            None => (),
            Some(known) if known.is_same_use(&new) => drop(counted.insert(meter.clone())),
            Some(known) => return Err(taken(asked, known.amount, &known.meter).into()),
        }
    }
    Ok(counted)
}

/// What is to be counted of it: what was counted before is not.
fn allowed(
    row: &SubscriptionRow,
    limits: &Limits,
    used: &Used,
    asked: &Consumption,
    counted: &BTreeSet<String>,
) -> Result<BTreeMap<String, u64>, Refusal> {
    let mut new = BTreeMap::new();
    let mut over = Vec::new();
    for (meter, amount) in &asked.meters {
        let Some(left) = quota(&row.body, limits, used, meter, asked.at) else {
            let message = format!("no plan of the subscription has the meter `{meter}`");
            return Err(Refusal::new(Code::NotEntitled, message));
        };
        if counted.contains(meter) {
            continue;
        }
        let id = event_id(asked, meter);
        if let Some(known) = used.named.iter().find(|used| used.id == id && used.meter == *meter) {
            if known.amount == Decimal::from(*amount) {
                continue;
            }
            return Err(taken(asked, known.amount, meter));
        }
        if !asked.force && (left.available < *amount || *amount == 0 && left.available == 0) {
            over.push(format!("{meter}: {} of {} left, until {}", left.available, left.max, left.until));
        }
        new.insert(meter.clone(), *amount);
    }
    if over.is_empty() {
        return Ok(new);
    }
    Err(Refusal::new(Code::OverQuota, format!("the quota is used up: {}", over.join("; "))))
}

/// Writes it down: in the usage store what is billed by it, the rest here.
async fn keep(
    ctx: &Context,
    live: &Live,
    bucket: &str,
    row: &SubscriptionRow,
    asked: &Consumption,
    (limits, used): (&Limits, &Used),
    new: &BTreeMap<String, u64>,
) -> Result<(), Stop> {
    let billed = if row.body.billed.is_empty() { BTreeMap::new() } else { billed_meters(ctx, row).await? };
    let mut events = Vec::new();
    let mut usage = Vec::new();
    for (meter, amount) in new.iter().filter(|(_, amount)| **amount > 0) {
        match billed.get(meter) {
            Some(number) => usage.push(NewUsage {
                id: Some(event_id(asked, meter)),
                subject: Some(number.clone()),
                meter: Some(meter.clone()),
                quantity: Some(amount.to_string()),
                time: Some(asked.at.to_rfc3339_opts(SecondsFormat::Micros, true)),
                source: Some(format!("zuplo:{bucket}")),
                ..NewUsage::default()
            }),
            None => events.push(event(row, asked, meter, *amount)),
        }
    }
    if !usage.is_empty() {
        let taken = live.take("zuplo", usage, Together::All, None).await;
        for taken in taken.map_err(|why| anyhow::anyhow!("the usage could not be taken in: {why}"))? {
            if let RecordOutcome::Rejected(reject) = taken {
                if reject.code == RejectCode::Conflict {
                    return Err(Refusal::new(Code::Conflict, reject.text).hint("take a new id").into());
                }
                return Err(Refusal::new(Code::BadArgument, reject.text).into());
            }
        }
    }
    if events.is_empty() {
        return Ok(());
    }
    let mut tx = ctx.store.begin().await?;
    metered::hold_subscription(&mut tx, &row.id).await?;
    // Another server may have counted since: what it took is not there any more.
    let (from, until) = row.body.quota_clock(asked.at).cycle(asked.at);
    let used = used.clone().with(metered::events(&mut tx, &row.id, from, until).await?);
    let here = events.iter().filter_map(|event| Some((event.meter.clone(), *new.get(&event.meter)?)));
    let here = Consumption { meters: here.collect(), ..asked.clone() };
    let still = allowed(row, limits, &used, &here, &BTreeSet::new())?;
    for event in events.iter().filter(|event| still.contains_key(&event.meter)) {
        if metered::add_event(&mut tx, bucket, event).await? {
            continue;
        }
        // Another one took the id since it was looked for.
        let known = metered::event(&mut tx, bucket, &event.id).await?;
        if let Some(known) = known.filter(|known| !known.is_same_use(event)) {
            return Err(taken(asked, known.amount, &known.meter).into());
        }
    }
    Ok(tx.commit().await?)
}

/// By meter, the subscription of the book that has a charge for it.
async fn billed_meters(ctx: &Context, row: &SubscriptionRow) -> Result<BTreeMap<String, String>, Stop> {
    let mut tx = ctx.store.read().await?;
    let catalogue = crate::context::catalogue(&mut tx).await?;
    let mut meters = BTreeMap::new();
    for number in row.body.billed.values() {
        let Some(one) = store::book::subscription(&mut tx, number).await? else { continue };
        let plans = one.plans();
        let charges =
            plans.iter().filter_map(|plan| catalogue.plans.get(plan)).flat_map(|plan| &plan.charges);
        for meter in charges.filter(|charge| charge.is_metered()).map(|charge| charge.meter.clone()) {
            meters.entry(meter).or_insert_with(|| number.clone());
        }
    }
    Ok(meters)
}

/// Length of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    Hour,
    Day,
    Month,
}

impl Windows {
    /// The window in UTC that an instant is in.
    pub(super) fn of(self, at: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        match self {
            Self::Hour => {
                let from =
                    DateTime::from_timestamp(at.timestamp().div_euclid(3_600) * 3_600, 0).unwrap_or(at);
                (from, from + TimeDelta::hours(1))
            }
            Self::Day => {
                let from = midnight(at.date_naive());
                (from, from + TimeDelta::days(1))
            }
            Self::Month => {
                let month = at.date_naive().with_day(1).unwrap_or_default();
                let next = month.checked_add_months(Months::new(1)).unwrap_or(month);
                (midnight(month), midnight(next))
            }
        }
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// A meter within a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub meter: String,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub value: Decimal,
}

/// What was used, window by window.
pub async fn windows(
    ctx: &Context,
    bucket: &str,
    id: &str,
    (from, until): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    (size, meter): (Windows, Option<&str>),
) -> Result<(DateTime<Utc>, DateTime<Utc>, Vec<Window>), Stop> {
    let now = (ctx.now)();
    let row = find::subscription(&mut ctx.store.read().await?, bucket, id).await?;
    let cycle = row.body.quota_clock(now).cycle(now);
    let (from, until) = (from.unwrap_or(cycle.0), until.unwrap_or(cycle.1));
    if from >= until {
        return Err(Refusal::new(Code::BadArgument, "`from` is not before `to`").into());
    }
    let used = Used::between(ctx, &row, (from, until), Cells::Windows(size)).await?;
    let meant = used.sums.into_iter().filter(|((of, _), _)| meter.is_none_or(|meter| of == meter));
    let window = |((meter, begin), value)| {
        let (from, until) = size.of(begin);
        Window { meter, from, until, value }
    };
    Ok((from, until, meant.map(window).collect()))
}
