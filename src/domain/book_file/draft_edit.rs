//! What a person changes of a draft, read from one JSON object as strictly as a book.

use super::checks::payment_term;
use super::custom_invoice::line as added_line;
use super::fault::{Fault, Faults, Place};
use super::fields::Fields;
use super::json;
use crate::billing::{CustomLine, DraftEdit, LineEdit};
use crate::decimal::PRICE;

/// Reads a change of a draft from its text; `name` stands in faults. An entry of `lines` with `line` changes that line,
/// one without is a new line in the form of a custom invoice's.
///
/// ```
/// let text = r#"{"reference": "PO 4711", "lines": [{"line": 2, "amount": "90.00"}, {"line": 3, "remove": true},
///                {"title": "On-site day", "quantity": "1", "unitprice": "8000.00"}]}"#;
/// let edit = domain::book_file::read_draft_edit("edit.json", text).map_err(|faults| faults[0].to_string())?;
/// assert_eq!((edit.lines.len(), edit.add.len()), (2, 1));
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// Every fault, each with its JSON pointer.
pub fn read_draft_edit(name: &str, text: &str) -> Result<DraftEdit, Vec<Fault>> {
    let mut faults = Faults::default();
    let place = Place::new(faults.file(name), "");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let node = json::parse(text, 1, &place, &mut faults);
    let edit = node.and_then(|node| Fields::read(&node, place, &mut faults, edit)).flatten();
    match edit {
        Some(edit) if faults.met() == 0 => Ok(edit),
        _ => Err(faults.into_list()),
    }
}

/// An entry of `lines`.
enum Entry {
    Change(LineEdit),
    Add(CustomLine),
}

fn edit(fields: &mut Fields<'_, '_>) -> Option<DraftEdit> {
    let reference = fields.text("reference");
    let payment_term = payment_term(fields);
    let entries = fields.each("lines|invoicelines", |fields, _| entry(fields));
    let mut edit = DraftEdit { reference, payment_term, ..DraftEdit::default() };
    for entry in entries {
        match entry? {
            Entry::Change(change) => edit.lines.push(change),
            Entry::Add(line) => edit.add.push(line),
        }
    }
    if edit == DraftEdit::default() {
        fields.hinted("lines", "nothing is changed", "`reference`, `paymentterm`, `lines`");
    }
    Some(edit)
}

fn entry(fields: &mut Fields<'_, '_>) -> Option<Entry> {
    if !fields.has("line|linenumber") {
        return added_line(fields).map(Entry::Add);
    }
    let number = fields.count("line|linenumber", 1);
    let change = LineEdit {
        number: number?,
        remove: fields.boolean("remove").unwrap_or(false),
        title: fields.text("title"),
        description: fields.note("description"),
        amount: fields.decimal("amount|subtotal", PRICE),
    };
    let says = change.title.is_some() || change.description.is_some() || change.amount.is_some();
    if says == change.remove {
        let fault = if says { "is taken off and changed at once" } else { "nothing of the line is changed" };
        fields.hinted("line|linenumber", fault, "`remove`: true, or `amount`, `title`, `description`");
    }
    Some(Entry::Change(change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_with_its_place() {
        let text = r#"{"referenze": "x", "lines": [{"line": 1}, {"line": 2, "remove": true, "amount": "1"}, {"line": "x"},
                       {"title": "new"}, 7]}"#;
        let faults = read_draft_edit("f", text).unwrap_err();
        let pointers: Vec<&str> = faults.iter().map(|f| f.pointer.as_str()).collect();
        for pointer in
            ["/referenze", "/lines/0/line", "/lines/1/line", "/lines/2/line", "/lines/3/quantity", "/lines/4"]
        {
            assert!(pointers.contains(&pointer), "{pointer}: {pointers:?}");
        }
        assert_eq!(read_draft_edit("f", "{}").unwrap_err().len(), 1);
    }
}
