//! A small ledger in three currencies, written in every format and judged by programs that nobody here wrote. A judge
//! that is not installed is passed over.

use super::*;
use domain::NaiveDate;
use domain::catalogue::{BusinessUnit, TaxCategory};
use domain::ids::{EntryId, InvoiceId, LineId};
use domain::ledger::{ChainState, Chart, Entry, EntryKind, Posting, seal};
use domain::money::Currency;
use domain::period::Period;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::process::Command;

fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn posting(account: &str, minor: i64) -> Posting {
    let (debit_minor, credit_minor) = (minor.max(0), (-minor).max(0));
    let (line, sku, unit_code, period, tax) = (None, None, None, None, None);
    Posting {
        number: 0,
        account: account.into(),
        debit_minor,
        credit_minor,
        line,
        sku,
        unit_code,
        period,
        tax,
    }
}

fn vat(minor: i64) -> Posting {
    Posting { tax: Some((TaxCategory::S, Decimal::from(25))), ..posting("2610", minor) }
}

fn revenue(sku: &str, minor: i64) -> Posting {
    Posting {
        line: Some(LineId::of(sku)),
        sku: Some(sku.into()),
        unit_code: Some("100".into()),
        period: Some(Period::new(day(1, 1), day(2, 1))),
        ..posting("4000", minor)
    }
}

fn entry(number: &str, kind: EntryKind, on: NaiveDate, code: &str, mut postings: Vec<Posting>) -> Entry {
    for (number, posting) in (1..).zip(&mut postings) {
        posting.number = number;
    }
    Entry {
        id: EntryId::of(&format!("{number} {}", kind.name())),
        kind,
        ordinal: 0,
        invoice: InvoiceId::of(number),
        document_number: number.into(),
        account_number: "CU-0001".into(),
        document_date: on,
        posting_date: on,
        currency: currency(code),
        postings,
    }
}

/// Two batches: the second posts earlier than the first ended, as a late payment file does.
fn sealed() -> Vec<Sealed> {
    let booking = EntryKind::Booking;
    let mut late =
        entry("INV-0000004", booking, day(2, 1), "DKK", vec![posting("1101", 500), posting("8888", -500)]);
    late.document_date = day(1, 31);
    let first = vec![
        entry(
            "INV-0000001",
            booking,
            day(1, 31),
            "DKK",
            vec![posting("1100", 24_875), vat(-4_975), revenue("PRO", -19_900)],
        ),
        entry(
            "INV-0000002",
            booking,
            day(1, 31),
            "JPY",
            vec![posting("1100", 1_200), revenue("PRO", -1_200)],
        ),
        entry("INV-0000003", booking, day(2, 1), "KWD", vec![posting("1100", 1_005), revenue("PRO", -1_005)]),
        entry("INV-0000005", booking, day(2, 1), "DKK", vec![]),
        late,
    ];
    let second = vec![
        entry(
            "INV-0000001",
            EntryKind::Payment,
            day(1, 31),
            "DKK",
            vec![posting("1900", 24_875), posting("1100", -24_875)],
        ),
        entry(
            "CN-0000001",
            EntryKind::CreditNote,
            day(2, 3),
            "DKK",
            vec![posting("1100", -125), vat(25), revenue("PRO", 100)],
        ),
    ];
    let mut chain = seal(&ChainState::default(), first);
    let end = chain[chain.len() - 1].state();
    chain.extend(seal(&end, second));
    chain
}

/// What a header borrows.
struct World {
    chart: Chart,
    units: BTreeMap<String, BusinessUnit>,
    buyers: BTreeMap<InvoiceId, String>,
    entries: Vec<Sealed>,
}

impl World {
    fn new() -> Self {
        let unit = BusinessUnit {
            refkey: "dk".into(),
            fullname: "Denmark; \n a:b".into(),
            accounting_code: None,
            timezone: None,
            invoice_number_pattern: None,
            credit_note_number_pattern: None,
            accounts: [("1100", "1101"), ("4000", "x4.0_-1")]
                .map(|(from, to)| (from.into(), to.into()))
                .into(),
            dunning_policy: None,
            payment_reference: None,
            active: true,
        };
        let buyers = [
            (InvoiceId::of("INV-0000001"), "Kaffe & Co".to_owned()),
            (
                InvoiceId::of("INV-0000002"),
                "=Smith; \"Sons\" | (Co)\n2026-01-01 * evil\n  assets:x  1 DKK".to_owned(),
            ),
            (InvoiceId::of("INV-0000003"), "* ! ÆØÅ \\ 東京\t\u{7}".to_owned()),
        ];
        Self {
            chart: Chart::default(),
            units: [("dk".to_owned(), unit)].into(),
            buyers: buyers.into(),
            entries: sealed(),
        }
    }

