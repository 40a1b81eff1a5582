//! Identifiers by which the systems of others know a company (rules E1): a scheme of a list, and a value that has the form
//! of its scheme. Electronic invoices are addressed to one, and name the legal entities by another.

use crate::customer::Customer;
use crate::tax::vat_number;
use serde::{Deserialize, Serialize};

/// The schemes of electronic addresses that Peppol's network has (its list of October 2025).
const NETWORK: &str = "0002 0007 0009 0037 0060 0088 0096 0097 0106 0130 0135 0142 0147 0151 0154 0158 0170 0177 0183 \
0184 0188 0190 0191 0192 0193 0194 0195 0196 0198 0199 0200 0201 0202 0203 0204 0205 0208 0209 0210 0211 0212 0213 0215 \
0216 0217 0218 0221 0225 0230 0235 0240 9910 9913 9914 9915 9918 9919 9920 9922 9923 9924 9925 9926 9927 9928 9929 9930 \
9931 9932 9933 9934 9935 9936 9937 9938 9939 9940 9941 9942 9943 9944 9945 9946 9947 9948 9949 9950 9951 9952 9953 9957 \
9959";
/// A mail address: EN 16931 knows it, Peppol's network does not.
pub const MAIL: &str = "EM";
const GLN: &str = "0088";
/// Schemes whose identifiers are VAT numbers of one country.
const VAT_SCHEMES: [(&str, &str); 34] = [
    ("AD", "9922"),
    ("AL", "9923"),
    ("AT", "9914"),
    ("BA", "9924"),
    ("BG", "9926"),
    ("CH", "9927"),
    ("CY", "9928"),
    ("CZ", "9929"),
    ("DE", "9930"),
    ("EE", "9931"),
    ("EL", "9933"),
    ("ES", "9920"),
    ("FI", "0213"),
    ("FR", "9957"),
    ("GB", "9932"),
    ("HR", "9934"),
    ("HU", "9910"),
    ("IE", "9935"),
    ("IT", "0211"),
    ("LI", "9936"),
    ("LT", "9937"),
    ("LU", "9938"),
    ("LV", "9939"),
    ("ME", "9941"),
    ("MK", "9942"),
    ("MT", "9943"),
    ("NL", "9944"),
    ("PL", "9945"),
    ("PT", "9946"),
    ("RO", "9947"),
    ("RS", "9948"),
    ("SI", "9949"),
    ("SK", "9950"),
    ("TR", "9952"),
];

/// A form that receivers ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Peppol BIS Billing 3.0: what Peppol's network takes.
    #[default]
    Peppol,
    /// XRechnung 3.0 as UBL: what German authorities take.
    XRechnung,
    /// Factur-X, which Germans call ZUGFeRD: the invoice as data that a PDF carries inside.
    FacturX,
}

impl Format {
    /// The words of the command line.
    pub const NAMES: &[&str] = &["peppol", "xrechnung", "facturx"];

    /// Reads a word of the command line.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "peppol" => Some(Self::Peppol),
            "xrechnung" => Some(Self::XRechnung),
            "facturx" => Some(Self::FacturX),
            _ => None,
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Peppol => "Peppol",
            Self::XRechnung => "XRechnung",
            Self::FacturX => "Factur-X",
        }
    }
}

/// In what form an invoice is mailed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceForm {
    #[default]
    Pdf,
    /// A PDF with [`Format::FacturX`] inside.
    #[serde(rename = "facturx")]
    FacturX,
}

impl InvoiceForm {
    /// The words of the book.
    pub const NAMES: &[&str] = &["pdf", "facturx"];

    /// Reads a word of the book.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "pdf" => Some(Self::Pdf),
            "facturx" => Some(Self::FacturX),
            _ => None,
        }
    }

    /// Its word in the book.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::FacturX => "facturx",
        }
    }
}

/// An identifier of a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    /// Four digits of ISO 6523 or of the list of electronic addresses, or `EM`.
    pub scheme: String,
    pub value: String,
}

