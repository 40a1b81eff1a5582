//! Sales invoices for Xero's import: a row per invoice line under the template's headings, at most 500 invoices a file.
//! Payments, refunds and write-offs have no place in it: they are left out, and counted.

use crate::amount::decimal_text;
use crate::books::{Books, minor, split, vat_text};
use crate::plain::csv_text;
use domain::NaiveDate;
use domain::ledger::{Entry, EntryKind, Posting};

const INVOICES_MAX: usize = 500;

const HEAD: &str = "*ContactName,EmailAddress,POAddressLine1,POAddressLine2,POAddressLine3,POAddressLine4,POCity,PORegion,\
POPostalCode,POCountry,*InvoiceNumber,Reference,*InvoiceDate,*DueDate,InventoryItemCode,*Description,*Quantity,*UnitAmount,\
Discount,*AccountCode,*TaxType,TrackingName1,TrackingOption1,TrackingName2,TrackingOption2,Currency,BrandingTheme";

/// The files, and how many entries are left out.
pub fn files(books: &Books<'_>) -> (Vec<Vec<u8>>, u64) {
    let is_sale = |entry: &&Entry| matches!(entry.kind, EntryKind::Booking | EntryKind::CreditNote);
    let entries = || books.entries.iter().map(|sealed| &sealed.entry);
    let rows: Vec<Vec<String>> = entries().filter(is_sale).map(|entry| rows(books, entry)).collect();
    let left_out = entries().filter(|entry| !is_sale(entry)).count();
    let file = |rows: Vec<String>| format!("{HEAD}\r\n{}", rows.concat()).into_bytes();
    let files = split(rows, usize::MAX, INVOICES_MAX).into_iter().map(file).collect();
    (files, u64::try_from(left_out).unwrap_or(u64::MAX))
}

fn rows<'a>(books: &Books<'a>, entry: &'a Entry) -> Vec<String> {
    let lines = entry.postings.iter().filter(|posting| posting.line.is_some());
    lines.map(|line| row(books, entry, line)).collect()
}

fn row<'a>(books: &Books<'a>, entry: &'a Entry, line: &Posting) -> String {
    let day = |day: NaiveDate| day.format("%d/%m/%Y").to_string();
    let sku = line.sku.as_deref().unwrap_or_default();
    let description = match line.period {
        Some(period) => format!("{sku} {} to {}", period.start, period.last_day()),
        None => sku.to_owned(),
    };
    let tracking = line.unit_code.as_deref().map_or(("", ""), |code| ("Unit", code));
    let fields = [
        csv_text(books.buyer(entry)),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        csv_text(entry.country.as_deref().unwrap_or_default()),
        csv_text(&entry.document_number),
        csv_text(&entry.account_number),
        day(entry.document_date),
        day(entry.due_date.unwrap_or(entry.document_date)),
        String::new(),
        csv_text(&description),
        "1".to_owned(),
        decimal_text(-minor(line), entry.currency),
        String::new(),
        csv_text(&line.account),
        csv_text(&line.tax.map(vat_text).unwrap_or_default()),
        tracking.0.to_owned(),
        csv_text(tracking.1),
        String::new(),
        String::new(),
        entry.currency.to_string(),
        String::new(),
    ];
    format!("{}\r\n", fields.join(","))
}
