//! A table that a person hands in: CSV with a header line, as spreadsheets save it. Everything wrong with it is told at
//! once, each with its line and column.

use crate::files::hash::sha256_hex;
use domain::refusal::{Code, Fault, Refusal, WayOut};
use std::collections::BTreeMap;

/// Bytes of a table: a million lines of sixty characters are less.
pub const BYTES_MAX: u64 = 64 << 20;
/// Lines of a table.
const ROWS_MAX: usize = 1_000_000;
/// Faults that are told one by one.
const FAULTS_MAX: usize = 1_000;

/// A table in memory.
#[derive(Debug)]
pub struct Table {
    /// Name of the file.
    pub name: String,
    /// Of its bytes.
    pub sha256: String,
    /// Names of the columns, in lower case.
    columns: Vec<String>,
    rows: Vec<Row>,
    /// Where columns are parted by `;` or tabs, a comma may stand for the decimal point.
    has_decimal_commas: bool,
}

#[derive(Debug)]
struct Row {
    line: u64,
    cells: Vec<Box<str>>,
}

/// One line of a table.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'s> {
    sheet: &'s Table,
    row: &'s Row,
}

impl Table {
    /// Reads a table. Columns without a name and rows without any content are passed over.
    ///
    /// # Errors
    /// If it is none: empty, no UTF-8, too large, a column twice, a row that does not fit.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let sha256 = sha256_hex(bytes);
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|_| {
            let refusal = Refusal::new(Code::FileNotUtf8, format!("{name} is not UTF-8"));
            refusal.hint("save the sheet as `CSV UTF-8`")
        })?;
        let (separator, text, skipped) = separator(text);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let (columns, mut rows) = (Vec::new(), Vec::new());
        let mut sheet = Self {
            name: name.to_owned(),
            sha256,
            columns,
            rows: Vec::new(),
            has_decimal_commas: separator != b',',
        };
        let mut faults = Vec::new();
        let mut lines = Lines { bytes: text.as_bytes(), at: 0, line: 1 + skipped };
        for record in reader.records() {
            let record = record.map_err(|error| {
                Refusal::new(Code::Malformed, format!("{name} cannot be read as CSV: {error}"))
                    .hint("save the sheet as `CSV UTF-8`")
            })?;
            let line = lines.of(record.position().map_or(0, csv::Position::byte));
            if record.iter().all(str::is_empty) {
                continue;
            }
            if sheet.columns.is_empty() {
                sheet.columns = header(name, &record)?;
                continue;
            }
            if record.iter().skip(sheet.columns.len()).any(|cell| !cell.is_empty()) {
                let (cells, columns) = (record.len(), sheet.columns.len());
                let message = format!(
                    "has {cells} cells, and the header {columns}: is a text with a separator unquoted?"
                );
                faults.push(Fault { pointer: format!("{name}:{line}"), message, way_out: None });
                continue;
            }
            if rows.len() >= ROWS_MAX {
                return Err(Refusal::new(Code::TooLarge, format!("{name} has more than {ROWS_MAX} lines"))
                    .hint("make several files of it"));
            }
            rows.push(Row { line, cells: record.iter().take(sheet.columns.len()).map(Box::from).collect() });
        }
        sheet.rows = rows;
        match sheet.rows.is_empty() && faults.is_empty() {
            true => Err(Refusal::new(Code::FileEmpty, format!("{name} has no line below its header"))),
            false => sheet.refuse(faults).map(|()| sheet),
        }
    }

    /// Refuses the file for all that is wrong with it; nothing is wrong if there is no fault.
    ///
    /// # Errors
    /// `malformed`, with the faults.
    pub fn refuse(&self, mut faults: Vec<Fault>) -> Result<(), Refusal> {
        if faults.is_empty() {
            return Ok(());
        }
        let count = faults.len();
        let message = format!("{} has {count} fault(s); nothing was changed", self.name);
        if count > FAULTS_MAX {
            faults.truncate(FAULTS_MAX);
            let message = format!("{} more are not shown", count - FAULTS_MAX);
            faults.push(Fault { pointer: self.name.clone(), message, way_out: None });
        }
        Err(Refusal::new(Code::Malformed, message)
            .hint("fix the file and run the same command again")
            .with(faults))
    }

    /// Refuses columns that nobody reads, and those that are missing.
    ///
    /// # Errors
    /// `column_unknown`, `column_missing`.
    pub fn expect(&self, required: &[&str], optional: &[&str]) -> Result<(), Refusal> {
        let known = || required.iter().chain(optional).copied();
        let told = known().collect::<Vec<_>>().join(", ");
        if let Some(missing) = required.iter().find(|name| !self.columns.iter().any(|own| own == *name)) {
            return Err(Refusal::new(
                Code::ColumnMissing,
                format!("{} has no column `{missing}`", self.name),
            )
            .hint(format!("its first line names the columns: {told}")));
        }
        match self.columns.iter().find(|own| !own.is_empty() && !known().any(|name| name == own.as_str())) {
            Some(unknown) => {
                Err(Refusal::new(Code::ColumnUnknown, format!("{}: unknown column `{unknown}`", self.name))
                    .hint(format!("one of {told}")))
            }
            None => Ok(()),
        }
    }

    /// Refuses a table without these columns; what the others mean is for somebody else to say.
    ///
    /// # Errors
    /// `column_missing`.
    pub fn expect_some(&self, required: &[&str]) -> Result<(), Refusal> {
        let others: Vec<&str> = self.columns().collect();
        self.expect(required, &others)
    }

    /// Names of the columns that have one, in lower case.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The lines, in their order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Cells<'_>> {
        self.rows.iter().map(|row| Cells { sheet: self, row })
    }
}

