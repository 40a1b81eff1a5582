//! The timetable: due times from the database, computed with croner in the tenant's zone. A tick only inserts an
//! ordinary task, keyed (job, nominal time), so two workers never double it; a missed time is made up once. A clock that
//! may be wrong is no reason to bill: the timetable then stops and says what to type (rules I9).

use crate::act::Actor;
use crate::context::Context;
use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use domain::audit::{Action, Object};
use domain::refusal::{Verb, WayOut};
use domain::task::{TickTask, TimedJob};
use domain::zone;
use std::collections::BTreeMap;
use std::str::FromStr;
use store::queue;
use store::schedule::ScheduledJob;

/// Why a pattern cannot be used, in croner's words.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    Cron::from_str(pattern).map(drop).map_err(|e| e.to_string())
}

/// The first nominal time after `after`; none for a pattern that never comes again.
pub fn next(pattern: &str, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    let cron = Cron::from_str(pattern).ok()?;
    let local = after.with_timezone(&zone);
    cron.find_next_occurrence(&local, false).ok().map(|at| at.with_timezone(&Utc))
}

/// The last nominal time at or before `now`.
pub fn latest(pattern: &str, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    let cron = Cron::from_str(pattern).ok()?;
    let local = now.with_timezone(&zone);
    cron.find_previous_occurrence(&local, true).ok().map(|at| at.with_timezone(&Utc))
}

/// A line of the timetable as people see it; times in the tenant's zone.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Line {
    pub job: TimedJob,
    pub pattern: String,
    pub last: Option<String>,
    /// As it is stored; of a job that nobody has planned yet, when it would be.
    pub next: Option<String>,
    /// Nominal times that passed while nobody worked.
    pub missed: i64,
}

/// The timetable, and why it has stopped if it has.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(transparent)]
pub struct Timetable {
    pub lines: Vec<Line>,
    #[serde(skip)]
    pub standstill: Option<Standstill>,
}

/// The timetable with last and next times.
pub async fn shown(ctx: &Context) -> anyhow::Result<Timetable> {
    let mut tx = ctx.store.read().await?;
    let now = (ctx.now)();
    let zone = tenant_zone(&mut tx).await?;
    let known = known(&mut tx).await?;
    let standstill = standstill(ctx, &mut tx, &known, now, zone).await?;
    let text = |at: DateTime<Utc>| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false);
    let lines = TimedJob::ALL
        .iter()
        .map(|job| {
            let pattern = ctx.settings.timetable.get(job).cloned().unwrap_or_else(|| "off".to_owned());
            let known = known.get(job);
            let planned = known.filter(|k| k.expression == pattern);
            let next_at = planned.map_or_else(|| next(&pattern, now, zone), |k| k.next_at);
            Line {
                job: *job,
                last: known.and_then(|j| j.last_at).map(text),
                next: next_at.map(text),
                missed: known.map_or(0, |j| j.missed),
                pattern,
            }
        })
        .collect();
    Ok(Timetable { lines, standstill })
}

/// Why the timetable does nothing until a person has looked: a clock that is wrong would bill for months (rules I9).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Standstill {
    /// A later day than the server's.
    #[error("this machine says {here}, the database {there}")]
    AheadOfDatabase { here: NaiveDate, there: NaiveDate },
    /// So long has nobody worked, or the clock jumped.
    #[error(
        "{} was due on {due} and this machine says {here}, more than {days_ahead} days (bounds.days_ahead) later",
        job.name()
    )]
    TooLate { job: TimedJob, due: NaiveDate, here: NaiveDate, days_ahead: u32 },
    /// The last ticks were made by a clock that was ahead, or this one is behind.
    #[error("the last tick of {} was on {last} and this machine says {here}", job.name())]
    BeforeLastTick { job: TimedJob, last: NaiveDate, here: NaiveDate },
}

impl Standstill {
    /// What a person can do about it.
    pub fn way_out(&self) -> WayOut {
        match self {
            Self::AheadOfDatabase { .. } => WayOut::from("set this machine's clock"),
            Self::TooLate { .. } | Self::BeforeLastTick { .. } => {
                WayOut::from("set the clock, or if it is right type ")
                    .ask(Verb::Timetable.plain().switch("go_on"))
            }
        }
    }
}

