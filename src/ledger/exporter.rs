//! What all formats share: entries come in one by one, are checked and counted, and the receivables are asserted at
//! the end.

use crate::books::Company;
use crate::manifest::{Manifest, ManifestBuilder};
use crate::{Format, beancount, journal, table};
use domain::NaiveDate;
use domain::catalogue::BusinessUnit;
use domain::ids::InvoiceId;
use domain::ledger::{Account, AccountType, Chart, Role, Sealed, receivable_codes};
use domain::money::Currency;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// What an export says besides its entries.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// Name of the tenant.
    pub tenant: &'a str,
    /// What is exported, for example `entries 1 to 200`.
    pub title: &'a str,
    pub chart: &'a Chart,
    /// They may map account codes (rules B1).
    pub units: &'a BTreeMap<String, BusinessUnit>,
    /// The seller.
    pub company: Company<'a>,
    /// Buyer's name as it stands on the booked document (rules I6), so that an export can be made again byte for
    /// byte after a customer has changed its name.
    pub buyers: &'a BTreeMap<InvoiceId, String>,
    /// Balances before the first entry; `None` = the ledger begins here.
    pub opening: Option<Opening<'a>>,
    /// Balances of all accounts in the base currency before the first entry; formats with balances name them.
    pub balances: &'a [Balance],
    /// Receivables after the last entry as the books have them, by account code; journals assert them, which finds a
    /// lost batch. `None` = assert what the entries add up to.
    pub receivables: Option<&'a [Balance]>,
}

/// Balances at the start of a day.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    pub on: NaiveDate,
    pub balances: &'a [Balance],
}

/// Balance of one account and currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// Code of the account.
    pub account: String,
    pub currency: Currency,
    /// Debit less credit, minor units.
    pub minor: i128,
}

