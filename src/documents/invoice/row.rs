//! One invoice line as it is printed: figures, and texts that wrap under its title.

use super::columns::Columns;
use super::{LEFT, Layout, RIGHT};
use crate::paper::{Align, Sheet, TextStyle};
use domain::invoice::Line;

/// Space above the first text of a row, and below the last.
const PAD: f32 = 6.0;
const TITLE_SIZE: f32 = 9.0;
const TITLE_STEP: f32 = 12.0;
const NOTE_SIZE: f32 = 8.0;
const NOTE_STEP: f32 = 10.5;

/// The texts of a line, not yet wrapped.
pub(super) struct Cells {
    pub number: String,
    pub title: String,
    pub notes: Vec<String>,
    pub quantity: String,
    pub unit: String,
    pub unit_price: String,
    pub vat: String,
    pub amount: String,
    /// What the page's subtotal grows by, minor units.
    pub net_minor: i64,
}

impl Cells {
    /// A line in the reader's language.
    ///
    /// Quantity and unit price are printed as billed where one times the other is the amount (rules P7). Every
    /// other line shows the quantity that was rated and no unit price: its tiers are in the description.
    pub fn of(layout: &Layout, line: &Line) -> Self {
        let (figures, currency) = (layout.figures, layout.draft.currency);
        let is_rated = !line.rated_quantity.is_zero() && line.rated_quantity != line.quantity;
        let quantity = if is_rated { line.rated_quantity } else { line.quantity };
        let has_price = !is_rated && !line.tax_inclusive;
        Self {
            number: line.number.to_string(),
            title: line.title.clone(),
            notes: notes(layout, line),
            quantity: figures.number(quantity),
            unit: line.unit.clone().unwrap_or_default(),
            unit_price: if has_price { figures.price(line.unit_price, currency) } else { String::new() },
            vat: figures.percent(line.tax_pct),
            amount: figures.amount(line.subtotal_minor, currency),
            net_minor: line.subtotal_minor,
        }
    }

    /// Wraps the texts to the columns.
    pub fn row(self, layout: &Layout, columns: &Columns) -> Row {
        let mut strips = Vec::new();
        let (title, note) = (layout.plain(TITLE_SIZE), layout.muted(NOTE_SIZE));
        for text in layout.wrap(title, &self.title, columns.description_width) {
            strips.push(Strip { text, ink: title, step: TITLE_STEP });
        }
        for text in self.notes.iter().flat_map(|n| layout.wrap(note, n, columns.description_width)) {
            strips.push(Strip { text, ink: note, step: NOTE_STEP });
        }
        let unit = match columns.unit_width > 0.0 {
            true => layout.wrap(layout.plain(columns.size), &self.unit, columns.unit_width),
            false => Vec::new(),
        };
        Row { cells: self, strips, unit }
    }
}

/// Subscription, period, description, discount, what it amends.
fn notes(layout: &Layout, line: &Line) -> Vec<String> {
    let (figures, words, currency) = (layout.figures, &layout.labels.words, layout.draft.currency);
    let mut notes = Vec::new();
    let period = figures.period(line.period);
    match line.subscription_number.as_ref().filter(|_| layout.draft.subscription_number.is_none()) {
        Some(number) => {
            notes.push(format!("{} · {period}", words.subscription_line.replace("{number}", number)))
        }
        None => notes.push(period),
    }
    if !line.description.trim().is_empty() {
        notes.push(line.description.clone());
    }
    if line.discount_minor != 0 {
        let text = match line.discount_text.as_deref().filter(|t| !t.trim().is_empty()) {
            Some(text) => text.to_owned(),
            None if line.discount.is_zero() => words.discount.clone(),
            None => format!("{} {}", words.discount, figures.percent(percent_of(line))),
        };
        let granted = figures.wide_amount(-i128::from(line.discount_minor), currency);
        notes.push(format!("{text}: {granted}"));
    }
    if line.tax_inclusive {
        let gross =
            figures.wide_amount(i128::from(line.subtotal_minor) + i128::from(line.vat_minor), currency);
        notes.push(format!("{} {gross}", words.price_incl_vat));
    }
    if let Some(number) = &line.amends {
        notes.push(words.concerns.replace("{number}", number));
    }
    notes
}

fn percent_of(line: &Line) -> domain::Decimal {
    line.discount.checked_mul(domain::Decimal::ONE_HUNDRED).unwrap_or(line.discount)
}

/// One printed line of text in the description.
struct Strip {
    text: String,
    ink: TextStyle,
    step: f32,
}

/// A line wrapped to the columns.
pub(super) struct Row {
    pub cells: Cells,
    strips: Vec<Strip>,
    unit: Vec<String>,
}

impl Row {
    /// Height on one page.
    pub fn height(&self) -> f32 {
        let unit = TITLE_STEP * self.unit.len() as f32;
        self.strips.iter().map(|s| s.step).sum::<f32>().max(unit) + 2.0 * PAD - 2.0
    }

    /// Draws as many strips from `from` on as fit above `bottom`, at least one; gives the `y` below them and the
    /// first strip that is left. The figures stand beside the first strip of all.
    pub fn draw(
        &self,
        layout: &Layout,
        columns: &Columns,
        sheet: &mut Sheet,
        y: f32,
        bottom: f32,
        from: usize,
    ) -> (f32, usize) {
        let top = y + PAD;
        let mut base = top + 7.0;
        if from == 0 {
            self.draw_figures(layout, columns, sheet, base);
        }
        let mut below = top;
        let mut next = from;
        for strip in &self.strips[from..] {
            if next > from && below + strip.step + PAD > bottom {
                break;
            }
            sheet.text(layout.fonts, strip.ink, Align::Left, (columns.description, base), &strip.text);
            base += strip.step;
            below += strip.step;
            next += 1;
        }
        if from == 0 {
            below = below.max(top + TITLE_STEP * self.unit.len() as f32);
        }
        let end = below + PAD - 2.0;
        sheet.rule(layout.theme.rule, 0.5, (LEFT, RIGHT), end);
        (end, next)
    }

    /// How many strips there are.
    pub fn strips(&self) -> usize {
        self.strips.len()
    }

    fn draw_figures(&self, layout: &Layout, columns: &Columns, sheet: &mut Sheet, base: f32) {
        let (cells, ink) = (&self.cells, layout.plain(columns.size));
        let mut put = |x, text: &str| sheet.text(layout.fonts, ink, Align::Right, (x, base), text);
        put(columns.quantity, &cells.quantity);
        put(columns.unit_price, &cells.unit_price);
        put(columns.vat, &cells.vat);
        put(columns.amount, &cells.amount);
        layout.lines(sheet, ink, Align::Left, (columns.unit, base), &self.unit, TITLE_STEP);
        sheet.text(
            layout.fonts,
            layout.muted(columns.size),
            Align::Left,
            (columns.number, base),
            &cells.number,
        );
    }
}
