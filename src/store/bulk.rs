//! Many rows in one statement, from one column list: `insert … values` of 100 rows in SQLite, `insert … select from
//! unnest(arrays)` in PostgreSQL (ARCHITECTURE.md, "bulk or not at all").

use crate::tx::Tx;
use crate::value::Dec;
use anyhow::ensure;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::join;
use rust_decimal::Decimal;
use sqlx::AssertSqlSafe;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use uuid::Uuid;

/// Rows per SQLite statement, largest first: few distinct texts, so that prepared statements are reused.
const SQLITE_ROWS: [usize; 4] = [100, 20, 5, 1];

/// One value. An absent value keeps its kind, because PostgreSQL's arrays are typed.
#[derive(Debug, Clone)]
pub(crate) enum Cell<'a> {
    Uuid(Option<Uuid>),
    Text(Option<Cow<'a, str>>),
    Int(Option<i64>),
    Bool(Option<bool>),
    Date(Option<NaiveDate>),
    Instant(Option<DateTime<Utc>>),
    Dec(Option<Decimal>),
    Bytes(Option<Vec<u8>>),
    /// JSON text.
    Json(Option<String>),
}

macro_rules! cell_from {
    ($($from:ty => $kind:ident($value:ident) $convert:expr;)*) => {$(
        impl<'a> From<$from> for Cell<'a> {
            fn from($value: $from) -> Self {
                Cell::$kind(Some($convert))
            }
        }
        impl<'a> From<Option<$from>> for Cell<'a> {
            fn from(value: Option<$from>) -> Self {
                Cell::$kind(value.map(|$value| $convert))
            }
        }
    )*};
}

cell_from! {
    Uuid => Uuid(v) v;
    &'a str => Text(v) Cow::Borrowed(v);
    &'a String => Text(v) Cow::Borrowed(v.as_str());
    String => Text(v) Cow::Owned(v);
    i64 => Int(v) v;
    u32 => Int(v) i64::from(v);
    bool => Bool(v) v;
    NaiveDate => Date(v) v;
    DateTime<Utc> => Instant(v) v;
    Decimal => Dec(v) v;
}

impl<'a> From<&'a Option<String>> for Cell<'a> {
    fn from(value: &'a Option<String>) -> Self {
        Cell::Text(value.as_deref().map(Cow::Borrowed))
    }
}

impl Cell<'_> {
    /// The value's serde form.
    pub fn json<T: serde::Serialize>(value: &T) -> anyhow::Result<Self> {
        Ok(Cell::Json(Some(serde_json::to_string(value)?)))
    }

    fn array_type(&self) -> &'static str {
        match self {
            Cell::Uuid(_) => "uuid[]",
            Cell::Text(_) | Cell::Json(_) => "text[]",
            Cell::Int(_) => "bigint[]",
            Cell::Bool(_) => "boolean[]",
            Cell::Date(_) => "date[]",
            Cell::Instant(_) => "timestamptz[]",
            Cell::Dec(_) => "numeric[]",
            Cell::Bytes(_) => "bytea[]",
        }
    }
}

/// Rows for one table.
pub(crate) struct Bulk<'a> {
    table: &'static str,
    columns: &'static [&'static str],
    /// Row after row.
    cells: Vec<Cell<'a>>,
    /// What follows the rows, for example `on conflict (id) do nothing`.
    suffix: &'static str,
}

