//! Money that came to the bank account: files, what the bank says, what is left of it, and the invoices that it was put on.

use crate::bulk::Bulk;
use crate::counter;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Ids, Texts};
use anyhow::{Context, anyhow};
use chrono::{DateTime, NaiveDate, Utc};
use domain::bank::{Candidate, Received, WhyNot};
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::Party;
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A file that was read.
#[derive(Debug, Clone)]
pub struct BankFileRow<'a> {
    /// SHA-256 of its bytes, in hex.
    pub hash: &'a str,
    pub name: &'a str,
    pub format: &'a str,
    pub entries: usize,
    pub at: DateTime<Utc>,
    pub actor: &'a str,
}

/// What is left of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    Placed,
    Likely,
    Open,
    /// What was left went back to who sent it.
    Refunded,
}

impl EntryState {
    const ALL: [Self; 4] = [Self::Placed, Self::Likely, Self::Open, Self::Refunded];

    /// The word used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Likely => "likely",
            Self::Open => "open",
            Self::Refunded => "refunded",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == word)
    }
}

/// What is left of an entry, why, and the invoice that it may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unplaced {
    pub minor: i64,
    pub state: EntryState,
    pub why: Option<WhyNot>,
    pub proposed: Option<InvoiceId>,
}

/// An entry as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// By which people call it.
    pub number: i64,
    pub file: String,
    pub received: Received,
    pub left: Unplaced,
    /// Numbers of the proposed invoice, and of those that it was put on with minor units.
    pub proposed: Option<String>,
    pub placed: Vec<(String, i64)>,
}

/// Takes the next number of a file, and so waits for whoever reads one; none if its bytes were read before.
pub async fn begin_file(tx: &mut Tx, file: &BankFileRow<'_>) -> anyhow::Result<Option<i64>> {
    let number = counter::take(tx, counter::BANK_FILE, 1).await?;
    let mut rows =
        Bulk::into("bank_file", &["number", "hash", "name", "format", "entries", "imported_at", "actor"])
            .on_conflict("on conflict (hash) do nothing");
    rows.row([
        number.into(),
        file.hash.into(),
        file.name.into(),
        file.format.into(),
        i64::try_from(file.entries)?.into(),
        file.at.into(),
        file.actor.into(),
    ]);
    Ok((rows.insert(tx).await? == 1).then_some(number))
}

/// Which of these entries were read before.
pub async fn known(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<BTreeSet<Uuid>> {
    const SQL: PerDriver = by_keys!("select id from bank_entry where id", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(Ids(ids.to_vec())).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// Writes new entries, all of them open.
pub async fn save(tx: &mut Tx, file: i64, entries: &[&Received]) -> anyhow::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let first = counter::take(tx, counter::BANK_ENTRY, i64::try_from(entries.len())?).await?;
    let columns = &[
        "id",
        "number",
        "file",
        "account",
        "booked_on",
        "amount_minor",
        "currency",
        "name",
        "sender",
        "reference",
        "words",
        "bank_reference",
    ];
    let mut rows = Bulk::into("bank_entry", columns);
    let mut lefts = Bulk::into("bank_left", &["entry", "left_minor", "state"]);
    for (number, entry) in (first..).zip(entries) {
        rows.row([
            entry.id.into(),
            number.into(),
            file.into(),
            (&entry.account).into(),
            entry.booked_on.into(),
            entry.amount_minor.into(),
            entry.currency.code().to_owned().into(),
            (&entry.name).into(),
            (&entry.from).into(),
            (&entry.reference).into(),
            (&entry.text).into(),
            (&entry.bank_reference).into(),
        ]);
        lefts.row([entry.id.into(), entry.amount_minor.into(), EntryState::Open.name().into()]);
    }
    rows.insert(tx).await?;
    lefts.insert(tx).await.map(drop)
}

/// What is left of an entry after some of it was placed or went back.
pub async fn save_left(tx: &mut Tx, entry: Uuid, left: Unplaced) -> anyhow::Result<()> {
    let saved = on!(tx, c => sqlx::query(
        "update bank_left set left_minor = $2, state = $3, why = $4, proposed = $5 where entry = $1")
        .bind(entry)
        .bind(left.minor)
        .bind(left.state.name())
        .bind(left.why.map(|why| why.name()))
        .bind(left.proposed.map(|id| id.0))
        .execute(c)
        .await?
        .rows_affected());
    anyhow::ensure!(saved == 1, "bank entry {entry} is gone");
    Ok(())
}

/// Notes that so much of an entry was put on an invoice; the two may meet more than once.
pub async fn place(
    tx: &mut Tx,
    (entry, invoice): (Uuid, InvoiceId),
    amount_minor: i64,
    (at, actor): (DateTime<Utc>, &str),
) -> anyhow::Result<()> {
    let ordinal = times_placed(tx, entry, invoice).await? + 1;
    let columns = &["entry", "invoice", "ordinal", "amount_minor", "placed_at", "actor"];
    let mut rows = Bulk::into("bank_placing", columns);
    rows.row([entry.into(), invoice.0.into(), ordinal.into(), amount_minor.into(), at.into(), actor.into()]);
    rows.insert(tx).await.map(drop)
}

/// How often an entry has been put on an invoice.
async fn times_placed(tx: &mut Tx, entry: Uuid, invoice: InvoiceId) -> anyhow::Result<u32> {
    let times: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*) from bank_placing where entry = $1 and invoice = $2")
        .bind(entry)
        .bind(invoice.0)
        .fetch_one(c)
        .await?);
    crate::words::small(times, "bank_placing")
}

