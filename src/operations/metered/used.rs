//! What was used: of what is billed, as the usage store has it, whoever brought it in; of everything else, as it was
//! counted here. Events are summed as they are read: memory does not grow with them.

use super::consume::Windows;
use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::list::{self, UsageFilter};
use chrono::{DateTime, Utc};
use domain::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use store::metered::{self, Event, SubscriptionRow};

/// One use of a meter.
#[derive(Debug, Clone)]
pub(super) struct Use {
    /// The event's own id.
    pub id: String,
    pub meter: String,
    pub amount: Decimal,
    pub at: DateTime<Utc>,
}

/// Stretches of time within which uses are summed.
#[derive(Debug, Clone)]
pub(super) enum Cells {
    /// They begin at these instants, ascending: where plans change, so that each allowance has stretches of its own.
    From(Vec<DateTime<Utc>>),
    Windows(Windows),
}

impl Cells {
    /// The allowances of a subscription.
    pub fn of_quotas(row: &SubscriptionRow) -> Self {
        let mut begun: Vec<DateTime<Utc>> = row.body.changes.iter().map(|change| change.at).collect();
        begun.sort_unstable();
        Self::From(begun)
    }

    /// Where the stretch begins that an instant lies in, if it began by `from` at the earliest.
    fn begin(&self, at: DateTime<Utc>, from: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::From(begun) => {
                begun.iter().rfind(|begun| **begun <= at).map_or(from, |begun| from.max(*begun))
            }
            Self::Windows(size) => size.of(at).0,
        }
    }
}

/// Sums of uses within some time.
#[derive(Debug, Clone)]
pub(super) struct Used {
    cells: Cells,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    /// By meter and the begin of the stretch.
    pub sums: BTreeMap<(String, DateTime<Utc>), Decimal>,
    /// Ids that are asked about, and the uses that have them.
    ids: BTreeSet<String>,
    pub named: Vec<Use>,
}

impl Used {
    /// All of the cycle in which an instant lies.
    pub async fn of_cycle(ctx: &Context, row: &SubscriptionRow, at: DateTime<Utc>) -> Result<Self, Stop> {
        let span = row.body.quota_clock(at).cycle(at);
        Self::between(ctx, row, span, Cells::of_quotas(row)).await
    }

    pub async fn between(
        ctx: &Context,
        row: &SubscriptionRow,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
        cells: Cells,
    ) -> Result<Self, Stop> {
        let billed = Self::billed(ctx, row, (from, until), cells, BTreeSet::new()).await?;
        Ok(billed.with(metered::events(&mut ctx.store.read().await?, &row.id, from, until).await?))
    }

    /// What is billed alone; uses that have one of these ids are kept by themselves.
    pub async fn billed(
        ctx: &Context,
        row: &SubscriptionRow,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
        cells: Cells,
        ids: BTreeSet<String>,
    ) -> Result<Self, Stop> {
        let mut used = Self { cells, from, until, sums: BTreeMap::new(), ids, named: Vec::new() };
        for number in row.body.ever_billed() {
            let asked = UsageFilter {
                subject: Some(number.clone()),
                from_us: Some(from.timestamp_micros()),
                to_us: Some(until.timestamp_micros()),
                ..UsageFilter::default()
            };
            let gather = |used: &mut Self, usage: list::UsageRecord| {
                used.add(Use {
                    id: usage.event,
                    meter: usage.meter,
                    amount: usage.amount,
                    at: DateTime::from_timestamp_micros(usage.time_us).unwrap_or_default(),
                });
                ControlFlow::Continue(())
            };
            used = list::fold(ctx, &asked, used, gather).await?;
        }
        Ok(used)
    }

    /// And what was counted here.
    pub fn with(mut self, counted: Vec<Event>) -> Self {
        for event in counted {
            let Event { id, meter, amount, at, .. } = event;
            self.add(Use { id, meter, amount: amount.into(), at });
        }
        self
    }

    pub fn add(&mut self, new: Use) {
        if new.at < self.from || new.at >= self.until {
            return;
        }
        let begin = self.cells.begin(new.at, self.from);
        *self.sums.entry((new.meter.clone(), begin)).or_default() += new.amount;
        if self.ids.contains(&new.id) {
            self.named.push(new);
        }
    }

    /// How much of a meter in the stretches that begin between two instants.
    pub fn sum(&self, meter: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> Decimal {
        let meant =
            self.sums.iter().filter(|((of, begin), _)| of == meter && *begin >= from && *begin < until);
        meant.map(|(_, amount)| *amount).sum()
    }

    /// The same in whole units: what has been begun is used.
    pub fn whole(&self, meter: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> u64 {
        self.sum(meter, from, until)
            .ceil()
            .max(Decimal::ZERO)
            .normalize()
            .to_string()
            .parse()
            .unwrap_or(u64::MAX)
    }
}
