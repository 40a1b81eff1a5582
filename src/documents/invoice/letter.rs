//! Letters to payers: a reminder of one invoice, and a statement of account. Both say what is open and how to pay it (rules
//! Y3), and have the head and foot of an invoice.

use super::{BOTTOM, Collection, Heading, InvoiceDocument, LEFT, Layout, RIGHT, closing, head, save};
use crate::Renderer;
use crate::error::DocumentError;
use crate::figures::Figures;
use crate::paper::{self, Align, Sheet};
use chrono::NaiveDate;
use domain::Uuid;
use domain::invoice::statement::Movement;

/// A reminder in the order of its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReminderLevel {
    /// From 1.
    pub number: u32,
    /// No other mail will follow.
    pub is_last: bool,
}

/// A line of a statement; above 0 the payer owes more by it.
#[derive(Debug, Clone)]
pub struct StatementLine {
    pub on: NaiveDate,
    pub movement: Movement,
    pub document: String,
    pub amount_minor: i64,
    pub balance_minor: i64,
}

/// An invoice of which something is open.
#[derive(Debug, Clone)]
pub struct OpenItem {
    pub number: String,
    pub pay_by: NaiveDate,
    pub open_minor: i64,
    /// What the payer states.
    pub reference: String,
}

/// A payer's account over some days.
#[derive(Debug, Clone)]
pub struct StatementDocument<'a> {
    /// The newest document: its parties, currency and language are the statement's.
    pub newest: InvoiceDocument<'a>,
    pub from: Option<NaiveDate>,
    pub to: NaiveDate,
    pub opening_minor: i64,
    pub lines: Vec<StatementLine>,
    pub closing_minor: i64,
    /// As of today, the oldest first.
    pub open: Vec<OpenItem>,
}

/// Right ends of the columns of figures.
const AMOUNT: f32 = 440.0;
const DOCUMENT: f32 = 250.0;
const WHAT: f32 = 130.0;
const STEP: f32 = 16.0;

/// A reminder; `said` are its sentences, greeting first.
pub(crate) fn reminder(
    renderer: &Renderer,
    document: &InvoiceDocument<'_>,
    (level, on): (ReminderLevel, NaiveDate),
    said: &[&str],
) -> Result<Vec<u8>, DocumentError> {
    let document = document.with_collection(Collection::Transfer);
    let labels = renderer.templates.labels(&document.draft.language);
    let words = &labels.words;
    let title = match level {
        ReminderLevel { is_last: true, number: 2.. } => words.reminder_last.clone(),
        ReminderLevel { number: 1, .. } => words.reminder.clone(),
        ReminderLevel { number, .. } => words.reminder_nth.replace("{number}", &number.to_string()),
    };
    let figures = Figures::of(labels);
    let invoice = document.invoice.map_or(document.draft.invoice_date, |invoice| invoice.draft.invoice_date);
    let facts = vec![
        (words.letter_date.clone(), figures.date(on)),
        (words.number.clone(), document.name()),
        (words.date.clone(), figures.date(invoice)),
        (words.due_date.clone(), figures.date(document.pay_by())),
        (words.account.clone(), document.draft.account_number.clone()),
    ];
    let heading = Heading { title, number: document.name(), on, facts };
    let layout = Layout::of(renderer, &document, Some(heading));
    let mut sheet = Sheet::default();
    let mut y = head::first(&layout, &mut sheet) + 14.0;
    for sentence in said {
        let ink = layout.plain(10.0);
        y = layout.lines(
            &mut sheet,
            ink,
            Align::Left,
            (LEFT, y),
            &layout.wrap(ink, sentence, RIGHT - LEFT),
            14.0,
        ) + 8.0;
    }
    let draft = document.draft;
    y += 6.0;
    let settled = (document.settled_minor() != 0).then(|| (&words.paid, -document.settled_minor()));
    for (label, minor) in [(&words.gross, draft.gross_minor())].into_iter().chain(settled) {
        sheet.text(layout.fonts, layout.muted(9.5), Align::Left, (LEFT, y), label);
        layout.figure(
            &mut sheet,
            layout.plain(9.5),
            (RIGHT, y),
            160.0,
            &figures.money(minor, draft.currency),
        );
        y += STEP;
    }
    sheet.rule(layout.theme.accent, 1.0, (LEFT, RIGHT), y - 10.0);
    sheet.text(layout.fonts, layout.strong(11.0), Align::Left, (LEFT, y + 5.0), &words.open);
    layout.figure(
        &mut sheet,
        layout.strong(11.0),
        (RIGHT, y + 5.0),
        160.0,
        &figures.money(document.open_minor(), draft.currency),
    );
    y = late_charges(&layout, &mut sheet, y + 5.0);
    closing::payment(&layout, &mut sheet, y + 21.0);
    let id = Uuid::new_v5(&draft.id.0, format!("reminder {} {on}", level.number).as_bytes());
    save(&layout, vec![sheet], (on, id))
}

/// What the reminders have cost, and all that is asked for; gives the base of the last row.
fn late_charges(layout: &Layout<'_>, sheet: &mut Sheet, mut y: f32) -> f32 {
    let (document, words) = (&layout.document, &layout.labels.words);
    if document.late_charges.is_empty() {
        return y;
    }
    let money = |minor| layout.figures.money(minor, document.draft.currency);
    for item in document.late_charges {
        y += STEP;
        let label = words.late_charge.replace("{number}", &item.number);
        sheet.text(layout.fonts, layout.muted(9.5), Align::Left, (LEFT, y), &label);
        layout.figure(sheet, layout.plain(9.5), (RIGHT, y), 160.0, &money(item.open_minor));
    }
    y += STEP;
    sheet.rule(layout.theme.accent, 1.0, (LEFT, RIGHT), y - 10.0);
    sheet.text(layout.fonts, layout.strong(11.0), Align::Left, (LEFT, y + 5.0), &words.demanded);
    layout.figure(sheet, layout.strong(11.0), (RIGHT, y + 5.0), 160.0, &money(document.demanded_minor()));
    y + 5.0
}

