//! DATEV's EXTF Buchungsstapel: Windows-1252, 125 columns, a file per month of at most 99,999 rows. The first row of an entry
//! (the receivable) is the account, each other row its counter account; VAT stands on its own account, so that revenue accounts
//! must not be automatic ones.

use crate::amount::rate_text;
use crate::books::{Books, comma, minor, names_the_buyer, quoted, split, windows_1252};
use crate::exporter::ExportError;
use chrono::Datelike;
use domain::NaiveDate;
use domain::ledger::{Entry, EntryKind, Posting, Sealed};
use std::collections::BTreeMap;

const ROWS_MAX: usize = 99_999;
const COLUMNS: usize = 125;
/// Longest account number.
const ACCOUNT_DIGITS: usize = 8;

/// The files, one for each month at least.
///
/// # Errors
/// If an account is not a number of at most eight digits.
pub fn files(books: &Books<'_>) -> Result<Vec<Vec<u8>>, ExportError> {
    let mut months: BTreeMap<NaiveDate, Vec<Vec<Vec<String>>>> = BTreeMap::new();
    let mut digits = 4;
    for sealed in &books.entries {
        for posting in &sealed.entry.postings {
            let code = &posting.account;
            if code.len() > ACCOUNT_DIGITS || !code.bytes().all(|digit| digit.is_ascii_digit()) {
                let wanted = "a number of at most eight digits";
                return Err(ExportError::Account { account: code.clone(), wanted });
            }
            digits = digits.max(code.len());
        }
        let month = domain::report::MonthRange::month_of(sealed.entry.posting_date).start;
        months.entry(month).or_default().push(rows(books, sealed));
    }
    let mut files = Vec::new();
    for (month, entries) in months {
        for rows in split(entries, ROWS_MAX, usize::MAX) {
            files.push(file(books, month, digits, rows));
        }
    }
    Ok(files)
}

fn file(books: &Books<'_>, month: NaiveDate, digits: usize, rows: Vec<Vec<String>>) -> Vec<u8> {
    let lines = std::iter::once(head(books, month, digits))
        .chain([captions()])
        .chain(rows.into_iter().map(|row| row.join(";")));
    let text: String = lines.map(|line| format!("{line}\r\n")).collect();
    windows_1252(&text)
}

/// The first line: what the file is, for whom, and for which days.
fn head(books: &Books<'_>, month: NaiveDate, digits: usize) -> String {
    let (company, last) = (books.header.company, domain::report::MonthRange::month_of(month).last_day());
    let day = |day: NaiveDate| day.format("%Y%m%d").to_string();
    let year = NaiveDate::from_ymd_opt(month.year(), 1, 1).unwrap_or(month);
    let fields = [
        "\"EXTF\"".to_owned(),
        "700".to_owned(),
        "21".to_owned(),
        "\"Buchungsstapel\"".to_owned(),
        "13".to_owned(),
        // Made when its last day was over: the same entries make the same bytes.
        format!("{}235959000", day(last)),
        String::new(),
        "\"TB\"".to_owned(),
        "\"\"".to_owned(),
        "\"\"".to_owned(),
        company.consultant.to_string(),
        company.client.to_string(),
        day(year),
        digits.to_string(),
        day(month),
        day(last),
        quoted(&format!("tallybook-{}", month.format("%Y-%m")), 30),
        "\"\"".to_owned(),
        "1".to_owned(),
        "0".to_owned(),
        "1".to_owned(),
        format!("\"{}\"", company.currency),
        String::new(),
        "\"\"".to_owned(),
        String::new(),
        String::new(),
        "\"\"".to_owned(),
        String::new(),
        String::new(),
        "\"\"".to_owned(),
        "\"\"".to_owned(),
    ];
    fields.join(";")
}

/// Names of the 125 columns; those that are counted are made.
fn captions() -> String {
    let counted = |name: &str, count: usize| -> Vec<String> {
        (1..=count).flat_map(|n| ["Art", "Inhalt"].map(|part| format!("{name} - {part} {n}"))).collect()
    };
    let plain = |names: &str| names.split('|').map(str::to_owned).collect::<Vec<_>>();
    let names = [
        plain(
            "Umsatz (ohne Soll/Haben-Kz)|Soll/Haben-Kennzeichen|WKZ Umsatz|Kurs|Basis-Umsatz|WKZ Basis-Umsatz|Konto|\
             Gegenkonto (ohne BU-Schlüssel)|BU-Schlüssel|Belegdatum|Belegfeld 1|Belegfeld 2|Skonto|Buchungstext|Postensperre|\
             Diverse Adressnummer|Geschäftspartnerbank|Sachverhalt|Zinssperre|Beleglink",
        ),
        counted("Beleginfo", 8),
        plain(
            "KOST1 - Kostenstelle|KOST2 - Kostenstelle|Kost-Menge|EU-Land u. UStID (Bestimmung)|EU-Steuersatz (Bestimmung)|\
             Abw. Versteuerungsart|Sachverhalt L+L|Funktionsergänzung L+L|BU 49 Hauptfunktionstyp|BU 49 Hauptfunktionsnummer|\
             BU 49 Funktionsergänzung",
        ),
        counted("Zusatzinformation", 20),
        plain(
            "Stück|Gewicht|Zahlweise|Forderungsart|Veranlagungsjahr|Zugeordnete Fälligkeit|Skontotyp|Auftragsnummer|Buchungstyp|\
             USt-Schlüssel (Anzahlungen)|EU-Land (Anzahlungen)|Sachverhalt L+L (Anzahlungen)|EU-Steuersatz (Anzahlungen)|\
             Erlöskonto (Anzahlungen)|Herkunft-Kz|Buchungs GUID|KOST-Datum|SEPA-Mandatsreferenz|Skontosperre|Gesellschaftername|\
             Beteiligtennummer|Identifikationsnummer|Zeichnernummer|Postensperre bis|Bezeichnung SoBil-Sachverhalt|\
             Kennzeichen SoBil-Buchung|Festschreibung|Leistungsdatum|Datum Zuord. Steuerperiode|Fälligkeit|\
             Generalumkehr (GU)|Steuersatz|Land|Abrechnungsreferenz|BVV-Position|EU-Land u. UStID (Ursprung)|\
             EU-Steuersatz (Ursprung)|Abw. Skontokonto",
        ),
    ];
    names.concat().join(";")
}