    fn header(&self) -> Header<'_> {
        Header {
            tenant: "Nordlys Cloud ApS",
            title: "entries 1 to 7",
            chart: &self.chart,
            units: &self.units,
            buyers: &self.buyers,
            opening: None,
            receivables: None,
        }
    }

    fn input(&self) -> ExportInput<'_> {
        ExportInput { header: self.header(), entries: &self.entries }
    }

    fn text(&self, format: Format) -> String {
        String::from_utf8(export(format, &self.input()).unwrap()).unwrap()
    }
}

fn balance(account: &str, code: &str, minor: i128) -> Balance {
    Balance { account: account.into(), currency: currency(code), minor }
}

/// Whether the program accepts the text; `None` if it is not installed.
fn judged(text: &str, program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.txt");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let arguments = arguments.iter().map(|argument| argument.replace("FILE", path));
    let output = Command::new(program).args(arguments).env("LC_ALL", "C.UTF-8").output().ok()?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), said))
}

const JUDGES: [(Format, &str, &[&str]); 3] = [
    (Format::Hledger, "hledger", &["-f", "FILE", "check", "-s", "ordereddates"]),
    (Format::Ledger, "ledger", &["-f", "FILE", "--strict", "--pedantic", "bal"]),
    (Format::Beancount, "bean-check", &["FILE"]),
];

#[track_caller]
fn assert_accepted(world: &World) {
    for (format, program, arguments) in JUDGES {
        let text = world.text(format);
        if let Some((accepted, said)) = judged(&text, program, arguments) {
            assert!(accepted, "{program}: {said}\n{text}");
        }
    }
}

#[test]
fn every_judge_accepts_its_journal() {
    assert_accepted(&World::new());
}

#[test]
fn every_judge_accepts_an_empty_ledger() {
    assert_accepted(&World { entries: Vec::new(), ..World::new() });
}

#[test]
fn every_judge_misses_an_entry_that_got_lost() {
    let world = World::new();
    for (format, program, arguments) in JUDGES {
        let text = world.text(format);
        let lost: Vec<&str> = text.split("\n\n").filter(|block| !block.contains("CN-0000001")).collect();
        assert!(lost.len() < text.split("\n\n").count());
        if let Some((accepted, said)) = judged(&lost.join("\n\n"), program, arguments) {
            assert!(!accepted, "{program}: {said}");
        }
    }
}

#[test]
fn opening_balances_and_the_books_receivables_are_asserted() {
    let world = World::new();
    let opened = [balance("1100", "DKK", 10_000), balance("2610", "DKK", -2_000), balance("1100", "EUR", -5)];
    let books = [
        balance("1100", "DKK", 9_875),
        balance("1101", "DKK", 500),
        balance("1100", "JPY", 1_200),
        balance("1100", "KWD", 1_005),
        balance("1100", "EUR", -5),
    ];
    let opening = Some(Opening { on: day(1, 31), balances: &opened });
    let header = Header { opening, receivables: Some(&books), ..world.header() };
    for (format, program, arguments) in JUDGES {
        let text =
            String::from_utf8(export(format, &ExportInput { header, ..world.input() }).unwrap()).unwrap();
        if let Some((accepted, said)) = judged(&text, program, arguments) {
            assert!(accepted, "{program}: {said}\n{text}");
        }
    }
    let short = Header { opening, receivables: Some(&books[1..]), ..world.header() };
    let fault = export(Format::Csv, &ExportInput { header: short, ..world.input() }).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "receivables on account 1100 are 9875 DKK in the export and 0 DKK in the books (minor units)"
    );
}

#[test]
fn the_journal_reads_like_this() {
    let mut world = World::new();
    world.entries.truncate(2);
    let text = world.text(Format::Hledger);
    let (head, transactions) = text.split_once("\n\n").unwrap();
    assert!(head.starts_with("; Nordlys Cloud ApS\n; entries 1 to 7\ntag sequence\n"), "{head}");
    assert!(
        transactions.starts_with("account assets:receivable\n    ; 1100 Trade receivables\n"),
        "{transactions}"
    );
    assert!(
        transactions
            .contains("\naccount assets:receivable:1101\n    ; 1101 Trade receivables, Denmark, a b\n")
    );
    let (_, transactions) = transactions.split_once("commodity").unwrap();
    let [first, second] = [EntryId::of("INV-0000001 booking"), EntryId::of("INV-0000002 booking")];
    let expected = format!(
        " DKK
    format 1000.00 DKK

2026-01-31 (INV-0000001) Kaffe & Co | booking
    ; sequence: 1, entry: {first}, customer: CU-0001
    assets:receivable                         248.75 DKK
    liabilities:vat                           -49.75 DKK  ; vat: S 25
    income:sales                             -199.00 DKK  ; sku: PRO, unit: 100, period: 2026-01-01..2026-01-31

commodity JPY

2026-01-31 (INV-0000002) =Smith, \"Sons\" / (Co) 2026-01-01 * evil assets:x 1 DKK | booking
    ; sequence: 2, entry: {second}, customer: CU-0001
    assets:receivable                           1200 JPY
    income:sales                               -1200 JPY  ; sku: PRO, unit: 100, period: 2026-01-01..2026-01-31

2026-01-31 receivables as in the books
    assets:receivable                           0.00 DKK = 248.75 DKK
    assets:receivable                              0 JPY = 1200 JPY
"
    );
    assert_eq!(transactions, expected);
}

