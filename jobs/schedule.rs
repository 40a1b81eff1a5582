//! The timetable: due times from the database, computed with croner in the tenant's zone. A tick only inserts an
//! ordinary task, keyed (job, nominal time), so two workers never double it; a missed time is made up once.

use crate::context::JobContext;
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use croner::Cron;
use domain::task::TickTask;
use domain::zone;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;
use store::queue;
use store::schedule::ScheduledJob;

/// Jobs of the timetable, in the order in which `schedule` shows them.
pub const JOBS: [&str; 7] =
    ["nightly_run", "ingest_inbox", "retry_mails", "retry_payments", "export_ledger", "upkeep", "backup"];

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
    pub job: String,
    pub pattern: String,
    pub last: Option<String>,
    pub next: Option<String>,
    /// Nominal times that passed while nobody worked.
    pub missed: i64,
}

/// The timetable with last and next times.
pub async fn shown(ctx: &JobContext) -> anyhow::Result<Vec<Line>> {
    let mut tx = ctx.store.read().await?;
    let zone = tenant_zone(&mut tx).await?;
    let known: BTreeMap<String, ScheduledJob> =
        store::schedule::jobs(&mut tx).await?.into_iter().map(|j| (j.job.clone(), j)).collect();
    let text = |at: DateTime<Utc>| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false);
    Ok(JOBS
        .iter()
        .map(|job| {
            let pattern = ctx.settings.timetable.get(*job).cloned().unwrap_or_else(|| "off".to_owned());
            let known = known.get(*job);
            Line {
                job: (*job).to_owned(),
                last: known.and_then(|j| j.last_at).map(text),
                next: next(&pattern, (ctx.now)(), zone).map(text),
                missed: known.map_or(0, |j| j.missed),
                pattern,
            }
        })
        .collect())
}

/// Keeps the timetable: makes the ticks that are due, then sleeps until the next one, a minute at most.
pub async fn keep(ctx: &JobContext) -> anyhow::Result<()> {
    while !ctx.is_stopping() {
        if let Err(error) = make_due_ticks(ctx).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "the timetable could not be kept; it is tried again"
            );
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    Ok(())
}

/// One look at the timetable: plans jobs whose pattern is new, and inserts a tick for each that is due. Of several
/// missed times the latest is made up once.
pub async fn make_due_ticks(ctx: &JobContext) -> anyhow::Result<usize> {
    let now = (ctx.now)();
    let mut tx = ctx.store.begin().await?;
    let zone = tenant_zone(&mut tx).await?;
    let known: BTreeMap<String, ScheduledJob> =
        store::schedule::jobs(&mut tx).await?.into_iter().map(|j| (j.job.clone(), j)).collect();
    let mut made = 0;
    for (job, pattern) in &ctx.settings.timetable {
        let planned = known.get(job).filter(|k| &k.expression == pattern);
        let Some(due) = planned.map(|k| k.next_at) else {
            store::schedule::plan(&mut tx, job, pattern, next(pattern, now, zone)).await?;
            continue;
        };
        let Some(due) = due.filter(|due| *due <= now) else { continue };
        let nominal = latest(pattern, now, zone).unwrap_or(due).max(due);
        let missed = missed_between(pattern, due, nominal, zone);
        let following = next(pattern, now, zone);
        if store::schedule::tick(&mut tx, job, nominal, now, following, missed).await? {
            let task = TickTask { job: job.clone(), nominal, as_of: zone::local_date(nominal, zone) };
            let key = format!("{job}/{}", nominal.to_rfc3339_opts(SecondsFormat::Secs, true));
            queue::enqueue(&mut tx, "ticks", &task, &key).await?;
            made += 1;
        }
    }
    tx.commit().await?;
    if made > 0 {
        ctx.ring();
    }
    Ok(made)
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
    fn a_broken_pattern_says_why() {
        assert!(check_pattern("every night").is_err());
        assert!(check_pattern("0 2 * * *").is_ok());
    }
}
