//! What was used: of what is billed, as the usage store has it, whoever brought it in; of everything else, as it was
//! counted here.

use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::list::{self, UsageFilter};
use chrono::{DateTime, Utc};
use domain::Decimal;
use std::ops::ControlFlow;
use store::metered::{self, SubscriptionRow};

/// One use of a meter.
#[derive(Debug, Clone)]
pub(super) struct Use {
    /// The event's own id.
    pub id: String,
    pub meter: String,
    pub amount: Decimal,
    pub at: DateTime<Utc>,
}

/// Uses within some time.
#[derive(Debug, Default)]
pub(super) struct Used(pub Vec<Use>);

impl Used {
    /// All of the cycle in which an instant lies.
    pub async fn of_cycle(ctx: &Context, row: &SubscriptionRow, at: DateTime<Utc>) -> Result<Self, Stop> {
        let (from, until) = row.body.quota_clock(at).cycle(at);
        Self::between(ctx, row, from, until).await
    }

    pub async fn between(
        ctx: &Context,
        row: &SubscriptionRow,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Self, Stop> {
        let mut uses = Vec::new();
        for number in row.body.ever_billed() {
            let asked = UsageFilter {
                subject: Some(number.clone()),
                from_us: Some(from.timestamp_micros()),
                to_us: Some(until.timestamp_micros()),
                ..UsageFilter::default()
            };
            let gather = |uses: &mut Vec<Use>, usage: list::UsageRecord| {
                uses.push(Use {
                    id: usage.event,
                    meter: usage.meter,
                    amount: usage.amount,
                    at: DateTime::from_timestamp_micros(usage.time_us).unwrap_or_default(),
                });
                ControlFlow::Continue(())
            };
            uses.extend(list::fold(ctx, &asked, Vec::new(), gather).await?);
        }
        let counted = metered::events(&mut ctx.store.read().await?, &row.id, from, until).await?;
        uses.extend(counted.into_iter().map(|event| Use {
            id: event.id,
            meter: event.meter,
            amount: event.amount.into(),
            at: event.at,
        }));
        Ok(Self(uses))
    }

    /// How much of a meter between two instants.
    pub fn sum(&self, meter: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> Decimal {
        let meant = self.0.iter().filter(|used| used.meter == meter && used.at >= from && used.at < until);
        meant.map(|used| used.amount).sum()
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
