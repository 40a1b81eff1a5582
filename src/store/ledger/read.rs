//! Entries and postings as rows. What an entry of the first form did not hold is looked up in the booked document, which
//! never changes; its sealed form stays as it was (rules L5).

use crate::invoice::tax_category;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Dec, Ids};
use crate::words::{read_word, small};
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::ids::{EntryId, InvoiceId, LineId};
use domain::ledger::{Entry, EntryBase, EntryKind, Form, InBase, Posting, PostingTax};
use domain::period::Period;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Columns of an [`EntryRow`], of `ledger_entry e left join invoice i on i.id = e.invoice`.
macro_rules! entry_columns {
    () => {
        "e.id, e.invoice, e.kind, e.ordinal, e.document_number, e.account_number, e.document_date, e.posting_date,
         e.currency, e.form, e.due_date, e.country, e.base_currency, e.base_rate, e.base_rate_date,
         i.buyer ->> 'vat_number' as buyer_vat, i.payable_by, i.buyer -> 'address' ->> 'country' as buyer_country,
         i.base_currency as known_currency, i.base_rate as known_rate, i.base_rate_date as known_rate_date,
         i.base_net_minor, i.base_vat_minor, i.net_minor + i.vat_minor as gross_minor"
    };
}
pub(super) use entry_columns;

#[derive(sqlx::FromRow)]
pub(super) struct EntryRow {
    pub(super) id: Uuid,
    invoice: Uuid,
    kind: String,
    ordinal: i64,
    document_number: String,
    account_number: String,
    document_date: NaiveDate,
    posting_date: NaiveDate,
    currency: String,
    form: i64,
    due_date: Option<NaiveDate>,
    country: Option<String>,
    base_currency: Option<String>,
    base_rate: Option<Dec>,
    base_rate_date: Option<NaiveDate>,
    buyer_vat: Option<String>,
    payable_by: Option<NaiveDate>,
    buyer_country: Option<String>,
    known_currency: Option<String>,
    known_rate: Option<Dec>,
    known_rate_date: Option<NaiveDate>,
    base_net_minor: Option<i64>,
    base_vat_minor: Option<i64>,
    gross_minor: Option<i64>,
}

impl EntryRow {
    fn entry(self, rows: Vec<PostingRow>) -> anyhow::Result<Entry> {
        let kind: EntryKind = read_word(&self.kind, "ledger_entry.kind")?;
        let form = if self.form == 1 { Form::First } else { Form::Second };
        let mut entry = Entry {
            id: EntryId(self.id),
            kind,
            ordinal: small(self.ordinal, "ledger_entry.ordinal")?,
            invoice: InvoiceId(self.invoice),
            document_number: self.document_number.clone(),
            account_number: self.account_number.clone(),
            document_date: self.document_date,
            posting_date: self.posting_date,
            currency: self.currency.parse()?,
            form,
            due_date: self.due_date,
            country: self.country.clone(),
            buyer_vat: self.buyer_vat.clone(),
            base: base(&self.base_currency, self.base_rate, self.base_rate_date)?,
            postings: Vec::with_capacity(rows.len()),
        };
        for row in rows {
            entry.postings.push(row.posting(form)?);
        }
        if form == Form::First {
            self.look_up(&mut entry)?;
        }
        Ok(entry)
    }

    /// The facts that the first form did not hold.
    fn look_up(self, entry: &mut Entry) -> anyhow::Result<()> {
        entry.country = self.buyer_country;
        entry.due_date = self.payable_by.filter(|_| entry.kind == EntryKind::Booking);
        vat_bases(&mut entry.postings);
        entry.base = base(&self.known_currency, self.known_rate, self.known_rate_date)?;
        let amounts = self.base_net_minor.zip(self.base_vat_minor);
        let (Some(known), Some(amounts), Some(gross_minor)) = (entry.base, amounts, self.gross_minor) else {
            return Ok(());
        };
        let in_base = InBase::at(known.rate, entry.currency, known.currency, amounts);
        if matches!(entry.kind, EntryKind::Booking | EntryKind::CreditNote) {
            in_base.convert_booking(&mut entry.postings);
        } else if let Some(moved) = entry.postings.first() {
            let moved_minor = moved.debit_minor.max(moved.credit_minor);
            in_base.convert_pair(&mut entry.postings, in_base.part_minor(moved_minor, gross_minor));
        }
        Ok(())
    }
}

