//! A small ledger in three currencies, written in every format and judged by programs that nobody here wrote. A judge
//! that is not installed is passed over.

use super::*;
use domain::NaiveDate;
use domain::catalogue::{BusinessUnit, TaxCategory};
use domain::ids::{EntryId, InvoiceId, LineId};
use domain::ledger::{ChainState, Chart, Entry, EntryKind, Form, Posting, PostingTax, seal};
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
        base_minor: None,
    }
}

fn s25(base_minor: i64) -> Option<PostingTax> {
    Some(PostingTax { category: TaxCategory::S, rate_pct: Decimal::from(25), base_minor })
}

fn vat(minor: i64) -> Posting {
    Posting { tax: s25(-4 * minor), ..posting("2610", minor) }
}

fn revenue(sku: &str, minor: i64) -> Posting {
    Posting {
        line: Some(LineId::of(sku)),
        sku: Some(sku.into()),
        unit_code: Some("100".into()),
        period: Some(Period::new(day(1, 1), day(2, 1))),
        tax: s25(-minor),
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
        form: Form::Second,
        due_date: None,
        country: Some("DK".into()),
        buyer_vat: Some("DK87654321".into()),
        base: None,
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

fn company() -> Company<'static> {
    Company {
        vat_number: Some("NO987654321MVA"),
        currency: currency("DKK"),
        country: Some("NO"),
        street: Some("Havnegata 1 & 2"),
        postal_code: Some("0150"),
        city: Some("Oslo"),
        email: Some("post@nordlys.example"),
        iban: None,
        consultant: 1001,
        client: 7,
    }
}

/// The one file of a format.
fn bytes_of(format: Format, input: &ExportInput<'_>) -> Result<Vec<u8>, ExportError> {
    let (_, mut files) = files(format, input)?;
    assert_eq!(files.len(), 1);
    Ok(files.remove(0))
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
            first_invoice_number: None,
            first_credit_note_number: None,
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
            company: company(),
            buyers: &self.buyers,
            balances: &[],
            opening: None,
            receivables: None,
        }
    }

    fn input(&self) -> ExportInput<'_> {
        ExportInput { header: self.header(), entries: &self.entries }
    }

    fn text(&self, format: Format) -> String {
        String::from_utf8(bytes_of(format, &self.input()).unwrap()).unwrap()
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
            String::from_utf8(bytes_of(format, &ExportInput { header, ..world.input() }).unwrap()).unwrap();
        if let Some((accepted, said)) = judged(&text, program, arguments) {
            assert!(accepted, "{program}: {said}\n{text}");
        }
    }
    let short = Header { opening, receivables: Some(&books[1..]), ..world.header() };
    let fault = bytes_of(Format::Csv, &ExportInput { header: short, ..world.input() }).unwrap_err();
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

2026-01-31 (INV-0000001) Kaffe & Co | invoice
    ; sequence: 1, entry: {first}, customer: CU-0001
    ; country: DK, vatnumber: DK87654321
    assets:receivable                         248.75 DKK
    liabilities:vat                           -49.75 DKK  ; vat: S 25 of 199.00
    income:sales                             -199.00 DKK  ; vat: S 25 of 199.00, sku: PRO, unit: 100, period: 2026-01-01..2026-01-31

commodity JPY

2026-01-31 (INV-0000002) =Smith, \"Sons\" / (Co) 2026-01-01 * evil assets:x 1 DKK | invoice
    ; sequence: 2, entry: {second}, customer: CU-0001
    ; country: DK, vatnumber: DK87654321
    assets:receivable                           1200 JPY
    income:sales                               -1200 JPY  ; vat: S 25 of 1200, sku: PRO, unit: 100, period: 2026-01-01..2026-01-31

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
    assert!(hledger.contains("\n2026-02-01=2026-01-31 (INV-0000004) CU-0001 | invoice\n"));
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
        "1,{entry},2,INV-0000001,2026-01-31,2026-01-31,invoice,2610,VAT payable,,49.75,DKK,S,25,CU-0001,Kaffe & Co,{line},,,,,,{},199.00,DK,DK87654321,,,,,",
        world.entries[0].hash
    );
    assert_eq!(second, expected);
}

