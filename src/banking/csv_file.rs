//! Statements as banks export them for spreadsheets: a head line, one line per entry, and a mapping that says what the
//! columns are, as every bank has its own.

use crate::camt::amount_minor;
use crate::{BankFile, BankFileError, ENTRIES_MAX, Format, PassedBy};
use chrono::NaiveDate;
use domain::Uuid;
use domain::bank::{EntryIds, Received};
use domain::money::Currency;

/// How dates may be written, and as what they are parsed.
pub const DATE_FORMATS: [(&str, &str); 6] = [
    ("YYYY-MM-DD", "%Y-%m-%d"),
    ("DD-MM-YYYY", "%d-%m-%Y"),
    ("DD.MM.YYYY", "%d.%m.%Y"),
    ("DD/MM/YYYY", "%d/%m/%Y"),
    ("MM/DD/YYYY", "%m/%d/%Y"),
    ("YYYYMMDD", "%Y%m%d"),
];

/// Headings of the columns, and how values are written. Date and amount must be there; empty = the file has no such column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvMapping {
    pub date: String,
    pub amount: String,
    /// Without it everything is in `default_currency`.
    pub currency: String,
    pub name: String,
    pub from: String,
    pub reference: String,
    pub text: String,
    /// The bank's own name for an entry.
    pub id: String,
    /// One of [`DATE_FORMATS`].
    pub date_format: String,
    /// `,` or `.`.
    pub decimal: String,
    /// `,`, `;` or `tab`; empty = whichever the head line has most of.
    pub delimiter: String,
    pub default_currency: String,
    /// The account that the file is of.
    pub account: String,
}

/// Reads a statement by its mapping.
pub(crate) fn read(bytes: &[u8], mapping: &CsvMapping) -> Result<BankFile, BankFileError> {
    if mapping.date.is_empty() || mapping.amount.is_empty() {
        return Err(BankFileError::Unmapped("no setting says which columns have date and amount".to_owned()));
    }
    if !bytes.ends_with(b"\n") {
        return Err(BankFileError::CutOff("its last line has no end; if it is whole, add one".to_owned()));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|e| BankFileError::Damaged(format!("byte {} is not UTF-8", e.valid_up_to())))?;
    let head = text.lines().next().unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(mapping, head))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|e| BankFileError::Damaged(e.to_string()))?.clone();
    let columns = Columns::find(&headings, mapping)?;
    let (mut received, mut ids) = (Vec::new(), EntryIds::default());
    let mut passed_by = PassedBy::default();
    for record in reader.records() {
        let record = record.map_err(|e| BankFileError::Damaged(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let entry = columns.entry(&record, mapping);
        match entry.map_err(|why| BankFileError::Damaged(format!("line {line}: {why}")))? {
            Some(mut entry) => {
                ids.give(&mut entry);
                received.push(entry);
            }
            None => passed_by.outgoing += 1,
        }
        if received.len() > ENTRIES_MAX {
            return Err(BankFileError::TooMany);
        }
    }
    Ok(BankFile { received, passed_by, ..BankFile::new(Format::Csv) })
}

fn delimiter(mapping: &CsvMapping, head: &str) -> u8 {
    match mapping.delimiter.as_str() {
        "tab" => b'\t',
        one if one.len() == 1 => one.as_bytes()[0],
        _ => *[b',', b'\t', b';']
            .iter()
            .max_by_key(|d| head.bytes().filter(|b| b == *d).count())
            .unwrap_or(&b','),
    }
}

/// Places of the columns.
struct Columns {
    date: usize,
    amount: usize,
    currency: Option<usize>,
    name: Option<usize>,
    from: Option<usize>,
    reference: Option<usize>,
    text: Option<usize>,
    id: Option<usize>,
}

impl Columns {
    fn find(headings: &csv::StringRecord, mapping: &CsvMapping) -> Result<Self, BankFileError> {
        let place = |heading: &str| headings.iter().position(|own| own.eq_ignore_ascii_case(heading));
        let given = |heading: &str| match (heading.is_empty(), place(heading)) {
            (true, _) => Ok(None),
            (false, Some(at)) => Ok(Some(at)),
            (false, None) => {
                let there: Vec<&str> = headings.iter().take(30).collect();
                let there = there.join(", ");
                Err(BankFileError::Unmapped(format!("there is no column `{heading}`; there are {there}")))
            }
        };
        let required = |heading: &str| {
            given(heading)?.ok_or_else(|| BankFileError::Unmapped("date and amount need a column".to_owned()))
        };
        Ok(Self {
            date: required(&mapping.date)?,
            amount: required(&mapping.amount)?,
            currency: given(&mapping.currency)?,
            name: given(&mapping.name)?,
            from: given(&mapping.from)?,
            reference: given(&mapping.reference)?,
            text: given(&mapping.text)?,
            id: given(&mapping.id)?,
        })
    }

    /// None if the money went out.
    fn entry(&self, record: &csv::StringRecord, mapping: &CsvMapping) -> Result<Option<Received>, String> {
        let cell = |at: usize| record.get(at).unwrap_or_default();
        let optional = |at: Option<usize>| at.map(cell).filter(|text| !text.is_empty()).map(str::to_owned);
        let currency = optional(self.currency).unwrap_or_else(|| mapping.default_currency.clone());
        let currency: Currency = currency.parse().map_err(|_| format!("`{currency}` is no currency"))?;
        let written = cell(self.amount);
        let plain = plain_amount(written, &mapping.decimal);
        let (digits, is_out) = match plain.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (plain.trim_start_matches('+'), false),
        };
        let amount_minor = amount_minor(digits, currency)
            .ok_or_else(|| format!("`{written}` is no amount of {currency}"))?;
        let known = DATE_FORMATS.iter().find(|(name, _)| *name == mapping.date_format);
        let format = known.map_or("%Y-%m-%d", |(_, format)| format);
        let day = cell(self.date);
        let booked_on = NaiveDate::parse_from_str(day, format).map_err(|_| {
            format!("`{day}` is no date of the form {}", known.map_or("YYYY-MM-DD", |(n, _)| n))
        })?;
        if is_out || amount_minor == 0 {
            return Ok(None);
        }
        Ok(Some(Received {
            id: Uuid::nil(),
            account: mapping.account.clone(),
            booked_on,
            amount_minor,
            currency,
            name: optional(self.name),
            from: optional(self.from),
            reference: optional(self.reference),
            text: optional(self.text).unwrap_or_default(),
            bank_reference: optional(self.id),
        }))
    }
}

