//! Payment references: what a payer states with a transfer, so that a bank statement says which invoice it pays. Each kind
//! has a check digit. Invoices of a book get one number after the other, and a reference is made of it.

mod check_digit;

use serde::{Deserialize, Serialize};

/// Kinds of references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// Creditor reference `RF…` (ISO 11649), which every bank of SEPA takes.
    Rf,
    /// Danish payment line of card type 71: fifteen digits and the creditor's number.
    Fi71,
    /// Norwegian KID, modulus 10.
    Kid,
    /// Norwegian KID, modulus 11, whose check digit may be `-`.
    Kid11,
    /// Swedish OCR reference, modulus 10.
    Ocr,
    /// Finnish reference number.
    Finnish,
}

/// Digits of a +71 reference with its check digit.
const FI71_LENGTH: usize = 15;
/// A reference begins with it, so that nobody loses the zeros behind it.
const LEAD: char = '1';

impl ReferenceKind {
    /// Every name, in order, for error hints.
    pub const NAMES: &'static [&'static str] = &["rf", "fi71", "kid", "kid11", "ocr", "finnish"];

    const ALL: [Self; 6] = [Self::Rf, Self::Fi71, Self::Kid, Self::Kid11, Self::Ocr, Self::Finnish];

    /// Reads a name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(text.trim()))
    }

    /// The name used in book files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rf => "rf",
            Self::Fi71 => "fi71",
            Self::Kid => "kid",
            Self::Kid11 => "kid11",
            Self::Ocr => "ocr",
            Self::Finnish => "finnish",
        }
    }

    /// Lengths that may be agreed with a bank, check digits included, and the one that is assumed. Shorter ones would
    /// soon be used up. None: the length is given.
    pub fn lengths(self) -> Option<(std::ops::RangeInclusive<u32>, u32)> {
        match self {
            Self::Fi71 => None,
            Self::Rf => Some((13..=25, 13)),
            Self::Kid | Self::Kid11 | Self::Ocr => Some((10..=25, 10)),
            Self::Finnish => Some((10..=20, 10)),
        }
    }

    /// The reference whose digits before the check digits are these.
    fn of_body(self, body: &str) -> Option<String> {
        match self {
            Self::Rf => Some(format!("RF{}{body}", check_digit::ninety_seven(body)?)),
            Self::Fi71 | Self::Kid | Self::Ocr => Some(format!("{body}{}", check_digit::luhn(body)?)),
            Self::Kid11 => Some(format!("{body}{}", check_digit::eleven(body)?)),
            Self::Finnish => Some(format!("{body}{}", check_digit::seven_three_one(body)?)),
        }
    }

    /// What stands before the check digit, or behind it in `RF…`; none if it is no reference of this kind.
    fn body_of(self, plain: &str) -> Option<&str> {
        let (body, checked) = match self {
            Self::Rf => {
                let rest = plain.strip_prefix("RF")?;
                (rest.get(2..)?, plain)
            }
            _ => (plain.get(..plain.len().checked_sub(1)?)?, plain),
        };
        let is_this = !body.is_empty() && self.of_body(body)?.as_str() == checked;
        is_this.then_some(body)
    }
}

/// What references are made of, as agreed with the bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRule {
    pub kind: ReferenceKind,
    /// Of the whole reference; none = as usual for its kind.
    pub length: Option<u32>,
    /// The seller's number at the payment system: the FI creditor of +71, a bankgiro.
    pub creditor: Option<String>,
}

