//! A report as one page without scripts: a chart of its largest amounts, its rows, and what was compared with the ledger.

use super::plain;
use domain::report::{Agreement, Cell, ReportHead, Sheet};
use std::io::{self, Write};

/// Bars of a chart; the first rows that have an amount.
const BARS_MAX: usize = 40;

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}\
th,td{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left}.n{text-align:right;font-variant-numeric:tabular-nums}\
.bad{color:#b00;font-weight:bold}svg{margin:1rem 0}";

/// Writes rows as a page.
pub struct PageSheet<W> {
    out: W,
    numbers: Vec<bool>,
    /// Columns of the chart: what is named, its amount.
    chart: Option<(usize, usize)>,
    bars: Vec<(String, i128, String)>,
}

impl<W: Write + Send> PageSheet<W> {
    /// Into a writer.
    pub fn new(out: W) -> Self {
        Self { out, numbers: Vec::new(), chart: None, bars: Vec::new() }
    }

    fn bar(&mut self, cells: &[Cell]) {
        let Some((name, amount)) = self.chart.filter(|_| self.bars.len() < BARS_MAX) else { return };
        let (Some(name), Some(Cell::Amount(total))) = (cells.get(name), cells.get(amount)) else { return };
        self.bars.push((plain(name), total.minor, format!("{total} {}", total.currency)));
    }

    /// Bars beside each other in one scale; no number of the page is read from their length.
    fn draw(&mut self) -> io::Result<()> {
        let Some(longest) = self.bars.iter().map(|(_, minor, _)| minor.unsigned_abs()).max() else {
            return Ok(());
        };
        let height = self.bars.len() * 22;
        writeln!(self.out, "<svg width=\"760\" height=\"{height}\" role=\"img\">")?;
        for (at, (name, minor, told)) in self.bars.iter().enumerate() {
            let width = minor.unsigned_abs().saturating_mul(400) / longest.max(1);
            let (top, colour) = (at * 22, if *minor < 0 { "#c55" } else { "#37a" });
            writeln!(
                self.out,
                "<text x=\"150\" y=\"{}\" text-anchor=\"end\" font-size=\"12\">{}</text>\
                 <rect x=\"160\" y=\"{}\" width=\"{width}\" height=\"14\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"{}\" font-size=\"12\">{}</text>",
                top + 14,
                escaped(name),
                top + 3,
                width + 166,
                top + 14,
                escaped(told)
            )?;
        }
        writeln!(self.out, "</svg>")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl<W: Write + Send> Sheet for PageSheet<W> {
    fn begin(&mut self, head: &ReportHead) -> io::Result<()> {
        self.numbers = head.columns.iter().map(|column| column.is_number).collect();
        let place = |key: &str| head.columns.iter().position(|column| column.key == key);
        self.chart = head.chart.and_then(|(name, amount)| place(name).zip(place(amount)));
        let title = format!("{}, {}", head.title, head.period);
        writeln!(
            self.out,
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style>\n\
             <h1>{0}</h1>\n<p>{1}</p>\n<table><thead><tr>",
            escaped(&title),
            escaped(&head.tenant)
        )?;
        for column in &head.columns {
            let class = if column.is_number { " class=\"n\"" } else { "" };
            write!(self.out, "<th{class}>{}</th>", escaped(column.title))?;
        }
        writeln!(self.out, "</tr></thead><tbody>")
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.bar(cells);
        write!(self.out, "<tr>")?;
        for (is_number, cell) in self.numbers.iter().zip(cells) {
            let class = if *is_number { " class=\"n\"" } else { "" };
            write!(self.out, "<td{class}>{}</td>", escaped(&plain(cell)))?;
        }
        writeln!(self.out, "</tr>")
    }

    fn end(&mut self, agreements: &[Agreement]) -> io::Result<()> {
        writeln!(self.out, "</tbody></table>")?;
        self.draw()?;
        writeln!(self.out, "<h2>Beside the sealed ledger</h2>\n<table>")?;
        for agreement in agreements {
            let (class, word) = if agreement.ok { ("", "agrees") } else { (" class=\"bad\"", "DIFFERS") };
            writeln!(
                self.out,
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td{class}>{word}</td></tr>",
                escaped(&agreement.name),
                escaped(&agreement.report),
                escaped(&agreement.ledger)
            )?;
        }
        writeln!(self.out, "</table></html>")?;
        self.out.flush()
    }
}
