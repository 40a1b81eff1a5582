//! The columns of the lines: figures get what they need, the description the rest.

use super::row::Cells;
use super::{LEFT, Layout, RIGHT};
use crate::paper::{Align, Sheet};

/// Space between columns.
const GAP: f32 = 11.0;
/// Space at both ends of a line.
const PAD: f32 = 6.0;
/// Sizes of figures, the usual first, each with the narrowest description that it may leave.
const SIZES: [(f32, f32); 5] = [(9.0, 165.0), (8.5, 150.0), (8.0, 130.0), (7.5, 110.0), (7.0, 95.0)];
/// Size of figures that fit no other way.
const SIZE_MIN: f32 = 6.5;
/// Units wider than this wrap.
const UNIT_MAX: f32 = 62.0;

/// Height of the head.
pub(super) const HEAD: f32 = 20.0;

/// Where each column stands. Figures end at their place, texts start at it; a column of width 0 is not printed.
pub(super) struct Columns {
    /// Size of figures.
    pub size: f32,
    pub number: f32,
    pub description: f32,
    pub description_width: f32,
    pub quantity: f32,
    pub unit: f32,
    pub unit_width: f32,
    pub unit_price: f32,
    unit_price_width: f32,
    pub vat: f32,
    pub amount: f32,
    quantity_width: f32,
}

impl Columns {
    /// Fits the columns to what stands in them.
    pub fn fit(layout: &Layout, cells: &[Cells]) -> Self {
        let at = |size| Self::at_size(layout, cells, size);
        let fits =
            |(size, width_min): (f32, f32)| Some(at(size)).filter(|c| c.description_width >= width_min);
        SIZES.into_iter().find_map(fits).unwrap_or_else(|| at(SIZE_MIN))
    }

    fn at_size(layout: &Layout, cells: &[Cells], size: f32) -> Self {
        let words = &layout.labels.words;
        let widest = |head: &str, texts: &mut dyn Iterator<Item = &str>| {
            let figures = texts.map(|t| layout.fonts.regular.width(t, size)).fold(0.0_f32, f32::max);
            if figures == 0.0 { 0.0 } else { figures.max(layout.fonts.bold.width(head, HEAD_SIZE)) }
        };
        let amount_head = amount_head(layout);
        let amount_width = widest(&amount_head, &mut cells.iter().map(|c| c.amount.as_str()));
        let vat_width = widest(&words.vat, &mut cells.iter().map(|c| c.vat.as_str()));
        let unit_price_width = widest(&words.unit_price, &mut cells.iter().map(|c| c.unit_price.as_str()));
        let unit_width = widest(&words.unit, &mut cells.iter().map(|c| c.unit.as_str())).min(UNIT_MAX);
        let quantity_width = widest(&words.quantity, &mut cells.iter().map(|c| c.quantity.as_str()));
        let step = |width: f32| if width > 0.0 { width + GAP } else { 0.0 };

        let amount = RIGHT - PAD;
        let vat = amount - step(amount_width);
        let unit_price = vat - step(vat_width);
        let unit = unit_price - step(unit_price_width) - unit_width;
        let quantity = if unit_width > 0.0 { unit - GAP * 0.5 } else { unit };
        let number = LEFT + PAD;
        let description = number + 24.0;
        let description_width = quantity - step(quantity_width) - description;
        Self {
            size,
            number,
            description,
            description_width,
            quantity,
            unit,
            unit_width,
            unit_price,
            unit_price_width,
            vat,
            amount,
            quantity_width,
        }
    }

    /// Draws the head of the lines with its top at `y`; gives the `y` below it.
    pub fn head(&self, layout: &Layout, sheet: &mut Sheet, y: f32) -> f32 {
        let words = &layout.labels.words;
        sheet.fill(layout.theme.band, (LEFT, y), (RIGHT - LEFT, HEAD));
        let ink = layout.accent(HEAD_SIZE);
        let base = y + 13.0;
        let mut put = |align, x, text: &str| sheet.text(layout.fonts, ink, align, (x, base), text);
        put(Align::Left, self.number, &words.line);
        put(Align::Left, self.description, &words.description);
        if self.quantity_width > 0.0 {
            put(Align::Right, self.quantity, &words.quantity);
        }
        if self.unit_width > 0.0 {
            put(Align::Left, self.unit, &words.unit);
        }
        if self.unit_price_width > 0.0 {
            put(Align::Right, self.unit_price, &words.unit_price);
        }
        put(Align::Right, self.vat, &words.vat);
        put(Align::Right, self.amount, &amount_head(layout));
        sheet.rule(layout.theme.accent, 0.8, (LEFT, RIGHT), y + HEAD);
        y + HEAD
    }
}

const HEAD_SIZE: f32 = 8.0;

fn amount_head(layout: &Layout) -> String {
    format!("{} {}", layout.labels.words.amount, layout.draft.currency)
}
