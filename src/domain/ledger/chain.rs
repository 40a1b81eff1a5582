//! The hash chain over the ledger (rules L2): sequence numbers without a gap, each entry bound to the one before.

use super::{Entry, Form, Posting};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

/// First lines of the canonical forms; a change of the form changes it.
const FIRST_FORM: &str = "tallybook entry 1";
const SECOND_FORM: &str = "tallybook entry 2";

/// A SHA-256 hash, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChainHash(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a hash of 64 hexadecimal digits")]
pub struct NotAHash(pub String);

/// Where a chain ends. The default is the start of an empty one: sequence 0 and a hash of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChainState {
    /// Sequence number of the last sealed entry.
    pub sequence: u64,
    /// Its hash.
    pub hash: ChainHash,
}

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    pub entry: Entry,
    /// From 1, without a gap, per tenant.
    pub sequence: u64,
    pub previous_hash: ChainHash,
    /// SHA-256 over previous hash (32 bytes), sequence (8 bytes, big-endian) and [`canonical_form`].
    pub hash: ChainHash,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    #[error("sequence {expected} is missing: {found} follows {}", expected - 1)]
    Gap { expected: u64, found: u64 },
    #[error(
        "sequence {sequence} ({document}) does not follow the entry before it: previous hash {stored}, expected {expected}"
    )]
    Broken { sequence: u64, document: String, stored: ChainHash, expected: ChainHash },
    #[error("sequence {sequence} ({document}) was changed after sealing: hash {stored}, computed {computed}")]
    Changed { sequence: u64, document: String, stored: ChainHash, computed: ChainHash },
    #[error("sequence {sequence} ({document}) does not balance: debit {debit}, credit {credit}")]
    Unbalanced { sequence: u64, document: String, debit: i128, credit: i128 },
}

impl Sealed {
    /// The end of the chain after this entry.
    pub fn state(&self) -> ChainState {
        ChainState { sequence: self.sequence, hash: self.hash }
    }
}

/// Gives entries their place after `previous`, in the order (posting date, document number, kind, ordinal); kinds in
/// the order in which [`super::EntryKind`] lists them. The order in which they are given does not matter.
pub fn seal(previous: &ChainState, mut entries: Vec<Entry>) -> Vec<Sealed> {
    entries.sort_by(sealing_order);
    let mut state = *previous;
    let mut sealed = Vec::with_capacity(entries.len());
    for entry in entries {
        let sequence = state.sequence + 1;
        let hash = chained_hash(&state.hash, sequence, &entry);
        let link = Sealed { entry, sequence, previous_hash: state.hash, hash };
        state = link.state();
        sealed.push(link);
    }
    sealed
}

/// Checks one entry against the end of the chain before it.
pub fn verify_link(previous: &ChainState, link: &Sealed) -> Result<ChainState, ChainFault> {
    let sequence = link.sequence;
    let document = || link.entry.document_number.clone();
    if sequence != previous.sequence + 1 {
        return Err(ChainFault::Gap { expected: previous.sequence + 1, found: sequence });
    }
    if link.previous_hash != previous.hash {
        let (stored, expected) = (link.previous_hash, previous.hash);
        return Err(ChainFault::Broken { sequence, document: document(), stored, expected });
    }
    let computed = chained_hash(&previous.hash, sequence, &link.entry);
    if link.hash != computed {
        return Err(ChainFault::Changed { sequence, document: document(), stored: link.hash, computed });
    }
    if !link.entry.is_balanced() {
        let (debit, credit) = link.entry.totals();
        return Err(ChainFault::Unbalanced { sequence, document: document(), debit, credit });
    }
    Ok(link.state())
}

/// The order in which entries are sealed; the invoice's id breaks what ties are left.
pub fn sealing_order(a: &Entry, b: &Entry) -> Ordering {
    a.posting_date
        .cmp(&b.posting_date)
        .then_with(|| a.document_number.cmp(&b.document_number))
        .then_with(|| a.kind.cmp(&b.kind))
        .then_with(|| a.ordinal.cmp(&b.ordinal))
        .then_with(|| a.invoice.cmp(&b.invoice))
}

