//! Rows as people read them: a table where the line holds it, else each row as lines of `column  value`. A number, a date
//! and a word are never broken.

use super::Column;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

/// What a column takes beside its text: a line and two spaces.
const FRAME: usize = 3;

impl Column {
    fn name(&self) -> &'static str {
        match self {
            Self::Left(name) | Self::Right(name) => name,
        }
    }

    /// The least room for a text: what stands to the right is a number and stays whole, other texts break between words.
    fn least(&self, text: &str) -> usize {
        let parts: Box<dyn Iterator<Item = &str>> = match self {
            Self::Left(_) => Box::new(text.split_whitespace()),
            Self::Right(_) => Box::new(text.lines()),
        };
        parts.map(|part| part.chars().count()).max().unwrap_or(0)
    }
}

/// The least room of each column.
fn least(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let of = |(index, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| column.least(cell));
        cells.chain([Column::Left(column.name()).least(column.name())]).max().unwrap_or(0)
    };
    columns.iter().enumerate().map(of).collect()
}

/// Whether a line of this width holds the table.
pub(super) fn fits(columns: &[Column], rows: &[Vec<String>], width: usize) -> bool {
    least(columns, rows).iter().map(|room| room + FRAME).sum::<usize>() < width
}

/// As wide as its content, or as the terminal.
pub(super) fn table(columns: &[Column], rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    let least = least(columns, &rows);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    table.set_header(columns.iter().map(Column::name));
    table.add_rows(rows);
    for ((index, column), room) in columns.iter().enumerate().zip(least) {
        let Some(shown) = table.column_mut(index) else { continue };
        let room = u16::try_from(room + FRAME - 1).unwrap_or(u16::MAX);
        if width.is_some() {
            shown.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(room)));
        }
        if matches!(column, Column::Right(_)) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Each row by itself, what is empty left out, and a blank line between two.
pub(super) fn records(columns: &[Column], rows: &[Vec<String>]) -> String {
    let labels: Vec<&str> = columns.iter().enumerate().map(label).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let record = |row: &Vec<String>| {
        let cells = labels.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        let lines: Vec<String> =
            cells.map(|(label, cell)| format!("{label:<width$}  {}", cell.replace('\n', ", "))).collect();
        lines.join("\n")
    };
    rows.iter().map(record).collect::<Vec<_>>().join("\n\n")
}

/// Beside its amount a currency needs no name; on a line of its own it does.
fn label((place, column): (usize, &Column)) -> &'static str {
    match column.name() {
        "" if place > 0 => "currency",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> (Vec<Column>, Vec<Vec<String>>) {
        let columns =
            vec![Column::Right("run"), Column::Left("as of"), Column::Left("why"), Column::Right("gross")];
        let row = ["12", "2026-02-01", "no rate from EUR to DKK", "21 965.09 DKK\n928.15 EUR"];
        (columns, vec![row.map(str::to_owned).to_vec()])
    }

    #[test]
    fn words_and_numbers_are_not_broken() {
        let (columns, rows) = runs();
        assert!(fits(&columns, &rows, 60));
        let narrow = table(&columns, rows.clone(), Some(50));
        for whole in ["2026-02-01", "21 965.09 DKK", "928.15 EUR"] {
            assert!(narrow.contains(whole), "{narrow}");
        }
        assert!(narrow.lines().all(|line| line.chars().count() <= 50), "{narrow}");
    }

    #[test]
    fn a_line_that_is_too_short_shows_each_row_by_itself() {
        let (columns, rows) = runs();
        assert!(!fits(&columns, &rows, 40));
        let shown =
            "run    12\nas of  2026-02-01\nwhy    no rate from EUR to DKK\ngross  21 965.09 DKK, 928.15 EUR";
        assert_eq!(records(&columns, &rows), shown);
        let columns = [Column::Right("open"), Column::Left("")];
        let rows = [["0.00", "EUR"].map(str::to_owned).to_vec()];
        assert_eq!(records(&columns, &rows), "open      0.00\ncurrency  EUR");
    }
}
