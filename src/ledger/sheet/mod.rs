//! Reports as files: CSV, JSON, and a page with a chart. Rows are written as they come; none is kept.

mod csv;
mod json;
mod page;

pub use csv::CsvSheet;
pub use json::JsonSheet;
pub use page::PageSheet;

use domain::report::Cell;

/// A value as programs read it: a decimal point, ISO dates.
fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Day(day) => day.to_string(),
        Cell::Count(count) => count.to_string(),
        Cell::Percent(rate) => rate.normalize().to_string(),
        Cell::Amount(total) => total.to_string(),
    }
}