/// How a seller or buyer is known to others; every part may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifiers {
    /// In a register of companies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_id: Option<Identifier>,
    /// Where electronic invoices are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub electronic_address: Option<Identifier>,
}

impl Identifiers {
    pub(crate) fn is_empty(&self) -> bool {
        self.legal_id.is_none() && self.electronic_address.is_none()
    }
}

/// Why something is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierFault {
    #[error("`{0}` is no scheme of electronic addresses")]
    NoAddressScheme(String),
    #[error("`{0}` is no scheme of legal entities")]
    NoLegalScheme(String),
    #[error("`{value}` has not the form of scheme {scheme}: {form} were expected")]
    Form { scheme: String, value: String, form: &'static str },
    #[error("`{value}` is no identifier of scheme {scheme}: its check digit does not fit")]
    CheckDigit { scheme: String, value: String },
}

impl Identifier {
    /// An address to which electronic invoices are sent.
    ///
    /// ```
    /// # use domain::einvoice::Identifier;
    /// assert_eq!(Identifier::address("0088", "5790 0004 3595 1").unwrap().value, "5790000435951");
    /// assert!(Identifier::address("0088", "5790000435958").is_err() && Identifier::address("9999", "1").is_err());
    /// ```
    ///
    /// # Errors
    /// If the scheme is not on the list, or the value has not its form.
    pub fn address(scheme: &str, value: &str) -> Result<Self, IdentifierFault> {
        if scheme.eq_ignore_ascii_case(MAIL) {
            return Ok(Self { scheme: MAIL.to_owned(), value: value.trim().to_owned() });
        }
        if !NETWORK.split(' ').any(|known| known == scheme) {
            return Err(IdentifierFault::NoAddressScheme(scheme.to_owned()));
        }
        Self::read(scheme, value)
    }

    /// The number of a legal entity in a register: schemes of ISO 6523, 0002 to 0248.
    ///
    /// # Errors
    /// If there is no such scheme, or the value has not its form.
    pub fn legal(scheme: &str, value: &str) -> Result<Self, IdentifierFault> {
        let is_digits = scheme.len() == 4 && scheme.bytes().all(|b| b.is_ascii_digit());
        let is_given_out = !matches!(scheme, "0092" | "0103" | "0181" | "0182");
        if !is_digits || !is_given_out || !("0002"..="0248").contains(&scheme) {
            return Err(IdentifierFault::NoLegalScheme(scheme.to_owned()));
        }
        Self::read(scheme, value)
    }

    fn read(scheme: &str, value: &str) -> Result<Self, IdentifierFault> {
        let value: String =
            value.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
        let (scheme, fault) = (scheme.to_owned(), fault_of(scheme, &value));
        match fault {
            None => Ok(Self { scheme, value }),
            Some(Some(form)) => Err(IdentifierFault::Form { scheme, value, form }),
            Some(None) => Err(IdentifierFault::CheckDigit { scheme, value }),
        }
    }

    /// The electronic address that a company has by its VAT number: the number itself, or that of the register it is made of.
    pub fn address_of(vat_number: &str) -> Option<Self> {
        let of_register =
            Self::legal_of(vat_number).filter(|id| !matches!(id.scheme.as_str(), "0002" | "0212"));
        of_register.or_else(|| {
            let scheme = VAT_SCHEMES.iter().find(|(prefix, _)| vat_number.starts_with(prefix))?.1;
            Self::address(scheme, vat_number).ok()
        })
    }

    /// The number of the register of companies that a VAT number is made of, where it is.
    pub fn legal_of(vat_number: &str) -> Option<Self> {
        let (prefix, rest) = vat_number.split_at_checked(2)?;
        let legal = |scheme: &str, value: &str| Self::legal(scheme, value).ok();
        match prefix {
            "DK" => legal("0184", vat_number),
            "NO" => legal("0192", rest.trim_end_matches("MVA")),
            "SE" => legal("0007", rest.get(..10)?),
            "BE" => legal("0208", rest),
            "FR" => legal("0002", rest.get(2..)?),
            "FI" => legal("0212", &format!("{}-{}", rest.get(..7)?, rest.get(7..)?)),
            _ => None,
        }
    }