/// The text that is hashed: UTF-8 lines that end in `\n`, fields parted by a tab.
///
/// ```text
/// tallybook entry 1
/// entry  id  kind  ordinal  invoice id  document number  account number  document date  posting date  currency
/// post   number  account  debit minor  credit minor  line id  sku  unit code  period start  period end  vat category  vat percent
/// ```
///
/// The first form names VAT on VAT rows alone. The second begins with `tallybook entry 2`, names it on revenue rows too, and
/// its lines go on:
///
/// ```text
/// entry  …  due date  country  base currency  base rate  rate date
/// post   …  vat base minor  base minor
/// ```
///
/// One `post` line per posting, by number. Absent fields are empty; dates are `YYYY-MM-DD`, periods half-open; ids are
/// hyphenated lower-case UUIDs; percents have no trailing zeros. A backslash, tab, newline or other control character
/// in a number or code is written `\x` and two hexadecimal digits. No names and no free text, so that a person can be
/// made anonymous without breaking the chain.
pub fn canonical_form(entry: &Entry) -> String {
    let mut text = String::with_capacity(256 + 160 * entry.postings.len());
    text.push_str(match entry.form {
        Form::First => FIRST_FORM,
        Form::Second => SECOND_FORM,
    });
    let _ =
        write!(text, "\nentry\t{}\t{}\t{}\t{}", entry.id, entry.kind.name(), entry.ordinal, entry.invoice);
    push_code(&mut text, &entry.document_number);
    push_code(&mut text, &entry.account_number);
    let _ = write!(text, "\t{}\t{}\t{}", entry.document_date, entry.posting_date, entry.currency);
    if entry.form == Form::Second {
        push_facts(&mut text, entry);
    }
    text.push('\n');
    let mut postings: Vec<&Posting> = entry.postings.iter().collect();
    postings.sort_by_key(|posting| posting.number);
    for posting in postings {
        push_posting(&mut text, posting, entry.form);
    }
    text
}

fn push_facts(text: &mut String, entry: &Entry) {
    text.push('\t');
    if let Some(due) = entry.due_date {
        let _ = write!(text, "{due}");
    }
    push_code(text, entry.country.as_deref().unwrap_or_default());
    match &entry.base {
        Some(base) => {
            _ = write!(text, "\t{}\t{}\t{}", base.currency, base.rate.normalize(), base.rate_date);
        }
        None => text.push_str("\t\t\t"),
    }
}

fn push_posting(text: &mut String, posting: &Posting, form: Form) {
    let _ = write!(text, "post\t{}", posting.number);
    push_code(text, &posting.account);
    let _ = write!(text, "\t{}\t{}\t", posting.debit_minor, posting.credit_minor);
    if let Some(line) = posting.line {
        let _ = write!(text, "{line}");
    }
    push_code(text, posting.sku.as_deref().unwrap_or_default());
    push_code(text, posting.unit_code.as_deref().unwrap_or_default());
    match posting.period {
        Some(period) => _ = write!(text, "\t{}\t{}", period.start, period.end),
        None => text.push_str("\t\t"),
    }
    let tax = posting.tax.filter(|_| form == Form::Second || posting.line.is_none());
    match tax {
        Some(tax) => _ = write!(text, "\t{}\t{}", tax.category.code(), tax.rate_pct.normalize()),
        None => text.push_str("\t\t"),
    }
    if form == Form::Second {
        text.push('\t');
        if let Some(tax) = tax {
            let _ = write!(text, "{}", tax.base_minor);
        }
        text.push('\t');
        if let Some(base_minor) = posting.base_minor {
            let _ = write!(text, "{base_minor}");
        }
    }
    text.push('\n');
}