/// A statement of account.
pub(crate) fn statement(renderer: &Renderer, of: &StatementDocument<'_>) -> Result<Vec<u8>, DocumentError> {
    let document = of.newest;
    let labels = renderer.templates.labels(&document.draft.language);
    let (words, figures) = (&labels.words, Figures::of(labels));
    let days = match of.from {
        Some(from) => format!("{} – {}", figures.date(from), figures.date(of.to)),
        None => figures.date(of.to),
    };
    let facts = vec![
        (words.letter_date.clone(), days.clone()),
        (words.account.clone(), document.draft.account_number.clone()),
        (words.currency.clone(), document.draft.currency.to_string()),
    ];
    let heading = Heading { title: words.statement.clone(), number: days, on: of.to, facts };
    let layout = Layout::of(renderer, &document, Some(heading));
    let mut pages = Pages::start(&layout);
    pages.heads([&words.date, &words.movement, &words.document, &words.amount, &words.balance]);
    pages.row([
        "",
        &words.opening_balance,
        "",
        "",
        &figures.amount(of.opening_minor, document.draft.currency),
    ]);
    for line in &of.lines {
        let what = match line.movement {
            Movement::Invoice => &words.invoice,
            Movement::CreditNote => &words.credit_note,
            Movement::Payment => &words.payment,
            Movement::Refund => &words.refund,
            Movement::WriteOff => &words.written_off,
        };
        let money = |minor| figures.amount(minor, document.draft.currency);
        pages.row([
            &figures.date(line.on),
            what,
            &line.document,
            &money(line.amount_minor),
            &money(line.balance_minor),
        ]);
    }
    pages.total(&words.closing_balance, &figures.money(of.closing_minor, document.draft.currency));
    if !of.open.is_empty() {
        pages.space();
        pages.heads([&words.due_date, &words.open_items, &words.payment_reference, "", &words.open]);
        for item in &of.open {
            let open = figures.amount(item.open_minor, document.draft.currency);
            pages.row([&figures.date(item.pay_by), &item.number, &item.reference, "", &open]);
        }
        let all: i64 = of.open.iter().map(|item| item.open_minor).sum();
        pages.total(&words.open, &figures.money(all, document.draft.currency));
        pages.how_to_pay();
    }
    let id = Uuid::new_v5(&document.draft.payer.0, format!("statement {:?} {}", of.from, of.to).as_bytes());
    let sheets = pages.end();
    save(&layout, sheets, (of.to, id))
}

/// Rows over as many pages as they need.
struct Pages<'a> {
    layout: &'a Layout<'a>,
    done: Vec<Sheet>,
    sheet: Sheet,
    y: f32,
}

impl<'a> Pages<'a> {
    fn start(layout: &'a Layout<'a>) -> Self {
        let mut sheet = Sheet::default();
        let y = head::first(layout, &mut sheet) + 14.0;
        Self { layout, done: Vec::new(), sheet, y }
    }

    fn room(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            let mut next = Sheet::default();
            self.y = head::later(self.layout, &mut next) + 12.0;
            self.done.push(std::mem::replace(&mut self.sheet, next));
        }
    }

    fn heads(&mut self, cells: [&str; 5]) {
        self.room(3.0 * STEP);
        let layout = self.layout;
        let ink = layout.strong(8.5);
        self.cells(ink, cells);
        self.sheet.rule(layout.theme.rule, 0.5, (LEFT, RIGHT), self.y + 5.0);
        self.y += STEP + 3.0;
    }

    fn row(&mut self, cells: [&str; 5]) {
        self.room(STEP);
        self.cells(self.layout.plain(9.0), cells);
        self.y += STEP;
    }

    fn cells(&mut self, ink: paper::TextStyle, [first, what, document, amount, balance]: [&str; 5]) {
        let (layout, y) = (self.layout, self.y);
        for (x, text) in [(LEFT, first), (WHAT, what), (DOCUMENT, document)] {
            self.sheet.text(layout.fonts, ink, Align::Left, (x, y), text);
        }
        layout.figure(&mut self.sheet, ink, (AMOUNT, y), 90.0, amount);
        layout.figure(&mut self.sheet, ink, (RIGHT, y), 95.0, balance);
    }

    fn total(&mut self, label: &str, amount: &str) {
        self.room(2.0 * STEP);
        let layout = self.layout;
        self.sheet.rule(layout.theme.accent, 1.0, (LEFT, RIGHT), self.y - 10.0);
        let ink = layout.strong(10.0);
        self.sheet.text(layout.fonts, ink, Align::Left, (LEFT, self.y + 4.0), label);
        layout.figure(&mut self.sheet, ink, (RIGHT, self.y + 4.0), 160.0, amount);
        self.y += STEP + 6.0;
    }

    fn space(&mut self) {
        self.y += STEP;
    }

    /// The account that what is open is paid to.
    fn how_to_pay(&mut self) {
        for (label, value) in closing::account_facts(self.layout) {
            self.room(STEP);
            let layout = self.layout;
            self.sheet.text(layout.fonts, layout.muted(9.0), Align::Left, (LEFT, self.y), label);
            self.sheet.text(layout.fonts, layout.strong(9.0), Align::Left, (WHAT, self.y), &value);
            self.y += STEP;
        }
    }

    fn end(mut self) -> Vec<Sheet> {
        self.done.push(self.sheet);
        self.done
    }
}
