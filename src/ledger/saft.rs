//! SAF-T Financial: accounts with their balances, customers, VAT codes and every entry, in the base currency with foreign amounts
//! beside it. Norwegian (1.30) after its schema; Danish (2.1) as far as it is public: its schema could not be had.

use crate::amount::{decimal_text, rate_text};
use crate::books::{Books, minor, vat_text};
use crate::exporter::ExportError;
use crate::plain::one_line;
use chrono::Datelike;
use domain::catalogue::TaxCategory;
use domain::ledger::{Account, AccountType, Entry, Posting, PostingTax, Sealed};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Whose variant it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Norwegian,
    Danish,
}

/// The one file.
///
/// # Errors
/// If the tenant lacks what the header names, or a foreign entry has no rate.
pub fn files(books: &Books<'_>) -> Result<Vec<Vec<u8>>, ExportError> {
    let company = books.header.company;
    let (variant, name, version) = match company.country {
        Some("DK") => (Variant::Danish, "DK", "2.1"),
        _ => (Variant::Norwegian, "NO", "1.30"),
    };
    let mut xml = Xml::default();
    xml.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml.text, "<AuditFile xmlns=\"urn:StandardAuditFile-Taxation-Financial:{name}\">");
    header(&mut xml, books, variant, version)?;
    xml.open("MasterFiles");
    accounts(&mut xml, books, variant)?;
    customers(&mut xml, books);
    tax_table(&mut xml, books, variant);
    xml.close("MasterFiles");
    entries(&mut xml, books)?;
    xml.text.push_str("</AuditFile>\n");
    Ok(vec![xml.text.into_bytes()])
}

/// Elements, one a line; what is empty is left out.
#[derive(Default)]
struct Xml {
    text: String,
}

impl Xml {
    fn open(&mut self, name: &str) {
        let _ = writeln!(self.text, "<{name}>");
    }

    fn close(&mut self, name: &str) {
        let _ = writeln!(self.text, "</{name}>");
    }

    fn leaf(&mut self, name: &str, value: &str, chars_max: usize) {
        let value: String = one_line(value).chars().take(chars_max).collect();
        if value.is_empty() {
            return;
        }
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(self.text, "<{name}>{value}</{name}>");
    }
}

fn header(xml: &mut Xml, books: &Books<'_>, variant: Variant, version: &str) -> Result<(), ExportError> {
    let company = books.header.company;
    let number = company.vat_number.ok_or(ExportError::Missing { what: "the VAT number" })?;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let (first, last) = books.days().unwrap_or_default();
    xml.open("Header");
    xml.leaf("AuditFileVersion", version, 9);
    xml.leaf("AuditFileCountry", if variant == Variant::Danish { "DK" } else { "NO" }, 2);
    // The last day in it: the same entries make the same bytes.
    xml.leaf("AuditFileDateCreated", &last.to_string(), 10);
    xml.leaf("SoftwareCompanyName", "tallybook", 70);
    xml.leaf("SoftwareID", "tallybook", 256);
    xml.leaf("SoftwareVersion", env!("CARGO_PKG_VERSION"), 18);
    xml.open("Company");
    xml.leaf("RegistrationNumber", &digits, 35);
    xml.leaf("Name", books.header.tenant, 256);
    xml.open("Address");
    xml.leaf("StreetName", company.street.unwrap_or_default(), 256);
    xml.leaf("City", company.city.unwrap_or_default(), 256);
    xml.leaf("PostalCode", company.postal_code.unwrap_or_default(), 70);
    xml.leaf("Country", company.country.unwrap_or_default(), 2);
    xml.close("Address");
    xml.open("Contact");
    xml.open("ContactPerson");
    // The book has no person: the company answers for itself.
    xml.leaf("FirstName", "NotUsed", 35);
    xml.leaf("LastName", books.header.tenant, 70);
    xml.close("ContactPerson");
    xml.leaf("Email", company.email.unwrap_or_default(), 70);
    xml.close("Contact");
    xml.open("TaxRegistration");
    xml.leaf("TaxRegistrationNumber", number, 35);
    xml.close("TaxRegistration");
    match (company.iban, variant) {
        (Some(iban), _) => {
            xml.open("BankAccount");
            xml.leaf("IBANNumber", iban, 35);
            xml.close("BankAccount");
        }
        (None, Variant::Danish) => return Err(ExportError::Missing { what: "the bank account (`iban`)" }),
        (None, Variant::Norwegian) => {}
    }
    xml.close("Company");
    xml.leaf("DefaultCurrencyCode", company.currency.code(), 3);
    xml.open("SelectionCriteria");
    xml.leaf("SelectionStartDate", &first.to_string(), 10);
    xml.leaf("SelectionEndDate", &last.to_string(), 10);
    xml.close("SelectionCriteria");
    xml.leaf("TaxAccountingBasis", "A", 1);
    if variant == Variant::Danish {
        xml.leaf("TaxEntity", books.header.tenant, 70);
    }
    xml.close("Header");
    Ok(())
}

