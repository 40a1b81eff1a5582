//! Closes a month for good: what is earned in it is recognised, all of it is sealed, it is compared with everything that knows
//! of it, and written into a file; then nothing posts into it any more, and what comes late falls into the open period
//! (rules I2, L8). It is never opened again.
//!
//! Key that makes a repeat quiet: the month. File first, row after: a crash between the two leaves a file that the next try
//! writes again.

use crate::act::Act;
use crate::context::Context;
use crate::ledger::{export, recognize, seal, verify};
use crate::periods::PeriodView;
use crate::refusal::Stop;
use crate::reports::{self, Ask};
use domain::audit::{Action, Object};
use domain::refusal::{Code, Fault, Refusal, Verb};
use domain::report::{
    Agreement, Cell, MonthRange, Name, ReportHead, Sheet, closed, expect_month, expect_next,
};
use ledger::Format;
use serde_json::json;
use std::io;
use store::ledger::ClosedPeriod;

/// How often it starts again because somebody has posted into the month meanwhile.
const TRIES: u32 = 5;

/// Reports that must agree with the ledger.
const RECONCILED: [Name; 5] =
    [Name::TrialBalance, Name::CustomerLedger, Name::Aging, Name::Clearing, Name::Revenue];

/// Closes this month.
pub async fn close(ctx: &Context, act: &Act, month: MonthRange, format: Format) -> Result<PeriodView, Stop> {
    ctx.catalogue().await?;
    expect_month(month, ctx.today().await?, Verb::ClosePeriod)?;
    is_next(ctx, month).await?;
    for _ in 0..TRIES {
        recognize::recognize(ctx, month.end).await?;
        seal::seal(ctx).await?;
        let mut tx = ctx.store.read().await?;
        let posted = store::ledger::posted_before(&mut tx, month.end).await?;
        drop(tx);
        reconcile(ctx, month).await?;
        let (path, made) = export::month(ctx, format, month).await?;

        let mut tx = ctx.store.begin().await?;
        let open_from = store::ledger::lock_periods(&mut tx).await?;
        if open_from.is_some_and(|open| open >= month.end) {
            return Err(closed(month).into());
        }
        // Under the lock nobody posts: what was counted is all there will ever be, or it is looked at again.
        if store::ledger::posted_before(&mut tx, month.end).await? != posted {
            continue;
        }
        let end = store::ledger::chain_end(&mut tx).await?;
        let period = ClosedPeriod {
            period: month.to_string(),
            open_from: month.end,
            entries: made.manifest.entries,
            last_sequence: end.sequence,
            last_hash: end.hash.to_string(),
            path,
            sha256: export::known_hash(&made)?,
            totals: serde_json::to_value(&made.manifest.totals).map_err(anyhow::Error::from)?,
            closed_by: act.actor.to_string(),
            closed_at: (ctx.now)(),
        };
        store::ledger::close(&mut tx, &period).await?;
        let detail = json!({ "entries": period.entries, "sha256": period.sha256 });
        ctx.note(&mut tx, &act.actor, Action::ClosePeriod, Object::Period(&period.period), detail).await?;
        tx.commit().await?;
        return Ok(period.into());
    }
    let message = format!("entries are being posted into {month} without end");
    Err(Refusal::new(Code::PostingUnderWay, message)
        .hint("wait for the run that is under way: ")
        .ask(Verb::ListRuns.plain())
        .into())
}

/// Months are closed in order, from the first in which anything is posted.
async fn is_next(ctx: &Context, month: MonthRange) -> Result<(), Stop> {
    let mut tx = ctx.store.read().await?;
    let closed_until = store::ledger::closed_periods(&mut tx).await?.last().map(|period| period.open_from);
    let first = store::ledger::first_posting(&mut tx).await?;
    Ok(expect_next(month, closed_until, first)?)
}

/// Refuses a month of which two parts of the books say different things.
async fn reconcile(ctx: &Context, month: MonthRange) -> Result<(), Stop> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut tell = |pointer: &str, message: String| {
        faults.push(Fault { pointer: pointer.to_owned(), message, way_out: None });
    };
    for check in verify::books(ctx).await?.into_iter().filter(|check| !check.ok) {
        tell(check.name, check.difference.unwrap_or_default());
    }
    for name in RECONCILED {
        let mut agreed = Agreed::default();
        let ask = Ask { name, span: month, as_of: None, account: None, detail: false };
        reports::report(ctx, &ask, &mut agreed).await?;
        for differs in agreed.0.into_iter().filter(|agreement| !agreement.ok) {
            let message = format!(
                "{}: {} in the report, {} in the ledger",
                differs.name, differs.report, differs.ledger
            );
            tell(name.word(), message);
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let message = format!("{month} does not reconcile: nothing was closed");
    Err(Refusal::new(Code::NotReconciled, message)
        .ask(Verb::Verify.plain())
        .hint(" checks everything")
        .with(faults)
        .into())
}

/// Keeps of a report what was compared.
#[derive(Default)]
struct Agreed(Vec<Agreement>);

impl Sheet for Agreed {
    fn begin(&mut self, _: &ReportHead) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, _: &[Cell]) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, agreements: &[Agreement]) -> io::Result<()> {
        self.0.extend_from_slice(agreements);
        Ok(())
    }
}