impl ReferenceRule {
    /// The reference of the n-th invoice; none if its number has more digits than the reference.
    ///
    /// ```
    /// # use domain::payment_reference::{ReferenceKind, ReferenceRule};
    /// let rule = ReferenceRule { kind: ReferenceKind::Kid, length: Some(10), creditor: None };
    /// assert_eq!(rule.reference(42).unwrap().reference, "1000000420");
    /// ```
    pub fn reference(&self, number: u64) -> Option<PaymentReference> {
        let checks = if self.kind == ReferenceKind::Rf { 4 } else { 1 };
        let length = match (self.kind.lengths(), self.length) {
            (None, _) => FI71_LENGTH,
            (Some(_), Some(length)) => usize::try_from(length).ok()?,
            (Some((_, usual)), None) => usize::try_from(usual).ok()?,
        };
        let width = length.checked_sub(checks + 1)?;
        let digits = format!("{number:0width$}");
        if digits.len() > width {
            return None;
        }
        let reference = self.kind.of_body(&format!("{LEAD}{digits}"))?;
        Some(PaymentReference { kind: self.kind, reference, creditor: self.creditor.clone() })
    }
}

/// The reference of one invoice, fixed when it is booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReference {
    pub kind: ReferenceKind,
    /// As banks transmit it: capitals and digits, no spaces.
    pub reference: String,
    /// The seller's number at the payment system.
    pub creditor: Option<String>,
}

impl PaymentReference {
    /// As it is printed, with the groups that people of the country read.
    pub fn printed(&self) -> String {
        let plain = &self.reference;
        match (self.kind, &self.creditor) {
            (ReferenceKind::Fi71, Some(creditor)) => format!("+71<{plain}+{creditor}<"),
            (ReferenceKind::Rf, _) => in_groups(plain, 4),
            (ReferenceKind::Finnish, _) => in_groups_from_the_right(plain, 5),
            _ => plain.clone(),
        }
    }
}

fn in_groups(text: &str, of: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(of).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

fn in_groups_from_the_right(text: &str, of: usize) -> String {
    let head = text.len() % of;
    let (first, rest) = text.split_at(head);
    [first, &in_groups(rest, of)].join(" ").trim().to_owned()
}

/// What a reference that a bank delivers may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadReference {
    /// Its check digits fit: as references are stored, under the kinds that they fit.
    Right { reference: String, kinds: Vec<ReferenceKind> },
    /// `RF…` whose check digits do not fit.
    WrongCheckDigits,
    /// None of the kinds: a text of the payer's own.
    Other,
}

/// Reads a reference as a bank delivers it: with or without spaces, the lines of +71 and zeros in front.
///
/// ```
/// # use domain::payment_reference::{ReadReference, ReferenceKind, read};
/// let ReadReference::Right { kinds, .. } = read("RF18 5390 0754 7034") else { panic!("it is published") };
/// assert_eq!(kinds, [ReferenceKind::Rf]);
/// assert_eq!(read("RF19 5390 0754 7034"), ReadReference::WrongCheckDigits);
/// ```
pub fn read(text: &str) -> ReadReference {
    let plain = plain(text);
    if plain.starts_with("RF") && plain.len() > 4 && plain[2..4].bytes().all(|b| b.is_ascii_digit()) {
        return match ReferenceKind::Rf.body_of(&plain) {
            Some(_) => ReadReference::Right { reference: plain, kinds: vec![ReferenceKind::Rf] },
            None => ReadReference::WrongCheckDigits,
        };
    }
    let fits: Vec<ReferenceKind> =
        ReferenceKind::ALL.into_iter().filter(|kind| kind.body_of(&plain).is_some()).collect();
    if fits.is_empty() {
        ReadReference::Other
    } else {
        ReadReference::Right { reference: plain, kinds: fits }
    }
}