#[test]
fn an_unbalanced_entry_is_never_exported() {
    let mut world = World::new();
    world.entries[0].entry.postings[0].debit_minor += 1;
    for format in Format::ALL {
        let fault = bytes_of(format, &world.input()).unwrap_err();
        assert_eq!(fault.to_string(), "sequence 1 (INV-0000001) does not balance: debit 24876, credit 24875");
    }
}

#[test]
fn the_manifest_counts_what_was_written_and_an_export_repeats_byte_for_byte() {
    use sha2::Digest;
    let world = World::new();
    for format in Format::ALL.into_iter().filter(|format| format.is_streamed()) {
        let mut bytes = Vec::new();
        let manifest = write(format, &world.input(), &mut bytes).unwrap();
        assert_eq!(bytes, bytes_of(format, &world.input()).unwrap());
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
        "excel".parse::<Format>().unwrap_err().to_string(),
        "`excel` is not a ledger format: csv, hledger, ledger, beancount, datev, saft, sie, economic, xero or quickbooks"
    );
}

/// What accounting programs take: entries in the base currency, one of them foreign with its rate, one with two revenue rows,
/// a payment, and a month of recognition.
fn for_programs() -> World {
    let mut world = World::new();
    let mut foreign = entry(
        "INV-0000002",
        EntryKind::Booking,
        day(1, 31),
        "EUR",
        vec![posting("1100", 10_000), revenue("PRO", -6_000), revenue("ADD", -4_000)],
    );
    let dkk = domain::ledger::EntryBase {
        currency: currency("DKK"),
        rate: Decimal::new(74_690, 4),
        rate_date: day(1, 30),
    };
    foreign.base = Some(dkk);
    foreign.due_date = Some(day(2, 14));
    foreign.country = Some("SE".into());
    foreign.buyer_vat = Some("SE556036079301".into());
    for (posting, minor) in foreign.postings.iter_mut().zip([74_690, -44_814, -29_876]) {
        posting.base_minor = Some(minor);
    }
    for row in &mut foreign.postings[1..] {
        row.tax = row.tax.map(|tax| PostingTax { category: TaxCategory::AE, rate_pct: Decimal::ZERO, ..tax });
    }
    let home = |number: &str, kind, on, postings| entry(number, kind, on, "DKK", postings);
    let entries = vec![
        home(
            "INV-0000001",
            EntryKind::Booking,
            day(1, 31),
            vec![posting("1100", 24_875), vat(-4_975), revenue("PRO", -19_900)],
        ),
        foreign,
        home(
            "INV-0000001",
            EntryKind::Payment,
            day(2, 3),
            vec![posting("1900", 24_875), posting("1100", -24_875)],
        ),
        home(
            "INV-0000001",
            EntryKind::Recognition,
            day(2, 28),
            vec![posting("2100", 10), posting("4000", -10), posting("2100", 5), posting("4000", -5)],
        ),
    ];
    world.buyers.insert(InvoiceId::of("INV-0000002"), "Åse & Söner \"AB\"; –".to_owned());
    world.entries = seal(&ChainState::default(), entries);
    world
}

