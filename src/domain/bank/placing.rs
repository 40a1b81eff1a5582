//! Which invoice money is for: its reference says it, a number that the payer wrote, or amount and name together (rules
//! Y6). Pure, so that an import and a simulation place alike.

use super::Received;
use crate::ids::{CustomerId, InvoiceId};
use crate::money::Currency;
use crate::payment_reference::{ReadReference, read};
use serde::Serialize;
use std::collections::BTreeSet;

/// An invoice that money may be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: InvoiceId,
    pub number: String,
    pub payer: CustomerId,
    /// As booked.
    pub buyer: String,
    pub currency: Currency,
    /// Below 0 if it was paid too much.
    pub open_minor: i64,
    pub is_credit_note: bool,
    /// A provider has been asked and has not answered.
    pub is_under_way: bool,
}

impl Candidate {
    /// Whether its number in the payer's words means it: a short one stands there by chance, unless the amount is its own too.
    pub fn is_meant_by(&self, received: &Received) -> bool {
        const TELLING: usize = 5;
        letters_and_digits(&self.number).chars().count() >= TELLING
            || self.open_minor == received.amount_minor && self.currency == received.currency
    }
}

/// What is found under what an entry says.
#[derive(Debug, Clone, Default)]
pub struct Candidates<'a> {
    /// By a payment reference of ours.
    pub referred: Vec<&'a Candidate>,
    /// By numbers in the text, in its order.
    pub named: Vec<&'a Candidate>,
    /// Open ones of the same amount and currency.
    pub same_amount: Vec<&'a Candidate>,
}

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placing {
    /// So many minor units on each invoice, all of the entry together.
    Sure(Vec<(InvoiceId, i64)>),
    /// A person says whether it is this invoice.
    Likely(InvoiceId, WhyNot),
    Open(WhyNot),
}

/// Why an entry is not placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// Amount and name agree with one open invoice, and nothing else says so.
    AmountAndName,
    /// The invoice has a payment under way.
    PaymentUnderWay,
    /// The reference or number is of an invoice in another currency.
    WrongCurrency,
    /// The check digits of the reference do not fit.
    WrongCheckDigits,
    /// The reference is of no invoice.
    UnknownReference,
    /// The text names invoices of several payers, or a credit note.
    Ambiguous,
    /// It is for direct debits, and comes to another sum than those that wait for it, or none does.
    DebitsDiffer,
    /// Nothing says which invoice it is for.
    Nothing,
}

impl WhyNot {
    const ALL: [Self; 8] = [
        Self::AmountAndName,
        Self::PaymentUnderWay,
        Self::WrongCurrency,
        Self::WrongCheckDigits,
        Self::UnknownReference,
        Self::Ambiguous,
        Self::DebitsDiffer,
        Self::Nothing,
    ];

    /// The word in answers and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::AmountAndName => "amount_and_name",
            Self::PaymentUnderWay => "payment_under_way",
            Self::WrongCurrency => "wrong_currency",
            Self::WrongCheckDigits => "wrong_check_digits",
            Self::UnknownReference => "unknown_reference",
            Self::Ambiguous => "ambiguous",
            Self::DebitsDiffer => "debits_differ",
            Self::Nothing => "nothing",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.name() == word)
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::AmountAndName => "amount and name agree, and no reference or number says so",
            Self::PaymentUnderWay => "a charge of the invoice has no answer yet",
            Self::WrongCurrency => "the invoice is in another currency",
            Self::WrongCheckDigits => "the check digits of the reference do not fit",
            Self::UnknownReference => "the reference is of no invoice",
            Self::Ambiguous => "it names invoices of several payers, or a credit note",
            Self::DebitsDiffer => "its amount is not the sum of the direct debits that wait for it",
            Self::Nothing => "nothing says which invoice it is for",
        }
    }
}