#[derive(sqlx::FromRow)]
struct CandidateRow {
    id: Uuid,
    number: String,
    payer: Uuid,
    buyer: Json<Party>,
    currency: String,
    open_minor: i64,
    is_credit_note: bool,
    is_under_way: bool,
    reference: Option<String>,
}

const CANDIDATE: &str = "select i.id, i.number, i.payer, i.buyer, i.currency, s.open_minor, i.is_credit_note,
                exists (select 1 from payment_attempt a where a.invoice = i.id and a.state = 'pending') as is_under_way,
                p.reference
         from invoice i
         join invoice_settlement s on s.invoice = i.id
         left join payment_reference p on p.invoice = i.id";

impl CandidateRow {
    fn candidate(self) -> anyhow::Result<(Option<String>, Candidate)> {
        let candidate = Candidate {
            id: InvoiceId(self.id),
            number: self.number,
            payer: CustomerId(self.payer),
            buyer: self.buyer.0.name,
            currency: self.currency.parse()?,
            open_minor: self.open_minor,
            is_credit_note: self.is_credit_note,
            is_under_way: self.is_under_way,
        };
        Ok((self.reference, candidate))
    }
}

/// By their payment references, each with its own.
pub async fn by_references(
    tx: &mut Tx,
    references: impl IntoIterator<Item = String>,
) -> anyhow::Result<Vec<(String, Candidate)>> {
    let of = PerDriver {
        sqlite: " where p.reference in (select value from json_each($1))",
        postgres: " where p.reference = any($1)",
    };
    let found = rows(tx, &of, references.into_iter().collect()).await?;
    Ok(found.into_iter().filter_map(|(reference, candidate)| Some((reference?, candidate))).collect())
}

/// By their numbers.
pub async fn by_numbers(
    tx: &mut Tx,
    numbers: impl IntoIterator<Item = String>,
) -> anyhow::Result<Vec<Candidate>> {
    let of = PerDriver {
        sqlite: " where i.number in (select value from json_each($1))",
        postgres: " where i.number = any($1)",
    };
    let found = rows(tx, &of, numbers.into_iter().collect()).await?;
    Ok(found.into_iter().map(|(_, candidate)| candidate).collect())
}

/// By what is open of them, minor units of whatever currency.
pub async fn by_open(tx: &mut Tx, amounts: impl IntoIterator<Item = i64>) -> anyhow::Result<Vec<Candidate>> {
    let of = PerDriver {
        sqlite: " where s.open_minor <> 0 and s.open_minor in (select cast(value as integer) from json_each($1))",
        postgres: " where s.open_minor <> 0 and cast(s.open_minor as text) = any($1)",
    };
    let amounts = amounts.into_iter().map(|amount| amount.to_string());
    let found = rows(tx, &of, amounts.collect()).await?;
    Ok(found.into_iter().map(|(_, candidate)| candidate).collect())
}

async fn rows(
    tx: &mut Tx,
    of: &PerDriver,
    keys: Vec<String>,
) -> anyhow::Result<Vec<(Option<String>, Candidate)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let sql = sqlx::AssertSqlSafe(format!("{CANDIDATE}{} order by i.series, i.sequence", tx.pick(of)));
    let rows: Vec<CandidateRow> = on!(tx, c => sqlx::query_as(sql).bind(Texts(keys)).fetch_all(c).await?);
    rows.into_iter().map(CandidateRow::candidate).collect()
}

