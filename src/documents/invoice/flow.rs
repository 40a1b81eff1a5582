//! The flow over pages: lines with a repeated head and carried subtotals, then the closing part, which stays whole and
//! never stands alone if the last line can come along.

use super::columns::{Columns, HEAD};
use super::row::{Cells, Row};
use super::{BOTTOM, Desk, LEFT, RIGHT, closing, head};
use crate::paper::{Align, Sheet};

/// Height of "carried forward" and "brought forward".
const CARRY: f32 = 20.0;
/// Where the lines of a later page begin at the earliest.
const LATER_TOP: f32 = 78.0 + HEAD + CARRY;

/// All pages of the document, without footers.
pub(super) fn pages(desk: &Desk) -> Vec<Sheet> {
    let cells: Vec<Cells> = desk.draft.lines.iter().map(|line| Cells::of(desk, line)).collect();
    let columns = Columns::fit(desk, &cells);
    let mut flow = Flow::start(desk, &columns);
    let closing_height = closing::draw(desk, &mut Sheet::default(), 0.0);
    let count = cells.len();
    for (place, row) in cells.into_iter().map(|c| c.row(desk, &columns)).enumerate() {
        flow.place(&row, (place + 1 == count).then_some(closing_height));
    }
    flow.close(closing_height)
}

struct Flow<'a> {
    desk: &'a Desk<'a>,
    columns: &'a Columns,
    done: Vec<Sheet>,
    sheet: Sheet,
    y: f32,
    rows_on_page: usize,
    /// Net of the lines so far, minor units.
    carried_minor: i128,
}

impl<'a> Flow<'a> {
    fn start(desk: &'a Desk<'a>, columns: &'a Columns) -> Self {
        let mut sheet = Sheet::default();
        let top = head::first(desk, &mut sheet);
        let y = columns.head(desk, &mut sheet, top);
        Self { desk, columns, done: Vec::new(), sheet, y, rows_on_page: 0, carried_minor: 0 }
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
            let (y, next) = row.draw(self.desk, self.columns, &mut self.sheet, self.y, bottom, strip);
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
        self.y = closing::draw(self.desk, &mut self.sheet, self.y);
        for note in closing::notes(self.desk) {
            if self.y + closing::NOTE_STEP > BOTTOM {
                self.next_sheet();
            }
            self.y = closing::draw_note(self.desk, &mut self.sheet, self.y, &note);
        }
        self.done.push(self.sheet);
        self.done
    }

    /// Carries the subtotal to a new page with the head of the lines.
    fn turn(&mut self) {
        self.carry(&self.desk.labels.words.carried_forward);
        self.next_sheet();
        self.y = self.columns.head(self.desk, &mut self.sheet, self.y);
        self.carry(&self.desk.labels.words.brought_forward);
        self.sheet.rule(self.desk.theme.rule, 0.5, (LEFT, RIGHT), self.y);
    }

    /// Carries the subtotal to a page that has only the closing part.
    fn turn_to_closing(&mut self) {
        self.carry(&self.desk.labels.words.carried_forward);
        self.next_sheet();
    }

    fn next_sheet(&mut self) {
        let mut next = Sheet::default();
        self.y = head::later(self.desk, &mut next);
        self.done.push(std::mem::replace(&mut self.sheet, next));
        self.rows_on_page = 0;
    }

    fn carry(&mut self, word: &str) {
        let desk = self.desk;
        let amount = desk.figures.wide_amount(self.carried_minor, desk.draft.currency);
        let (ink, base) = (desk.muted(8.5), self.y + 13.0);
        self.sheet.text(desk.fonts, ink, Align::Left, (self.columns.description, base), word);
        self.sheet.text(desk.fonts, ink, Align::Right, (self.columns.amount, base), &amount);
        self.y += CARRY;
    }
}