    /// Whether Peppol's network can find it.
    pub fn is_of_network(&self) -> bool {
        self.scheme != MAIL
    }
}

/// The check digit of a global location number (GS1, mod 10).
///
/// # Errors
/// If the text is no such number.
pub fn gln(text: &str) -> Result<String, IdentifierFault> {
    Identifier::read(GLN, text).map(|number| number.value)
}

/// Where electronic invoices to a customer are sent: its own address, the location number of the first contact that is
/// for them, or what its VAT number says.
pub fn address_of_customer(customer: &Customer, vat_number: Option<&str>) -> Option<Identifier> {
    let own = customer.identifiers.electronic_address.clone();
    let of_contact = || {
        let contacts = customer.contacts.iter().filter(|contact| contact.is_einvoice);
        contacts.filter_map(|contact| Identifier::address(GLN, contact.gln.as_deref()?).ok()).next()
    };
    own.or_else(of_contact).or_else(|| Identifier::address_of(vat_number?))
}

/// What is wrong with a value: its form in words, or its check digit.
fn fault_of(scheme: &str, value: &str) -> Option<Option<&'static str>> {
    let digits: Vec<u32> = value.chars().filter_map(|c| c.to_digit(10)).collect();
    let is_number = |len: usize| value.len() == len && digits.len() == len;
    let shaped = |is_shaped: bool, fits: bool, form| match (is_shaped, fits) {
        (false, _) => Some(Some(form)),
        (true, false) => Some(None),
        (true, true) => None,
    };
    match scheme {
        "0002" => shaped(is_number(9), true, "9 digits"),
        "0007" => shaped(is_number(10), luhn(&digits), "10 digits"),
        "0009" => shaped(is_number(14), true, "14 digits"),
        GLN => shaped(is_number(13), of_gs1(&digits), "13 digits"),
        "0106" => shaped(is_number(8), true, "8 digits"),
        "0151" => shaped(is_number(11), of_abn(&digits), "11 digits"),
        "0184" => {
            let number = value.strip_prefix("DK").unwrap_or(value);
            let is_shaped = number.len() == 8 && number.bytes().all(|b| b.is_ascii_digit());
            shaped(is_shaped, true, "8 digits, or DK and 8 digits,")
        }
        "0190" => shaped(is_number(20), true, "20 digits"),
        "0192" => shaped(is_number(9), mod_11(&digits), "9 digits"),
        "0196" => shaped(is_number(10), true, "10 digits"),
        "0208" => shaped(is_number(10), mod_97(&digits), "10 digits"),
        _ => {
            let is_shaped = !value.is_empty()
                && value.len() <= 50
                && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:_/+".contains(&b));
            let country = VAT_SCHEMES.iter().find(|(_, known)| *known == scheme).map(|(country, _)| *country);
            let is_of_country = country.is_none_or(|country| {
                vat_number::read(value).is_ok_and(|number| number.starts_with(country))
            });
            if !is_shaped {
                return Some(Some("up to 50 letters and digits"));
            }
            shaped(is_of_country, true, "a VAT number of its country and its prefix")
        }
    }
}

/// From the right, the digits before the last count three times and once in turn.
fn of_gs1(digits: &[u32]) -> bool {
    let weight = |at: usize| if at.is_multiple_of(2) { 1 } else { 3 };
    digits.iter().rev().enumerate().map(|(at, digit)| digit * weight(at)).sum::<u32>().is_multiple_of(10)
}

/// From the right, every second digit counts twice, its digits added up.
fn luhn(digits: &[u32]) -> bool {
    let twice = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let counted = |(at, digit): (usize, &u32)| if at % 2 == 1 { twice(*digit) } else { *digit };
    digits.iter().rev().enumerate().map(counted).sum::<u32>().is_multiple_of(10)
}