/// Rows of an entry: pairs of accounts. What is recognised moves in pairs already.
fn rows<'a>(books: &Books<'a>, sealed: &'a Sealed) -> Vec<Vec<String>> {
    let postings = &sealed.entry.postings;
    let pairs: Vec<(&Posting, &Posting)> = match sealed.entry.kind {
        EntryKind::Recognition => postings.chunks(2).filter_map(|p| Some((p.first()?, p.get(1)?))).collect(),
        _ => postings.iter().skip(1).filter_map(|other| Some((postings.first()?, other))).collect(),
    };
    pairs.into_iter().map(|(account, other)| row(books, sealed, account, other)).collect()
}

fn row<'a>(books: &Books<'a>, sealed: &'a Sealed, account: &Posting, other: &Posting) -> Vec<String> {
    let entry: &Entry = &sealed.entry;
    let amount = -minor(other);
    let mut row = vec![String::new(); COLUMNS];
    let mut set = |column: usize, value: String| row[column - 1] = value;
    set(1, comma(amount.abs(), entry.currency));
    set(2, if amount < 0 { "\"H\"" } else { "\"S\"" }.to_owned());
    set(3, format!("\"{}\"", entry.currency));
    if let (Some(base), Some(minor)) = (entry.base, other.base_minor) {
        // DATEV wants foreign units for one of the base currency, and the base amount beside it.
        let per_base = domain::Decimal::ONE.checked_div(base.rate).unwrap_or_default();
        set(4, rate_text(per_base, 6).replace('.', ","));
        set(5, comma(i128::from(minor).abs(), base.currency));
        set(6, format!("\"{}\"", base.currency));
    }
    set(7, account.account.clone());
    set(8, other.account.clone());
    set(10, entry.posting_date.format("%d%m").to_string());
    set(11, quoted(&document_field(&entry.document_number), 36));
    set(14, quoted(&books.text(entry), 60));
    set(21, "\"Belegdatum\"".to_owned());
    set(22, format!("\"{}\"", entry.document_date.format("%d.%m.%Y")));
    set(23, "\"Kundennummer\"".to_owned());
    set(24, quoted(&entry.account_number, 210));
    if let Some(unit) = &other.unit_code {
        set(37, quoted(unit, 36));
    }
    if let Some(tax) = other.tax {
        if let Some(number) = entry.buyer_vat.as_ref().filter(|_| names_the_buyer(tax.category)) {
            set(40, quoted(number, 15));
        }
        set(50, "\"USt\"".to_owned());
        set(51, format!("\"{} {}\"", tax.category.code(), tax.rate_pct.normalize()));
        set(119, tax.rate_pct.normalize().to_string().replace('.', ","));
    }
    if let Some(period) = other.period {
        let day = |day: NaiveDate| day.format("%d.%m.%Y").to_string();
        set(48, "\"Leistungszeitraum\"".to_owned());
        set(49, format!("\"{}-{}\"", day(period.start), day(period.last_day())));
        set(115, period.last_day().format("%d%m%Y").to_string());
    }
    set(114, "1".to_owned());
    if let Some(due) = entry.due_date {
        set(117, due.format("%d%m%Y").to_string());
    }
    if let Some(country) = &entry.country {
        set(120, quoted(country, 2));
    }
    row
}

/// Letters, digits and a few marks are all that Belegfeld 1 takes.
fn document_field(number: &str) -> String {
    let takes = |c: &char| c.is_ascii_alphanumeric() || "$&%*+-/".contains(*c);
    let taken: String = number.chars().map(|c| if takes(&c) { c } else { '-' }).collect();
    // An apostrophe is none of them: what would begin a formula begins with a stroke.
    match taken.strip_prefix(['+', '-']) {
        Some(rest) => format!("/{rest}"),
        None => taken,
    }
}
