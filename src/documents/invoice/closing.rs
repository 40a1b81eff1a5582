//! The closing part: totals, VAT per group, how to pay, notes.

use super::{Collection, LEFT, Layout, RIGHT};
use crate::paper::{Align, Sheet};
use crate::transfer_code;
use domain::invoice::{Invoice, PaymentStatus, Settlement};

/// Left edge of the totals.
const TOTALS: f32 = 348.0;
/// Right edge of the VAT specification.
const VAT_RIGHT: f32 = TOTALS - 30.0;
/// Columns of the VAT specification end here.
const VAT_NET: f32 = VAT_RIGHT - 92.0;
/// Width of an amount before it shrinks.
const AMOUNT: f32 = 88.0;
/// Side of the code for a transfer.
const CODE: f32 = 84.0;
/// Height of one line of a note.
pub(super) const NOTE_STEP: f32 = 12.0;

/// Draws totals, VAT and payment with their top at `y`; gives the `y` below them.
pub(super) fn draw(layout: &Layout, sheet: &mut Sheet, y: f32) -> f32 {
    let top = y + 10.0;
    let totals = totals(layout, sheet, top);
    let vat = vat(layout, sheet, top);
    payment(layout, sheet, totals.max(vat) + 14.0)
}

fn totals(layout: &Layout, sheet: &mut Sheet, top: f32) -> f32 {
    let (draft, words, figures) = (layout.draft, &layout.labels.words, layout.figures);
    let mut base = top + 13.0;
    let width = RIGHT - TOTALS - 80.0;
    let row = |sheet: &mut Sheet, base: f32, label: &str, amount: &str| {
        sheet.text(layout.fonts, layout.muted(9.0), Align::Left, (TOTALS, base), label);
        layout.figure(sheet, layout.plain(9.0), (RIGHT - 6.0, base), width, amount);
    };
    row(sheet, base, &words.net, &figures.amount(draft.net_minor, draft.currency));
    base += 16.0;
    row(sheet, base, &words.vat_total, &figures.amount(draft.vat_minor, draft.currency));
    base += 9.0;
    sheet.fill(layout.theme.accent, (TOTALS - 8.0, base), (RIGHT - TOTALS + 8.0, 24.0));
    let white = crate::templates::Colour { red: 255, green: 255, blue: 255 };
    let ink = crate::paper::TextStyle { colour: white, ..layout.strong(11.0) };
    let label = format!("{} {}", words.gross, draft.currency);
    sheet.text(layout.fonts, ink, Align::Left, (TOTALS, base + 16.0), &label);
    let room = RIGHT - 6.0 - TOTALS - layout.fonts.bold.width(&label, ink.size) - 10.0;
    layout.figure(
        sheet,
        ink,
        (RIGHT - 6.0, base + 16.0),
        room,
        &figures.amount(draft.gross_minor(), draft.currency),
    );
    base += 24.0;
    let settled = layout.document.settled_minor();
    if settled != 0 {
        let open = i128::from(draft.gross_minor()) - i128::from(settled);
        base += 16.0;
        row(sheet, base, &words.paid, &figures.wide_amount(-i128::from(settled), draft.currency));
        base += 16.0;
        row(sheet, base, &words.open, &figures.wide_amount(open, draft.currency));
        base += 4.0;
    }
    base
}