#[test]
fn journals_are_in_the_order_of_posting_dates_and_csv_in_that_of_the_chain() {
    let world = World::new();
    let hledger = world.text(Format::Hledger);
    let place = |text: &str| hledger.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(place("Kaffe & Co | payment") < place("(INV-0000003)"));
    assert!(hledger.contains("\n2026-02-01=2026-01-31 (INV-0000004) CU-0001 | booking\n"));
    assert!(hledger.contains("account equity:former:8888\n    ; 8888 no longer in the chart\n"));

    let mut exporter = Exporter::begin(Format::Hledger, world.header(), Vec::new()).unwrap();
    let in_chain_order = world.entries.iter().try_for_each(|sealed| exporter.entry(sealed));
    assert!(matches!(in_chain_order, Err(ExportError::OutOfOrder { sequence: 6, .. })), "{in_chain_order:?}");
}

#[test]
fn csv_reads_back_balanced_per_entry_and_complete() {
    let world = World::new();
    let text = world.text(Format::Csv);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    let mut rows = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let cell = |name: &str| record.get(headers.iter().position(|h| h == name).unwrap()).unwrap();
        let side = |name: &str| match cell(name) {
            "" => Decimal::ZERO,
            text => text.parse().unwrap(),
        };
        assert!(cell("debit").is_empty() != cell("credit").is_empty());
        *sums.entry(cell("entry_id").to_owned()).or_default() += side("debit") - side("credit");
        rows += 1;
        if cell("voucher_no") == "INV-0000002" {
            assert!(cell("customer_name").starts_with("'=Smith; \"Sons\" | (Co) 2026-01-01"));
        }
    }
    assert!(sums.values().all(Decimal::is_zero), "{sums:?}");
    let with_postings: Vec<_> = world.entries.iter().filter(|s| !s.entry.postings.is_empty()).collect();
    assert_eq!(sums.len(), with_postings.len());
    assert_eq!(rows, with_postings.iter().map(|s| s.entry.postings.len()).sum::<usize>());
    let second = text.lines().nth(2).unwrap();
    let (entry, line) = (EntryId::of("INV-0000001 booking"), InvoiceId::of("INV-0000001"));
    let expected = format!(
        "1,{entry},2,INV-0000001,2026-01-31,2026-01-31,booking,2610,VAT payable,,49.75,DKK,S,25,CU-0001,Kaffe & Co,{line},,,,,,{}",
        world.entries[0].hash
    );
    assert_eq!(second, expected);
}

#[test]
fn an_unbalanced_entry_is_never_exported() {
    let mut world = World::new();
    world.entries[0].entry.postings[0].debit_minor += 1;
    for format in Format::ALL {
        let fault = export(format, &world.input()).unwrap_err();
        assert_eq!(fault.to_string(), "sequence 1 (INV-0000001) does not balance: debit 24876, credit 24875");
    }
}

#[test]
fn the_manifest_counts_what_was_written_and_an_export_repeats_byte_for_byte() {
    use sha2::Digest;
    let world = World::new();
    for format in Format::ALL {
        let mut bytes = Vec::new();
        let manifest = write(format, &world.input(), &mut bytes).unwrap();
        assert_eq!(bytes, export(format, &world.input()).unwrap());
        assert_eq!((manifest.entries, manifest.first_sequence, manifest.last_sequence), (7, 1, 7));
        assert_eq!(manifest.last_hash, world.entries[6].hash);
        assert!(manifest.is_contiguous());
        let dkk = CurrencyTotal { currency: currency("DKK"), debit_minor: 50_375, credit_minor: 50_375 };
        assert_eq!(manifest.totals[0], dkk);
        assert_eq!(u64::try_from(bytes.len()).unwrap(), manifest.bytes);
        let digest: [u8; 32] = sha2::Sha256::digest(&bytes).into();
        assert_eq!(manifest.sha256.0, digest);
        assert!(serde_json::to_string(&manifest).unwrap().contains("\"last_sequence\":7"));
    }
}

#[test]
fn formats_are_known_by_their_word() {
    for format in Format::ALL {
        assert_eq!(format.name().to_uppercase().parse(), Ok(format));
    }
    assert_eq!(
        "saft".parse::<Format>().unwrap_err().to_string(),
        "`saft` is not a ledger format: csv, hledger, ledger or beancount"
    );
}