/// What keeps the timetable from going on, by the database's clock and by what is stored of its own past.
async fn standstill(
    ctx: &Context,
    tx: &mut store::Tx,
    known: &BTreeMap<TimedJob, ScheduledJob>,
    now: DateTime<Utc>,
    zone: Tz,
) -> anyhow::Result<Option<Standstill>> {
    let here = zone::local_date(now, zone);
    let there = store::schedule::clock(tx).await?.map(|at| zone::local_date(at, zone));
    if let Some(there) = there.filter(|there| here > *there) {
        return Ok(Some(Standstill::AheadOfDatabase { here, there }));
    }
    let mut kept = known.iter().filter(|(job, k)| ctx.settings.timetable.get(job) == Some(&k.expression));
    Ok(kept.find_map(|(job, known)| jumped(*job, known, now, here, zone, ctx.settings.days_ahead)))
}

/// Whether the clock lies more than `days_ahead` after a due time, or before the last tick.
fn jumped(
    job: TimedJob,
    known: &ScheduledJob,
    now: DateTime<Utc>,
    here: NaiveDate,
    zone: Tz,
    days_ahead: u32,
) -> Option<Standstill> {
    let reach = TimeDelta::days(i64::from(days_ahead));
    let day = |at: DateTime<Utc>| zone::local_date(at, zone);
    if let Some(due) = known.next_at.filter(|due| now - *due > reach) {
        return Some(Standstill::TooLate { job, due: day(due), here, days_ahead });
    }
    let last = known.last_at.filter(|last| *last - now > reach)?;
    Some(Standstill::BeforeLastTick { job, last: day(last), here })
}

async fn known(tx: &mut store::Tx) -> anyhow::Result<BTreeMap<TimedJob, ScheduledJob>> {
    // A job of another version is left to that version.
    let stored = store::schedule::jobs(tx).await?.into_iter();
    Ok(stored.filter_map(|known| Some((TimedJob::parse(&known.job)?, known))).collect())
}

/// What came of a look at the timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimetableCheck {
    /// So many ticks were made.
    Ticks(usize),
    Stands(Standstill),
}

/// One look at the timetable: plans jobs whose pattern is new or whose next time is further away than it should be, and
/// inserts a tick for each that is due. Of several missed times the latest is made up once.
pub async fn make_due_ticks(ctx: &Context) -> anyhow::Result<TimetableCheck> {
    let now = (ctx.now)();
    let mut tx = ctx.store.begin().await?;
    let zone = tenant_zone(&mut tx).await?;
    let known = known(&mut tx).await?;
    if let Some(why) = standstill(ctx, &mut tx, &known, now, zone).await? {
        return Ok(TimetableCheck::Stands(why));
    }
    let mut made = 0;
    for (job, pattern) in &ctx.settings.timetable {
        let following = next(pattern, now, zone);
        let planned = known.get(job).filter(|k| &k.expression == pattern);
        // A time too far away was planned by a clock that was ahead.
        let planned = planned.filter(|k| k.next_at <= following || following.is_none());
        let Some(due) = planned.map(|k| k.next_at) else {
            store::schedule::plan(&mut tx, job.name(), pattern, following).await?;
            continue;
        };
        let Some(due) = due.filter(|due| *due <= now) else { continue };
        let nominal = latest(pattern, now, zone).unwrap_or(due).max(due);
        let missed = missed_between(pattern, due, nominal, zone);
        if store::schedule::tick(&mut tx, job.name(), nominal, now, following, missed).await? {
            let task = TickTask { job: *job, nominal, as_of: zone::local_date(nominal, zone) };
            let key = format!("{}/{}", job.name(), nominal.to_rfc3339_opts(SecondsFormat::Secs, true));
            queue::enqueue(&mut tx, TickTask::QUEUE, &task, &key).await?;
            made += 1;
        }
    }
    tx.commit().await?;
    if made > 0 {
        ctx.ring();
    }
    Ok(TimetableCheck::Ticks(made))
}