fn lines(bytes: &[u8]) -> Vec<String> {
    // Windows-1252 is Latin-1 where letters are.
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    text.split("\r\n").filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn datev_has_its_columns_and_moves_what_the_ledger_moves() {
    let world = for_programs();
    let (manifest, made) = files(Format::Datev, &world.input()).unwrap();
    assert_eq!((manifest.entries, made.len()), (4, 2), "a file per month");
    let january = lines(&made[0]);
    let fields = |line: &str| csv_fields(line, b';');
    let head = fields(&january[0]);
    assert_eq!(head.len(), 31);
    assert_eq!(head[..5], ["EXTF", "700", "21", "Buchungsstapel", "13"]);
    assert_eq!((head[10].as_str(), head[12].as_str(), head[13].as_str()), ("1001", "20260101", "4"));
    assert_eq!((head[14].as_str(), head[15].as_str()), ("20260101", "20260131"));
    let captions = fields(&january[1]);
    assert_eq!(captions.len(), 125);
    let column = |name: &str| captions.iter().position(|caption| caption == name).unwrap();
    let mut moved: BTreeMap<String, i64> = BTreeMap::new();
    for line in made.iter().flat_map(|file| lines(file).split_off(2)) {
        let row = fields(&line);
        assert_eq!(row.len(), 125);
        let amount = row[column("Umsatz (ohne Soll/Haben-Kz)")].replace(',', "").parse::<i64>().unwrap();
        let sign = if row[column("Soll/Haben-Kennzeichen")] == "S" { amount } else { -amount };
        *moved.entry(format!("{} {}", row[column("Konto")], row[2])).or_default() += sign;
        *moved.entry(format!("{} {}", row[column("Gegenkonto (ohne BU-Schlüssel)")], row[2])).or_default() -=
            sign;
    }
    let ledger = sums(&world);
    moved.retain(|_, minor| *minor != 0);
    assert_eq!(moved, ledger);
    let foreign = fields(&january[4]);
    assert_eq!(foreign[column("Basis-Umsatz")], "448,14");
    assert_eq!(foreign[column("EU-Land u. UStID (Bestimmung)")], "SE556036079301");
    assert_eq!(foreign[column("Zusatzinformation - Inhalt 1")], "01.01.2026-31.01.2026");
    assert_eq!(foreign[column("KOST1 - Kostenstelle")], "100");
    assert_eq!(foreign[column("Belegdatum")], "3101");
}

fn csv_fields(line: &str, delimiter: u8) -> Vec<String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(line.as_bytes());
    let record = reader.records().next().unwrap().unwrap();
    record.iter().map(str::to_owned).collect()
}

/// Debit less credit by account and currency.
fn sums(world: &World) -> BTreeMap<String, i64> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for sealed in &world.entries {
        for row in &sealed.entry.postings {
            let key = format!("{} {}", row.account, sealed.entry.currency);
            *sums.entry(key).or_default() += row.debit_minor - row.credit_minor;
        }
    }
    sums.retain(|_, minor| *minor != 0);
    sums
}

#[test]
fn sie_vouchers_balance_in_the_base_currency() {
    let world = for_programs();
    let bytes = bytes_of(Format::Sie, &world.input()).unwrap();
    assert!(bytes.windows(6).any(|at| at == b"\x8fse & "), "code page 437");
    let text = lines(&bytes);
    assert_eq!(
        text[..5],
        ["#FLAGGA 0", "#PROGRAM \"tallybook\" \"0.1.0\"", "#FORMAT PC8", "#GEN 20260228", "#SIETYP 4"]
    );
    let (mut vouchers, mut sum) = (0, Decimal::ZERO);
    for line in &text {
        let parts: Vec<&str> = line.split_whitespace().collect();
        match parts.first() {
            Some(&"#VER") => vouchers += 1,
            Some(&"#TRANS") => {
                let amount = line.split("} ").nth(1).unwrap().split(' ').next().unwrap();
                sum += amount.parse::<Decimal>().unwrap();
            }
            Some(&"}") => assert!(sum.is_zero(), "voucher {vouchers} is {sum} off"),
            _ => {}
        }
    }
    assert_eq!(vouchers, 4);
    assert!(text.iter().any(|line| line.contains("#TRANS 4000 {1 \"100\"} -448.14 20260131 \"PRO\"")));
    let mut letters = for_programs();
    letters.entries[0].entry.postings[0].account = "x4.0_-1".into();
    let fault = files(Format::Sie, &letters.input()).unwrap_err();
    assert_eq!(fault.to_string(), "account `x4.0_-1` is not a number, as this format wants it");
}

