//! VAT numbers: their form per country, and check digits (rules X1). A number is read without blanks, dots and
//! hyphens, in capitals; its prefix names the country. What has not the form of its country is no VAT number, and is
//! never taken for a consumer's silence.

use super::check_digit;

/// Why a text is no VAT number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VatNumberFault {
    /// Somebody filled the field with a word.
    #[error("`{0}` is not a VAT number but a word")]
    Word(String),
    /// It does not begin with a country.
    #[error("`{0}` is not a VAT number: it does not begin with a country, as DK12345678 does")]
    NoCountry(String),
    /// It has not the form of its country.
    #[error("`{number}` is not a VAT number of {country}: {form} were expected")]
    Form { number: String, country: String, form: &'static str },
}

/// Words that other systems put where there is no number.
const WORDS: [&str; 12] = [
    "NONE",
    "NA",
    "NULL",
    "NIL",
    "UNKNOWN",
    "NO",
    "NOVAT",
    "NOTAVAILABLE",
    "EMPTY",
    "PENDING",
    "TBD",
    "TEST",
];
/// Letters and digits after the prefix of a country whose form we do not know.
const OTHER_FORM: &str = "4 to 15 letters and digits after the prefix, a third of them digits at least";

/// ISO 3166 alpha-2, and what VAT has besides: EL for Greece, XI for Northern Ireland, EU for sellers outside the Union.
const PREFIXES: &str = "AD AE AF AG AI AL AM AO AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BM BN BO BR BS BT BW BY \
BZ CA CD CF CG CH CI CK CL CM CN CO CR CU CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EL ER ES ET EU FI FJ FM FO FR GA GB GD \
GE GG GH GI GL GM GN GQ GR GT GW GY HK HN HR HT HU ID IE IL IM IN IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW \
KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MO MR MT MU MV MW MX MY MZ NA NC NE NG NI NL NO \
NP NR NZ OM PA PE PF PG PH PK PL PR PS PT PW PY QA RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SY SZ TC \
TD TG TH TJ TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WS XI XK YE ZA ZM ZW";

/// Reads a VAT number into its normal form: capitals without blanks and marks, Greece as EL.
///
/// ```
/// # use domain::tax::vat_number::read;
/// assert_eq!(read(" dk 12 34-56.78").unwrap(), "DK12345678");
/// assert_eq!(read("GR094014201").unwrap(), "EL094014201");
/// assert!(read("NONE").is_err() && read("DEXXXX").is_err());
/// ```
///
/// # Errors
/// If it is none.
pub fn read(text: &str) -> Result<String, VatNumberFault> {
    let is_mark = |c: char| c.is_whitespace() || matches!(c, '.' | '-' | '\u{2010}'..='\u{2014}');
    let number: String = text.chars().filter(|c| !is_mark(*c)).flat_map(char::to_uppercase).collect();
    let letters: String = number.chars().filter(|c| c.is_alphanumeric()).collect();
    if WORDS.contains(&letters.as_str()) {
        return Err(VatNumberFault::Word(text.trim().to_owned()));
    }
    let prefix = number.get(..2).unwrap_or_default();
    if !PREFIXES.split(' ').any(|known| known == prefix) {
        return Err(VatNumberFault::NoCountry(text.trim().to_owned()));
    }
    let (number, prefix) = match number.strip_prefix("GR") {
        Some(rest) => (format!("EL{rest}"), "EL".to_owned()),
        None => (number.clone(), prefix.to_owned()),
    };
    match fault_of_form(&prefix, &number[2..]) {
        Some(form) => Err(VatNumberFault::Form { number: text.trim().to_owned(), country: prefix, form }),
        None => Ok(number),
    }
}

/// Whether a stored text is a VAT number; books of earlier versions hold others, which count as absent.
pub fn is_valid(text: &str) -> bool {
    read(text).is_ok()
}

