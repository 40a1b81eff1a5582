//! Sample values: a small book, drafts, invoices and entries with every optional field in use.

use chrono::{DateTime, NaiveDate, Utc};
use domain::billing::BilledLine;
use domain::book_file::{LoadSet, Parsed, StoredBook};
use domain::catalogue::TaxCategory;
use domain::customer::Address;
use domain::exact::Exact;
use domain::ids::*;
use domain::invoice::*;
use domain::ledger::{Entry, EntryKind, Form, Posting, PostingTax};
use domain::payment_reference::{PaymentReference, ReferenceKind, ReferenceRule};
use domain::period::Period;
use domain::run::Scope;
use rust_decimal::Decimal;

use crate::book_object::{Source, Writer};
use crate::load::{Loaded, Outcome};
use crate::run::{Opened, Run, RunOptions};
use crate::{Store, Tx, run};

pub const BOOK: &str = r#"{
  "tenant": {"fullname": "Nordlys Cloud ApS", "companyvat": "DK12345678", "currencycode": "DKK",
             "timezone": "Europe/Copenhagen", "paymentterm": 14, "country": "DK"},
  "businessunits": [{"refkey": "dk", "fullname": "Denmark", "accountingcode": "100"}],
  "taxrules": [{"fullname": "DK VAT", "country": "DK", "state": "*", "ruletype": "*", "priority": 10,
                "taxpct": "25", "category": "S", "validfrom": "1992-01-01"}],
  "rates": [{"currencycode": "EUR", "date": "2026-01-30", "rate": "7.4690", "source": "ECB"}],
  "uoms": [{"refkey": "call", "fullname": "call"}],
  "productfamilies": [{"refkey": "cloud", "fullname": "Cloud"}],
  "productplans": [{
    "sku": "PRO", "fullname": "Pro", "productfamily": "cloud", "currencycode": "DKK", "currencies": ["DKK"],
    "charges": [
      {"sku": "PRO-BASE", "anchorcode": "base", "fullname": "Base fee", "chargetype": "recurring",
       "pricingmodel": "flat", "billingperiod": "monthly", "billingperiodinterval": 1,
       "billingperiodalignment": "subscription_start", "defaultamount": "1", "taxable": true,
       "pricings": [{"currencycode": "DKK", "price": "199.00"}]},
      {"sku": "PRO-API", "anchorcode": "api", "fullname": "API calls", "chargetype": "usage", "meter": "api_calls",
       "uom": "call", "usagedatacalculationtype": "sum", "pricingmodel": "per_unit", "billingperiod": "monthly",
       "billingperiodalignment": "period_end", "taxable": true,
       "pricings": [{"currencycode": "DKK", "price": "0.05"}]}]}],
  "discounts": [{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10",
                 "invoicetext": "Launch 10 %", "expiryperiod": "months", "expiryperiodinterval": 3,
                 "codes": [{"codeprefix": "LAUNCH", "code": "A1", "redemption": 5}]}],
  "customers": [
    {"accountnumber": "CU-1", "fullname": "Kaffe & Co", "currencycode": "DKK", "country": "DK", "businessunit": "dk"},
    {"accountnumber": "CU-2", "fullname": "Børsens Bageri", "currencycode": "DKK", "country": "DK",
     "parent": "CU-1", "billtoparent": true},
    {"accountnumber": "CU-3", "fullname": "Ærø Færge", "currencycode": "DKK", "country": "DK"}],
  "subscriptions": [
    {"subscriptionnumber": "SUB-1", "customer": "CU-1", "productplan": "PRO", "startdate": "2026-01-31",
     "status": "active", "discount": {"code": "LAUNCH-A1", "from": "2026-01-31"}},
    {"subscriptionnumber": "SUB-2", "customer": "CU-2", "productplan": "PRO", "startdate": "2026-01-01",
     "status": "active"}]
}"#;

pub fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// With microseconds, to see that they survive.
pub fn now() -> DateTime<Utc> {
    "2026-02-01T05:00:00.123456Z".parse().unwrap()
}

pub fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn parsed(text: &str) -> Parsed {
    Parsed::read(vec![("book.json".to_owned(), text.as_bytes())])
}

