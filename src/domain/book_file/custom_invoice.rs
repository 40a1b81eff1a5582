//! An invoice that a person writes, read from one JSON object as strictly as a book: unknown fields, numbers that
//! would be rounded and repeated keys are faults, all of them at once.

use super::checks::payment_term;
use super::fault::{Fault, Faults, Place};
use super::fields::Fields;
use super::json;
use crate::billing::{CustomInvoice, CustomLine};
use crate::decimal::{PRICE, QUANTITY, RATE};
use rust_decimal::Decimal;

/// Lines of one invoice.
const LINES_MAX: usize = 1_000;

/// Reads a custom invoice from its text; `name` stands in faults.
///
/// ```
/// let text = r#"{"customer": "CU-0001", "date": "2026-03-05",
///                "lines": [{"title": "On-site day", "quantity": "1.5", "unitprice": "8000.00"}]}"#;
/// let invoice = domain::book_file::read_custom_invoice("invoice.json", text).map_err(|faults| faults[0].to_string())?;
/// assert_eq!(invoice.lines[0].title, "On-site day");
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// Every fault, each with its JSON pointer.
pub fn read_custom_invoice(name: &str, text: &str) -> Result<CustomInvoice, Vec<Fault>> {
    read(name, text, Lines::Some)
}

/// As [`read_custom_invoice`], of a draft whose lines may still be to come.
///
/// # Errors
/// Every fault, each with its JSON pointer.
pub fn read_draft_invoice(name: &str, text: &str) -> Result<CustomInvoice, Vec<Fault>> {
    read(name, text, Lines::Any)
}

/// How many lines there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Some,
    Any,
}

fn read(name: &str, text: &str, how_many: Lines) -> Result<CustomInvoice, Vec<Fault>> {
    let mut faults = Faults::default();
    let place = Place::new(faults.file(name), "");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let node = json::parse(text, 1, &place, &mut faults);
    let invoice = node
        .and_then(|node| Fields::read(&node, place, &mut faults, |fields| invoice(fields, how_many)))
        .flatten();
    match invoice {
        Some(invoice) if faults.met() == 0 => Ok(invoice),
        _ => Err(faults.into_list()),
    }
}

fn invoice(fields: &mut Fields<'_, '_>, how_many: Lines) -> Option<CustomInvoice> {
    let account_number = fields.required_text("customer|accountnumber");
    let date = fields.date("date|invoicedate");
    let date = fields.require("date|invoicedate", date);
    let refkey = fields.text("refkey");
    let currency = fields.currency("currencycode|currency");
    let payment_term = payment_term(fields);
    let reference = fields.text("reference");
    let lines = fields.each("lines|invoicelines", |fields, _| line(fields));
    if lines.is_empty() && how_many == Lines::Some {
        fields.fault("lines|invoicelines", "an invoice has at least one line");
    }
    if lines.len() > LINES_MAX {
        fields.fault("lines|invoicelines", format!("has more than {LINES_MAX} lines"));
    }
    let lines = lines.into_iter().collect::<Option<Vec<CustomLine>>>()?;
    Some(CustomInvoice {
        account_number: account_number?,
        refkey,
        currency,
        date: date?,
        payment_term,
        reference,
        lines,
    })
}

pub(super) fn line(fields: &mut Fields<'_, '_>) -> Option<CustomLine> {
    let title = fields.required_text("title");
    let quantity = fields.positive("quantity", QUANTITY);
    let quantity = fields.require("quantity", quantity);
    let unit_price = fields.decimal("unitprice|price", PRICE);
    let unit_price = fields.require("unitprice|price", unit_price);
    let discount = fields.non_negative("discount", RATE).unwrap_or(Decimal::ZERO);
    if discount > Decimal::ONE {
        fields.hinted("discount", format!("{discount} is more than all of it"), "0.10 is 10 %");
    }
    Some(CustomLine {
        title: title?,
        sku: fields.text("sku"),
        description: fields.note("description").unwrap_or_default(),
        quantity: quantity?,
        unit_price: unit_price?,
        unit: fields.text("unit"),
        taxable: fields.boolean("taxable").unwrap_or(true),
        exempt_reason: fields.text("exemptreason"),
        discount,
        discount_text: fields.text("discounttext"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_with_its_place() {
        let text = r#"{"customer": "CU-1", "date": "2026-02-30", "currency": "XXQ", "titel": "x",
            "lines": [{"quantity": "0", "unitprice": "1,5", "discount": "10"}, 7]}"#;
        let faults = read_custom_invoice("f", text).unwrap_err();
        let pointers: Vec<&str> = faults.iter().map(|f| f.pointer.as_str()).collect();
        for pointer in [
            "/date",
            "/currency",
            "/titel",
            "/lines/0/title",
            "/lines/0/quantity",
            "/lines/0/unitprice",
            "/lines/0/discount",
            "/lines/1",
        ] {
            assert!(pointers.contains(&pointer), "{pointer}: {pointers:?}");
        }
        let faults = read_custom_invoice("f", r#"{"customer": "CU-1", "date": "2026-02-28"}"#).unwrap_err();
        assert_eq!(faults[0].pointer, "/lines");
        assert!(read_custom_invoice("f", "{").is_err() && read_custom_invoice("f", "[]").is_err());
    }
}
