//! What the seller has printed besides figures, as written.

use super::fault::Place;
use super::fields::Fields;
use crate::catalogue::Paper;
use crate::einvoice::InvoiceForm;
use crate::language::is_language;
use std::collections::BTreeMap;

const NOTES: &str = "invoicenotes";
const NOTE_BYTES_MAX: usize = 4_000;

pub(super) fn paper(fields: &mut Fields<'_, '_>) -> Paper {
    Paper {
        form: form(fields).unwrap_or_default(),
        registration: fields.text("registration"),
        notes: notes(fields),
    }
}

/// In what form invoices are mailed.
pub(super) fn form(fields: &mut Fields<'_, '_>) -> Option<InvoiceForm> {
    fields.choice("invoiceform", InvoiceForm::parse, InvoiceForm::NAMES)
}

/// Notes by language: `{"de": "Es gelten unsere AGB."}`.
fn notes(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let Some(value) = fields.value(NOTES) else { return BTreeMap::new() };
    let Some(members) = value.as_object() else {
        fields.hinted(NOTES, "is not an object", "notes by language: {\"de\": \"Es gelten unsere AGB.\"}");
        return BTreeMap::new();
    };
    let mut notes = BTreeMap::new();
    for (language, note) in members {
        let fault = match note.as_str() {
            _ if !is_language(&language.to_ascii_lowercase()) => "is not the code of a language",
            None => "is not a text",
            Some(note) if note.len() > NOTE_BYTES_MAX => "is longer than 4,000 bytes",
            Some(note) => {
                notes.insert(language.to_ascii_lowercase(), note.to_owned());
                continue;
            }
        };
        let place = fields.at(NOTES);
        let place = Place::new(place.file, format!("{}/{language}", place.pointer));
        fields.faults.add(&place, format!("`{language}` {fault}"));
    }
    notes
}
