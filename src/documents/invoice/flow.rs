//! The flow over pages: lines with a repeated head and carried subtotals, then the closing part, which stays whole and
//! never stands alone if the last line can come along.

use super::columns::{Columns, HEAD};
use super::row::{Cells, Row};
use super::{BOTTOM, LEFT, Layout, RIGHT, closing, head};
use crate::paper::{Align, Sheet};

/// Height of "carried forward" and "brought forward".
const CARRY: f32 = 20.0;
/// Where the lines of a later page begin at the earliest.
const LATER_TOP: f32 = 78.0 + HEAD + CARRY;

/// All pages of the document, without footers.
pub(super) fn pages(layout: &Layout) -> Vec<Sheet> {
    let cells: Vec<Cells> = layout.draft.lines.iter().map(|line| Cells::of(layout, line)).collect();
    let columns = Columns::fit(layout, &cells);
    let mut flow = Flow::start(layout, &columns);
    let closing_height = closing::draw(layout, &mut Sheet::default(), 0.0);
    let count = cells.len();
    for (place, row) in cells.into_iter().map(|c| c.row(layout, &columns)).enumerate() {
        flow.place(&row, (place + 1 == count).then_some(closing_height));
    }
    flow.close(closing_height)
}

struct Flow<'a> {
    layout: &'a Layout<'a>,
    columns: &'a Columns,
    done: Vec<Sheet>,
    sheet: Sheet,
    y: f32,
    rows_on_page: usize,
    /// Net of the lines so far, minor units.
    carried_minor: i128,
}

impl<'a> Flow<'a> {
    fn start(layout: &'a Layout<'a>, columns: &'a Columns) -> Self {
        let mut sheet = Sheet::default();
        let top = head::first(layout, &mut sheet);
        let y = columns.head(layout, &mut sheet, top);
        Self { layout, columns, done: Vec::new(), sheet, y, rows_on_page: 0, carried_minor: 0 }
    }

    /// Places a row; `closing` is the height that must follow on the same page, if it can.
    fn place(&mut self, row: &Row, closing: Option<f32>) {
        let height = row.height();
        let fits_here = self.y + height + closing.unwrap_or(CARRY) <= BOTTOM;
        let fits_later = LATER_TOP + height + closing.unwrap_or(CARRY) <= BOTTOM;
        let must_move = !fits_here && fits_later && self.rows_on_page > 0;
        let has_no_room = self.y + 40.0 + CARRY > BOTTOM;
        if must_move || has_no_room {
            self.turn();
        }
        // A row's amount stands beside its first strip: a row that goes on overleaf is already counted.
        self.carried_minor += i128::from(row.cells.net_minor);
        let mut strip = 0;
        loop {
            let bottom = BOTTOM - CARRY;
            let (y, next) = row.draw(self.layout, self.columns, &mut self.sheet, self.y, bottom, strip);
            (self.y, strip) = (y, next);
            if strip >= row.strips() {
                break;
            }
            self.turn();
        }
        self.rows_on_page += 1;
    }

    fn close(mut self, closing_height: f32) -> Vec<Sheet> {
        if self.y + closing_height > BOTTOM {
            self.turn_to_closing();
        }
        self.y = closing::draw(self.layout, &mut self.sheet, self.y);
        for note in closing::notes(self.layout) {
            if self.y + closing::NOTE_STEP > BOTTOM {
                self.next_sheet();
            }
            self.y = closing::draw_note(self.layout, &mut self.sheet, self.y, &note);
        }
        self.done.push(self.sheet);
        self.done
    }

    /// Carries the subtotal to a new page with the head of the lines.
    fn turn(&mut self) {
        self.carry(&self.layout.labels.words.carried_forward);
        self.next_sheet();
        self.y = self.columns.head(self.layout, &mut self.sheet, self.y);
        self.carry(&self.layout.labels.words.brought_forward);
        self.sheet.rule(self.layout.theme.rule, 0.5, (LEFT, RIGHT), self.y);
    }

    /// Carries the subtotal to a page that has only the closing part.
    fn turn_to_closing(&mut self) {
        self.carry(&self.layout.labels.words.carried_forward);
        self.next_sheet();
    }

    fn next_sheet(&mut self) {
        let mut next = Sheet::default();
        self.y = head::later(self.layout, &mut next);
        self.done.push(std::mem::replace(&mut self.sheet, next));
        self.rows_on_page = 0;
    }

    fn carry(&mut self, word: &str) {
        let layout = self.layout;
        let amount = layout.figures.wide_amount(self.carried_minor, layout.draft.currency);
        let (ink, base) = (layout.muted(8.5), self.y + 13.0);
        self.sheet.text(layout.fonts, ink, Align::Left, (self.columns.description, base), word);
        self.sheet.text(layout.fonts, ink, Align::Right, (self.columns.amount, base), &amount);
        self.y += CARRY;
    }
}