/// Weights 2 to 7 from the right, before the check digit.
fn mod_11(digits: &[u32]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let sum: u32 = body.iter().rev().zip((2..=7).cycle()).map(|(digit, weight)| digit * weight).sum();
    sum > 0 && (11 - sum % 11) % 11 == *check
}

/// The last two digits are 97 less the rest of the others.
fn mod_97(digits: &[u32]) -> bool {
    let number = |digits: &[u32]| digits.iter().fold(0_u64, |number, digit| number * 10 + u64::from(*digit));
    let Some(at) = digits.len().checked_sub(2) else { return false };
    97 - number(&digits[..at]) % 97 == number(&digits[at..])
}

/// Australian business numbers: the first digit less one, weights 10, 1, 3, 5 … 19.
fn of_abn(digits: &[u32]) -> bool {
    const WEIGHTS: [i64; 11] = [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19];
    let sum: i64 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| i64::from(*digit) * weight).sum();
    digits.first().is_some_and(|first| *first > 0) && (sum - WEIGHTS[0]) % 89 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_the_form_of_its_scheme() {
        let taken = [
            ("0088", "5790000435951"),
            ("0184", "DK10000009"),
            ("0184", "10000009"),
            ("0192", "991825827"),
            ("0208", "0202239951"),
            ("0007", "5567321707"),
            ("0151", "51824753556"),
            ("0106", "12345678"),
            ("9930", "DE123456788"),
            ("0204", "991-01234-44"),
            ("EM", "billing@nordlys.example"),
        ];
        for (scheme, value) in taken {
            assert!(Identifier::address(scheme, value).is_ok(), "{scheme} {value}");
        }
        let refused = [
            ("0088", "5790000435958"),
            ("0088", "579000043595"),
            ("0088", ""),
            ("0184", "DE10000009"),
            ("0184", "DK1000000Å"),
            ("0192", "991825828"),
            ("0208", "0202239952"),
            ("0007", "5567321708"),
            ("0151", "51824753557"),
            ("9930", "FR123456788"),
            ("0204", "991 01234\u{7}44"),
            ("0204", "Ærø"),
            ("9999", "1"),
            ("88", "5790000435951"),
            ("", "1"),
        ];
        for (scheme, value) in refused {
            assert!(Identifier::address(scheme, value).is_err(), "{scheme} {value}");
        }
        for scheme in ["9930", "EM", "0001", "0249", "0092", "GLN", ""] {
            let refused = Identifier::legal(scheme, "1");
            assert_eq!(refused, Err(IdentifierFault::NoLegalScheme(scheme.to_owned())));
        }
    }

    #[test]
    fn a_vat_number_says_who_it_is() {
        let cases = [
            ("DK10000009", Some("0184:DK10000009"), Some("0184:DK10000009")),
            ("NO991825827MVA", Some("0192:991825827"), Some("0192:991825827")),
            ("NO991825827", Some("0192:991825827"), Some("0192:991825827")),
            ("SE556732170701", Some("0007:5567321707"), Some("0007:5567321707")),
            ("BE0202239951", Some("0208:0202239951"), Some("0208:0202239951")),
            ("FR40303265045", Some("9957:FR40303265045"), Some("0002:303265045")),
            ("FI20774740", Some("0213:FI20774740"), Some("0212:2077474-0")),
            ("DE123456788", Some("9930:DE123456788"), None),
            ("EL094014201", Some("9933:EL094014201"), None),
            ("US123456789", None, None),
        ];
        let text = |id: Option<Identifier>| id.map(|id| format!("{}:{}", id.scheme, id.value));
        for (number, address, legal) in cases {
            assert_eq!(text(Identifier::address_of(number)).as_deref(), address, "{number}");
            assert_eq!(text(Identifier::legal_of(number)).as_deref(), legal, "{number}");
        }
    }
}
