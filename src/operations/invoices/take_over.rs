//! Open items of another system: a CSV of invoices that were sent there and are not paid, and of what payers have to
//! their credit. They become documents under their own numbers, with an opening entry, and are set off against each
//! other; nothing is rendered or mailed (rules S7).
//!
//! Key that makes a repeat quiet: the number. The same line again is unchanged; another one of that number is refused.

use crate::act::{Act, Mode};
use crate::context::{Context, catalogue};
use crate::files::sheet::{Cells, Table};
use crate::payments::settle::set_off_of_payers;
use crate::refusal::Stop;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::Decimal;
use domain::audit::{Action, Object};
use domain::billing::{self, OpenItem, PayerBook};
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::decimal::{PRICE, parse};
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::verbs::collected_by;
use domain::invoice::{Invoice, Settlement, TAKEN_OVER};
use domain::ledger;
use domain::money::{Currency, Money};
use domain::refusal::{Code, Fault, Refusal};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::invoice::Booked;
use store::{Tx, invoice, payer, payment};

/// Payers whose books are looked at together.
const TOGETHER: usize = 200;

/// Columns of the file.
const REQUIRED: [&str; 4] = ["customer", "number", "date", "amount"];
const OPTIONAL: [&str; 5] = ["due", "currency", "vat", "subscription", "text"];

/// Percent of VAT at most.
const VAT_PCT_MAX: i64 = 100;

/// What was taken over, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct TakenOver {
    pub invoices: u64,
    pub credits: u64,
    /// Lines that were taken over before.
    pub unchanged: u64,
    pub totals: Vec<Total>,
}

/// What is open in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Total {
    #[serde(rename = "currencycode")]
    pub currency: Currency,
    /// Payers owe it.
    #[serde(serialize_with = "decimal")]
    pub owed: Money,
    /// They are owed it.
    #[serde(serialize_with = "decimal")]
    pub credit: Money,
}

fn decimal<S: serde::Serializer>(money: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&money.decimal())
}

/// A line that was read.
struct Read<'s> {
    cells: Cells<'s>,
    owner: CustomerId,
    subscription: Option<&'s str>,
    item: OpenItem,
}

/// Takes the open items of a file over, all of them or none, or says what that would be.
pub async fn take_over(ctx: &Context, act: &Act, sheet: &Table, mode: Mode) -> Result<TakenOver, Stop> {
    sheet.expect(&REQUIRED, &OPTIONAL)?;
    let mut tx = mode.begin(ctx).await?;
    let mut faults = Vec::new();
    let customers = customers(&mut tx, sheet).await?;
    let mut read = read(sheet, &customers, &mut faults);
    let owners: BTreeSet<CustomerId> = read.iter().map(|read| read.owner).collect();
    let payers = payers(&mut tx, owners, mode).await?;
    let catalogue = catalogue(&mut tx).await?;
    let unchanged = drop_known(&mut tx, &mut read, &payers, &mut faults).await?;
    refuse_numbers_to_come(&mut tx, &read, &catalogue, &mut faults).await?;
    let taking_over = TakeOver { payers: &payers, catalogue: &catalogue, on: act.on, mode };
    let done = taking_over.all(&mut tx, &read, &mut faults).await?;
    sheet.refuse(faults)?;
    let taken = TakenOver { unchanged, ..summed(&done) };
    if mode == Mode::Change && !done.is_empty() {
        let payers: BTreeSet<CustomerId> = done.iter().map(|done| done.payer).collect();
        set_off_of_payers(&mut tx, &payers.into_iter().collect::<Vec<_>>(), act.on).await?;
        let detail =
            serde_json::json!({"file": sheet.name, "sha256": sheet.sha256, "on": act.on, "taken": taken});
        ctx.note(&mut tx, &act.actor, Action::TakeOver, Object::Book, detail).await?;
        tx.commit().await?;
    }
    Ok(taken)
}