fn push_code(text: &mut String, code: &str) {
    text.push('\t');
    for c in code.chars() {
        if c == '\\' || (c.is_control() && c.is_ascii()) {
            let _ = write!(text, "\\x{:02x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
}

fn chained_hash(previous: &ChainHash, sequence: u64, entry: &Entry) -> ChainHash {
    let mut hasher = Sha256::new();
    hasher.update(previous.0);
    hasher.update(sequence.to_be_bytes());
    hasher.update(canonical_form(entry).as_bytes());
    ChainHash(hasher.finalize().into())
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hex::hex(&self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChainHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not_a_hash = || NotAHash(text.to_owned());
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(not_a_hash());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| not_a_hash())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| not_a_hash())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for ChainHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChainHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{catalogue, day, invoice, line};
    use super::super::{Calendar, Chart, Happening, PostingTax, book_entry, payment_entry};
    use super::*;
    use crate::catalogue::TaxCategory;
    use crate::ids::EntryId;
    use rust_decimal::Decimal;

    /// As version 0.1 made them.
    fn first_form() -> Vec<Entry> {
        let mut entries = entries();
        entries.iter_mut().for_each(|entry| entry.form = Form::First);
        entries
    }

    fn entries() -> Vec<Entry> {
        let book = catalogue(Chart::default());
        let first = invoice("INV-0000001", vec![line(1, "PRO", 19_900, None)]);
        let second = invoice("INV-0000002", vec![line(1, "PRO", 100, Some("dk"))]);
        let paid = Happening { ordinal: 1, on: day(1, 31), amount_minor: 24_875, settled_minor: 0 };
        vec![
            payment_entry(&first, &book, None, ("sandbox", paid)).unwrap(),
            book_entry(&second, &book, Calendar::default()).unwrap(),
            book_entry(&first, &book, Calendar::default()).unwrap(),
        ]
    }

    /// Where a stretch of the chain ends that follows `previous`.
    fn verify_chain(previous: &ChainState, sealed: &[Sealed]) -> Result<ChainState, ChainFault> {
        sealed.iter().try_fold(*previous, |state, link| verify_link(&state, link))
    }

    #[test]
    fn sealing_orders_numbers_and_links_whatever_order_it_is_given() {
        let sealed = seal(&ChainState::default(), entries());
        let order: Vec<_> = sealed
            .iter()
            .map(|s| (s.sequence, s.entry.document_number.as_str(), s.entry.kind.name()))
            .collect();
        assert_eq!(
            order,
            [(1, "INV-0000001", "booking"), (2, "INV-0000001", "payment"), (3, "INV-0000002", "booking")]
        );
        let mut backwards = entries();
        backwards.reverse();
        assert_eq!(seal(&ChainState::default(), backwards), sealed);
        assert_eq!(verify_chain(&ChainState::default(), &sealed), Ok(sealed[2].state()));
        // A later batch goes on where the first ended, and a stretch can be verified alone.
        let more = seal(&sealed[0].state(), vec![sealed[1].entry.clone(), sealed[2].entry.clone()]);
        assert_eq!(more, sealed[1..]);
        assert_eq!(verify_chain(&sealed[0].state(), &more), Ok(sealed[2].state()));
    }

    #[test]
    fn the_first_canonical_form_stays_what_it_is() {
        let mut entry = first_form().swap_remove(1);
        entry.document_number = "INV\t2\\".into();
        let id = entry.id;
        let invoice = entry.invoice;
        let line = entry.postings[2].line.unwrap();
        let expected = format!(
            "tallybook entry 1\n\
             entry\t{id}\tbooking\t0\t{invoice}\tINV\\x092\\x5c\tCU-0001\t2026-01-31\t2026-01-31\tDKK\n\
             post\t1\t1100\t125\t0\t\t\t\t\t\t\t\n\
             post\t2\t2610\t0\t25\t\t\t\t\t\tS\t25\n\
             post\t3\t4001\t0\t100\t{line}\tPRO\t100\t2026-01-01\t2026-02-01\t\t\n"
        );
        assert_eq!(canonical_form(&entry), expected);
    }

    #[test]
    fn the_second_canonical_form_stays_what_it_is() {
        let mut entry = entries().swap_remove(1);
        entry.country = Some("DK".into());
        entry.due_date = Some(day(2, 15));
        entry.base = Some(super::super::EntryBase {
            currency: "EUR".parse().unwrap(),
            rate: Decimal::new(1_340, 4),
            rate_date: day(1, 30),
        });
        entry.postings[0].base_minor = Some(17);
        let (id, invoice, line) = (entry.id, entry.invoice, entry.postings[2].line.unwrap());
        let expected = format!(
            "tallybook entry 2\n\
             entry\t{id}\tbooking\t0\t{invoice}\tINV-0000002\tCU-0001\t2026-01-31\t2026-01-31\tDKK\t2026-02-15\tDK\tEUR\t0.134\t2026-01-30\n\
             post\t1\t1100\t125\t0\t\t\t\t\t\t\t\t\t17\n\
             post\t2\t2610\t0\t25\t\t\t\t\t\tS\t25\t100\t\n\
             post\t3\t4001\t0\t100\t{line}\tPRO\t100\t2026-01-01\t2026-02-01\tS\t25\t100\t\n"
        );
        assert_eq!(canonical_form(&entry), expected);
    }

    /// What was looked up for an entry of the first form is not part of its hash; of the second form every fact is.
    #[test]
    fn a_fact_that_was_looked_up_changes_no_hash_of_the_first_form() {
        let hash = |entry: &Entry| seal(&ChainState::default(), vec![entry.clone()])[0].hash;
        let learn: [fn(&mut Entry); 4] = [
            |entry| entry.country = Some("SE".into()),
            |entry| entry.due_date = Some(day(3, 1)),
            |entry| entry.postings[0].base_minor = Some(1),
            |entry| {
                let tax = PostingTax { category: TaxCategory::AE, rate_pct: Decimal::ZERO, base_minor: 7 };
                entry.postings[2].tax = Some(tax);
            },
        ];
        for learn in learn {
            for (entries, is_sealed) in [(first_form(), false), (entries(), true)] {
                let mut entry = entries[1].clone();
                learn(&mut entry);
                assert_eq!(hash(&entry) != hash(&entries[1]), is_sealed);
            }
        }
        let mut named = entries().swap_remove(1);
        named.buyer_vat = Some("DK12345678".into());
        assert_eq!(hash(&named), hash(&entries()[1]), "a person's number is in no hash");
    }

    #[test]
    fn the_hash_of_a_known_entry_never_changes() {
        let mut entries = first_form();
        for entry in &mut entries {
            let natural = format!("{}\u{1f}{}\u{1f}{}", entry.invoice, entry.kind.name(), entry.ordinal);
            entry.id = EntryId::of(&natural);
        }
        let sealed = seal(&ChainState::default(), entries);
        // Computed apart from this code, from the description of the form.
        let expected = "18f02d91721f1192129275220e4f7350fbfea74e8f9ac29bb3ba89b84ccc1cf6";
        assert_eq!(sealed[2].hash.to_string(), expected);
    }

    #[test]
    fn every_kind_of_damage_is_found() {
        let good = seal(&ChainState::default(), entries());
        let damaged = |damage: fn(&mut Vec<Sealed>)| {
            let mut chain = good.clone();
            damage(&mut chain);
            verify_chain(&ChainState::default(), &chain).unwrap_err()
        };
        let amount = damaged(|chain| {
            chain[1].entry.postings[0].debit_minor += 1;
            chain[1].entry.postings[1].credit_minor += 1;
        });
        assert!(matches!(amount, ChainFault::Changed { sequence: 2, .. }), "{amount}");
        let removed = damaged(|chain| _ = chain.remove(1));
        assert_eq!(removed, ChainFault::Gap { expected: 2, found: 3 });
        let swapped = damaged(|chain| {
            chain.swap(0, 1);
            chain[0].sequence = 1;
            chain[1].sequence = 2;
        });
        assert!(matches!(swapped, ChainFault::Broken { sequence: 1, .. }), "{swapped}");
        let resealed = damaged(|chain| {
            chain[0].entry.postings[0].debit_minor += 1;
            *chain = seal(&ChainState::default(), chain.iter().map(|s| s.entry.clone()).collect());
        });
        assert!(matches!(resealed, ChainFault::Unbalanced { sequence: 1, .. }), "{resealed}");
    }

    #[test]
    fn hashes_read_back_from_text_and_json() {
        let hash = seal(&ChainState::default(), entries())[0].hash;
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(serde_json::from_str::<ChainHash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
        for bad in ["", "zz", &"g".repeat(64), &"+1".repeat(32)] {
            assert!(bad.parse::<ChainHash>().is_err(), "{bad}");
        }
    }
}
