//! What people and scripts read: tables or one JSON document on stdout, talk on stderr.

mod table;

use crate::failure::Failure;
use crate::stdout;
use domain::money::Total;
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

    /// A table on stdout; on a terminal that is too narrow for it, each row by itself.
    pub fn table(&self, columns: &[Column], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        self.line(&tabled(columns, rows, true));
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

/// The text of a table; `here` is where the terminal's width counts.
pub fn tabled(columns: &[Column], rows: Vec<Vec<String>>, here: bool) -> String {
    let width = terminal_width().filter(|_| here);
    match width.is_none_or(|width| table::fits(columns, &rows, width)) {
        true => table::table(columns, rows, width),
        false => table::records(columns, &rows),
    }
}

/// How many characters a line of the terminal holds; none where no terminal reads.
fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    comfy_table::Table::new().width().map(usize::from)
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
    total(&Total::new(minor, currency))
}

/// A total in groups of three, without its currency: `1 234.50`.
pub fn total(total: &Total) -> String {
    total.grouped()
}

/// An amount with its currency as an answer tells it, `1234.50 DKK`, in groups of three.
pub fn grouped_text(told: &str) -> String {
    let (amount, rest) = told.split_once(' ').unwrap_or((told, ""));
    let (whole, fraction) =
        amount.split_once('.').map_or((amount, String::new()), |(w, f)| (w, format!(".{f}")));
    match whole.parse::<i128>() {
        Ok(number) if number != 0 => format!("{}{fraction} {rest}", grouped(number)).trim_end().to_owned(),
        _ => told.to_owned(),
    }
}

/// JSON over many lines, as `--json` prints it.
pub fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Failure::fault("answer", format!("cannot print the answer: {error}")))
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

    #[test]
    fn an_amount_in_a_text_is_grouped_and_other_texts_are_left() {
        for (told, shown) in [
            ("24440.84 DKK", "24 440.84 DKK"),
            ("-1000 JPY", "-1 000 JPY"),
            ("-0.50 DKK", "-0.50 DKK"),
            ("none", "none"),
        ] {
            assert_eq!(grouped_text(told), shown);
        }
    }
}
