//! What can be written on paper: a text with a character that no face has, or of a script whose letters must be joined and are
//! not here, is refused rather than printed as boxes (rules I10).

use crate::paper::{Fonts, is_joined, script_of};
use std::collections::BTreeSet;
use std::fmt;

/// Characters named in a reason.
const NAMED: usize = 8;

/// A text that cannot be written, and the characters that cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable {
    pub text: String,
    pub characters: BTreeSet<char>,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self.characters.iter().take(NAMED).map(char::to_string).collect();
        let more = if self.characters.len() > NAMED { " …" } else { "" };
        write!(f, "no font can write `{}`: {}{more} missing", self.text, named.join(" "))
    }
}

/// The first of these texts that cannot be written.
pub(crate) fn unwritable<'t>(fonts: &Fonts, texts: impl Iterator<Item = &'t str>) -> Option<Unwritable> {
    texts.into_iter().find_map(|text| {
        let characters: BTreeSet<char> = text.chars().filter(|c| !is_writable(fonts, *c)).collect();
        (!characters.is_empty()).then(|| Unwritable { text: text.to_owned(), characters })
    })
}

pub(crate) fn is_writable(fonts: &Fonts, character: char) -> bool {
    // Of a script that we cannot shape a face would print letters that do not join.
    let can_be_shaped = !is_joined(character) || script_of(character).is_some();
    vanishes(character) || (can_be_shaped && fonts.has(character))
}

/// Control characters and marks without a width of their own are left out on paper, and nothing is lost with them.
pub(crate) fn vanishes(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::Templates;

    #[test]
    fn nothing_that_is_printed_is_printed_as_boxes() {
        use crate::sample;
        use crate::{InvoiceDocument, Renderer};
        let renderer = Renderer::new(&Templates::embedded().unwrap()).unwrap();
        let told = |invoice: &domain::invoice::Invoice, tenant: &domain::catalogue::Tenant| {
            renderer.render_invoice(&InvoiceDocument::booked(invoice, tenant)).err().map(|e| e.to_string())
        };
        assert_eq!(told(&sample::one_page(), &sample::tenant()), None);
        let strange = || "株".to_owned();
        let places: [fn(&mut domain::invoice::Draft, String); 7] = [
            |draft, text| draft.buyer.name = text,
            |draft, text| draft.buyer.address.city = Some(text),
            |draft, text| draft.lines[0].title = text,
            |draft, text| draft.lines[0].description = text,
            |draft, text| draft.lines[0].discount_text = Some(text),
            |draft, text| draft.reference = Some(text),
            |draft, text| draft.subscription_number = Some(text),
        ];
        for place in places {
            let mut invoice = sample::one_page();
            place(&mut invoice.draft, strange());
            let reason = told(&invoice, &sample::tenant()).unwrap();
            assert!(reason.contains('株'), "{reason}");
        }
        for (note, phone) in [(Some(strange()), None), (None, Some(strange()))] {
            let tenant = domain::catalogue::Tenant { invoice_note: note, phone, ..sample::tenant() };
            assert!(told(&sample::one_page(), &tenant).is_some());
        }
    }

    #[test]
    fn a_text_is_written_whole_or_named() {
        let fonts = Fonts::parse(&Templates::embedded().unwrap()).unwrap();
        let first = |text: &str| unwritable(&fonts, [text].into_iter());
        for fine in
            ["Blåbærgrød A/S", "Čapek & Žižka", "Ωμέγα", "Москва", "tab\tand\u{200b}soft\u{ad}hyphen", ""]
        {
            assert_eq!(first(fine), None, "{fine}");
        }
        for (text, missing) in
            [("株式会社サンプル", '株'), ("شركة المثال", 'ش'), ("חברה", 'ח'), ("Kaffe 😀", '😀')]
        {
            let found = first(text).unwrap();
            assert!(found.characters.contains(&missing), "{found}");
            assert!(found.to_string().contains(text), "{found}");
        }
    }
}