/// Those whom the file names, by account number.
async fn customers(tx: &mut Tx, sheet: &Table) -> anyhow::Result<HashMap<String, Customer>> {
    let names: BTreeSet<&str> = sheet.rows().filter_map(|row| row.text("customer")).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut found = HashMap::new();
    for some in names.chunks(TOGETHER * 10) {
        let customers = store::book::customers_called(tx, some).await?;
        found.extend(customers.into_iter().map(|c| (c.account_number.clone(), c)));
    }
    Ok(found)
}

fn read<'s>(
    sheet: &'s Table,
    customers: &HashMap<String, Customer>,
    faults: &mut Vec<Fault>,
) -> Vec<Read<'s>> {
    let mut seen: HashMap<&str, String> = HashMap::new();
    let mut read = Vec::with_capacity(sheet.rows().len());
    for cells in sheet.rows() {
        let before = faults.len();
        let line = Line { cells, faults };
        let Some(one) = line.read(customers) else { continue };
        if let Some(first) = cells.text("number").and_then(|number| seen.insert(number, cells.place())) {
            faults.push(cells.fault("number", format!("stands in {first} too")));
        }
        if faults.len() == before {
            read.push(one);
        }
    }
    read
}

/// A line that is being read, and where its faults go.
struct Line<'s, 'f> {
    cells: Cells<'s>,
    faults: &'f mut Vec<Fault>,
}

impl<'s> Line<'s, '_> {
    fn read(mut self, customers: &HashMap<String, Customer>) -> Option<Read<'s>> {
        let account = self.needed("customer");
        let owner = account.and_then(|account| customers.get(account));
        if let (Some(account), None) = (account, owner) {
            self.fault("customer", format!("there is no customer `{account}`"));
        }
        let number = self.needed("number");
        let date = self.needed("date").and(self.date("date"));
        let due = self.date("due");
        if date.zip(due).is_some_and(|(date, due)| due < date) {
            self.fault("due", "is before the date of the invoice");
        }
        let currency = match self.cells.text("currency") {
            None => owner.map(|owner| owner.currency),
            Some(text) => {
                self.parsed("currency", text.to_ascii_uppercase().parse().ok(), "a currency such as DKK")
            }
        };
        let needed = self.needed("amount");
        let amount_minor = currency.filter(|_| needed.is_some()).and_then(|currency| self.amount(currency));
        let vat_pct = self.vat();
        let item = OpenItem {
            number: number?.to_owned(),
            date: date?,
            due,
            amount_minor: amount_minor?,
            currency: currency?,
            title: self.cells.text("text").map(str::to_owned),
            vat_pct,
        };
        Some(Read {
            cells: self.cells,
            owner: owner?.id,
            subscription: self.cells.text("subscription"),
            item,
        })
    }

    fn needed(&mut self, column: &'static str) -> Option<&'s str> {
        let text = self.cells.text(column);
        if text.is_none() {
            self.fault(column, "is missing");
        }
        text
    }

    fn date(&mut self, column: &'static str) -> Option<NaiveDate> {
        let text = self.cells.text(column)?;
        self.parsed(column, text.parse().ok(), "a date like 2026-01-31")
    }

    /// What is open, with VAT: not 0, no more decimals than the currency has.
    fn amount(&mut self, currency: Currency) -> Option<i64> {
        let text = self.cells.number("amount")?;
        let decimals = currency.decimals();
        let minor = parse(&text, PRICE).ok().filter(|amount| !amount.is_zero()).and_then(|amount| {
            let mut scaled = amount.normalize();
            (scaled.scale() <= decimals).then(|| scaled.rescale(decimals))?;
            i64::try_from(scaled.mantissa()).ok()
        });
        let what =
            format!("an amount other than 0 with at most {decimals} decimals, such as 99.50 or -99.50");
        self.parsed("amount", minor, &what)
    }

    fn vat(&mut self) -> Option<Decimal> {
        let text = self.cells.number("vat")?;
        let text = text.trim_end_matches('%').trim_end();
        let pct = parse(text, PRICE).ok();
        let pct = pct.filter(|pct| *pct >= Decimal::ZERO && *pct < Decimal::from(VAT_PCT_MAX));
        self.parsed("vat", pct, "the percent of VAT in the amount, such as 25 or 0")
    }

    fn parsed<T>(&mut self, column: &'static str, value: Option<T>, what: &str) -> Option<T> {
        if value.is_none() {
            let text = self.cells.text(column).unwrap_or_default();
            self.fault(column, format!("`{text}` is not {what}"));
        }
        value
    }

    fn fault(&mut self, column: &str, message: impl Into<String>) {
        self.faults.push(self.cells.fault(column, message));
    }
}

