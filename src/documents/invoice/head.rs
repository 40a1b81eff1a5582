//! The head: seller, title, buyer and the facts of the invoice; on later pages one line.

use super::{LEFT, Layout, RIGHT};
use crate::paper::{Align, Sheet};
use crate::templates::Labels;
use domain::customer::Address;
use domain::einvoice::Identifier;

/// Where the facts beside the buyer start.
const FACTS: f32 = 330.0;
/// Width of the columns above and of the buyer.
const COLUMN: f32 = 250.0;

/// Draws the first page's head; gives the `y` below it.
pub(super) fn first(layout: &Layout, sheet: &mut Sheet) -> f32 {
    let left = seller(layout, sheet);
    let right = title(layout, sheet);
    let top = left.max(right).max(132.0) + 18.0;
    let buyer = buyer(layout, sheet, top);
    let facts = facts(layout, sheet, top);
    buyer.max(facts) + 16.0
}

/// Draws a later page's head; gives the `y` below it.
pub(super) fn later(layout: &Layout, sheet: &mut Sheet) -> f32 {
    let y = 56.0;
    let words = format!("{} {}", layout.title(), layout.number());
    sheet.text(layout.fonts, layout.accent(10.0), Align::Right, (RIGHT, y), &words);
    let room = RIGHT - LEFT - layout.fonts.bold.width(&words, 10.0) - 20.0;
    let name = layout.wrap(layout.strong(10.0), &layout.draft.seller.name, room);
    sheet.text(layout.fonts, layout.strong(10.0), Align::Left, (LEFT, y), &name[0]);
    sheet.rule(layout.theme.rule, 0.5, (LEFT, RIGHT), y + 8.0);
    y + 22.0
}

/// The seller in one line, for the foot of each page.
pub(super) fn imprint(layout: &Layout) -> String {
    let (seller, words) = (&layout.draft.seller, &layout.labels.words);
    let mut parts = vec![seller.name.clone()];
    parts.extend(address_lines(&seller.address, layout.labels));
    parts.extend(seller.vat_number.as_ref().map(|vat| format!("{} {vat}", words.vat_number)));
    parts.extend(register_number(layout));
    parts.extend(layout.document.tenant.paper.registration.clone());
    parts.extend(layout.document.tenant.phone.as_ref().map(|phone| format!("{} {phone}", words.phone)));
    parts.extend(seller.email.clone());
    // Parts stay whole: a telephone number is not cut in two.
    parts.into_iter().map(|part| part.replace(' ', "\u{a0}")).collect::<Vec<_>>().join(" · ")
}

/// The number of the seller's register under the name that it has in its country, unless the VAT number says it.
fn register_number(layout: &Layout) -> Option<String> {
    let of_vat = layout.draft.seller.vat_number.as_deref();
    let own = layout.document.tenant.identifiers.legal_id.clone();
    let id = own.or_else(|| Identifier::legal_of(of_vat?))?;
    let name = match id.scheme.as_str() {
        "0002" => "SIREN",
        "0007" | "0192" => "Org.nr",
        "0009" => "SIRET",
        "0106" => "KvK",
        "0184" => "CVR",
        "0208" => "KBO/BCE",
        "0212" => "Y-tunnus",
        _ => return None,
    };
    let is_said = of_vat.is_some_and(|number| number.ends_with(id.value.trim_start_matches("DK")));
    (!is_said).then(|| format!("{name} {}", id.value))
}

fn seller(layout: &Layout, sheet: &mut Sheet) -> f32 {
    let seller = &layout.draft.seller;
    let mut y = 66.0;
    if let Some(logo) = layout.logo {
        let millimetres = 72.0 / 25.4;
        let size = logo.fitted(70.0 * millimetres, f32::from(layout.theme.logo_height_mm) * millimetres);
        sheet.logo((LEFT, 46.0), size);
        y = 46.0 + size.1 + 16.0;
        let name = layout.wrap(layout.strong(9.0), &seller.name, COLUMN);
        y = layout.lines(sheet, layout.strong(9.0), Align::Left, (LEFT, y), &name, 12.0);
    } else {
        let name = layout.wrap(layout.strong(16.0), &seller.name, COLUMN);
        y = layout.lines(sheet, layout.strong(16.0), Align::Left, (LEFT, y), &name, 19.0);
    }
    let ink = layout.muted(8.5);
    let mut lines = address_lines(&seller.address, layout.labels);
    lines.extend(seller.vat_number.as_ref().map(|vat| format!("{} {vat}", layout.labels.words.vat_number)));
    for line in lines {
        y = layout.lines(sheet, ink, Align::Left, (LEFT, y), &layout.wrap(ink, &line, COLUMN), 11.5);
    }
    y
}