/// Whether a number of the right form has check digits that do not fit. Countries whose rule we do not know never have.
pub fn has_wrong_check_digit(text: &str) -> bool {
    read(text).is_ok_and(|number| check_digit::fits(&number[..2], &number[2..]) == Some(false))
}

/// What is wrong with the part behind the prefix, as the form that was expected.
fn fault_of_form(prefix: &str, rest: &str) -> Option<&'static str> {
    let digits = |lengths: &[usize]| all_digits(rest) && lengths.contains(&rest.len());
    let (is_good, form) = match prefix {
        "AT" => (rest.strip_prefix('U').is_some_and(|r| all_digits(r) && r.len() == 8), "ATU and 8 digits"),
        "BE" => (
            digits(&[10]) && matches!(rest.as_bytes().first(), Some(b'0' | b'1')),
            "BE and 10 digits, of which the first is 0 or 1",
        ),
        "BG" => (digits(&[9, 10]), "BG and 9 or 10 digits"),
        "CH" => (is_swiss(rest), "CHE and 9 digits, with or without MWST, TVA or IVA"),
        "CY" => {
            (ends_in_letter(rest) && all_digits(&rest[..8]) && rest.len() == 9, "CY, 8 digits and a letter")
        }
        "CZ" => (digits(&[8, 9, 10]), "CZ and 8 to 10 digits"),
        "DE" => (digits(&[9]), "DE and 9 digits"),
        "DK" | "FI" | "HU" | "LU" | "MT" | "SI" => (digits(&[8]), "the prefix and 8 digits"),
        "EE" | "EL" | "EU" | "PT" => (digits(&[9]), "the prefix and 9 digits"),
        "ES" => (is_spanish(rest), "ES and 9 letters or digits, the first or the last a letter"),
        "FR" => (is_french(rest), "FR, 2 letters or digits, and 9 digits"),
        "GB" | "XI" => (is_british(rest), "the prefix and 9 or 12 digits, or GD or HA and 3 digits"),
        "HR" | "IT" | "LV" => (digits(&[11]), "the prefix and 11 digits"),
        "IE" => {
            (is_irish(rest), "IE, 7 digits and 1 or 2 letters (older ones have a letter in second place)")
        }
        "LT" => (digits(&[9, 12]), "LT and 9 or 12 digits"),
        "NL" => (is_dutch(rest), "NL, 9 digits, B and 2 digits"),
        "NO" => {
            let number = rest.strip_suffix("MVA").unwrap_or(rest);
            (all_digits(number) && number.len() == 9, "NO and 9 digits, with or without MVA")
        }
        "PL" | "SK" => (digits(&[10]), "the prefix and 10 digits"),
        "RO" => (all_digits(rest) && (2..=10).contains(&rest.len()), "RO and 2 to 10 digits"),
        "SE" => (digits(&[12]), "SE and 12 digits"),
        _ => (is_other(rest), OTHER_FORM),
    };
    let is_zero = rest.chars().all(|c| c == '0' || !c.is_ascii_digit());
    (!is_good || is_zero).then_some(form)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn all_alphanumeric(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

fn ends_in_letter(text: &str) -> bool {
    text.is_ascii() && text.len() > 8 && text.bytes().last().is_some_and(|b| b.is_ascii_uppercase())
}

fn is_swiss(rest: &str) -> bool {
    let Some(number) = rest.strip_prefix('E') else { return false };
    let number =
        ["MWST", "TVA", "IVA"].into_iter().find_map(|end| number.strip_suffix(end)).unwrap_or(number);
    all_digits(number) && number.len() == 9
}

fn is_spanish(rest: &str) -> bool {
    let Some((first, last)) = rest.bytes().next().zip(rest.bytes().last()) else { return false };
    all_alphanumeric(rest)
        && rest.len() == 9
        && all_digits(&rest[1..8])
        && (first.is_ascii_uppercase() || last.is_ascii_uppercase())
}

fn is_french(rest: &str) -> bool {
    all_alphanumeric(rest) && rest.len() == 11 && !rest[..2].contains(['I', 'O']) && all_digits(&rest[2..])
}

fn is_british(rest: &str) -> bool {
    let department = rest.strip_prefix("GD").or_else(|| rest.strip_prefix("HA"));
    match department {
        Some(number) => all_digits(number) && number.len() == 3,
        None => all_digits(rest) && matches!(rest.len(), 9 | 12),
    }
}

fn is_irish(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
    let new = rest.is_ascii()
        && matches!(bytes.len(), 8 | 9)
        && all_digits(&rest[..7])
        && is_letter(7)
        && (bytes.len() == 8 || is_letter(8));
    let old = rest.is_ascii()
        && bytes.len() == 8
        && bytes[0].is_ascii_digit()
        && (is_letter(1) || matches!(bytes[1], b'+' | b'*'))
        && all_digits(&rest[2..7])
        && is_letter(7);
    new || old
}

fn is_dutch(rest: &str) -> bool {
    rest.is_ascii()
        && rest.len() == 12
        && all_digits(&rest[..9])
        && &rest[9..10] == "B"
        && all_digits(&rest[10..])
}

/// Of the countries that are not listed we know no form, only that such numbers have digits.
fn is_other(rest: &str) -> bool {
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    all_alphanumeric(rest) && (4..=15).contains(&rest.len()) && digits * 3 >= rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_has_its_form() {
        for good in [
            "ATU12345678",
            "BE0123456789",
            "BG123456789",
            "CHE-123.456.789 MWST",
            "CHE123456789",
            "CY12345678X",
            "CZ12345678",
            "DE123456789",
            "DK 12 34 56 78",
            "EE123456789",
            "EL094014201",
            "gr094014201",
            "ESX1234567R",
            "ES12345678Z",
            "FI12345678",
            "FR12345678901",
            "FRXX999999999",
            "GB123456789",
            "GBGD123",
            "HR12345678901",
            "HU12345678",
            "IE1234567T",
            "IE1234567FA",
            "IE8Z49289F",
            "IT12345678901",
            "LT123456789012",
            "LU12345678",
            "LV12345678901",
            "MT12345678",
            "NL123456789B01",
            "NO 123 456 789 MVA",
            "NO123456789",
            "PL1234567890",
            "PT123456789",
            "RO12",
            "SE556012345601",
            "SI12345678",
            "SK1234567890",
            "XI123456789",
            "EU372000041",
            "AU51824753556",
            "IN27AAPFU0939F1ZV",
            "US123456789",
            "AE100123456700003",
            "IS12345",
        ] {
            assert!(read(good).is_ok(), "{:?}", read(good));
        }
    }

    #[test]
    fn words_and_wrong_forms_are_refused_and_say_what_was_expected() {
        for word in ["NONE", "n/a", "N.A.", "null", "Unknown", "NO VAT", "-none-"] {
            assert!(matches!(read(word), Err(VatNumberFault::Word(_))), "{word}: {:?}", read(word));
        }
        for text in ["12345678", "", "X", "ÆØ123456", "ZZ12345678", "00000000", "株式"] {
            assert!(matches!(read(text), Err(VatNumberFault::NoCountry(_))), "{text}: {:?}", read(text));
        }
        for text in [
            "DEXXXX",
            "DE12345678",
            "DE1234567890",
            "DK1234567",
            "DK00000000",
            "ATU1234567",
            "AT12345678",
            "CHE12345678",
            "CH123456789",
            "NL123456789",
            "NO12345678MVA",
            "FR123",
            "SE5560123456",
            "ESABCDEFGHI",
            "IE123",
            "CY1",
            "CYÆ",
            "GB12",
            "US",
            "USXXXXXXXX",
            "INNER",
            "ITALIA",
            "FRANCE",
            "BE1",
            "ELLADA",
            "AE1",
        ] {
            assert!(matches!(read(text), Err(VatNumberFault::Form { .. })), "{text}: {:?}", read(text));
        }
    }
}