impl<'s> Cells<'s> {
    /// What stands in a column; none if nothing does.
    pub fn text(&self, column: &str) -> Option<&'s str> {
        let at = self.sheet.columns.iter().position(|own| own == column)?;
        self.row.cells.get(at).map(|cell| &**cell).filter(|cell| !cell.is_empty())
    }

    /// A number as it is written here, with a decimal point.
    pub fn number(&self, column: &str) -> Option<String> {
        let text = self.text(column)?;
        let has_comma =
            self.sheet.has_decimal_commas && text.matches(',').count() == 1 && !text.contains('.');
        Some(if has_comma { text.replace(',', ".") } else { text.to_owned() })
    }

    /// Name of the file and number of the line.
    pub fn place(&self) -> String {
        format!("{}:{}", self.sheet.name, self.row.line)
    }

    /// Something wrong in this line.
    pub fn fault(&self, column: &str, message: impl Into<String>) -> Fault {
        let pointer = if column.is_empty() { self.place() } else { format!("{} ({column})", self.place()) };
        Fault { pointer, message: message.into(), way_out: None }
    }

    /// What was refused of this line.
    pub fn refused(&self, refusal: Refusal) -> Fault {
        let way_out: Option<WayOut> = refusal.way_out;
        Fault { pointer: self.place(), message: refusal.message, way_out }
    }
}

/// Counts lines on the way through a text.
struct Lines<'t> {
    bytes: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of what begins at a byte, or behind empty lines there. Asked for bytes in ascending order.
    fn of(&mut self, byte: u64) -> u64 {
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let mut to = usize::try_from(byte).unwrap_or(usize::MAX).min(self.bytes.len());
        to += self.bytes[to..].iter().take_while(|byte| is_end(byte)).map(|_| 1usize).sum::<usize>();
        let passed = &self.bytes[self.at.min(to)..to];
        let ends = (0..passed.len()).filter(|at| match passed[*at] {
            b'\n' => true,
            b'\r' => passed.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        self.line += ends.map(|_| 1u64).sum::<u64>();
        self.at = to;
        self.line
    }
}

/// How columns are parted, what comes after a line that says so, and how many lines that was.
fn separator(text: &str) -> (u8, &str, u64) {
    let first = text.lines().next().unwrap_or_default();
    if let Some(said) = first.trim().strip_prefix("sep=").and_then(|rest| rest.bytes().next()) {
        return (said, text[first.len()..].trim_start_matches(['\r', '\n']), 1);
    }
    let count = |separator: u8| first.bytes().filter(|byte| *byte == separator).count();
    let most = [b',', b';', b'\t'].into_iter().rev().max_by_key(|separator| count(*separator));
    (most.unwrap_or(b','), text, 0)
}

fn header(name: &str, record: &csv::StringRecord) -> Result<Vec<String>, Refusal> {
    let columns: Vec<String> = record.iter().map(str::to_ascii_lowercase).collect();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    columns.iter().filter(|own| !own.is_empty()).for_each(|own| *seen.entry(own).or_default() += 1);
    match seen.iter().find(|(_, count)| **count > 1) {
        Some((twice, _)) => {
            Err(Refusal::new(Code::ColumnRepeated, format!("{name} has the column `{twice}` twice")))
        }
        None => Ok(columns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Table, Refusal> {
        Table::read("t.csv", text.as_bytes())
    }

    #[test]
    fn a_table_is_read_as_spreadsheets_write_it() {
        for text in [
            "Number,amount\nA,12.50\n",
            "\u{feff}number;AMOUNT;;\r\nA;12,50;;\r\n;;;\r\n",
            "sep=;\nnumber;amount\nA;12,50",
            "number\tamount\rA\t12,50\r",
            "\nnumber, amount\n\n A , 12.50 ",
        ] {
            let sheet = read(text).unwrap();
            let rows: Vec<_> = sheet.rows().map(|row| (row.text("number"), row.number("amount"))).collect();
            assert_eq!(rows, [(Some("A"), Some("12.50".to_owned()))], "{text:?}");
            sheet.expect(&["number"], &["amount"]).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_names_its_place() {
        let table = [
            ("", Code::FileEmpty),
            ("number,amount\n", Code::FileEmpty),
            ("a,b,A\n1,2,3\n", Code::ColumnRepeated),
            ("a,b\n1,2,3\n", Code::Malformed),
        ];
        for (text, code) in table {
            assert_eq!(read(text).unwrap_err().code, code, "{text:?}");
        }
        assert_eq!(Table::read("t.csv", b"a\n\xff\n").unwrap_err().code, Code::FileNotUtf8);
        let sheet = read("a,b\n\n1,2\n").unwrap();
        assert_eq!(sheet.expect(&["a", "c"], &["b"]).unwrap_err().code, Code::ColumnMissing);
        assert_eq!(sheet.expect(&["a"], &[]).unwrap_err().code, Code::ColumnUnknown);
        for text in ["a,b\n\n1,2\n", "sep=,\r\na,b\r\n1,2\r\n", "a,b\r\r1,2", "a,\"b\"\n\"\",\n1,2"] {
            let sheet = read(text).unwrap();
            assert_eq!(sheet.rows().last().unwrap().fault("b", "is bad").pointer, "t.csv:3 (b)", "{text:?}");
        }
    }
}
