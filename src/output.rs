//! What people and scripts read: tables or one JSON document on stdout, talk on stderr.

use crate::failure::Failure;
use crate::stdout;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use std::io::{IsTerminal, Write};

/// How a command answers.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

/// Alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Left(&'static str),
    Right(&'static str),
}

impl Output {
    /// Tables, or JSON with `--json`.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether scripts are reading.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One JSON document on stdout.
    pub fn document(&self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(&text),
            Err(e) => self.say(&format!("cannot print the answer: {e}")),
        }
    }

    /// One line of data on stdout.
    pub fn line(&self, text: &str) {
        stdout::write(format!("{text}\n").as_bytes());
    }

    /// Raw data on stdout.
    pub fn bytes(&self, bytes: &[u8]) {
        stdout::write(bytes);
    }

    /// Talk on stderr; quiet with `--json`.
    pub fn say(&self, text: &str) {
        if !self.json {
            drop(writeln!(std::io::stderr().lock(), "{text}"));
        }
    }

    /// A table on stdout, as wide as the terminal.
    pub fn table(&self, columns: &[Column], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.set_header(columns.iter().map(|c| match c {
            Column::Left(name) | Column::Right(name) => *name,
        }));
        for (index, column) in columns.iter().enumerate() {
            if let (Column::Right(_), Some(c)) = (column, table.column_mut(index)) {
                c.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.add_rows(rows);
        self.line(&table.to_string());
    }

    /// A refusal or failure on stderr: JSON for scripts, words for people.
    pub fn failure(&self, failure: &Failure) {
        let mut err = std::io::stderr().lock();
        if self.json {
            let body = serde_json::json!({ "error": failure });
            drop(writeln!(err, "{body}"));
            return;
        }
        drop(writeln!(err, "error: {}", failure.message));
        const SHOWN: usize = 50;
        for fault in failure.faults.iter().take(SHOWN) {
            let place = if fault.pointer.is_empty() { String::new() } else { format!("{}: ", fault.pointer) };
            drop(writeln!(err, "  {place}{}", fault.message));
        }
        if failure.faults.len() > SHOWN {
            drop(writeln!(err, "  … and {} more (all of them with --json)", failure.faults.len() - SHOWN));
        }
        if let Some(hint) = &failure.hint {
            drop(writeln!(err, "hint: {hint}"));
        }
    }
}

/// `1 234 567`: digits in groups of three, thin enough for any language.
pub fn grouped(number: impl Into<i128>) -> String {
    let text = number.into().to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |d| ("-", d));
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

/// An amount of minor units in groups of three: `1 234.50`.
pub fn amount(minor: i128, currency: domain::money::Currency) -> String {
    let decimals = usize::try_from(currency.decimals()).unwrap_or(2);
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let whole = grouped(whole.parse::<i128>().unwrap_or(0));
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_and_keep_their_decimals() {
        let of = |code: &str| code.parse::<domain::money::Currency>().expect("a currency");
        for (minor, code, text) in [
            (5, "DKK", "0.05"),
            (-123_456_789, "DKK", "-1 234 567.89"),
            (1200, "JPY", "1 200"),
            (1, "KWD", "0.001"),
        ] {
            assert_eq!(amount(minor, of(code)), text);
        }
    }
}