fn vat(layout: &Layout, sheet: &mut Sheet, top: f32) -> f32 {
    let (draft, words, figures) = (layout.draft, &layout.labels.words, layout.figures);
    let mut base = top + 13.0;
    let head = layout.strong(8.0);
    sheet.text(layout.fonts, head, Align::Left, (LEFT + 6.0, base), &words.vat_specification);
    sheet.text(layout.fonts, layout.muted(8.0), Align::Right, (VAT_NET, base), &words.vat_net);
    sheet.text(layout.fonts, layout.muted(8.0), Align::Right, (VAT_RIGHT, base), &words.vat_amount);
    sheet.rule(layout.theme.rule, 0.5, (LEFT + 6.0, VAT_RIGHT), base + 5.0);
    base += 17.0;
    let ink = layout.plain(8.5);
    for group in &draft.vat_groups {
        let name = layout.labels.vat_category(group.category);
        let label = format!("{} · {name}", figures.percent(group.rate_pct));
        layout.figure(sheet, ink, (VAT_NET, base), AMOUNT, &figures.amount(group.net_minor, draft.currency));
        layout.figure(
            sheet,
            ink,
            (VAT_RIGHT, base),
            AMOUNT,
            &figures.amount(group.vat_minor, draft.currency),
        );
        let room = VAT_NET - AMOUNT - LEFT;
        base =
            layout.lines(sheet, ink, Align::Left, (LEFT + 6.0, base), &layout.wrap(ink, &label, room), 11.0);
        if let Some(reason) = group.reason.as_deref().filter(|r| !r.trim().is_empty() && *r != name) {
            let note = layout.muted(8.0);
            let lines = layout.wrap(note, reason, VAT_RIGHT - LEFT - 6.0);
            base = layout.lines(sheet, note, Align::Left, (LEFT + 6.0, base), &lines, 10.5);
        }
        base += 3.0;
    }
    if let Some(base_amounts) = layout.document.base() {
        let text = words
            .base_rate
            .replace("{base}", base_amounts.currency.code())
            .replace("{rate}", &figures.number(base_amounts.rate))
            .replace("{source}", &base_amounts.rate_source)
            .replace("{date}", &figures.date(base_amounts.rate_date));
        let note = layout.muted(8.0);
        let amount = figures.amount(base_amounts.vat_minor, base_amounts.currency);
        layout.figure(sheet, ink, (VAT_RIGHT, base), AMOUNT, &amount);
        let lines = layout.wrap(note, &text, VAT_RIGHT - AMOUNT - LEFT - 12.0);
        base = layout.lines(sheet, note, Align::Left, (LEFT + 6.0, base), &lines, 10.5);
    }
    base - 6.0
}

pub(super) fn payment(layout: &Layout, sheet: &mut Sheet, top: f32) -> f32 {
    let words = &layout.labels.words;
    let facts = if is_to_be_transferred(layout) { bank_facts(layout) } else { Vec::new() };
    let code = layout.document.invoice.filter(|_| !facts.is_empty());
    let code = code.and_then(|invoice| {
        transfer_code::modules(invoice, layout.document.tenant, layout.document.demanded_minor())
    });
    let beside = code.as_ref().map_or(0.0, |_| CODE + 12.0);
    let text_width = if facts.is_empty() { RIGHT - LEFT - 24.0 } else { TOTALS - LEFT - 60.0 - beside };
    let text = layout.wrap(layout.plain(9.0), &sentence(layout), text_width);
    let text_height = 31.0 + 13.0 * text.len() as f32;
    let facts_height = 15.0 + 14.0 * facts.len() as f32;
    let code_height = code.as_ref().map_or(0.0, |_| CODE + 20.0);
    let height = text_height.max(facts_height).max(code_height);
    sheet.fill(layout.theme.band, (LEFT, top), (RIGHT - LEFT, height));
    sheet.fill(layout.theme.accent, (LEFT, top), (2.5, height));
    if let Some(rows) = &code {
        draw_code(layout, sheet, (LEFT + 12.0, top + 10.0), rows);
    }
    let left = LEFT + 12.0 + beside;
    sheet.text(layout.fonts, layout.accent(9.0), Align::Left, (left, top + 17.0), &words.payment);
    layout.lines(sheet, layout.plain(9.0), Align::Left, (left, top + 32.0), &text, 13.0);
    let mut base = top + 17.0;
    for (label, value) in facts {
        sheet.text(layout.fonts, layout.muted(8.5), Align::Left, (TOTALS - 30.0, base), label);
        let room = RIGHT - 12.0 - TOTALS + 30.0 - layout.fonts.regular.width(label, 8.5) - 10.0;
        layout.figure(sheet, layout.strong(9.0), (RIGHT - 12.0, base), room, &value);
        base += 14.0;
    }
    top + height + 8.0
}