/// Every account that has a balance or a row, opening and closing.
fn accounts(xml: &mut Xml, books: &Books<'_>, variant: Variant) -> Result<(), ExportError> {
    let currency = books.header.company.currency;
    let mut balances: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    for opening in books.header.balances.iter().filter(|balance| balance.minor != 0) {
        balances.insert(opening.account.clone(), (opening.minor, opening.minor));
    }
    for sealed in &books.entries {
        for posting in &sealed.entry.postings {
            let moved = books.base_minor(&sealed.entry, posting)?;
            balances.entry(posting.account.clone()).or_default().1 += moved;
        }
    }
    if balances.is_empty() {
        return Ok(());
    }
    xml.open("GeneralLedgerAccounts");
    for (code, (opening, closing)) in balances {
        let account = books.accounts.of(&code);
        xml.open("Account");
        xml.leaf("AccountID", &code, 70);
        xml.leaf("AccountDescription", &account.name, 256);
        match variant {
            Variant::Norwegian => {
                let (category, grouping) = grouping(&account);
                xml.leaf("GroupingCategory", category, 256);
                xml.leaf("GroupingCode", grouping, 35);
                xml.leaf("AccountType", "GL", 9);
            }
            Variant::Danish => xml.leaf("AccountType", danish_type(account.kind), 9),
        }
        for (when, minor) in [("Opening", opening), ("Closing", closing)] {
            let side = if minor < 0 { "Credit" } else { "Debit" };
            xml.leaf(&format!("{when}{side}Balance"), &decimal_text(minor.abs(), currency), 20);
        }
        xml.close("Account");
    }
    xml.close("GeneralLedgerAccounts");
    Ok(())
}

/// Where an account stands in the Norwegian business specification (næringsspesifikasjon), by its role.
fn grouping(account: &Account) -> (&'static str, &'static str) {
    let begins = |path: &str| account.path.starts_with(path);
    match account.kind {
        AccountType::Asset if begins("assets:receivable") => ("balanseverdiForOmloepsmiddel", "1500"),
        AccountType::Asset => ("balanseverdiForOmloepsmiddel", "1920"),
        AccountType::Liability if begins("liabilities:vat") => ("kortsiktigGjeld", "2740"),
        AccountType::Liability => ("kortsiktigGjeld", "2970"),
        AccountType::Equity => ("egenkapital", "2050"),
        AccountType::Income => ("salgsinntekt", "3000"),
        AccountType::Expense if begins("expenses:bad-debt") => ("annenDriftskostnad", "7830"),
        AccountType::Expense => ("annenDriftskostnad", "7700"),
    }
}

fn danish_type(kind: AccountType) -> &'static str {
    match kind {
        AccountType::Asset => "Asset",
        AccountType::Liability => "Liability",
        AccountType::Equity => "Other",
        AccountType::Income => "Sale",
        AccountType::Expense => "Expense",
    }
}

