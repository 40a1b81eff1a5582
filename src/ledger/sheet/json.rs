//! A report as one JSON document: what stands above, an object per row, and what was compared with the ledger.

use super::plain;
use domain::report::{Agreement, Cell, Column, ReportHead, Sheet};
use std::io::{self, Write};

/// Writes rows as JSON.
pub struct JsonSheet<W> {
    out: W,
    columns: Vec<Column>,
    is_first: bool,
}

impl<W: Write + Send> JsonSheet<W> {
    /// Into a writer.
    pub fn new(out: W) -> Self {
        Self { out, columns: Vec::new(), is_first: true }
    }
}

fn quoted(text: &str) -> io::Result<String> {
    serde_json::to_string(text).map_err(io::Error::other)
}

impl<W: Write + Send> Sheet for JsonSheet<W> {
    fn begin(&mut self, head: &ReportHead) -> io::Result<()> {
        self.columns.clone_from(&head.columns);
        let [name, title, period] = [head.name.word(), head.title, &head.period].map(quoted);
        write!(
            self.out,
            "{{\n  \"report\": {},\n  \"title\": {},\n  \"period\": {},\n  \"rows\": [",
            name?, title?, period?
        )
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        let mut fields = Vec::with_capacity(cells.len());
        for (column, cell) in self.columns.iter().zip(cells) {
            let value = match cell {
                Cell::Empty => "null".to_owned(),
                Cell::Count(count) => count.to_string(),
                other => quoted(&plain(other))?,
            };
            fields.push(format!("{}: {value}", quoted(column.key)?));
        }
        let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
        write!(self.out, "{comma}\n    {{{}}}", fields.join(", "))
    }

    fn end(&mut self, agreements: &[Agreement]) -> io::Result<()> {
        let all = serde_json::to_string(agreements).map_err(io::Error::other)?;
        let ok = agreements.iter().all(|agreement| agreement.ok);
        writeln!(self.out, "\n  ],\n  \"ok\": {ok},\n  \"reconciled\": {all}\n}}")?;
        self.out.flush()
    }
}
