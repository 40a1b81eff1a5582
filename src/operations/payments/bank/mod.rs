//! Money that a bank tells of: files are imported, what says its invoice is put on it, and the rest waits for a person (rules
//! Y6).

pub mod allocate;
pub mod import;
mod put;

use crate::context::Context;
use crate::payments::tried::decimal;
use crate::refusal::Stop;
use chrono::NaiveDate;
use domain::money::{Currency, Money};
use domain::refusal::{Code, Refusal, Verb};
use serde::Serialize;
use store::Tx;
use store::bank::{self, EntryFilter, EntryRow, EntryState};

/// Money that came, as it stands. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct ReceivedView {
    /// By which people call it.
    pub payment: i64,
    pub file: String,
    pub date: NaiveDate,
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
    pub currency: Currency,
    pub account: String,
    pub name: Option<String>,
    pub from: Option<String>,
    pub reference: Option<String>,
    pub text: String,
    /// `placed`, `likely`, `open` or `refunded`.
    pub state: &'static str,
    /// What is on no invoice.
    #[serde(serialize_with = "decimal")]
    pub left: Money,
    /// Why it is not placed.
    pub why: Option<&'static str>,
    /// The invoice that it may be for.
    pub proposed: Option<String>,
    pub placed: Vec<PlacedView>,
    /// For people.
    #[serde(skip)]
    pub words: Option<&'static str>,
}

/// What of it is on an invoice.
#[derive(Debug, Clone, Serialize)]
pub struct PlacedView {
    pub invoice: String,
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
}

impl From<EntryRow> for ReceivedView {
    fn from(row: EntryRow) -> Self {
        let (said, left) = (row.received, row.left);
        let money = |minor| Money::new(minor, said.currency);
        let placed = row.placed.into_iter();
        Self {
            payment: row.number,
            file: row.file,
            date: said.booked_on,
            amount: money(said.amount_minor),
            currency: said.currency,
            account: said.account,
            name: said.name,
            from: said.from,
            reference: said.reference,
            text: said.text,
            state: left.state.name(),
            left: money(left.minor),
            why: left.why.map(|why| why.name()),
            proposed: row.proposed,
            placed: placed.map(|(invoice, minor)| PlacedView { invoice, amount: money(minor) }).collect(),
            words: left.why.map(|why| why.words()),
        }
    }
}

/// Which money to list.
#[derive(Debug, Clone, Default)]
pub struct ReceivedSelection {
    /// One of the words of [`ReceivedView::state`].
    pub state: Option<String>,
    /// 0 = all.
    pub limit: u32,
}

/// The words that narrow a list.
pub const STATES: [&str; 4] = ["placed", "likely", "open", "refunded"];

/// Money that banks have told of, in the order in which it was read.
pub async fn list(ctx: &Context, which: &ReceivedSelection) -> Result<Vec<ReceivedView>, Stop> {
    let state = match which.state.as_deref().map(|word| (word, EntryState::parse(word))) {
        Some((word, None)) => {
            let message = format!("`{word}` is no state of money that came");
            return Err(Refusal::new(Code::BadArgument, message).hint(STATES.join(", ")).into());
        }
        Some((_, state)) => state,
        None => None,
    };
    let mut tx = ctx.store.read().await?;
    let rows =
        bank::entries(&mut tx, EntryFilter { state, limit: which.limit, ..EntryFilter::default() }).await?;
    Ok(rows.into_iter().map(ReceivedView::from).collect())
}

/// The money of this number, for nobody else until the transaction ends.
async fn locked(tx: &mut Tx, number: i64) -> Result<EntryRow, Stop> {
    let unknown = || {
        Refusal::new(Code::UnknownPayment, format!("no payment {number} has been imported from a bank"))
            .hint("see ")
            .ask(Verb::ListReceived.plain())
    };
    let filter = EntryFilter { number: Some(number), ..EntryFilter::default() };
    let found = bank::entries(tx, filter).await?.pop().ok_or_else(unknown)?;
    bank::lock(tx, found.received.id).await?;
    // It may have been placed while we waited.
    Ok(bank::entries(tx, filter).await?.pop().ok_or_else(unknown)?)
}

/// As it stands once the transaction is committed.
async fn committed(mut tx: Tx, number: i64) -> Result<ReceivedView, Stop> {
    let filter = EntryFilter { number: Some(number), ..EntryFilter::default() };
    let row = bank::entries(&mut tx, filter).await?.pop();
    let row = row.ok_or_else(|| anyhow::anyhow!("payment {number} is gone"))?;
    tx.commit().await?;
    Ok(row.into())
}
