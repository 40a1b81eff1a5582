//! SEPA direct debit (rules Y8): mandates, the day on which money is fetched, and in which batches. Pure, so that the day on paper
//! is the day in the bank's file.

mod letters;
mod news;
mod reasons;
mod target_days;

pub use letters::{bank_letters, is_bank_text};
pub use news::{DebitMark, FilePart, GivenBack, NO_CODE, NotCarriedOut};
pub use reasons::{class_of, words_of};
pub use target_days::{is_target_day, next_target_day, on_or_after};

use crate::money::Currency;
use crate::refusal::{Code, Refusal};
use chrono::{Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The type of such methods, and the gateway of their attempts: no provider is called, a file goes to the bank.
pub const SEPA: &str = "sepa";
/// Days between the notice, which is the invoice, and the debit, unless the parties have agreed on fewer.
pub const NOTICE_DAYS: u32 = 14;
/// A mandate that was not used for so long has run out.
pub const DORMANT_MONTHS: u32 = 36;
/// Longest name of a mandate, and of a debit.
pub const TEXT_MAX: usize = 35;

/// By which rule book.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    #[default]
    Core,
    /// Between businesses: the debtor's bank has the mandate too, and gives nothing back that was authorised.
    B2b,
}

impl Scheme {
    /// The words of the book.
    pub const NAMES: &[&str] = &["core", "b2b"];

    /// The word used in books and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::B2b => "b2b",
        }
    }

    /// Reads a word in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Core, Self::B2b].into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(text))
    }

    /// As banks write it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Core => "CORE",
            Self::B2b => "B2B",
        }
    }
}

/// Which debit of a mandate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sequence {
    First,
    Recurring,
    OneOff,
}

impl Sequence {
    const ALL: [Self; 3] = [Self::First, Self::Recurring, Self::OneOff];

    /// As banks write it, and in tables.
    pub fn code(self) -> &'static str {
        match self {
            Self::First => "FRST",
            Self::Recurring => "RCUR",
            Self::OneOff => "OOFF",
        }
    }

    /// Reads the code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sequence| sequence.code() == code)
    }
}

/// What a payer has signed: money may be fetched from this account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mandate {
    /// Its reference, one per creditor.
    pub id: String,
    pub signed_on: NaiveDate,
    pub iban: String,
    pub bic: Option<String>,
    #[serde(default)]
    pub scheme: Scheme,
    /// For a single debit.
    #[serde(default)]
    pub is_one_off: bool,
}

impl Mandate {
    /// What tells it from every other: another reference or account is another mandate, and healthy.
    pub fn health_key(&self, refkey: &str) -> String {
        health_key(refkey, &self.id, &self.iban)
    }

    /// `DE89…3000`: enough to know the account by.
    pub fn short_account(&self) -> String {
        let letters: Vec<char> = self.iban.chars().collect();
        let (head, tail) = (letters.iter().take(4), letters.iter().skip(letters.len().saturating_sub(4)));
        head.chain(&['…']).chain(tail).collect()
    }

    /// Why it may not be used on a day, if so; `before` are the days on which money was fetched with it.
    pub fn ended_by(&self, before: Option<NaiveDate>, on: NaiveDate) -> Option<&'static str> {
        if self.is_one_off && before.is_some() {
            return Some("its mandate was for one debit");
        }
        let last = before.unwrap_or(self.signed_on).max(self.signed_on);
        let is_dormant = last.checked_add_months(Months::new(DORMANT_MONTHS)).is_some_and(|end| end <= on);
        is_dormant.then_some("its mandate has run out: it was not used for 36 months")
    }

    /// Which debit of it the next one is.
    pub fn sequence(&self, before: Option<NaiveDate>) -> Sequence {
        match before {
            _ if self.is_one_off => Sequence::OneOff,
            None => Sequence::First,
            Some(_) => Sequence::Recurring,
        }
    }
}

/// How many days before they are fetched debits go into a file, unless another day is named.
pub const AHEAD_DAYS: u64 = 7;

