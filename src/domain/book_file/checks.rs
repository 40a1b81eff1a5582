//! Checks of single values: VAT and bank account numbers, countries, zones, payment terms, number patterns, mail.

use super::fields::Fields;
use super::nearest::did_you_mean;
use crate::billing::{format_number, numbered};
use crate::code_list::CodeList;
use crate::country::{self, is_country};
use crate::customer::Address;
use crate::direct_debit::mod_97;
use crate::einvoice::{self, Identifier, IdentifierFault, Identifiers};
use crate::language::{self, is_language};
use crate::tax::vat_number::{self, VatNumberFault};
use chrono::NaiveDate;
use chrono_tz::Tz;

/// Net days that a payment term may have (rules I3).
const PAYMENT_TERMS: [u32; 8] = [0, 8, 14, 21, 30, 45, 60, 90];
/// What schemes there are, in a few words.
const SCHEMES: &str =
    "four digits of ISO 6523, for example 0184 (Danish CVR), 0192 (Norwegian), 0007 (Swedish), 0088 (GLN)";

/// The address fields that tenants, customers and contacts share.
pub(super) fn address(fields: &mut Fields<'_, '_>) -> Address {
    fields.ignore(&["county"]);
    Address {
        line1: fields.text("addressline1"),
        line2: fields.text("addressline2"),
        postal_code: fields.text("postalcode"),
        city: fields.text("city"),
        state: fields.text("state"),
        country: country(fields, "country"),
    }
}

