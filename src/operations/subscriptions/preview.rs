//! What a change of a subscription would bill: the next invoice with and without it.

use crate::act::{Act, Mode};
use crate::context::Context;
use crate::invoices::view::DraftView;
use crate::refusal::Stop;
use crate::runs::bill::bill_one;
use crate::runs::bounds::{Gate, Outcome};
use crate::runs::pin::would_be_run;
use crate::subscriptions::change::{Change, Checked, look_at, read};
use crate::usage::measure;
use anyhow::Context as _;
use chrono::{Days, Months, NaiveDate};
use domain::billing::{PayerBook, RunContext};
use serde::Serialize;
use store::run::Run;

/// What a change would cost: the payer's drafts with this subscription on them, with and without it.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// Its number.
    pub subscription: String,
    pub verb: &'static str,
    pub on: NaiveDate,
    pub effective: NaiveDate,
    /// Everything due on or before this day is billed: the day asked for, or the first one at which the change shows.
    #[serde(rename = "asof")]
    pub as_of: NaiveDate,
    pub with: Vec<DraftView>,
    pub without: Vec<DraftView>,
}

impl Preview {
    fn shows(&self) -> bool {
        let told = |drafts: &[DraftView]| -> Vec<_> {
            let drafts = drafts.iter().map(|view| &view.draft);
            drafts.map(|d| (d.charge_date, d.currency, d.net_minor, d.vat_minor, d.lines.len())).collect()
        };
        told(&self.without) != told(&self.with)
    }

    fn says_nothing(&self) -> bool {
        self.with.is_empty() && self.without.is_empty()
    }
}

/// What the verb would cost, billed up to `as_of`, or up to the first day at which the change shows.
pub async fn preview(
    ctx: &Context,
    act: &Act,
    change: &Change,
    as_of: Option<NaiveDate>,
) -> Result<Preview, Stop> {
    let mut tx = ctx.store.read().await?;
    let asked = read(&mut tx, act, change).await?;
    let look_at = |stop| look_at(stop, &asked.number);
    let checked = Checked::of(&mut tx, &asked, Mode::Show).await.map_err(look_at)?;
    let changed = checked.changed(&asked).map_err(|refusal| look_at(refusal.into()))?;
    let pinned = would_be_run(ctx, &mut tx, asked.on).await?;
    drop(tx);
    let mut with = checked.book.clone();
    with.subscriptions.insert(changed.id, changed);
    let mut shown: Option<Preview> = None;
    for as_of in as_of.map_or_else(|| horizons(asked.on.max(asked.effective)), |day| vec![day]) {
        let run = Run { as_of, ..pinned.clone() };
        let preview = Preview {
            subscription: asked.number.clone(),
            verb: asked.request.verb().name(),
            on: asked.on,
            effective: asked.effective,
            as_of,
            with: drafts(ctx, &run, &with, &asked.number).await?,
            without: drafts(ctx, &run, &checked.book, &asked.number).await?,
        };
        let shows = preview.shows();
        if shows || shown.as_ref().is_none_or(Preview::says_nothing) {
            shown = Some(preview);
        }
        if shows {
            break;
        }
    }
    Ok(shown.context("a preview looks at one day at least")?)
}

/// Days at which a change may show: at once, within a week, a month, a quarter, a year.
fn horizons(day: NaiveDate) -> Vec<NaiveDate> {
    let later = |months| day.checked_add_months(Months::new(months)).unwrap_or(NaiveDate::MAX);
    let week = day.checked_add_days(Days::new(7)).unwrap_or(NaiveDate::MAX);
    vec![day, week, later(1), later(3), later(12)]
}

async fn drafts(ctx: &Context, run: &Run, book: &PayerBook, number: &str) -> anyhow::Result<Vec<DraftView>> {
    let books = measure::with_late_hints(ctx, run, vec![book.clone()]).await?;
    let rated = measure::measure(ctx, run, &books).await?;
    let measured = rated.by_payer.get(&book.payer).cloned().unwrap_or_default();
    let context = RunContext {
        ordinal: run.ordinal,
        place: domain::ids::Place::of(0),
        as_of: run.as_of,
        usage_mark: run.usage_mark,
        catch_up_max: ctx.settings.catch_up_max,
    };
    // What the next invoice would be, whoever holds it back then.
    let billed = match bill_one(&books[0], &measured, context, &Gate::default()) {
        Outcome::Billed(billed) => billed,
        Outcome::Parked(parked) => parked.billed,
        Outcome::Failed(reason) => anyhow::bail!(reason),
    };
    let mut drafts = billed.drafts;
    drafts.retain(|d| d.lines.iter().any(|line| line.subscription_number.as_deref() == Some(number)));
    Ok(drafts.into_iter().map(DraftView::shown).collect())
}