impl<'a> Bulk<'a> {
    /// No rows yet; `columns` in the order in which [`Self::row`] gives them.
    pub fn into(table: &'static str, columns: &'static [&'static str]) -> Self {
        Self { table, columns, cells: Vec::new(), suffix: "" }
    }

    /// What to do with rows that are there already.
    pub fn on_conflict(mut self, suffix: &'static str) -> Self {
        self.suffix = suffix;
        self
    }

    /// One more row.
    pub fn row<const N: usize>(&mut self, cells: [Cell<'a>; N]) {
        debug_assert_eq!(N, self.columns.len(), "{}: a row of {N} cells", self.table);
        self.cells.extend(cells);
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.cells.len() / self.columns.len().max(1)
    }

    /// Inserts every row; returns how many rows the database reports as written.
    pub async fn insert(self, tx: &mut Tx) -> anyhow::Result<u64> {
        ensure!(
            self.cells.len() == self.rows() * self.columns.len(),
            "{}: {} cells do not fill rows of {}",
            self.table,
            self.cells.len(),
            self.columns.len()
        );
        if self.cells.is_empty() {
            return Ok(0);
        }
        match tx {
            Tx::Sqlite(_) => self.insert_sqlite(tx).await,
            Tx::Postgres(_) => self.insert_postgres(tx).await,
        }
    }

    /// Inserts a row of each item. On SQLite rows are made while those before them are written.
    pub async fn insert_each<T: Sync, const N: usize>(
        self,
        tx: &mut Tx,
        items: &'a [T],
        row: fn(&'a T) -> anyhow::Result<[Cell<'a>; N]>,
    ) -> anyhow::Result<()> {
        let Self { table, columns, suffix, .. } = self;
        let made = |items: &'a [T]| {
            let mut rows = Bulk { table, columns, cells: Vec::with_capacity(items.len() * N), suffix };
            for item in items {
                rows.row(row(item)?);
            }
            anyhow::Ok(rows)
        };
        let at_once = if tx.is_sqlite() { SQLITE_ROWS[0] } else { items.len().max(1) };
        let mut parts = items.chunks(at_once);
        let mut next = parts.next().map(made).transpose()?;
        while let Some(rows) = next {
            let making = async { parts.next().map(made).transpose() };
            let (written, made) = join(rows.insert(tx), making).await;
            written?;
            next = made?;
        }
        Ok(())
    }

    async fn insert_sqlite(self, tx: &mut Tx) -> anyhow::Result<u64> {
        let Tx::Sqlite(t) = tx else { return Ok(0) };
        let width = self.columns.len();
        let mut left = self.rows();
        let texts: Vec<Arc<str>> = SQLITE_ROWS
            .iter()
            .map(|rows| if *rows <= left { self.sqlite_text(*rows) } else { Arc::default() })
            .collect();
        let mut cells = self.cells.into_iter();
        let mut written = 0;
        while left > 0 {
            let size = SQLITE_ROWS.iter().position(|rows| *rows <= left).unwrap_or(SQLITE_ROWS.len() - 1);
            let rows = SQLITE_ROWS[size];
            let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&texts[size])));
            for cell in cells.by_ref().take(rows * width) {
                query = match cell {
                    Cell::Uuid(v) => query.bind(v),
                    Cell::Text(v) => query.bind(v.map(Cow::into_owned)),
                    Cell::Int(v) => query.bind(v),
                    Cell::Bool(v) => query.bind(v),
                    Cell::Date(v) => query.bind(v),
                    Cell::Instant(v) => query.bind(v),
                    Cell::Dec(v) => query.bind(v.map(Dec)),
                    Cell::Bytes(v) => query.bind(v),
                    Cell::Json(v) => query.bind(v),
                };
            }
            written += query.execute(&mut **t).await?.rows_affected();
            left -= rows;
        }
        Ok(written)
    }

    fn sqlite_text(&self, rows: usize) -> Arc<str> {
        // Anonymous placeholders: SQLite looks named ones up in a list, so thousands of them cost the square. `or fail`: a
        // statement that may stop half-way keeps a copy of every page that it changes, which costs nearly as much as the rows;
        // what fails is rolled back with the whole transaction anyway.
        let width = self.columns.len();
        let mut text = format!("insert or fail into {} ({}) values ", self.table, self.columns.join(", "));
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..width {
                text.push_str(if column == 0 { "?" } else { ", ?" });
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.suffix);
        text.into()
    }

    async fn insert_postgres(self, tx: &mut Tx) -> anyhow::Result<u64> {
        let Tx::Postgres(t) = tx else { return Ok(0) };
        let width = self.columns.len();
        let kinds: Vec<&'static str> = self.cells[..width].iter().map(Cell::array_type).collect();
        let is_json: Vec<bool> = self.cells[..width].iter().map(|c| matches!(c, Cell::Json(_))).collect();
        let mut text = format!("insert into {} ({}) select ", self.table, self.columns.join(", "));
        for (n, json) in is_json.iter().enumerate() {
            let _ =
                write!(text, "{}c{n}{}", if n == 0 { "" } else { ", " }, if *json { "::jsonb" } else { "" });
        }
        text.push_str(" from unnest(");
        for (n, kind) in kinds.iter().enumerate() {
            let _ = write!(text, "{}${}::{kind}", if n == 0 { "" } else { ", " }, n + 1);
        }
        text.push_str(") as given (");
        for n in 0..width {
            let _ = write!(text, "{}c{n}", if n == 0 { "" } else { ", " });
        }
        let _ = write!(text, ") {}", self.suffix);

        let mut query = sqlx::query(AssertSqlSafe(text));
        for array in arrays(self.cells, width) {
            query = match array {
                Array::Uuid(v) => query.bind(v),
                Array::Text(v) => query.bind(v),
                Array::Int(v) => query.bind(v),
                Array::Bool(v) => query.bind(v),
                Array::Date(v) => query.bind(v),
                Array::Instant(v) => query.bind(v),
                Array::Dec(v) => query.bind(v),
                Array::Bytes(v) => query.bind(v),
            };
        }
        Ok(query.execute(&mut **t).await?.rows_affected())
    }
}

