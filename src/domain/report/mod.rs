//! Reports of the books as tables that every face shows in its own way: columns, rows one after the other, and at the end
//! what was compared with the sealed ledger.

mod boxes;
mod closing;
mod mrr;
mod span;

pub use boxes::{Amount, BoxFault, BoxTable, Boxed, Buyer, BuyerPlace, Sale, builtin};
pub use closing::{closed, expect_month, expect_next};
pub use mrr::{Covered, Movement, monthly_minor, movement};
pub use span::{MonthRange, SpanFault};

use crate::money::{Currency, Total};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;
use std::io;

/// A report that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    Vat,
    Oss,
    SalesList,
    Aging,
    Statement,
    TrialBalance,
    CustomerLedger,
    Clearing,
    Revenue,
    Deferred,
    Mrr,
    Unbilled,
}

impl Name {
    /// Every report.
    pub const ALL: [Name; 12] = [
        Self::Vat,
        Self::Oss,
        Self::SalesList,
        Self::Aging,
        Self::Statement,
        Self::TrialBalance,
        Self::CustomerLedger,
        Self::Clearing,
        Self::Revenue,
        Self::Deferred,
        Self::Mrr,
        Self::Unbilled,
    ];

    /// The word by which it is asked for.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vat => "vat",
            Self::Oss => "oss",
            Self::SalesList => "sales-list",
            Self::Aging => "aging",
            Self::Statement => "statement",
            Self::TrialBalance => "trial-balance",
            Self::CustomerLedger => "customer-ledger",
            Self::Clearing => "clearing",
            Self::Revenue => "revenue",
            Self::Deferred => "deferred",
            Self::Mrr => "mrr",
            Self::Unbilled => "unbilled",
        }
    }

    /// The report of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.word() == word.trim())
    }
}

/// A value of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Empty,
    Text(String),
    Day(NaiveDate),
    Count(i64),
    Percent(Decimal),
    Amount(Total),
}

impl Cell {
    /// A text, or nothing.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Minor units of a currency.
    pub fn amount(minor: i128, currency: Currency) -> Self {
        Self::Amount(Total::new(minor, currency))
    }

    /// A currency's code.
    pub fn currency(currency: Currency) -> Self {
        Self::Text(currency.code().to_owned())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

impl From<NaiveDate> for Cell {
    fn from(day: NaiveDate) -> Self {
        Self::Day(day)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A column: its key for programs, its title for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub key: &'static str,
    pub title: &'static str,
    /// Numbers stand to the right.
    pub is_number: bool,
}

/// A column of words.
pub const fn words(key: &'static str, title: &'static str) -> Column {
    Column { key, title, is_number: false }
}

/// A column of numbers.
pub const fn numbers(key: &'static str, title: &'static str) -> Column {
    Column { key, title, is_number: true }
}

/// What stands above the rows.
#[derive(Debug, Clone)]
pub struct ReportHead {
    pub name: Name,
    pub title: &'static str,
    /// Whose books.
    pub tenant: String,
    /// What it is about: a month, or the end of a day.
    pub period: String,
    pub columns: Vec<Column>,
    /// Columns that a chart is drawn of: what is named, and its amount.
    pub chart: Option<(&'static str, &'static str)>,
}

/// A sum of the report beside the same sum of the sealed ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agreement {
    pub name: String,
    pub ok: bool,
    pub report: String,
    pub ledger: String,
}

impl Agreement {
    /// Compares two sums of a currency.
    pub fn of(name: impl Into<String>, currency: Currency, report: i128, ledger: i128) -> Self {
        let text = |minor| format!("{} {currency}", Total::new(minor, currency));
        Self { name: name.into(), ok: report == ledger, report: text(report), ledger: text(ledger) }
    }
}

/// Where a report goes: rows one after the other, so that none is too long.
pub trait Sheet: Send {
    /// What stands above the rows.
    fn begin(&mut self, head: &ReportHead) -> io::Result<()>;
    /// One row, a cell per column.
    fn row(&mut self, cells: &[Cell]) -> io::Result<()>;
    /// What was compared, at the end.
    fn end(&mut self, agreements: &[Agreement]) -> io::Result<()>;
}