#[test]
fn saf_t_is_valid_by_its_schema() {
    let world = for_programs();
    let balances = [balance("1100", "DKK", 5_000), balance("3000", "DKK", -5_000)];
    let header = Header { balances: &balances, ..world.header() };
    let text =
        String::from_utf8(bytes_of(Format::Saft, &ExportInput { header, ..world.input() }).unwrap()).unwrap();
    for told in [
        "<NumberOfEntries>4</NumberOfEntries>",
        "<TotalDebit>1244.55</TotalDebit>",
        "<OpeningDebitBalance>50.00</OpeningDebitBalance>",
        "<ClosingDebitBalance>796.90</ClosingDebitBalance>",
        "<CurrencyAmount>60.00</CurrencyAmount>",
        "<TaxRegistrationNumber>DK87654321</TaxRegistrationNumber>",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    let schema = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/schemas/Norwegian_SAF-T_Financial_Schema_v_1.30.xsd"
    );
    let arguments = ["--noout", "--nonet", "--schema", schema, "FILE"];
    if let Some((accepted, said)) = judged(&text, "xmllint", &arguments) {
        assert!(accepted, "{said}\n{text}");
    }
    let nameless = Header { company: Company { vat_number: None, ..company() }, ..world.header() };
    let fault = files(Format::Saft, &ExportInput { header: nameless, ..world.input() }).unwrap_err();
    assert_eq!(fault.to_string(), "this format names the VAT number of the tenant, and the book has none");
    let danish = Company { country: Some("DK"), iban: Some("DK5000400440116243"), ..company() };
    let header = Header { company: danish, ..world.header() };
    let text =
        String::from_utf8(bytes_of(Format::Saft, &ExportInput { header, ..world.input() }).unwrap()).unwrap();
    assert!(text.contains("Financial:DK\"") && text.contains("<AccountType>Sale</AccountType>"), "{text}");
}

#[test]
fn xero_and_quickbooks_are_split_at_their_limits_and_no_entry_is_parted() {
    let mut world = for_programs();
    let (manifest, made) = files(Format::Xero, &world.input()).unwrap();
    assert_eq!((made.len(), manifest.left_out), (1, 2), "a payment and a recognition are no sales");
    let text = String::from_utf8(made[0].clone()).unwrap();
    assert!(text.starts_with("*ContactName,EmailAddress,POAddressLine1,"));
    let row = csv_fields(text.lines().nth(2).unwrap(), b',');
    assert_eq!(row.len(), 27);
    assert_eq!(
        [&row[0], &row[10], &row[12], &row[13], &row[17], &row[19], &row[20], &row[25]],
        ["Åse & Söner \"AB\"; –", "INV-0000002", "31/01/2026", "14/02/2026", "60.00", "4000", "AE 0", "EUR"]
    );
    let book = |n: usize| {
        let number = format!("INV-{n:07}");
        entry(
            &number,
            EntryKind::Booking,
            day(1, 31),
            "DKK",
            vec![posting("1100", 100), revenue("PRO", -100)],
        )
    };
    world.entries = seal(&ChainState::default(), (1..=1_201).map(book).collect());
    let rows = |format| -> Vec<usize> {
        let (_, made) = files(format, &world.input()).unwrap();
        made.iter().map(|file| String::from_utf8_lossy(file).lines().count() - 1).collect()
    };
    assert_eq!(rows(Format::Xero), [500, 500, 201]);
    assert_eq!(rows(Format::QuickBooks), [1_000, 1_000, 402]);
}

#[test]
fn e_conomic_has_decimal_commas_and_rates_per_hundred() {
    let world = for_programs();
    let text = String::from_utf8(bytes_of(Format::Economic, &world.input()).unwrap()).unwrap();
    let rows: Vec<Vec<String>> = text.lines().map(|line| csv_fields(line, b';')).collect();
    assert_eq!(rows.len(), 1 + 3 + 3 + 2 + 4);
    let sale = &rows[5];
    assert_eq!(
        [&sale[0], &sale[2], &sale[5], &sale[7], &sale[8], &sale[9]],
        ["31-01-2026", "4000", "-60,00", "EUR", "746,9", "-448,14"]
    );
    let mut without = for_programs();
    without.entries[1].entry.postings[0].base_minor = None;
    let fault = files(Format::Economic, &without.input()).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "INV-0000002 is in EUR and was booked without a rate to DKK: this format is in DKK"
    );
}

#[test]
fn what_programs_take_is_made_again_byte_for_byte() {
    let world = for_programs();
    for format in Format::ALL {
        let (manifest, made) = files(format, &world.input()).unwrap();
        assert_eq!(made, files(format, &world.input()).unwrap().1);
        assert_eq!((manifest.entries, manifest.postings, manifest.last_sequence), (4, 12, 4), "{format:?}");
        assert!(!made[0].is_empty());
        assert!(files(format, &ExportInput { entries: &[], ..world.input() }).is_ok(), "{format:?}");
    }
}