/// Which entries to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryFilter {
    pub number: Option<i64>,
    /// By the number of the file.
    pub file: Option<i64>,
    /// Of which something is on an invoice of this payer.
    pub payer: Option<CustomerId>,
    pub state: Option<EntryState>,
    /// Only entries after this number.
    pub after: i64,
    /// 0 = all.
    pub limit: u32,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    number: i64,
    file: String,
    account: String,
    booked_on: NaiveDate,
    amount_minor: i64,
    currency: String,
    name: Option<String>,
    sender: Option<String>,
    reference: Option<String>,
    words: String,
    bank_reference: Option<String>,
    left_minor: i64,
    state: String,
    why: Option<String>,
    proposed: Option<Uuid>,
    proposed_number: Option<String>,
}

/// Entries by the filter, in the order of their numbers.
pub async fn entries(tx: &mut Tx, filter: EntryFilter) -> anyhow::Result<Vec<EntryRow>> {
    let limit = if filter.limit == 0 { i64::MAX } else { i64::from(filter.limit) };
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select e.id, e.number, f.name as file, e.account, e.booked_on, e.amount_minor, e.currency, e.name, e.sender,
                e.reference, e.words, e.bank_reference, l.left_minor, l.state, l.why, l.proposed,
                i.number as proposed_number
         from bank_entry e
         join bank_file f on f.number = e.file
         join bank_left l on l.entry = e.id
         left join invoice i on i.id = l.proposed
         where e.number > $1
           and ($2 is null or e.number = $2)
           and ($3 is null or e.file = $3)
           and ($4 is null or l.state = $4)
           and ($6 is null or e.id in (select g.entry from bank_placing g join invoice own on own.id = g.invoice where own.payer = $6))
         order by e.number
         limit $5")
        .bind(filter.after)
        .bind(filter.number)
        .bind(filter.file)
        .bind(filter.state.map(EntryState::name))
        .bind(limit)
        .bind(filter.payer.map(|payer| payer.0))
        .fetch_all(c)
        .await?);
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut placed = placings(tx, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let placed = placed.remove(&row.id).unwrap_or_default();
            row.entry(placed)
        })
        .collect()
}

impl Row {
    fn entry(self, placed: Vec<(String, i64)>) -> anyhow::Result<EntryRow> {
        let state = EntryState::parse(&self.state);
        let state = state.with_context(|| format!("bank_left.state holds `{}`", self.state))?;
        let why = match self.why {
            Some(word) => Some(WhyNot::parse(&word).ok_or_else(|| anyhow!("bank_left.why holds `{word}`"))?),
            None => None,
        };
        let left = Unplaced { minor: self.left_minor, state, why, proposed: self.proposed.map(InvoiceId) };
        let received = Received {
            id: self.id,
            account: self.account,
            booked_on: self.booked_on,
            amount_minor: self.amount_minor,
            currency: self.currency.parse()?,
            name: self.name,
            from: self.sender,
            reference: self.reference,
            text: self.words,
            bank_reference: self.bank_reference,
        };
        let (number, file, proposed) = (self.number, self.file, self.proposed_number);
        Ok(EntryRow { number, file, received, left, proposed, placed })
    }
}

async fn placings(tx: &mut Tx, entries: &[Uuid]) -> anyhow::Result<BTreeMap<Uuid, Vec<(String, i64)>>> {
    const SQL: PerDriver = by_keys!(
        "select p.entry, i.number, p.amount_minor
         from bank_placing p
         join invoice i on i.id = p.invoice
         where p.entry",
        uuid,
        " order by p.entry, p.placed_at, i.number, p.ordinal"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, String, i64)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids(entries.to_vec())).fetch_all(c).await?);
    let mut placed: BTreeMap<Uuid, Vec<(String, i64)>> = BTreeMap::new();
    for (entry, number, amount_minor) in rows {
        placed.entry(entry).or_default().push((number, amount_minor));
    }
    Ok(placed)
}

/// How many wait for a person.
pub async fn waiting(tx: &mut Tx) -> anyhow::Result<u64> {
    let waiting: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*) from bank_left where state in ('likely', 'open')")
        .fetch_one(c)
        .await?);
    crate::words::count(waiting, "bank_left")
}

/// Nobody else can place these entries until the transaction ends (SQLite's writer is alone).
pub async fn lock(tx: &mut Tx, entry: Uuid) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select left_minor from bank_left where entry = $1",
        postgres: "select left_minor from bank_left where entry = $1 for update",
    };
    let sql = tx.pick(&SQL);
    let _: Option<i64> = on!(tx, c => sqlx::query_scalar(sql).bind(entry).fetch_optional(c).await?);
    Ok(())
}