fn base(
    currency: &Option<String>,
    rate: Option<Dec>,
    rate_date: Option<NaiveDate>,
) -> anyhow::Result<Option<EntryBase>> {
    let Some(currency) = currency else { return Ok(None) };
    let whole = "the base currency, its rate and the rate's day are stored whole or not at all";
    let (rate, rate_date) = (rate.context(whole)?.0, rate_date.context(whole)?);
    Ok(Some(EntryBase { currency: currency.parse()?, rate, rate_date }))
}

/// A VAT row is reckoned of the revenue rows of its category and rate.
fn vat_bases(postings: &mut [Posting]) {
    let mut bases: BTreeMap<(&str, rust_decimal::Decimal), i64> = BTreeMap::new();
    for tax in postings.iter().filter(|p| p.line.is_some()).filter_map(|p| p.tax) {
        *bases.entry((tax.category.code(), tax.rate_pct)).or_default() += tax.base_minor;
    }
    for tax in postings.iter_mut().filter(|p| p.line.is_none()).filter_map(|p| p.tax.as_mut()) {
        tax.base_minor = bases.get(&(tax.category.code(), tax.rate_pct)).copied().unwrap_or(0);
    }
}

/// Entries of these rows, with their postings.
pub(super) async fn with_postings(tx: &mut Tx, rows: Vec<EntryRow>) -> anyhow::Result<Vec<Entry>> {
    let ids: Vec<Uuid> = rows.iter().map(|r| r.id).collect();
    let mut postings = postings(tx, ids).await?;
    rows.into_iter()
        .map(|row| {
            let own = postings.remove(&row.id).unwrap_or_default();
            row.entry(own)
        })
        .collect()
}

#[derive(sqlx::FromRow)]
struct PostingRow {
    entry: Uuid,
    number: i64,
    account: String,
    debit_minor: i64,
    credit_minor: i64,
    line: Option<Uuid>,
    sku: Option<String>,
    unit_code: Option<String>,
    period_start: Option<NaiveDate>,
    period_end: Option<NaiveDate>,
    tax_category: Option<String>,
    tax_pct: Option<Dec>,
    tax_base_minor: Option<i64>,
    base_minor: Option<i64>,
    line_category: Option<String>,
    line_pct: Option<Dec>,
    line_net_minor: Option<i64>,
}

impl PostingRow {
    fn posting(self, form: Form) -> anyhow::Result<Posting> {
        let (category, pct, base_minor) = match form {
            Form::First if self.line.is_some() => (self.line_category, self.line_pct, self.line_net_minor),
            _ => (self.tax_category, self.tax_pct, self.tax_base_minor),
        };
        let category = category.as_deref().map(tax_category).transpose()?;
        let tax = category.zip(pct).map(|(category, pct)| PostingTax {
            category,
            rate_pct: pct.0.normalize(),
            base_minor: base_minor.unwrap_or(0),
        });
        Ok(Posting {
            number: small(self.number, "ledger_posting.number")?,
            account: self.account,
            debit_minor: self.debit_minor,
            credit_minor: self.credit_minor,
            line: self.line.map(LineId),
            sku: self.sku,
            unit_code: self.unit_code,
            period: self.period_start.zip(self.period_end).map(|(start, end)| Period::new(start, end)),
            tax,
            base_minor: self.base_minor,
        })
    }
}

async fn postings(tx: &mut Tx, entries: Vec<Uuid>) -> anyhow::Result<BTreeMap<Uuid, Vec<PostingRow>>> {
    const SQL: PerDriver = by_keys!(
        "select p.entry, p.number, p.account, p.debit_minor, p.credit_minor, p.line, p.sku, p.unit_code,
                p.period_start, p.period_end, p.tax_category, p.tax_pct, p.tax_base_minor, p.base_minor,
                l.tax_category as line_category, l.tax_pct as line_pct, l.subtotal_minor as line_net_minor
         from ledger_posting p
         left join invoice_line l on l.id = p.line and p.tax_category is null
         where p.entry",
        uuid,
        " order by p.entry, p.number"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<PostingRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids(entries)).fetch_all(c).await?);
    let mut postings: BTreeMap<Uuid, Vec<PostingRow>> = BTreeMap::new();
    for row in rows {
        postings.entry(row.entry).or_default().push(row);
    }
    Ok(postings)
}