/// Why an export cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("sequence {sequence} ({document}) does not balance: debit {debit}, credit {credit}")]
    Unbalanced { sequence: u64, document: String, debit: i128, credit: i128 },
    /// Journals are in the order of posting dates.
    #[error(
        "sequence {sequence} of {posting_date} comes after {last}: a journal needs ascending posting dates"
    )]
    OutOfOrder { sequence: u64, posting_date: NaiveDate, last: NaiveDate },
    /// The receivables that were to be asserted do not follow from opening balances and entries.
    #[error(
        "receivables on account {account} are {found} {currency} in the export and {expected} {currency} in the books (minor units)"
    )]
    Receivables { account: String, currency: Currency, found: i128, expected: i128 },
    /// Formats in the base currency need a rate.
    #[error("{document} is in {currency} and was booked without a rate to {base}: this format is in {base}")]
    NoRate { document: String, currency: Currency, base: Currency },
    /// A target that does not take every account number.
    #[error("account `{account}` is not {wanted}, as this format wants it")]
    Account { account: String, wanted: &'static str },
    /// A target that does not count so far.
    #[error("sequence {sequence} is more than this format counts: {max}")]
    TooMany { sequence: u64, max: u64 },
    /// What the format must name is not in the book.
    #[error("this format names {what} of the tenant, and the book has none")]
    Missing { what: &'static str },
    #[error("writing the export: {0}")]
    Write(#[from] io::Error),
}

/// An export under way. Entries go in one by one, so that a ledger of any size can be written.
pub struct Exporter<'a, W: Write> {
    format: Format,
    header: Header<'a>,
    out: Digesting<W>,
    accounts: Accounts,
    receivables: BTreeMap<(String, Currency), i128>,
    currencies: BTreeSet<Currency>,
    last: Option<NaiveDate>,
    tally: ManifestBuilder,
}

impl<'a, W: Write> Exporter<'a, W> {
    /// Writes what comes before the entries.
    pub fn begin(format: Format, header: Header<'a>, out: W) -> Result<Self, ExportError> {
        let accounts = Accounts::new(header.chart, header.units);
        let (currencies, tally) = (BTreeSet::new(), ManifestBuilder::default());
        let out = Digesting { inner: out, hasher: Sha256::new(), bytes: 0 };
        let mut exporter = Self {
            format,
            header,
            out,
            accounts,
            receivables: BTreeMap::new(),
            currencies,
            last: None,
            tally,
        };
        exporter.begin_format()?;
        Ok(exporter)
    }

    /// Writes one entry. Journals want them by ascending posting date, CSV takes any order.
    pub fn entry(&mut self, sealed: &Sealed) -> Result<(), ExportError> {
        self.check(sealed)?;
        for posting in &sealed.entry.postings {
            let minor = i128::from(posting.debit_minor) - i128::from(posting.credit_minor);
            self.count_receivable(&posting.account, sealed.entry.currency, minor);
            self.declare_account(&posting.account)?;
        }
        self.declare_currency(sealed.entry.currency)?;
        let buyer = self.header.buyers.get(&sealed.entry.invoice).map_or("", String::as_str);
        match self.format {
            Format::Csv => table::entry(&mut self.out, &self.accounts, sealed, buyer)?,
            Format::Hledger | Format::Ledger => journal::entry(&mut self.out, &self.accounts, sealed, buyer)?,
            Format::Beancount => beancount::entry(&mut self.out, &self.accounts, sealed, buyer)?,
            _ => {}
        }
        self.last = Some(sealed.entry.posting_date);
        self.tally.add(sealed);
        Ok(())
    }

    /// Asserts the receivables and says what was written.
    pub fn finish(mut self) -> Result<Manifest, ExportError> {
        self.compare_receivables()?;
        if let Some(last) = self.last {
            let closing = self.closing();
            match self.format {
                Format::Hledger | Format::Ledger => {
                    journal::closing(&mut self.out, &self.accounts, last, &closing)?
                }
                Format::Beancount => beancount::closing(&mut self.out, &self.accounts, last, &closing)?,
                _ => {}
            }
        }
        self.out.flush()?;
        Ok(self.tally.finish(self.format.name(), self.out.bytes, self.out.hasher.finalize().into()))
    }

    fn begin_format(&mut self) -> Result<(), ExportError> {
        for code in receivable_codes(self.header.chart, self.header.units.values()) {
            self.accounts.receivable.insert(code);
        }
        match self.format {
            Format::Csv => table::begin(&mut self.out)?,
            Format::Hledger | Format::Ledger => journal::begin(&mut self.out, &self.header, &self.accounts)?,
            Format::Beancount => beancount::begin(&mut self.out, &self.header, &self.accounts)?,
            _ => {}
        }
        match self.header.opening {
            Some(opening) => self.open(opening),
            None => Ok(()),
        }
    }

    /// Counts the opening balances; journals also carry them as a transaction.
    fn open(&mut self, opening: Opening<'_>) -> Result<(), ExportError> {
        let balances: Vec<Balance> = opening.balances.iter().filter(|b| b.minor != 0).cloned().collect();
        for balance in &balances {
            self.count_receivable(&balance.account, balance.currency, balance.minor);
            self.declare_account(&balance.account)?;
            self.declare_currency(balance.currency)?;
        }
        if balances.is_empty() || self.format == Format::Csv {
            return Ok(());
        }
        let against = self.header.chart.code(Role::Opening);
        match self.format {
            Format::Beancount => {
                beancount::opening(&mut self.out, &self.accounts, opening.on, &balances, &against)?
            }
            _ => journal::opening(&mut self.out, &self.accounts, opening.on, &balances, &against)?,
        }
        self.last = Some(opening.on);
        Ok(())
    }

    fn check(&self, sealed: &Sealed) -> Result<(), ExportError> {
        let (sequence, posting_date) = (sealed.sequence, sealed.entry.posting_date);
        if !sealed.entry.is_balanced() {
            let (debit, credit) = sealed.entry.totals();
            let document = sealed.entry.document_number.clone();
            return Err(ExportError::Unbalanced { sequence, document, debit, credit });
        }
        match self.last {
            Some(last) if self.format.wants_dates_ascending() && posting_date < last => {
                Err(ExportError::OutOfOrder { sequence, posting_date, last })
            }
            _ => Ok(()),
        }
    }

    fn declare_account(&mut self, code: &str) -> io::Result<()> {
        let Some(account) = self.accounts.declare(code) else { return Ok(()) };
        match self.format {
            Format::Hledger | Format::Ledger => journal::late_account(&mut self.out, &account),
            Format::Beancount => beancount::late_account(&mut self.out, &account),
            _ => Ok(()),
        }
    }

    fn declare_currency(&mut self, currency: Currency) -> io::Result<()> {
        if !self.currencies.insert(currency) {
            return Ok(());
        }
        match self.format {
            Format::Hledger | Format::Ledger => journal::commodity(&mut self.out, currency),
            Format::Beancount => beancount::commodity(&mut self.out, currency),
            _ => Ok(()),
        }
    }

    fn count_receivable(&mut self, account: &str, currency: Currency, minor: i128) {
        if self.accounts.receivable.contains(account) {
            *self.receivables.entry((account.to_owned(), currency)).or_default() += minor;
        }
    }

    /// What the books say must be what was written, also where nothing was.
    fn compare_receivables(&self) -> Result<(), ExportError> {
        let Some(books) = self.header.receivables else { return Ok(()) };
        let mut expected: BTreeMap<(String, Currency), i128> = BTreeMap::new();
        for balance in books {
            *expected.entry((balance.account.clone(), balance.currency)).or_default() += balance.minor;
        }
        let of = |list: &BTreeMap<_, i128>, key| list.get(key).copied().unwrap_or(0);
        for key in self.receivables.keys().chain(expected.keys()) {
            let (found, expected) = (of(&self.receivables, key), of(&expected, key));
            if found != expected {
                let (account, currency) = key.clone();
                return Err(ExportError::Receivables { account, currency, found, expected });
            }
        }
        Ok(())
    }

    fn closing(&self) -> Vec<Balance> {
        let balance = |((account, currency), minor): (&(String, Currency), &i128)| Balance {
            account: account.clone(),
            currency: *currency,
            minor: *minor,
        };
        self.receivables.iter().map(balance).collect()
    }
}

/// The accounts of the chart by code, and those that entries carry although the chart no longer has them.
pub struct Accounts {
    by_code: BTreeMap<String, Account>,
    receivable: BTreeSet<String>,
}

impl Accounts {
    pub fn new(chart: &Chart, units: &BTreeMap<String, BusinessUnit>) -> Self {
        Self { by_code: chart.accounts(units.values()), receivable: BTreeSet::new() }
    }

    /// Every account of the chart.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.by_code.values()
    }

    /// The account of a code.
    pub fn of(&self, code: &str) -> Account {
        self.by_code.get(code).cloned().unwrap_or_else(|| unknown_account(code))
    }

    /// The account, if it is met for the first time and not in the chart.
    fn declare(&mut self, code: &str) -> Option<Account> {
        if self.by_code.contains_key(code) {
            return None;
        }
        let account = unknown_account(code);
        self.by_code.insert(code.to_owned(), account.clone());
        Some(account)
    }
}

/// An account that the chart had when the entry was booked.
fn unknown_account(code: &str) -> Account {
    Account {
        code: code.to_owned(),
        name: "no longer in the chart".to_owned(),
        kind: AccountType::Equity,
        path: format!("equity:former:{code}"),
    }
}

/// A writer that counts and hashes what passes.
pub struct Digesting<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
