//! Reports of the books, from sealed entries alone, each beside the same sums of the ledger (rules L6, L7). Rows go to the
//! asker one after the other: a ledger of millions of entries needs no more memory than a small one.

mod accounts;
mod aging;
mod customers;
mod deferred;
mod mrr;
mod revenue;
mod turnover;
mod unbilled;
mod vat;

use crate::context::Context;
use crate::ledger::seal;
use crate::refusal::Stop;
use chrono::NaiveDate;
use domain::catalogue::Catalogue;
use domain::refusal::{Code, Refusal};
use domain::report::{Agreement, Cell, Column, MonthRange, Name, ReportHead, Sheet};
use std::sync::Arc;
use store::Tx;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    pub name: Name,
    pub span: MonthRange,
    /// What is open, owed or unbilled at the end of this day; the span's last day unless given.
    pub as_of: Option<NaiveDate>,
    /// One account number; a statement needs one.
    pub account: Option<String>,
    /// Document by document.
    pub detail: bool,
}

/// A report under way: all of it is read in one transaction, so that rows and ledger are of one moment.
struct Work<'a> {
    ask: &'a Ask,
    catalogue: Arc<Catalogue>,
    tx: Tx,
    sheet: &'a mut dyn Sheet,
    /// Whether everything agreed.
    ok: bool,
}

/// Writes the report into the sheet; whether everything agrees with the ledger.
pub async fn report(ctx: &Context, ask: &Ask, sheet: &mut dyn Sheet) -> Result<bool, Stop> {
    let catalogue = ctx.catalogue().await?;
    seal::seal(ctx).await?;
    let tx = ctx.store.read().await?;
    let mut work = Work { ask, catalogue, tx, sheet, ok: true };
    match ask.name {
        Name::Vat => vat::boxes(ctx, &mut work).await?,
        Name::Oss => vat::oss(ctx, &mut work).await?,
        Name::SalesList => vat::sales_list(&mut work).await?,
        Name::Aging => aging::aging(&mut work).await?,
        Name::Statement => customers::statement(&mut work).await?,
        Name::CustomerLedger => customers::ledger(&mut work).await?,
        Name::TrialBalance => accounts::trial_balance(&mut work).await?,
        Name::Clearing => accounts::clearing(&mut work).await?,
        Name::Revenue => revenue::revenue(&mut work).await?,
        Name::Deferred => deferred::waterfall(&mut work).await?,
        Name::Mrr => mrr::mrr(&mut work).await?,
        Name::Unbilled => unbilled::unbilled_lines(ctx, &mut work).await?,
    }
    Ok(work.ok)
}

impl Work<'_> {
    /// What stands above the rows of a report over its span; the chart of a page has a column's words and an amount.
    fn begin(
        &mut self,
        title: &'static str,
        columns: &[Column],
        chart: (&'static str, &'static str),
    ) -> anyhow::Result<()> {
        self.begin_at(title, self.ask.span.to_string(), columns, Some(chart))
    }

    fn begin_at(
        &mut self,
        title: &'static str,
        period: String,
        columns: &[Column],
        chart: Option<(&'static str, &'static str)>,
    ) -> anyhow::Result<()> {
        let tenant = self.catalogue.tenant.fullname.clone();
        let head =
            ReportHead { name: self.ask.name, title, tenant, period, columns: columns.to_vec(), chart };
        Ok(self.sheet.begin(&head)?)
    }

    fn row(&mut self, cells: &[Cell]) -> anyhow::Result<()> {
        Ok(self.sheet.row(cells)?)
    }

    fn end(&mut self, agreements: &[Agreement]) -> anyhow::Result<()> {
        self.ok = agreements.iter().all(|agreement| agreement.ok);
        Ok(self.sheet.end(agreements)?)
    }

    /// The day at whose end things are looked at.
    fn as_of(&self) -> NaiveDate {
        self.ask.as_of.unwrap_or_else(|| self.ask.span.last_day())
    }
}

/// The asker must name an account.
fn no_account() -> Refusal {
    Refusal::new(Code::MissingArgument, "a statement is of one payer").option("account", "CU-0001")
}