/// ISO 3166 alpha-2, upper case.
pub(super) fn country(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<String> {
    let text = fields.text(name)?;
    if !is_country(&text) {
        let hint = code_hint(&country::LIST, &text, "two letters of ISO 3166, for example DK");
        fields.hinted(name, format!("`{text}` is not a country code"), hint);
        return None;
    }
    Some(text.to_ascii_uppercase())
}

/// The code that is meant, or what a code looks like.
pub(super) fn code_hint(list: &CodeList, text: &str, form: &str) -> String {
    list.meant(text).map_or_else(|| form.to_owned(), |code| format!("did you mean `{code}`?"))
}

/// A VAT number in its normal form (rules X1).
pub(super) fn vat_number(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<String> {
    let text = fields.text(name)?;
    match vat_number::read(&text) {
        Ok(number) => Some(number),
        Err(fault) => {
            let hint = match fault {
                VatNumberFault::Word(_) => {
                    "leave the field out of who has none: a consumer, or who is not registered"
                }
                _ => {
                    "the number as the tax office gave it, with its country; leave the field out of who has none"
                }
            };
            fields.hinted(name, fault.to_string(), hint);
            None
        }
    }
}

/// An IBAN with right check digits (ISO 13616, mod 97), without spaces.
pub(super) fn iban(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<String> {
    let text = fields.text(name)?;
    let number: String = text.chars().filter(|c| *c != ' ').collect::<String>().to_ascii_uppercase();
    match iban_fault(&number) {
        Some(fault) => {
            fields.fault(name, format!("`{text}` is not an IBAN: {fault}"));
            None
        }
        None => Some(number),
    }
}

fn iban_fault(number: &str) -> Option<&'static str> {
    let bytes = number.as_bytes();
    let has_country = number.get(..2).is_some_and(is_country);
    let is_shaped = (15..=34).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes[..2].iter().all(u8::is_ascii_alphabetic)
        && bytes[2..4].iter().all(u8::is_ascii_digit);
    if !is_shaped {
        return Some("two letters, two check digits, and 11 to 30 letters and digits were expected");
    }
    if !has_country {
        return Some("it begins with no country");
    }
    let rest = mod_97(bytes[4..].iter().chain(&bytes[..4]));
    (rest != 1).then_some("its check digits do not fit")
}

/// A BIC (ISO 9362): 8 or 11 letters and digits, of which the fifth and sixth are a country.
pub(super) fn bic(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<String> {
    let text = fields.text(name)?;
    let is_shaped = matches!(text.len(), 8 | 11) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_shaped || !text.get(4..6).is_some_and(is_country) {
        let form = "8 or 11 letters and digits were expected, with a country in fifth and sixth place";
        fields.fault(name, format!("`{text}` is not a BIC: {form}"));
        return None;
    }
    Some(text.to_ascii_uppercase())
}

/// How others know a company (rules E1).
pub(super) fn identifiers(fields: &mut Fields<'_, '_>) -> Identifiers {
    Identifiers {
        legal_id: identifier(fields, "legalid", Identifier::legal),
        electronic_address: identifier(fields, "electronicaddress", Identifier::address),
    }
}

fn identifier(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    of: impl Fn(&str, &str) -> Result<Identifier, IdentifierFault>,
) -> Option<Identifier> {
    let read = |part: &mut Fields<'_, '_>| {
        let scheme = part.required_text("scheme");
        let is_mail = scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case(einvoice::MAIL));
        let value = if is_mail { email(part, "value") } else { part.required_text("value") };
        match of(&scheme?, &value?) {
            Ok(identifier) => Some(identifier),
            Err(fault) => {
                let place = match fault {
                    IdentifierFault::NoAddressScheme(_) | IdentifierFault::NoLegalScheme(_) => "scheme",
                    IdentifierFault::Form { .. } | IdentifierFault::CheckDigit { .. } => "value",
                };
                part.hinted(place, fault.to_string(), SCHEMES);
                None
            }
        }
    };
    fields.object(name, read).flatten()
}

/// A global location number.
pub(super) fn gln(fields: &mut Fields<'_, '_>) -> Option<String> {
    let text = fields.text("gln")?;
    match einvoice::gln(&text) {
        Ok(number) => Some(number),
        Err(_) => {
            let message = format!(
                "`{text}` is not a global location number: 13 digits with their check digit were expected"
            );
            fields.hinted("gln", message, "for example 5790000435951; leave it out of who has none");
            None
        }
    }
}

/// A mail address that a mail server would take (RFC 5321): a dot-string, `@`, and a domain of labels. Quoted local parts
/// and addresses in brackets exist on paper only.
pub(super) fn email(fields: &mut Fields<'_, '_>, names: &'static str) -> Option<String> {
    let text = fields.text(names)?;
    match email_fault(&text) {
        Some(fault) => {
            fields.hinted(
                names,
                format!("`{text}` is not a mail address: {fault}"),
                "for example billing@example.com",
            );
            None
        }
        None => Some(text),
    }
}

fn email_fault(text: &str) -> Option<&'static str> {
    let Some((local, domain)) = text.rsplit_once('@') else { return Some("it has no @") };
    let is_atom = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if local.is_empty() || domain.is_empty() {
        return Some("a part before and a part behind the @ are needed");
    }
    if local.len() > 64 || text.len() > 254 {
        return Some("it is longer than mail servers take: 64 bytes before the @, 254 in all");
    }
    if local.split('.').any(str::is_empty) || domain.split('.').any(str::is_empty) {
        return Some("a dot stands at an end, or two of them side by side");
    }
    if !local.chars().all(|c| c == '.' || is_atom(c)) {
        return Some("before the @ is a character that no address has");
    }
    if !domain.split('.').all(is_label) {
        return Some("behind the @ is no domain");
    }
    let top = domain.rsplit('.').next().unwrap_or_default();
    (top.bytes().all(|b| b.is_ascii_digit())).then_some("behind the @ is a number and no domain")
}

/// A time zone of the IANA database.
pub(super) fn timezone(fields: &mut Fields<'_, '_>) -> Option<Tz> {
    let text = fields.text("timezone")?;
    if let Ok(zone) = text.parse::<Tz>() {
        return Some(zone);
    }
    let hint = did_you_mean(&text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()))
        .unwrap_or_else(|| "a name of the IANA database, for example Europe/Copenhagen".to_owned());
    fields.hinted("timezone", format!("`{text}` is not a time zone"), hint);
    None
}

/// A payment term in net days; −1 (Upodi: not set) counts as absent (rules I3).
pub(super) fn payment_term(fields: &mut Fields<'_, '_>) -> Option<u32> {
    let days = fields.integer("paymentterm", -1..=10_000)?;
    let term = u32::try_from(days).ok()?;
    if !PAYMENT_TERMS.contains(&term) {
        let hint = "one of 0, 8, 14, 21, 30, 45, 60, 90 net days";
        fields.hinted("paymentterm", format!("{term} days is not a payment term"), hint);
        return None;
    }
    Some(term)
}

/// Whether something new may use the object.
pub(super) fn is_active(fields: &mut Fields<'_, '_>) -> bool {
    fields.choice("status", status, &["active", "inactive"]).unwrap_or(true)
}

fn status(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "active" | "1" => Some(true),
        "inactive" | "7" => Some(false),
        _ => None,
    }
}

/// A language of documents: which there are is known where documents are made, and told as a warning.
pub(super) fn language(fields: &mut Fields<'_, '_>) -> Option<String> {
    let language = fields.text("language")?.to_ascii_lowercase();
    if !is_language(&language) {
        let form = "two letters of ISO 639, for example da, de, en, fi, fr, nb, nl, sv";
        let hint = code_hint(&language::LIST, &language, form);
        fields.hinted("language", format!("`{language}` is not the code of a language"), hint);
        return None;
    }
    Some(language)
}