/// One column of all rows.
enum Array {
    Uuid(Vec<Option<Uuid>>),
    Text(Vec<Option<String>>),
    Int(Vec<Option<i64>>),
    Bool(Vec<Option<bool>>),
    Date(Vec<Option<NaiveDate>>),
    Instant(Vec<Option<DateTime<Utc>>>),
    Dec(Vec<Option<Decimal>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

/// Turns rows into columns. A cell of another kind than the column's first becomes null, which a not-null column
/// refuses.
fn arrays(cells: Vec<Cell<'_>>, width: usize) -> Vec<Array> {
    let mut arrays: Vec<Array> = cells[..width]
        .iter()
        .map(|cell| match cell {
            Cell::Uuid(_) => Array::Uuid(Vec::new()),
            Cell::Text(_) | Cell::Json(_) => Array::Text(Vec::new()),
            Cell::Int(_) => Array::Int(Vec::new()),
            Cell::Bool(_) => Array::Bool(Vec::new()),
            Cell::Date(_) => Array::Date(Vec::new()),
            Cell::Instant(_) => Array::Instant(Vec::new()),
            Cell::Dec(_) => Array::Dec(Vec::new()),
            Cell::Bytes(_) => Array::Bytes(Vec::new()),
        })
        .collect();
    for (n, cell) in cells.into_iter().enumerate() {
        match (&mut arrays[n % width], cell) {
            (Array::Uuid(all), cell) => all.push(if let Cell::Uuid(v) = cell { v } else { None }),
            (Array::Int(all), cell) => all.push(if let Cell::Int(v) = cell { v } else { None }),
            (Array::Bool(all), cell) => all.push(if let Cell::Bool(v) = cell { v } else { None }),
            (Array::Date(all), cell) => all.push(if let Cell::Date(v) = cell { v } else { None }),
            (Array::Instant(all), cell) => all.push(if let Cell::Instant(v) = cell { v } else { None }),
            (Array::Dec(all), cell) => all.push(if let Cell::Dec(v) = cell { v } else { None }),
            (Array::Bytes(all), cell) => all.push(if let Cell::Bytes(v) = cell { v } else { None }),
            (Array::Text(all), Cell::Text(v)) => all.push(v.map(Cow::into_owned)),
            (Array::Text(all), Cell::Json(v)) => all.push(v),
            (Array::Text(all), _) => all.push(None),
        }
    }
    arrays
}