/// Who pays for these customers; their books stay as they are where something is done.
async fn payers(
    tx: &mut Tx,
    owners: BTreeSet<CustomerId>,
    mode: Mode,
) -> Result<BTreeMap<CustomerId, CustomerId>, Stop> {
    let owners: Vec<CustomerId> = owners.into_iter().collect();
    let mut known = store::book::payers_by_owner(tx, &owners).await?;
    if mode == Mode::Change {
        let payers: BTreeSet<CustomerId> = known.values().copied().collect();
        payer::lock(tx, &payers.into_iter().collect::<Vec<_>>()).await?;
        let now = store::book::payers_by_owner(tx, &owners).await?;
        if now != known {
            return Err(Refusal::new(Code::Moved, "a load moved customers to another payer meanwhile")
                .hint("run the same command again")
                .into());
        }
        known = now;
    }
    Ok(known)
}

/// Leaves out what was taken over before, and says how many that are; a number that means something else is a fault.
async fn drop_known(
    tx: &mut Tx,
    read: &mut Vec<Read<'_>>,
    payers: &BTreeMap<CustomerId, CustomerId>,
    faults: &mut Vec<Fault>,
) -> anyhow::Result<u64> {
    let mut known: HashMap<String, Booked> = HashMap::new();
    for some in read.chunks(TOGETHER * 10) {
        let numbers: Vec<String> = some.iter().map(|read| read.item.number.clone()).collect();
        let booked = invoice::by_numbers(tx, &numbers).await?;
        known.extend(booked.into_iter().map(|booked| (booked.invoice.number.clone(), booked)));
    }
    let mut unchanged = 0;
    read.retain(|read| {
        let Some(booked) = known.get(&read.item.number) else { return true };
        match billing::expect_same_item(&booked.invoice, payers.get(&read.owner).copied(), &read.item) {
            Ok(()) => unchanged += 1,
            Err(refusal) => faults.push(read.cells.fault("number", refusal.message)),
        }
        false
    });
    Ok(unchanged)
}

/// A number that a series of ours will come to would be given twice.
async fn refuse_numbers_to_come(
    tx: &mut Tx,
    read: &[Read<'_>],
    catalogue: &Catalogue,
    faults: &mut Vec<Fault>,
) -> anyhow::Result<()> {
    let next = invoice::next_numbers(tx).await?;
    for read in read {
        let next = |series: &str| next.get(series).copied();
        if let Err(refusal) = billing::expect_free_number(catalogue, &read.item.number, next) {
            faults.push(read.cells.fault("number", refusal.message));
        }
    }
    Ok(())
}

/// What is there once an item is taken over.
struct Done {
    payer: CustomerId,
    amount: Money,
}

/// What documents are made with.
struct TakeOver<'a> {
    payers: &'a BTreeMap<CustomerId, CustomerId>,
    catalogue: &'a std::sync::Arc<Catalogue>,
    on: NaiveDate,
    mode: Mode,
}