fn customers(xml: &mut Xml, books: &Books<'_>) {
    let mut known: BTreeMap<&str, &Entry> = BTreeMap::new();
    for sealed in &books.entries {
        known.insert(&sealed.entry.account_number, &sealed.entry);
    }
    if known.is_empty() {
        return;
    }
    xml.open("Customers");
    for (number, entry) in known {
        xml.open("Customer");
        xml.leaf("Name", books.buyer(entry), 256);
        if let Some(country) = &entry.country {
            xml.open("Address");
            xml.leaf("Country", country, 2);
            xml.close("Address");
        }
        if let Some(vat) = &entry.buyer_vat {
            xml.open("TaxRegistration");
            xml.leaf("TaxRegistrationNumber", vat, 35);
            xml.close("TaxRegistration");
        }
        xml.leaf("CustomerID", number, 35);
        xml.close("Customer");
    }
    xml.close("Customers");
}

fn tax_table(xml: &mut Xml, books: &Books<'_>, variant: Variant) {
    let postings = books.entries.iter().flat_map(|sealed| &sealed.entry.postings);
    let codes: BTreeMap<String, PostingTax> =
        postings.filter_map(|posting| posting.tax).map(|tax| (vat_text(tax), tax)).collect();
    if codes.is_empty() {
        return;
    }
    let country = books.header.company.country.unwrap_or("NO");
    xml.open("TaxTable");
    xml.open("TaxTableEntry");
    xml.leaf("TaxType", if variant == Variant::Danish { "Moms" } else { "MVA" }, 9);
    xml.leaf("Description", if variant == Variant::Danish { "Moms" } else { "Merverdiavgift" }, 256);
    for (code, tax) in codes {
        xml.open("TaxCodeDetails");
        xml.leaf("TaxCode", &code, 70);
        xml.leaf("Description", &code, 256);
        xml.leaf("TaxPercentage", &tax.rate_pct.normalize().to_string(), 20);
        xml.leaf("Country", country, 2);
        xml.leaf("StandardTaxCode", standard_code(tax), 9);
        xml.leaf("BaseRate", "100", 3);
        xml.close("TaxCodeDetails");
    }
    xml.close("TaxTableEntry");
    xml.close("TaxTable");
}

/// The Norwegian standard tax code (mva-kode) of what is sold.
fn standard_code(tax: PostingTax) -> &'static str {
    let rate = tax.rate_pct.normalize().to_string();
    match (tax.category, rate.as_str()) {
        (TaxCategory::S, "15") => "31",
        (TaxCategory::S, "12") => "33",
        (TaxCategory::S, "11.11") => "32",
        (TaxCategory::S, _) => "3",
        (TaxCategory::Z, _) => "5",
        (TaxCategory::AE, _) => "51",
        (TaxCategory::G | TaxCategory::K, _) => "52",
        (TaxCategory::E, _) => "6",
        _ => "7",
    }
}

fn entries(xml: &mut Xml, books: &Books<'_>) -> Result<(), ExportError> {
    let currency = books.header.company.currency;
    let with_rows: Vec<&&Sealed> = books.entries.iter().filter(|s| !s.entry.postings.is_empty()).collect();
    let mut total = 0_i128;
    for sealed in &with_rows {
        for posting in &sealed.entry.postings {
            total += books.base_minor(&sealed.entry, posting)?.max(0);
        }
    }
    let total = decimal_text(total, currency);
    xml.open("GeneralLedgerEntries");
    xml.leaf("NumberOfEntries", &with_rows.len().to_string(), 20);
    xml.leaf("TotalDebit", &total, 20);
    xml.leaf("TotalCredit", &total, 20);
    let kinds: BTreeSet<_> = with_rows.iter().map(|sealed| sealed.entry.kind).collect();
    for kind in kinds {
        xml.open("Journal");
        xml.leaf("JournalID", kind.label(), 18);
        xml.leaf("Description", kind.word(), 256);
        xml.leaf("Type", &kind.label().chars().take(9).collect::<String>(), 9);
        for sealed in with_rows.iter().filter(|sealed| sealed.entry.kind == kind) {
            transaction(xml, books, sealed)?;
        }
        xml.close("Journal");
    }
    xml.close("GeneralLedgerEntries");
    Ok(())
}