fn title(layout: &Layout, sheet: &mut Sheet) -> f32 {
    sheet.text(layout.fonts, layout.accent(26.0), Align::Right, (RIGHT, 70.0), layout.title());
    layout.figure(sheet, layout.plain(12.0), (RIGHT, 89.0), COLUMN - 30.0, layout.number());
    95.0
}

fn buyer(layout: &Layout, sheet: &mut Sheet, top: f32) -> f32 {
    let buyer = &layout.draft.buyer;
    let words = &layout.labels.words;
    sheet.text(layout.fonts, layout.muted(8.0), Align::Left, (LEFT, top), &words.to);
    let name = layout.wrap(layout.strong(11.0), &buyer.name, COLUMN);
    let mut y = layout.lines(sheet, layout.strong(11.0), Align::Left, (LEFT, top + 16.0), &name, 14.0);
    let mut lines = address_lines(&buyer.address, layout.labels);
    lines.extend(buyer.vat_number.as_ref().map(|vat| format!("{} {vat}", words.vat_number)));
    let ink = layout.plain(9.5);
    for line in lines {
        y = layout.lines(sheet, ink, Align::Left, (LEFT, y), &layout.wrap(ink, &line, COLUMN), 13.0);
    }
    y
}

fn facts(layout: &Layout, sheet: &mut Sheet, top: f32) -> f32 {
    let mut y = top;
    for (label, value) in fact_rows(layout) {
        let ink = layout.plain(9.0);
        sheet.text(layout.fonts, layout.muted(9.0), Align::Left, (FACTS, y), label);
        let room = RIGHT - FACTS - layout.fonts.regular.width(label, 9.0) - 12.0;
        y = layout.lines(sheet, ink, Align::Right, (RIGHT, y), &layout.wrap(ink, &value, room), 14.0);
    }
    y
}

fn fact_rows<'a>(layout: &'a Layout) -> Vec<(&'a str, String)> {
    if let Some(heading) = &layout.heading {
        return heading.facts.iter().map(|(label, value)| (label.as_str(), value.clone())).collect();
    }
    let (draft, words, figures) = (layout.draft, &layout.labels.words, layout.figures);
    let credit = draft.is_credit_note;
    let number = if credit { &words.credit_note_number } else { &words.number };
    let date = if credit { &words.credit_note_date } else { &words.date };
    let mut rows: Vec<(&str, String)> =
        vec![(number, layout.number().to_owned()), (date, figures.date(draft.invoice_date))];
    if !credit {
        rows.push((&words.due_date, figures.date(layout.document.pay_by())));
        let terms = match draft.payment_term {
            0 => words.terms_now.clone(),
            days => words.terms_days.replace("{days}", &days.to_string()),
        };
        rows.push((&words.terms, terms));
    }
    rows.push((&words.account, draft.account_number.clone()));
    rows.extend(draft.subscription_number.iter().map(|number| (words.subscription.as_str(), number.clone())));
    rows.extend(draft.reference.iter().map(|reference| (words.reference.as_str(), reference.clone())));
    if !draft.credits.is_empty() {
        rows.push((&words.credits, draft.credits.join(", ")));
    }
    rows
}

/// Street, postal code and city, state, country: what there is of it.
fn address_lines(address: &Address, labels: &Labels) -> Vec<String> {
    let part =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    let place: Vec<String> =
        [part(&address.postal_code), part(&address.city)].into_iter().flatten().collect();
    let place = Some(place.join(" ")).filter(|p| !p.is_empty());
    let country = part(&address.country).map(|code| labels.country(&code).to_owned());
    [part(&address.line1), part(&address.line2), place, part(&address.state), country]
        .into_iter()
        .flatten()
        .collect()
}