/// The dark modules of each row as boxes, on white with the quiet zone that readers need.
fn draw_code(layout: &Layout, sheet: &mut Sheet, (x, y): (f32, f32), rows: &[Vec<bool>]) {
    const QUIET: f32 = 4.0;
    let module = CODE / (rows.len() as f32 + 2.0 * QUIET);
    let white = crate::templates::Colour { red: 255, green: 255, blue: 255 };
    sheet.fill(white, (x, y), (CODE, CODE));
    for (line, row) in rows.iter().enumerate() {
        let top = y + (line as f32 + QUIET) * module;
        let mut from = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&true) {
                let left = x + (from as f32 + QUIET) * module;
                sheet.fill(layout.theme.ink, (left, top), (run.len() as f32 * module, module));
            }
            from += run.len();
        }
    }
}

fn is_to_be_transferred(layout: &Layout) -> bool {
    !layout.draft.is_credit_note
        && layout.document.open_minor() > 0
        && layout.document.collection == Collection::Transfer
}

/// What the reader has to do.
fn sentence(layout: &Layout) -> String {
    let (draft, words, figures) = (layout.draft, &layout.labels.words, layout.figures);
    let open = layout.document.open_minor();
    if draft.is_credit_note {
        let amount = figures.money(draft.gross_minor().saturating_abs(), draft.currency);
        return words.credited.replace("{amount}", &amount);
    }
    // What was credited or given up was not paid: nobody is thanked for it.
    let is_unpaid =
        |s: &Settlement| matches!(s.payment_status, PaymentStatus::Cancelled | PaymentStatus::Failed);
    let is_let_go = open <= 0 && layout.document.settlement.is_some_and(is_unpaid);
    if draft.gross_minor() == 0 || is_let_go {
        return words.nothing_to_pay.clone();
    }
    if open <= 0 {
        let paid_on = layout.document.settlement.and_then(|s| s.payment_date);
        return paid_on
            .map_or_else(|| words.settled.clone(), |on| words.paid_on.replace("{date}", &figures.date(on)));
    }
    let amount = figures.money(layout.document.demanded_minor(), draft.currency);
    let pay_by = layout.document.pay_by();
    // Nobody is asked to pay by a day that is past.
    let is_late = layout.heading.as_ref().is_some_and(|letter| letter.on > pay_by);
    let (text, day) = match layout.document.collection {
        Collection::Transfer if is_late => (words.pay_late.clone(), pay_by),
        Collection::Transfer => (words.pay.clone(), pay_by),
        Collection::Automatic => (words.collected.clone(), pay_by),
        Collection::Debit(notice) => {
            let text =
                words.debited.replace("{account}", notice.account).replace("{creditor}", notice.creditor);
            (text.replace("{mandate}", notice.mandate), notice.on)
        }
    };
    text.replace("{amount}", &amount).replace("{date}", &figures.date(day))
}

/// The seller's account, to which money is sent.
pub(super) fn account_facts<'a>(layout: &'a Layout) -> Vec<(&'a str, String)> {
    let (tenant, words) = (layout.document.tenant, &layout.labels.words);
    let iban = tenant.iban.as_ref().map(|iban| (words.iban.as_str(), in_fours(iban)));
    let bic = tenant.bic.as_ref().map(|bic| (words.bic.as_str(), bic.clone()));
    iban.into_iter().chain(bic).collect()
}

fn bank_facts<'a>(layout: &'a Layout) -> Vec<(&'a str, String)> {
    let mut facts = account_facts(layout);
    let stated = layout.document.invoice.map(Invoice::stated_reference);
    facts
        .push((&layout.labels.words.payment_reference, stated.unwrap_or_else(|| layout.number().to_owned())));
    facts
}

/// `DK50 0040 0440 1162 43`, as banks print it.
pub(crate) fn in_fours(iban: &str) -> String {
    let letters: Vec<char> = iban.chars().filter(|c| !c.is_whitespace()).collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

/// The tenant's note, wrapped; empty if there is none.
pub(super) fn notes(layout: &Layout) -> Vec<String> {
    match layout.document.tenant.note(&layout.draft.language) {
        Some(note) => layout.wrap(layout.muted(8.5), note, RIGHT - LEFT - 12.0),
        None => Vec::new(),
    }
}

/// One line of the note; gives the `y` below it.
pub(super) fn draw_note(layout: &Layout, sheet: &mut Sheet, y: f32, line: &str) -> f32 {
    sheet.text(layout.fonts, layout.muted(8.5), Align::Left, (LEFT + 6.0, y + 12.0), line);
    y + NOTE_STEP
}