/// Decides on an entry.
pub fn place(received: &Received, found: &Candidates<'_>) -> Placing {
    let said: &[&Candidate] = if found.referred.is_empty() { &found.named } else { &found.referred };
    if said.is_empty() {
        return by_amount(received, found);
    }
    let payers: BTreeSet<CustomerId> = said.iter().map(|candidate| candidate.payer).collect();
    if payers.len() > 1 || said.iter().any(|candidate| candidate.is_credit_note) {
        return Placing::Open(WhyNot::Ambiguous);
    }
    if said.iter().any(|candidate| candidate.currency != received.currency) {
        return Placing::Open(WhyNot::WrongCurrency);
    }
    if let Some(under_way) = said.iter().find(|candidate| candidate.is_under_way) {
        return Placing::Likely(under_way.id, WhyNot::PaymentUnderWay);
    }
    let open: Vec<(InvoiceId, i64)> =
        said.iter().map(|candidate| (candidate.id, candidate.open_minor)).collect();
    Placing::Sure(spread(received.amount_minor, &open))
}

/// What is open of each, in order, and all that is left on the last: beyond what is open it is the payer's credit (rules
/// Y5).
pub fn spread(amount_minor: i64, invoices: &[(InvoiceId, i64)]) -> Vec<(InvoiceId, i64)> {
    let mut left = amount_minor;
    let mut parts: Vec<(InvoiceId, i64)> = Vec::new();
    for (place, (id, open_minor)) in invoices.iter().enumerate() {
        let is_last = place + 1 == invoices.len();
        let part = if is_last { left } else { left.min((*open_minor).max(0)) };
        if part > 0 {
            parts.push((*id, part));
            left -= part;
        }
    }
    parts
}

fn by_amount(received: &Received, found: &Candidates<'_>) -> Placing {
    let why_not = match received.reference.as_deref().map(read) {
        Some(ReadReference::WrongCheckDigits) => WhyNot::WrongCheckDigits,
        Some(ReadReference::Other) if is_digits(received.reference.as_deref()) => WhyNot::WrongCheckDigits,
        Some(_) => WhyNot::UnknownReference,
        None => WhyNot::Nothing,
    };
    let text = letters_and_digits(&received.text);
    let is_named = |candidate: &&&Candidate| text.contains(&letters_and_digits(&candidate.number));
    let named: Vec<&&Candidate> = found.same_amount.iter().filter(is_named).collect();
    if let [only] = named.as_slice()
        && !only.is_under_way
    {
        return Placing::Sure(vec![(only.id, received.amount_minor)]);
    }
    let name = received.name.as_deref().map(letters_and_digits).unwrap_or_default();
    let is_payer = |candidate: &&&Candidate| is_same_name(&name, &letters_and_digits(&candidate.buyer));
    let of_payer: Vec<&&Candidate> = found.same_amount.iter().filter(is_payer).collect();
    match of_payer.as_slice() {
        [only] => Placing::Likely(only.id, WhyNot::AmountAndName),
        _ => Placing::Open(why_not),
    }
}

fn is_digits(text: Option<&str>) -> bool {
    let plain: String = text.unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    plain.len() > 3 && plain.trim_end_matches('-').bytes().all(|b| b.is_ascii_digit())
}

/// One name within the other; banks cut names off, and people leave out what the company is.
fn is_same_name(one: &str, other: &str) -> bool {
    const LETTERS_MIN: usize = 5;
    let shorter = one.chars().count().min(other.chars().count());
    shorter > 0 && (one == other || shorter >= LETTERS_MIN && (one.contains(other) || other.contains(one)))
}