/// What a book makes where nothing is stored.
pub fn read_book(text: &str) -> LoadSet {
    parsed(text).merge(&StoredBook::default()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Loads a book within a transaction.
pub async fn load_in(tx: &mut Tx, text: &str) -> Loaded {
    let writer = Writer { at: now(), by: "ada", source: Source::File };
    match crate::load::load(tx, parsed(text), &writer).await.unwrap() {
        Outcome::Loaded(loaded) => loaded,
        other => panic!("{other:?}"),
    }
}

/// Loads [`BOOK`].
pub async fn load(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    load_in(&mut tx, BOOK).await;
    tx.commit().await.unwrap();
}

/// Opens a run over everybody.
pub async fn open_run(store: &Store) -> Run {
    let mut tx = store.begin().await.unwrap();
    let opened = run::open(&mut tx, &Scope::default(), date("2026-02-01"), &RunOptions::default(), now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    match opened {
        Opened::New(run) => run,
        Opened::Unfinished(run) => panic!("run {} is in the way", run.ordinal),
    }
}

pub fn customer_id() -> CustomerId {
    CustomerId::of("CU-1")
}

fn charge() -> ChargeReference {
    ChargeReference::for_charge(SubscriptionId::of("SUB-1"), "base", 0)
}

/// Draft number `n` of the payer CU-1: two lines, one free of VAT.
pub fn draft(n: u32) -> Draft {
    let currency = "DKK".parse().unwrap();
    let party = |name: &str| Party {
        name: name.to_owned(),
        vat_number: Some("DK12345678".to_owned()),
        address: Address { city: Some("Aarhus".to_owned()), ..Address::default() },
        email: None,
    };
    Draft {
        id: InvoiceId::of(&format!("draft {n}")),
        payer: customer_id(),
        account_number: "CU-1".to_owned(),
        subscription: Some(SubscriptionId::of("SUB-1")),
        subscription_number: Some("SUB-1".to_owned()),
        child: None,
        currency,
        charge_date: date("2026-01-31"),
        invoice_date: date("2026-01-31"),
        due_date: date("2026-02-14"),
        payment_term: 14,
        is_credit_note: false,
        credits: Vec::new(),
        series: "invoice".to_owned(),
        number_pattern: "INV-{seq:07}".to_owned(),
        autobill: true,
        seller: party("Nordlys Cloud ApS"),
        buyer: party("Kaffe & Co"),
        payment_method: Some("card-1".to_owned()),
        reference: Some("PO-7".to_owned()),
        language: "da".to_owned(),
        business_unit: Some("dk".to_owned()),
        dunning_policy: Some("strict".to_owned()),
        lines: vec![line(n, 1, 19_900, 4_975, TaxCategory::S, "25"), line(n, 2, 65, 0, TaxCategory::E, "0")],
        vat_groups: vec![
            VatGroup {
                category: TaxCategory::S,
                rate_pct: dec("25"),
                reason: None,
                net_minor: 19_900,
                vat_minor: 4_975,
            },
            VatGroup {
                category: TaxCategory::E,
                rate_pct: dec("0"),
                reason: Some("exempt".to_owned()),
                net_minor: 65,
                vat_minor: 0,
            },
        ],
        net_minor: 19_965,
        vat_minor: 4_975,
        revision: 3,
    }
}

fn line(n: u32, number: u32, net: i64, vat: i64, category: TaxCategory, pct: &str) -> Line {
    Line {
        id: LineId::of(&format!("line {n} {number}")),
        number,
        key: Some(key(n, number)),
        owner: customer_id(),
        subscription: Some(SubscriptionId::of("SUB-1")),
        subscription_number: Some("SUB-1".to_owned()),
        sku: "PRO-BASE".to_owned(),
        title: "Base fee".to_owned(),
        description: "1 300 call".to_owned(),
        quantity: dec("1"),
        unit_price: dec("199.123456789012"),
        rated_quantity: dec("1300.000000001"),
        unit: Some("call".to_owned()),
        subtotal_minor: net,
        discount: dec("0.1"),
        discount_minor: 5,
        discount_text: Some("Launch 10 %".to_owned()),
        tax_category: category,
        tax_pct: dec(pct),
        tax_reason: (category == TaxCategory::E).then(|| "exempt".to_owned()),
        vat_minor: vat,
        period: Period::new(date("2026-01-31"), date("2026-02-28")),
        tax_date: date("2026-01-31"),
        deferred: false,
        arrears: number == 2,
        tax_inclusive: false,
        is_amendment: false,
        is_adjustment: number == 2,
        amends: Some("INV-0000001".to_owned()),
        business_unit: Some("dk".to_owned()),
        accounting_code: Some("100".to_owned()),
        exact: Exact::ratio(10, 3),
        credits: Vec::new(),
    }
}

fn key(n: u32, number: u32) -> LineKey {
    LineKey {
        charge: charge(),
        period_start: date("2026-01-31"),
        revision: n,
        kind: LineKind::Regular,
        ordinal: number,
    }
}

/// The periods that draft `n` takes.
pub fn billed_lines(n: u32) -> Vec<BilledLine> {
    [1, 2]
        .map(|number| BilledLine {
            key: key(n, number),
            subscription: SubscriptionId::of("SUB-1"),
            period: Period::new(date("2026-01-31"), date("2026-02-28")),
            charge_date: date("2026-01-31"),
            line: Some(LineId::of(&format!("line {n} {number}"))),
            invoice: Some(InvoiceId::of(&format!("draft {n}"))),
            invoice_number: None,
            currency: "DKK".parse().unwrap(),
            group: (number == 2).then(|| "eu-1".to_owned()),
            quantity: Exact::ratio(4_000, 3),
            net_minor: 19_900,
            discount: dec("0.1"),
            granted_minor: 100,
            priced_minor: 19_800,
            vat_minor: 4_950,
            tax_category: TaxCategory::S,
            tax_pct: dec("25"),
            usage_mark: 7,
            acts_seen: Some(3),
        })
        .to_vec()
}

/// Draft `n`, booked with sequence `n`.
pub fn invoice(n: u32) -> Invoice {
    Invoice {
        draft: draft(n),
        number: format!("INV-{n:07}"),
        sequence: u64::from(n),
        booked_on: date("2026-02-01"),
        payable_by: date("2026-02-15"),
        base: Some(BaseAmounts {
            currency: "EUR".parse().unwrap(),
            rate: dec("0.1338866"),
            rate_date: date("2026-01-30"),
            rate_source: "ECB".to_owned(),
            net_minor: 2_673,
            vat_minor: 666,
        }),
        payment_reference: payment_reference(n),
    }
}

fn payment_reference(n: u32) -> Option<PaymentReference> {
    let rule = ReferenceRule { kind: ReferenceKind::Kid, length: None, creditor: Some("5555".to_owned()) };
    rule.reference(u64::from(n)).filter(|_| n % 2 == 1)
}

/// The booking entry of invoice `n`.
pub fn entry(n: u32) -> Entry {
    let posting = |number, account: &str, debit_minor, credit_minor| Posting {
        number,
        account: account.to_owned(),
        debit_minor,
        credit_minor,
        line: None,
        sku: None,
        unit_code: None,
        period: None,
        tax: None,
        base_minor: None,
    };
    let s25 = |base_minor| Some(PostingTax { category: TaxCategory::S, rate_pct: dec("25"), base_minor });
    let mut vat = posting(3, "2610", 0, 4_975);
    vat.tax = s25(19_965);
    let mut revenue = posting(2, "4000", 0, 19_965);
    revenue.line = Some(LineId::of(&format!("line {n} 1")));
    revenue.sku = Some("PRO-BASE".to_owned());
    revenue.unit_code = Some("100".to_owned());
    revenue.tax = s25(19_965);
    revenue.period = Some(Period::new(date("2026-01-31"), date("2026-02-28")));
    Entry {
        id: EntryId::of(&format!("entry {n}")),
        kind: EntryKind::Booking,
        ordinal: 0,
        invoice: InvoiceId::of(&format!("draft {n}")),
        document_number: format!("INV-{n:07}"),
        account_number: "CU-1".to_owned(),
        document_date: date("2026-01-31"),
        posting_date: date("2026-01-31"),
        currency: "DKK".parse().unwrap(),
        form: Form::Second,
        due_date: Some(date("2026-02-14")),
        country: Some("DK".to_owned()),
        buyer_vat: None,
        base: None,
        postings: vec![posting(1, "1100", 24_940, 0), revenue, vat],
    }
}

/// Books invoices 1 to `n` outside any run, numbers taken.
pub async fn book(store: &Store, n: u32) {
    let invoices: Vec<Invoice> = (1..=n).map(invoice).collect();
    let entries: Vec<Entry> = (1..=n).map(entry).collect();
    let mut tx = store.begin().await.unwrap();
    let first = crate::invoice::take_numbers(&mut tx, "invoice", 1, u64::from(n)).await.unwrap();
    assert_eq!(first, 1);
    crate::invoice::save_booked(&mut tx, None, &invoices, &entries).await.unwrap();
    tx.commit().await.unwrap();
}