fn transaction<'a>(xml: &mut Xml, books: &Books<'a>, sealed: &'a Sealed) -> Result<(), ExportError> {
    let entry = &sealed.entry;
    xml.open("Transaction");
    xml.leaf("TransactionID", &sealed.sequence.to_string(), 70);
    xml.leaf("Period", &entry.posting_date.month().to_string(), 2);
    xml.leaf("PeriodYear", &entry.posting_date.year().to_string(), 4);
    xml.leaf("TransactionDate", &entry.document_date.to_string(), 10);
    xml.leaf("Description", &books.text(entry), 256);
    xml.leaf("SystemEntryDate", &entry.posting_date.to_string(), 10);
    xml.leaf("GLPostingDate", &entry.posting_date.to_string(), 10);
    for posting in &entry.postings {
        line(xml, books, entry, posting)?;
    }
    xml.close("Transaction");
    Ok(())
}

fn line<'a>(
    xml: &mut Xml,
    books: &Books<'a>,
    entry: &'a Entry,
    posting: &Posting,
) -> Result<(), ExportError> {
    xml.open("Line");
    xml.leaf("RecordID", &posting.number.to_string(), 18);
    xml.leaf("AccountID", &posting.account, 70);
    xml.leaf("SourceDocumentID", &entry.document_number, 35);
    xml.leaf("CustomerID", &entry.account_number, 35);
    let told = posting.sku.clone().unwrap_or_else(|| entry.kind.word().to_owned());
    xml.leaf("Description", &told, 256);
    let base_minor = books.base_minor(entry, posting)?;
    let side = if minor(posting) < 0 { "CreditAmount" } else { "DebitAmount" };
    amount(xml, books, entry, side, (base_minor.abs(), minor(posting).abs()));
    if let Some(tax) = posting.tax {
        xml.open("TaxInformation");
        xml.leaf("TaxType", if books.header.company.country == Some("DK") { "Moms" } else { "MVA" }, 9);
        xml.leaf("TaxCode", &vat_text(tax), 70);
        xml.leaf("TaxPercentage", &tax.rate_pct.normalize().to_string(), 20);
        if let Some(country) = &entry.country {
            xml.leaf("Country", country, 2);
        }
        xml.leaf("TaxBase", &decimal_text(i128::from(tax.base_minor).abs(), entry.currency), 20);
        // VAT stands on a row of its own; a revenue row says 0 here, so that no VAT is counted twice.
        let (base, own) = if posting.line.is_none() { (base_minor, minor(posting)) } else { (0, 0) };
        let side = if minor(posting) < 0 { "CreditTaxAmount" } else { "DebitTaxAmount" };
        amount(xml, books, entry, side, (base.abs(), own.abs()));
        xml.close("TaxInformation");
    }
    if let Some(due) = entry.due_date {
        xml.leaf("DueDate", &due.to_string(), 10);
    }
    xml.close("Line");
    Ok(())
}

/// An amount in the base currency, and in the entry's where that is another one.
fn amount(xml: &mut Xml, books: &Books<'_>, entry: &Entry, name: &str, (base, own): (i128, i128)) {
    xml.open(name);
    xml.leaf("Amount", &decimal_text(base, books.header.company.currency), 20);
    if let Some(at) = &entry.base {
        xml.leaf("CurrencyCode", entry.currency.code(), 3);
        xml.leaf("CurrencyAmount", &decimal_text(own, entry.currency), 20);
        xml.leaf("ExchangeRate", &rate_text(at.rate, 8), 20);
    }
    xml.close(name);
}