/// The clock is right, says a person: every job is planned from now on, and a time that was missed is made up once.
pub async fn go_on(ctx: &Context, actor: &Actor) -> anyhow::Result<()> {
    let now = (ctx.now)();
    let mut tx = ctx.store.begin().await?;
    let zone = tenant_zone(&mut tx).await?;
    let known = known(&mut tx).await?;
    for (job, pattern) in &ctx.settings.timetable {
        let missed = known.get(job).and_then(|k| k.next_at).is_some_and(|due| due <= now);
        let at = if missed { latest(pattern, now, zone) } else { next(pattern, now, zone) };
        store::schedule::plan(&mut tx, job.name(), pattern, at).await?;
    }
    store::schedule::forget_after(&mut tx, now).await?;
    ctx.note(&mut tx, actor, Action::GoOn, Object::Timetable, serde_json::json!({})).await?;
    tx.commit().await
}

/// How many nominal times lie in `[due, nominal)`; counted up to a thousand.
fn missed_between(pattern: &str, due: DateTime<Utc>, nominal: DateTime<Utc>, zone: Tz) -> u64 {
    let (mut at, mut missed) = (due, 0);
    while at < nominal && missed < 1_000 {
        missed += 1;
        match next(pattern, at, zone) {
            Some(following) => at = following,
            None => break,
        }
    }
    missed
}

async fn tenant_zone(tx: &mut store::Tx) -> anyhow::Result<Tz> {
    Ok(store::catalogue::load(tx).await?.map_or(Tz::UTC, |c| c.tenant.timezone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_past_two_comes_once_on_both_clock_change_nights() {
        let zone = chrono_tz::Europe::Copenhagen;
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
        // Spring: 02:30 does not exist on 29 March 2026; autumn: it exists twice on 25 October.
        let spring = next("30 2 * * *", at("2026-03-28T12:00:00Z"), zone).expect("a time");
        assert_eq!(spring.with_timezone(&zone).date_naive().to_string(), "2026-03-29");
        assert!(next("30 2 * * *", spring, zone).expect("a time") > at("2026-03-29T22:00:00Z"));
        let autumn = next("30 2 * * *", at("2026-10-24T12:00:00Z"), zone).expect("a time");
        assert_eq!(autumn, at("2026-10-25T00:30:00Z"));
        assert!(next("30 2 * * *", autumn, zone).expect("a time") > at("2026-10-25T22:00:00Z"));
    }

    #[test]
    fn a_missed_time_is_the_latest_one() {
        let now = "2026-03-05T10:00:00Z".parse().expect("an instant");
        let latest = latest("0 2 * * *", now, chrono_tz::UTC).expect("a time");
        assert_eq!(latest.to_rfc3339(), "2026-03-05T02:00:00+00:00");
    }

    #[test]
    fn a_clock_that_jumps_far_ahead_or_back_is_not_believed() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
        let job = ScheduledJob {
            job: "nightly_run".to_owned(),
            expression: "0 2 * * *".to_owned(),
            next_at: Some(at("2026-03-06T02:00:00Z")),
            last_at: Some(at("2026-03-05T02:00:00Z")),
            missed: 0,
        };
        let jumped = |now: &str| {
            let now = at(now);
            super::jumped(
                TimedJob::NightlyRun,
                &job,
                now,
                zone::local_date(now, chrono_tz::UTC),
                chrono_tz::UTC,
                31,
            )
        };
        assert_eq!(jumped("2026-03-05T12:00:00Z"), None);
        assert_eq!(jumped("2026-04-06T01:00:00Z"), None, "a month without a worker is made up for");
        assert!(matches!(jumped("2027-04-09T12:00:00Z"), Some(Standstill::TooLate { .. })));
        assert_eq!(jumped("2026-02-20T12:00:00Z"), None);
        assert!(matches!(jumped("1970-01-01T00:00:00Z"), Some(Standstill::BeforeLastTick { .. })));
    }

    #[test]
    fn a_broken_pattern_says_why() {
        assert!(check_pattern("every night").is_err());
        assert!(check_pattern("0 2 * * *").is_ok());
    }
}