/// Something waits for the bank, and the tenant can debit nobody.
pub fn no_creditor() -> Refusal {
    Refusal::new(Code::MissingArgument, "the tenant has no `iban` or no `creditorid`")
        .hint("load both with the tenant of the book: the bank collects money in their name")
}

/// The key under which a mandate stands among the methods that were declined for good.
pub fn health_key(refkey: &str, mandate: &str, iban: &str) -> String {
    let digest = Sha256::digest(format!("{mandate}\u{1f}{iban}").as_bytes());
    let digits: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{refkey}#{digits}")
}

/// Whether money of this currency can be fetched so.
pub fn is_taken(currency: Currency) -> bool {
    currency == Currency::EUR
}

/// The day on which the money for an invoice is fetched: when it is due, and not before the notice has been out for so many
/// days; a day on which banks settle.
///
/// ```
/// # use domain::{NaiveDate, direct_debit::collected_on};
/// let day = |m, d| NaiveDate::from_ymd_opt(2026, m, d).unwrap();
/// // Due on Saturday, 14 March; noticed on the first: Monday.
/// assert_eq!(collected_on(day(3, 14), day(3, 1), 10), day(3, 16));
/// // Due at once: the notice runs first.
/// assert_eq!(collected_on(day(3, 1), day(3, 1), 14), day(3, 16));
/// ```
pub fn collected_on(payable_by: NaiveDate, booked_on: NaiveDate, notice_days: u32) -> NaiveDate {
    let noticed = booked_on.checked_add_days(Days::new(u64::from(notice_days))).unwrap_or(booked_on);
    on_or_after(payable_by.max(noticed))
}

/// Whether a creditor identifier has its form and check digits (ISO 7064, mod 97-10; the business code counts for nothing).
pub fn is_creditor_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_shaped = (8..=TEXT_MAX).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit);
    is_shaped && mod_97(bytes[7..].iter().chain(&bytes[..4])) == 1
}

/// What is left of letters and digits as a number (ISO 7064, mod 97-10): A is 10, Z 35, in either case.
pub(crate) fn mod_97<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    bytes.fold(0, |rest, byte| match byte.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => (rest * 10 + u32::from(digit - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter.saturating_sub(b'A')) + 10) % 97,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    fn mandate(is_one_off: bool) -> Mandate {
        Mandate {
            id: "M-1".to_owned(),
            signed_on: day(2023, 3, 1),
            iban: "DE89370400440532013000".to_owned(),
            bic: None,
            scheme: Scheme::Core,
            is_one_off,
        }
    }

    #[test]
    fn a_mandate_runs_out_when_it_is_not_used_and_one_for_one_debit_after_it() {
        let recurring = mandate(false);
        assert_eq!(recurring.ended_by(None, day(2026, 2, 28)), None);
        assert!(recurring.ended_by(None, day(2026, 3, 1)).is_some());
        assert_eq!(recurring.ended_by(Some(day(2025, 1, 1)), day(2027, 12, 31)), None);
        assert_eq!(
            (recurring.sequence(None), recurring.sequence(Some(day(2025, 1, 1)))),
            (Sequence::First, Sequence::Recurring)
        );
        let once = mandate(true);
        assert_eq!((once.ended_by(None, day(2024, 1, 1)), once.sequence(None)), (None, Sequence::OneOff));
        assert!(once.ended_by(Some(day(2024, 1, 1)), day(2024, 2, 1)).is_some());
        assert_eq!(once.short_account(), "DE89…3000");
    }

    #[test]
    fn creditor_identifiers_have_check_digits() {
        for good in ["DE98ZZZ09999999999", "DE98ABC09999999999", "FR72ZZZ123456", "NL79ZZZ999999990000"] {
            assert!(is_creditor_id(good), "{good}");
        }
        for bad in ["DE97ZZZ09999999999", "de98ZZZ09999999999", "DE98", "DE98ZZZ0999999999A", ""] {
            assert!(!is_creditor_id(bad), "{bad}");
        }
    }
}