impl TakeOver<'_> {
    /// Payer by payer, some at a time. After the first fault nothing more is written, and all is judged.
    async fn all(
        &self,
        tx: &mut Tx,
        read: &[Read<'_>],
        faults: &mut Vec<Fault>,
    ) -> anyhow::Result<Vec<Done>> {
        let mut by_payer: BTreeMap<CustomerId, Vec<&Read<'_>>> = BTreeMap::new();
        for read in read {
            let payer = self.payers.get(&read.owner).context("an owner without a payer")?;
            by_payer.entry(*payer).or_default().push(read);
        }
        let payers: Vec<CustomerId> = by_payer.keys().copied().collect();
        let mut done = Vec::with_capacity(read.len());
        for some in payers.chunks(TOGETHER) {
            let books = payer::books(tx, some, self.catalogue).await?;
            let mut made = Vec::new();
            for book in &books {
                for read in by_payer.remove(&book.payer).unwrap_or_default() {
                    // Its place in the series comes when it is saved.
                    let first = (1, self.on);
                    match billing::taken_over(book, read.owner, read.subscription, &read.item, first) {
                        Ok(document) => made.push(document),
                        Err(refusal) => faults.push(read.cells.refused(refusal)),
                    }
                }
            }
            done.extend(made.iter().map(|invoice| Done {
                payer: invoice.draft.payer,
                amount: Money::new(invoice.draft.gross_minor(), invoice.draft.currency),
            }));
            if self.mode == Mode::Change && faults.is_empty() {
                self.save(tx, made, &books).await?;
            }
        }
        Ok(done)
    }

    async fn save(&self, tx: &mut Tx, mut made: Vec<Invoice>, books: &[PayerBook]) -> anyhow::Result<()> {
        let first = invoice::take_numbers(tx, TAKEN_OVER, 1, u64::try_from(made.len())?).await?;
        for (sequence, invoice) in (first..).zip(&mut made) {
            invoice.sequence = sequence;
        }
        let open_from = store::ledger::open_from(tx).await?;
        let entries = made
            .iter()
            .map(|invoice| ledger::opening_entry(invoice, self.catalogue, open_from))
            .collect::<Result<Vec<_>, _>>()?;
        invoice::save_booked(tx, None, &made, &entries).await?;
        let payers: Vec<CustomerId> = books.iter().map(|book| book.payer).collect();
        let unhealthy = payment::unhealthy(tx, &payers).await?.into_iter().collect();
        let by_payer: HashMap<CustomerId, &Customer> =
            books.iter().filter_map(|book| Some((book.payer, book.customers.get(&book.payer)?))).collect();
        let marks: Vec<(InvoiceId, Settlement)> = made
            .iter()
            .map(|invoice| {
                let policy = self.catalogue.dunning_policy(invoice.draft.dunning_policy.as_deref());
                let payer = by_payer.get(&invoice.draft.payer);
                let is_collected =
                    payer.is_some_and(|payer| collected_by(invoice, payer, &unhealthy, self.on).is_some());
                let is_dunned = policy.is_for_manual || is_collected;
                (invoice.draft.id, billing::taken_over_marks(invoice, &policy, is_dunned, self.on))
            })
            .collect();
        invoice::save_settlements(tx, &marks).await
    }
}

fn summed(done: &[Done]) -> TakenOver {
    let mut totals: BTreeMap<Currency, (i64, i64)> = BTreeMap::new();
    for Done { amount, .. } in done {
        let (owed, credit) = totals.entry(amount.currency).or_default();
        *if amount.minor > 0 { owed } else { credit } += amount.minor;
    }
    let count =
        |is_it: fn(i64) -> bool| done.iter().filter(|done| is_it(done.amount.minor)).map(|_| 1u64).sum();
    TakenOver {
        invoices: count(|minor| minor > 0),
        credits: count(|minor| minor < 0),
        unchanged: 0,
        totals: totals
            .into_iter()
            .map(|(currency, (owed, credit))| Total {
                currency,
                owed: Money::new(owed, currency),
                credit: Money::new(-credit, currency),
            })
            .collect(),
    }
}
