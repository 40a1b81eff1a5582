//! A report as CSV: UTF-8, LF, RFC 4180, a line of keys first. What was compared stands at the end of the page and the JSON
//! alone, so that every line of the file is a row.

use super::plain;
use crate::plain::csv_text;
use domain::report::{Agreement, Cell, ReportHead, Sheet};
use std::io::{self, Write};

/// Writes rows as CSV.
pub struct CsvSheet<W>(pub W);

impl<W: Write + Send> Sheet for CsvSheet<W> {
    fn begin(&mut self, head: &ReportHead) -> io::Result<()> {
        let keys: Vec<&str> = head.columns.iter().map(|column| column.key).collect();
        writeln!(self.0, "{}", keys.join(","))
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        // A text that looks like a formula is guarded; a number below zero is none.
        let field = |cell: &Cell| match cell {
            Cell::Text(text) => csv_text(text),
            other => plain(other),
        };
        writeln!(self.0, "{}", cells.iter().map(field).collect::<Vec<_>>().join(","))
    }

    fn end(&mut self, _: &[Agreement]) -> io::Result<()> {
        self.0.flush()
    }
}