/// With a dot, and without what stands between thousands.
fn plain_amount(written: &str, decimal: &str) -> String {
    let decimal = if decimal == "," { ',' } else { '.' };
    let kept = written.chars().filter(|c| *c == decimal || !matches!(c, '.' | ',' | '\'' | '\u{a0}' | ' '));
    kept.map(|c| match c {
        c if c == decimal => '.',
        '\u{2212}' => '-',
        c => c,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> CsvMapping {
        CsvMapping {
            date: "Bogføringsdato".to_owned(),
            amount: "Beløb".to_owned(),
            name: "Afsender".to_owned(),
            text: "Tekst".to_owned(),
            date_format: "DD-MM-YYYY".to_owned(),
            decimal: ",".to_owned(),
            default_currency: "DKK".to_owned(),
            account: "DK5000400440116243".to_owned(),
            ..CsvMapping::default()
        }
    }

    const FILE: &str = "Bogføringsdato;Beløb;Saldo;Afsender;Tekst\n\
                        03-02-2026;1.248,75;5.000,00;Kaffe & Co;\"Faktura; INV-0000001\"\n\
                        03-02-2026;-40,00;4.960,00;;Husleje\n\
                        04-02-2026;99,50;5.059,50;;\n\
                        04-02-2026;99,50;5.159,00;;\n";

    fn read_text(text: &str) -> Result<BankFile, BankFileError> {
        read(text.as_bytes(), &mapping())
    }

    #[test]
    fn a_mapped_file_is_read_and_two_lines_alike_are_two_entries() {
        let file = read_text(FILE).unwrap();
        let said: Vec<_> = file.received.iter().map(|r| (r.amount_minor, r.text.as_str())).collect();
        assert_eq!(said, [(124_875, "Faktura; INV-0000001"), (9_950, ""), (9_950, "")]);
        assert_eq!((file.passed_by.outgoing, file.received[0].name.as_deref()), (1, Some("Kaffe & Co")));
        assert_ne!(file.received[1].id, file.received[2].id);
        assert_eq!(read_text(FILE).unwrap(), file);
    }

    #[test]
    fn every_fault_names_its_line_or_column() {
        for (text, told) in [
            (FILE.replace("Beløb", "Kroner"), "no column `Beløb`; there are Bogføringsdato, Kroner"),
            (
                FILE.replace("03-02-2026;1", "2026-02-03;1"),
                "line 2: `2026-02-03` is no date of the form DD-MM-YYYY",
            ),
            (FILE.replace("99,50;5.159", "99,505;5.159"), "line 5: `99,505` is no amount of DKK"),
            (FILE.replace("Husleje\n", "Husleje;x;y\n"), "found record with"),
            (FILE.trim_end().to_owned(), "cut off"),
        ] {
            let why = read_text(&text).unwrap_err().to_string();
            assert!(why.contains(told), "{why}");
        }
        assert!(matches!(read(FILE.as_bytes(), &CsvMapping::default()), Err(BankFileError::Unmapped(_))));
    }
}