/// A pattern of document numbers: `{seq}` or `{seq:07}` once, `{year}` at most once, and no other braces (rules I5).
pub(super) fn number_pattern(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<String> {
    let pattern = fields.text(name)?;
    if let Some(fault) = pattern_fault(&pattern) {
        fields.hinted(name, format!("`{pattern}` {fault}"), "for example INV-{seq:07} or {year}-{seq:05}");
        return None;
    }
    Some(pattern)
}

/// The first number of a series, as it will read. A bare number is enough where the pattern has no year.
pub(super) fn first_number(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    pattern: Option<&str>,
) -> Option<String> {
    let text = fields.text(name)?;
    let Some(pattern) = pattern else {
        let hint = "a unit without a pattern uses the tenant's series: say there where that begins";
        fields.hinted(name, "is of a series that the unit does not have", hint);
        return None;
    };
    if pattern_fault(pattern).is_some() {
        return None; // told already
    }
    let bare = text.parse().ok().filter(|sequence| *sequence > 0 && !pattern.contains("{year}"));
    let bare = bare.and_then(|sequence: u64| format_number(pattern, sequence, NaiveDate::MIN).ok());
    let written = bare.or_else(|| numbered(pattern, &text).map(|_| text.clone()));
    if written.is_none() {
        let example = format_number(pattern, 4712, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default());
        let hint = format!("as it will read, for example {}", example.unwrap_or_default());
        fields.hinted(name, format!("`{text}` is no number that `{pattern}` makes"), hint);
    }
    written
}

fn pattern_fault(pattern: &str) -> Option<&'static str> {
    let (mut sequences, mut years) = (0, 0);
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            return Some("has a brace that is not closed");
        };
        if before.contains('}') {
            return Some("has a brace that is not opened");
        }
        match name {
            "year" => years += 1,
            "seq" => sequences += 1,
            padded => match padded.strip_prefix("seq:0").map(str::parse::<u8>) {
                Some(Ok(1..=18)) => sequences += 1,
                _ => return Some("has a part that is neither {seq}, {seq:07} nor {year}"),
            },
        }
        rest = behind;
    }
    match (rest.contains('}'), sequences, years) {
        (true, _, _) => Some("has a brace that is not opened"),
        (_, 1, 0 | 1) => None,
        (_, 1, _) => Some("has {year} more than once"),
        _ => Some("needs {seq} exactly once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iban_needs_its_check_digits() {
        for good in ["DK5000400440116243", "DE89370400440532013000", "GB82WEST12345698765432"] {
            assert_eq!(iban_fault(good), None, "{good}");
        }
        for bad in ["DK5000400440116244", "DK50", "5000400440116243DK", "DE8937040044053201300Ø"] {
            assert!(iban_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_one_that_can_be_mailed() {
        for good in [
            "a@b.example",
            "first.last+tag@sub.domain.example",
            "o'neil@b.example",
            "bogholder@kød.example",
            "søren@b.example",
            "postmaster@localhost",
            "x_y-z@a1.example",
        ] {
            assert_eq!(email_fault(good), None, "{good}");
        }
        for bad in [
            "a..b@buyer.example",
            ".a@b.example",
            "a.@b.example",
            "a@b..example",
            "a@.example",
            "a@b.example.",
            "a b@c.example",
            "a@b@c.example",
            "@b.example",
            "a@",
            "a",
            "a@-b.example",
            "a@b-.example",
            "a@b_c.example",
            "a@1.2.3.4",
            "a@[1.2.3.4]",
            "\"a b\"@c.example",
            "a,b@c.example",
            "a@c.example,d@e.example",
            "<a@b.example>",
            "a@b.example\u{7}",
            "a\u{200b}@b.example",
        ] {
            assert!(email_fault(bad).is_some(), "{bad}");
        }
        assert!(email_fault(&format!("{}@b.example", "x".repeat(65))).is_some());
    }

    #[test]
    fn a_number_pattern_has_one_sequence() {
        for good in ["INV-{seq:07}", "{seq}", "{year}-{seq:05}", "F{seq:010}/{year}"] {
            assert_eq!(pattern_fault(good), None, "{good}");
        }
        for bad in
            ["INV", "{seq}{seq}", "{year}{year}{seq}", "{month}{seq}", "{seq", "seq}", "{seq:7}", "{seq:00}"]
        {
            assert!(pattern_fault(bad).is_some(), "{bad}");
        }
    }
}