/// Capitals and digits, without zeros in front. Of a whole payment line, what stands before the creditor.
fn plain(text: &str) -> String {
    let line = text.trim().strip_prefix("+71<").and_then(|rest| rest.split('+').next());
    let kept = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let plain: String = line.unwrap_or(text).chars().filter(kept).map(|c| c.to_ascii_uppercase()).collect();
    plain.trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(kind: ReferenceKind) -> ReferenceRule {
        ReferenceRule { kind, length: None, creditor: Some("12345674".to_owned()) }
    }

    /// Published by those who define them, or made by another library.
    #[test]
    fn published_references_have_the_check_digits_that_we_make() {
        for (kind, body, whole) in [
            (ReferenceKind::Rf, "539007547034", "RF18539007547034"),
            (ReferenceKind::Rf, "2348231", "RF712348231"),
            (ReferenceKind::Fi71, "12345678901234", "123456789012347"),
            (ReferenceKind::Kid, "234567", "2345676"),
            // Norwegian account numbers have the check digit of KID, modulus 11.
            (ReferenceKind::Kid11, "8601111794", "86011117947"),
            (ReferenceKind::Ocr, "123456789", "1234567897"),
            (ReferenceKind::Finnish, "123456", "1234561"),
        ] {
            assert_eq!(kind.of_body(body).as_deref(), Some(whole), "{kind:?}");
        }
    }

    #[test]
    fn the_n_th_invoice_has_its_reference_until_the_digits_are_used_up() {
        let of = |kind, n| rule(kind).reference(n).map(|r| (r.reference.clone(), r.printed()));
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(of(ReferenceKind::Kid, 42), pair("1000000420", "1000000420"));
        assert_eq!(of(ReferenceKind::Kid, 100_000_000), None);
        let (plain, printed) = of(ReferenceKind::Fi71, 7).unwrap();
        assert_eq!((plain.len(), printed), (15, format!("+71<{plain}+12345674<")));
        let (plain, printed) = of(ReferenceKind::Finnish, 7).unwrap();
        assert_eq!((plain.len(), printed), (10, format!("{} {}", &plain[..5], &plain[5..])));
        let (plain, printed) = of(ReferenceKind::Rf, 7).unwrap();
        assert_eq!(printed, format!("{} {} {} {}", &plain[..4], &plain[4..8], &plain[8..12], &plain[12..]));
    }

    #[test]
    fn a_reference_is_read_as_banks_deliver_it() {
        let fi = rule(ReferenceKind::Fi71).reference(42).unwrap();
        for text in [
            fi.printed(),
            fi.reference.clone(),
            format!("  {} ", fi.reference),
            format!("00{}", fi.reference),
        ] {
            let ReadReference::Right { reference, kinds } = read(&text) else { panic!("{text}") };
            assert_eq!(reference, fi.reference);
            assert!(kinds.contains(&ReferenceKind::Fi71));
        }
        assert_eq!(read("INV-0000001"), ReadReference::Other);
        assert_eq!(read("rf185390 0754 7035"), ReadReference::WrongCheckDigits);
        assert_eq!(read(""), ReadReference::Other);
        assert_eq!(read("RF"), ReadReference::Other);
        assert_eq!(read("RFæøå1"), ReadReference::Other);
    }

    proptest! {
        #[test]
        fn every_reference_is_read_back_and_no_single_wrong_digit_is(
            kind in prop::sample::select(ReferenceKind::ALL.to_vec()),
            number in 1_u64..100_000_000,
            place in 0_usize..25,
            other in 1_u32..10,
        ) {
            let made = rule(kind).reference(number).unwrap();
            let ReadReference::Right { reference, kinds } = read(&made.printed()) else {
                panic!("{made:?} is not read")
            };
            prop_assert_eq!(&reference, &made.reference);
            prop_assert!(kinds.contains(&kind));
            let mut characters: Vec<char> = made.reference.chars().collect();
            let place = place % characters.len();
            if let Some(digit) = characters[place].to_digit(10) {
                characters[place] = char::from_digit((digit + other) % 10, 10).unwrap();
                let wrong: String = characters.into_iter().collect();
                prop_assert!(kind.body_of(&wrong).is_none(), "{} for {}", wrong, made.reference);
            }
        }

        #[test]
        fn anything_may_be_read(text in ".{0,40}") {
            let _ = read(&text);
        }
    }
}