fn letters_and_digits(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// Most words of a text that are looked at.
const WORDS_MAX: usize = 60;

/// What may be a payment reference of ours, as they are stored: the structured one, and what the payer wrote.
pub fn possible_references(received: &Received) -> Vec<String> {
    let words = received.text.split(|c: char| c.is_whitespace() || ",;:()".contains(c)).take(WORDS_MAX);
    let whole = [received.reference.as_deref(), Some(received.text.as_str())].into_iter().flatten();
    let within = rf_within(&received.text);
    let mut references = Vec::new();
    for text in whole.chain(words).chain(within.iter().map(String::as_str)) {
        if let ReadReference::Right { reference, .. } = read(text)
            && reference.len() >= 5
            && !references.contains(&reference)
        {
            references.push(reference);
        }
    }
    references
}

/// Creditor references with blanks in them and words behind: every length that they may have.
fn rf_within(text: &str) -> Vec<String> {
    const LENGTHS: std::ops::RangeInclusive<usize> = 5..=25;
    let text = text.to_ascii_uppercase();
    let Some(from) = text.find("RF").and_then(|at| text.get(at..)) else { return Vec::new() };
    let plain: String = from.chars().filter(|c| c.is_ascii_alphanumeric()).take(*LENGTHS.end()).collect();
    LENGTHS.filter_map(|length| plain.get(..length).map(str::to_owned)).collect()
}

/// What may be the number of an invoice: the words of the text and of the reference, as written and in capitals.
pub fn possible_numbers(received: &Received) -> Vec<String> {
    let texts = [received.text.as_str(), received.reference.as_deref().unwrap_or_default()];
    let words = texts.iter().flat_map(|text| text.split(|c: char| c.is_whitespace() || ",;()".contains(c)));
    let mut numbers: Vec<String> = Vec::new();
    for word in words.take(WORDS_MAX) {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        for number in [word.to_owned(), word.to_uppercase()] {
            if !number.is_empty() && !numbers.contains(&number) {
                numbers.push(number);
            }
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment_reference::{ReferenceKind, ReferenceRule};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn candidate(number: &str, payer: &str, open_minor: i64) -> Candidate {
        Candidate {
            id: InvoiceId::of(number),
            number: number.to_owned(),
            payer: CustomerId::of(payer),
            buyer: format!("{payer} Kaffe ApS"),
            currency: "DKK".parse().unwrap(),
            open_minor,
            is_credit_note: false,
            is_under_way: false,
        }
    }

    fn received(amount_minor: i64, text: &str) -> Received {
        Received {
            id: Uuid::nil(),
            account: "DK5000400440116243".to_owned(),
            booked_on: chrono::NaiveDate::from_ymd_opt(2026, 2, 3).unwrap(),
            amount_minor,
            currency: "DKK".parse().unwrap(),
            name: None,
            from: None,
            reference: None,
            text: text.to_owned(),
            bank_reference: None,
        }
    }

    #[test]
    fn what_says_the_invoice_is_sure_and_beyond_what_is_open_all_goes_on_the_last() {
        let (one, two) = (candidate("INV-1", "A", 100), candidate("INV-2", "A", 50));
        let of = |amount, named: Vec<&'static str>| {
            let all = [&one, &two];
            let named = named.iter().filter_map(|n| all.into_iter().find(|c| c.number == *n)).collect();
            place(&received(amount, ""), &Candidates { named, ..Candidates::default() })
        };
        let sure = |parts: &[(&str, i64)]| {
            Placing::Sure(parts.iter().map(|(number, part)| (InvoiceId::of(number), *part)).collect())
        };
        assert_eq!(of(100, vec!["INV-1"]), sure(&[("INV-1", 100)]));
        assert_eq!(of(40, vec!["INV-1"]), sure(&[("INV-1", 40)]));
        assert_eq!(of(140, vec!["INV-1"]), sure(&[("INV-1", 140)]));
        assert_eq!(of(150, vec!["INV-1", "INV-2"]), sure(&[("INV-1", 100), ("INV-2", 50)]));
        assert_eq!(of(90, vec!["INV-1", "INV-2"]), sure(&[("INV-1", 90)]));
        assert_eq!(of(180, vec!["INV-1", "INV-2"]), sure(&[("INV-1", 100), ("INV-2", 80)]));
    }

    #[test]
    fn what_cannot_be_meant_stays_open_and_says_why() {
        let one = candidate("INV-1", "A", 100);
        let other = candidate("INV-9", "B", 100);
        let why = |named: Vec<&Candidate>| {
            place(&received(100, ""), &Candidates { named, ..Candidates::default() })
        };
        assert_eq!(why(vec![&one, &other]), Placing::Open(WhyNot::Ambiguous));
        let note = Candidate { is_credit_note: true, ..one.clone() };
        assert_eq!(why(vec![&note]), Placing::Open(WhyNot::Ambiguous));
        let euro = Candidate { currency: "EUR".parse().unwrap(), ..one.clone() };
        assert_eq!(why(vec![&euro]), Placing::Open(WhyNot::WrongCurrency));
        let under_way = Candidate { is_under_way: true, ..one.clone() };
        assert_eq!(why(vec![&under_way]), Placing::Likely(one.id, WhyNot::PaymentUnderWay));
        for (reference, expected) in [
            (None, WhyNot::Nothing),
            (Some("RF19539007547034"), WhyNot::WrongCheckDigits),
            (Some("12345678"), WhyNot::WrongCheckDigits),
            (Some("RF18539007547034"), WhyNot::UnknownReference),
            (Some("order 7"), WhyNot::UnknownReference),
        ] {
            let entry = Received { reference: reference.map(str::to_owned), ..received(100, "") };
            assert_eq!(place(&entry, &Candidates::default()), Placing::Open(expected), "{reference:?}");
        }
    }

    #[test]
    fn amount_and_name_make_it_likely_and_amount_with_a_sloppy_number_sure() {
        let (one, two) = (candidate("INV-0001", "Nord", 100), candidate("INV-0002", "Syd", 100));
        let found = Candidates { same_amount: vec![&one, &two], ..Candidates::default() };
        let by = |name: &str, text: &str| {
            place(&Received { name: Some(name.to_owned()), ..received(100, text) }, &found)
        };
        assert_eq!(by("NORD KAFFE", ""), Placing::Likely(one.id, WhyNot::AmountAndName));
        assert_eq!(by("Nord Kaffe ApS, Aarhus", ""), Placing::Likely(one.id, WhyNot::AmountAndName));
        assert_eq!(by("Kaffe ApS", ""), Placing::Open(WhyNot::Nothing), "both are");
        assert_eq!(by("Vest", ""), Placing::Open(WhyNot::Nothing));
        assert_eq!(by("", "faktura inv 0002"), Placing::Sure(vec![(two.id, 100)]));
    }

    #[test]
    fn references_and_numbers_are_found_in_what_payers_write() {
        let kid =
            ReferenceRule { kind: ReferenceKind::Kid, length: None, creditor: None }.reference(7).unwrap();
        let rf =
            ReferenceRule { kind: ReferenceKind::Rf, length: None, creditor: None }.reference(7).unwrap();
        let text = format!("payment of ({}), thanks", kid.reference);
        assert!(possible_references(&received(1, &text)).contains(&kid.reference));
        assert!(possible_references(&received(1, &rf.printed())).contains(&rf.reference));
        assert!(
            possible_references(&received(1, &format!("ref {} thanks", rf.printed())))
                .contains(&rf.reference)
        );
        let numbers = possible_numbers(&received(1, "Faktura: inv-0000007."));
        assert!(numbers.contains(&"INV-0000007".to_owned()), "{numbers:?}");
    }

    #[test]
    fn a_short_number_says_nothing_without_its_amount() {
        let short = candidate("17", "A", 100);
        assert!(!short.is_meant_by(&received(99, "17 litres")));
        assert!(short.is_meant_by(&received(100, "invoice 17")));
        assert!(candidate("2026-17", "A", 100).is_meant_by(&received(1, "2026-17")));
    }

    proptest! {
        #[test]
        fn what_is_placed_is_all_of_it(
            amount in 1_i64..1_000_000,
            open in prop::collection::vec(-1_000_i64..1_000_000, 1..6),
        ) {
            let all: Vec<Candidate> =
                open.iter().enumerate().map(|(n, open)| candidate(&format!("INV-{n}"), "A", *open)).collect();
            let found = Candidates { named: all.iter().collect(), ..Candidates::default() };
            let Placing::Sure(parts) = place(&received(amount, ""), &found) else { panic!("all are named") };
            prop_assert_eq!(parts.iter().map(|(_, part)| part).sum::<i64>(), amount);
            prop_assert!(parts.iter().all(|(_, part)| *part > 0));
        }
    }
}
