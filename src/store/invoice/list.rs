//! Reading booked invoices: lists by filter, and whole invoices many at a time.

use super::Booked;
use crate::line_credit;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Dec, Ids, Texts};
use crate::words::{count, read_word, small};
use anyhow::{Context, anyhow};
use chrono::NaiveDate;
use domain::catalogue::TaxCategory;
use domain::exact::Exact;
use domain::ids::*;
use domain::invoice::{BaseAmounts, Draft, Invoice, Line, LineKey, Party, Settlement, VatGroup};
use domain::payment_reference::PaymentReference;
use domain::period::Period;
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Which invoices, by their state on the filter's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceState {
    /// Nothing is open, and what the payer gave is a part of it.
    Paid,
    /// Nothing is open, as its own credit notes took all of it back.
    Credited,
    /// Nothing is open, as some of it was given up.
    WrittenOff,
    /// Something is open.
    Open,
    /// Something is open and `payable_by` has passed (rules I3).
    Overdue,
    /// Credit notes.
    CreditNote,
    /// Its mail waits or was refused, or there is nobody to mail it to (rules I10).
    Undelivered,
}

/// Which invoices to list; every field narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvoiceFilter {
    pub run: Option<RunId>,
    pub payer: Option<CustomerId>,
    pub account_number: Option<String>,
    pub state: Option<InvoiceState>,
    /// The day that decides what is overdue; without it nothing is.
    pub as_of: Option<NaiveDate>,
    /// Only invoices after this one, in list order.
    pub after: Option<InvoiceId>,
    /// 0 = all.
    pub limit: u32,
}

/// What a run booked for one payer in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayerTotal {
    pub payer: CustomerId,
    pub account_number: String,
    pub currency: domain::money::Currency,
    pub invoices: u64,
    pub net_minor: i64,
    pub vat_minor: i64,
}

/// Totals of a run by payer and currency.
pub async fn totals_by_payer(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<PayerTotal>> {
    let rows: Vec<(Uuid, String, String, i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "select i.payer, c.account_number, i.currency, count(*),
                cast(sum(i.net_minor) as bigint), cast(sum(i.vat_minor) as bigint)
         from invoice i
         join customer c on c.id = i.payer
         where i.run = $1
         group by i.payer, c.account_number, i.currency")
        .bind(run.0)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|(payer, account_number, currency, invoices, net_minor, vat_minor)| {
            Ok(PayerTotal {
                payer: CustomerId(payer),
                account_number,
                currency: currency.parse()?,
                invoices: count(invoices, "invoices")?,
                net_minor,
                vat_minor,
            })
        })
        .collect()
}

/// Ids by the filter, in (series, sequence) order.
pub async fn ids(tx: &mut Tx, filter: &InvoiceFilter) -> anyhow::Result<Vec<InvoiceId>> {
    // Of what is closed, the word is that of its payment status.
    let state = filter.state.map(|s| match s {
        InvoiceState::Paid => "paid",
        InvoiceState::Credited => "cancelled",
        InvoiceState::WrittenOff => "failed",
        InvoiceState::Open => "open",
        InvoiceState::Overdue => "overdue",
        InvoiceState::CreditNote => "credit_note",
        InvoiceState::Undelivered => "undelivered",
    });
    let limit = if filter.limit == 0 { i64::MAX } else { i64::from(filter.limit) };
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select i.id
         from invoice i
         join invoice_settlement s on s.invoice = i.id
         where ($1 is null or i.run = $1)
           and ($2 is null or i.payer = $2)
           and ($3 is null or i.account_number = $3)
           and ($4 is null
                or ($4 in ('paid', 'cancelled', 'failed') and s.open_minor = 0 and s.payment_status = $4)
                or ($4 = 'open' and s.open_minor <> 0)
                or ($4 = 'overdue' and s.open_minor > 0 and i.payable_by < $5)
                or ($4 = 'credit_note' and i.is_credit_note)
                or ($4 = 'undelivered'
                    and exists (select 1
                                from delivery d
                                join customer c on c.id = i.payer
                                where d.invoice = i.id
                                  and d.channel = 'invoice'
                                  and d.state <> 'sent'
                                  and d.closed_on is null
                                  and coalesce(c.body ->> 'delivery', 'mail') <> 'none')))
           and ($6 is null or (i.series, i.sequence) > (select a.series, a.sequence from invoice a where a.id = $6))
         order by i.series, i.sequence
         limit $7")
        .bind(filter.run.map(|r| r.0))
        .bind(filter.payer.map(|p| p.0))
        .bind(&filter.account_number)
        .bind(state)
        .bind(filter.as_of)
        .bind(filter.after.map(|a| a.0))
        .bind(limit)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}

/// Ids of a run's invoices, in (series, sequence) order.
pub async fn of_run(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<InvoiceId>> {
    ids(tx, &InvoiceFilter { run: Some(run), ..InvoiceFilter::default() }).await
}

/// These invoices of a run, and those that it booked for the same payers before them.
pub async fn with_earlier_of_run(
    tx: &mut Tx,
    run: RunId,
    invoices: &[InvoiceId],
) -> anyhow::Result<Vec<InvoiceId>> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select distinct e.id
                 from invoice i
                 join invoice e on e.payer = i.payer and +e.run = $2 and e.series = i.series and e.sequence <= i.sequence
                 where i.id in (select unhex(value) from json_each($1))",
        postgres: "select distinct e.id
                   from invoice i
                   join invoice e on e.payer = i.payer and e.run = $2 and e.series = i.series and e.sequence <= i.sequence
                   where i.id = any($1)",
    };
    let sql = tx.pick(&SQL);
    let ids: Vec<Uuid> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(invoices)).bind(run.0).fetch_all(c).await?);
    Ok(ids.into_iter().map(InvoiceId).collect())
}

/// The invoice of this id.
pub async fn by_id(tx: &mut Tx, id: InvoiceId) -> anyhow::Result<Option<Booked>> {
    Ok(by_ids(tx, &[id]).await?.pop())
}

/// The invoice of this number.
pub async fn by_number(tx: &mut Tx, number: &str) -> anyhow::Result<Option<Booked>> {
    let id: Option<Uuid> = on!(tx, c => sqlx::query_scalar("select id from invoice where number = $1")
        .bind(number)
        .fetch_optional(c)
        .await?);
    match id {
        Some(id) => by_id(tx, InvoiceId(id)).await,
        None => Ok(None),
    }
}

/// The invoices of these numbers; unknown ones are left out.
pub async fn by_numbers(tx: &mut Tx, numbers: &[String]) -> anyhow::Result<Vec<Booked>> {
    const SQL: PerDriver = by_keys!("select id from invoice where number", text, "");
    let sql = tx.pick(&SQL);
    let ids: Vec<Uuid> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Texts(numbers.to_vec())).fetch_all(c).await?);
    by_ids(tx, &ids.into_iter().map(InvoiceId).collect::<Vec<_>>()).await
}

/// The next sequence of each series that has given numbers, by its name.
pub async fn next_numbers(tx: &mut Tx) -> anyhow::Result<BTreeMap<String, u64>> {
    let rows: Vec<(String, i64)> =
        on!(tx, c => sqlx::query_as("select name, next from number_series").fetch_all(c).await?);
    rows.into_iter().map(|(name, next)| Ok((name, count(next, "number_series.next")?))).collect()
}

/// The invoice that a line stands on.
pub async fn of_line(tx: &mut Tx, line: LineId) -> anyhow::Result<Option<InvoiceId>> {
    let id: Option<Uuid> = on!(tx, c => sqlx::query_scalar("select invoice from invoice_line where id = $1")
        .bind(line.0)
        .fetch_optional(c)
        .await?);
    Ok(id.map(InvoiceId))
}

/// Buyers' names as they stand on these booked documents (rules I6).
pub async fn buyers(tx: &mut Tx, ids: &[InvoiceId]) -> anyhow::Result<BTreeMap<InvoiceId, String>> {
    const SQL: PerDriver = by_keys!("select id, buyer from invoice where id", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, Json<Party>)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(id, buyer)| (InvoiceId(id), buyer.0.name)).collect())
}

/// Whole invoices of these ids, in (series, sequence) order; unknown ids are left out.
pub async fn by_ids(tx: &mut Tx, ids: &[InvoiceId]) -> anyhow::Result<Vec<Booked>> {
    let mut lines = lines(tx, ids).await?;
    let mut groups = vat_groups(tx, ids).await?;
    let rows = headers(tx, ids).await?;
    rows.into_iter()
        .map(|row| {
            let id = row.id;
            let (lines, groups) =
                (lines.remove(&id).unwrap_or_default(), groups.remove(&id).unwrap_or_default());
            row.booked(lines, groups).with_context(|| format!("reading invoice {id}"))
        })
        .collect()
}

#[derive(sqlx::FromRow)]
struct HeaderRow {
    id: Uuid,
    number: String,
    series: String,
    sequence: i64,
    payer: Uuid,
    account_number: String,
    subscription: Option<Uuid>,
    subscription_number: Option<String>,
    child: Option<Uuid>,
    currency: String,
    charge_date: NaiveDate,
    invoice_date: NaiveDate,
    due_date: NaiveDate,
    payable_by: NaiveDate,
    booked_on: NaiveDate,
    payment_term: i64,
    is_credit_note: bool,
    credits: Json<Vec<String>>,
    number_pattern: String,
    autobill: bool,
    seller: Json<Party>,
    buyer: Json<Party>,
    payment_method: Option<String>,
    reference: Option<String>,
    language: String,
    business_unit: Option<String>,
    dunning_policy: Option<String>,
    revision: i64,
    net_minor: i64,
    vat_minor: i64,
    base_currency: Option<String>,
    base_rate: Option<Dec>,
    base_rate_date: Option<NaiveDate>,
    base_rate_source: Option<String>,
    base_net_minor: Option<i64>,
    base_vat_minor: Option<i64>,
    status: String,
    payment_status: String,
    settled_minor: i64,
    credited_minor: i64,
    written_off_minor: i64,
    payment_date: Option<NaiveDate>,
    dunning_step: i64,
    next_retry: Option<NaiveDate>,
    reference_kind: Option<String>,
    payment_reference: Option<String>,
    creditor: Option<String>,
}

async fn headers(tx: &mut Tx, ids: &[InvoiceId]) -> anyhow::Result<Vec<HeaderRow>> {
    const SQL: PerDriver = by_keys!(
        "select i.id, i.number, i.series, i.sequence, i.payer, i.account_number, i.subscription,
                i.subscription_number, i.child, i.currency, i.charge_date, i.invoice_date, i.due_date, i.payable_by,
                i.booked_on, i.payment_term, i.is_credit_note, i.credits, i.number_pattern, i.autobill, i.seller,
                i.buyer, i.payment_method, i.reference, i.language, i.business_unit, i.dunning_policy, i.revision, i.net_minor,
                i.vat_minor, i.base_currency, i.base_rate, i.base_rate_date, i.base_rate_source, i.base_net_minor,
                i.base_vat_minor, s.status, s.payment_status, s.settled_minor, s.credited_minor, s.written_off_minor,
                s.payment_date, s.dunning_step, s.next_retry, p.kind as reference_kind,
                p.reference as payment_reference, p.creditor
         from invoice i
         join invoice_settlement s on s.invoice = i.id
         left join payment_reference p on p.invoice = i.id
         where i.id",
        uuid,
        " order by i.series, i.sequence"
    );
    let sql = tx.pick(&SQL);
    Ok(on!(tx, c => sqlx::query_as(sql).bind(Ids::of(ids)).fetch_all(c).await?))
}

impl HeaderRow {
    fn booked(self, lines: Vec<Line>, vat_groups: Vec<VatGroup>) -> anyhow::Result<Booked> {
        let base = self.base()?;
        let payment_reference = match (&self.reference_kind, &self.payment_reference) {
            (Some(kind), Some(reference)) => Some(PaymentReference {
                kind: read_word(kind, "payment_reference.kind")?,
                reference: reference.clone(),
                creditor: self.creditor.clone(),
            }),
            _ => None,
        };
        let settlement = Settlement {
            status: read_word(&self.status, "invoice_settlement.status")?,
            payment_status: read_word(&self.payment_status, "invoice_settlement.payment_status")?,
            settled_minor: self.settled_minor,
            credited_minor: self.credited_minor,
            written_off_minor: self.written_off_minor,
            payment_date: self.payment_date,
            dunning_step: small(self.dunning_step, "invoice_settlement.dunning_step")?,
            next_retry: self.next_retry,
        };
        let draft = Draft {
            id: InvoiceId(self.id),
            payer: CustomerId(self.payer),
            account_number: self.account_number,
            subscription: self.subscription.map(SubscriptionId),
            subscription_number: self.subscription_number,
            child: self.child.map(CustomerId),
            currency: self.currency.parse()?,
            charge_date: self.charge_date,
            invoice_date: self.invoice_date,
            due_date: self.due_date,
            payment_term: small(self.payment_term, "invoice.payment_term")?,
            is_credit_note: self.is_credit_note,
            credits: self.credits.0,
            series: self.series,
            number_pattern: self.number_pattern,
            autobill: self.autobill,
            seller: self.seller.0,
            buyer: self.buyer.0,
            payment_method: self.payment_method,
            reference: self.reference,
            language: self.language,
            business_unit: self.business_unit,
            dunning_policy: self.dunning_policy,
            lines,
            vat_groups,
            net_minor: self.net_minor,
            vat_minor: self.vat_minor,
            revision: self.revision,
        };
        let invoice = Invoice {
            draft,
            number: self.number,
            sequence: count(self.sequence, "invoice.sequence")?,
            booked_on: self.booked_on,
            payable_by: self.payable_by,
            base,
            payment_reference,
        };
        Ok(Booked { invoice, settlement })
    }

    fn base(&self) -> anyhow::Result<Option<BaseAmounts>> {
        let Some(currency) = &self.base_currency else { return Ok(None) };
        let whole = "base amounts are stored whole or not at all";
        Ok(Some(BaseAmounts {
            currency: currency.parse()?,
            rate: self.base_rate.context(whole)?.0,
            rate_date: self.base_rate_date.context(whole)?,
            rate_source: self.base_rate_source.clone().context(whole)?,
            net_minor: self.base_net_minor.context(whole)?,
            vat_minor: self.base_vat_minor.context(whole)?,
        }))
    }
}

#[derive(sqlx::FromRow)]
struct LineRow {
    id: Uuid,
    invoice: Uuid,
    number: i64,
    key_charge: Option<Uuid>,
    key_start: Option<NaiveDate>,
    key_revision: Option<i64>,
    key_kind: Option<String>,
    key_ordinal: Option<i64>,
    owner: Uuid,
    subscription: Option<Uuid>,
    subscription_number: Option<String>,
    sku: String,
    title: String,
    description: String,
    quantity: Dec,
    unit_price: Dec,
    rated_quantity: Dec,
    unit: Option<String>,
    subtotal_minor: i64,
    discount: Dec,
    discount_minor: i64,
    discount_text: Option<String>,
    tax_category: String,
    tax_pct: Dec,
    tax_reason: Option<String>,
    vat_minor: i64,
    period_start: NaiveDate,
    period_end: NaiveDate,
    tax_date: NaiveDate,
    deferred: bool,
    arrears: bool,
    tax_inclusive: bool,
    is_amendment: bool,
    is_adjustment: bool,
    amends: Option<String>,
    business_unit: Option<String>,
    accounting_code: Option<String>,
    exact: String,
}

async fn lines(tx: &mut Tx, ids: &[InvoiceId]) -> anyhow::Result<BTreeMap<Uuid, Vec<Line>>> {
    const SQL: PerDriver = by_keys!(
        "select id, invoice, number, key_charge, key_start, key_revision, key_kind, key_ordinal, owner, subscription,
                subscription_number, sku, title, description, quantity, unit_price, rated_quantity, unit,
                subtotal_minor, discount, discount_minor, discount_text, tax_category, tax_pct, tax_reason, vat_minor,
                period_start, period_end, tax_date, deferred, arrears, tax_inclusive, is_amendment, is_adjustment,
                amends, business_unit, accounting_code, exact
         from invoice_line
         where invoice",
        uuid,
        " order by invoice, number"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<LineRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    let mut credits = line_credit::of_invoices(tx, ids).await?;
    let mut lines: BTreeMap<Uuid, Vec<Line>> = BTreeMap::new();
    for row in rows {
        let (invoice, id) = (row.invoice, LineId(row.id));
        let line = Line { credits: credits.remove(&id).unwrap_or_default(), ..Line::try_from(row)? };
        lines.entry(invoice).or_default().push(line);
    }
    Ok(lines)
}

impl LineRow {
    fn key(&self) -> anyhow::Result<Option<LineKey>> {
        let (Some(charge), Some(period_start), Some(revision), Some(kind), Some(ordinal)) =
            (self.key_charge, self.key_start, self.key_revision, &self.key_kind, self.key_ordinal)
        else {
            return Ok(None);
        };
        Ok(Some(LineKey {
            charge: ChargeReference(charge),
            period_start,
            revision: small(revision, "invoice_line.key_revision")?,
            kind: read_word(kind, "invoice_line.key_kind")?,
            ordinal: small(ordinal, "invoice_line.key_ordinal")?,
        }))
    }
}

impl TryFrom<LineRow> for Line {
    type Error = anyhow::Error;

    fn try_from(row: LineRow) -> anyhow::Result<Self> {
        Ok(Self {
            key: row.key()?,
            id: LineId(row.id),
            number: small(row.number, "invoice_line.number")?,
            owner: CustomerId(row.owner),
            subscription: row.subscription.map(SubscriptionId),
            subscription_number: row.subscription_number,
            sku: row.sku,
            title: row.title,
            description: row.description,
            quantity: row.quantity.0,
            unit_price: row.unit_price.0,
            rated_quantity: row.rated_quantity.0,
            unit: row.unit,
            subtotal_minor: row.subtotal_minor,
            discount: row.discount.0,
            discount_minor: row.discount_minor,
            discount_text: row.discount_text,
            tax_category: tax_category(&row.tax_category)?,
            tax_pct: row.tax_pct.0,
            tax_reason: row.tax_reason,
            vat_minor: row.vat_minor,
            period: Period::new(row.period_start, row.period_end),
            tax_date: row.tax_date,
            deferred: row.deferred,
            arrears: row.arrears,
            tax_inclusive: row.tax_inclusive,
            is_amendment: row.is_amendment,
            is_adjustment: row.is_adjustment,
            amends: row.amends,
            business_unit: row.business_unit,
            accounting_code: row.accounting_code,
            exact: Exact::from_fraction_text(&row.exact)
                .ok_or_else(|| anyhow!("invoice_line.exact holds `{}`", row.exact))?,
            credits: Vec::new(),
        })
    }
}

async fn vat_groups(tx: &mut Tx, ids: &[InvoiceId]) -> anyhow::Result<BTreeMap<Uuid, Vec<VatGroup>>> {
    const SQL: PerDriver = by_keys!(
        "select invoice, category, rate_pct, reason, net_minor, vat_minor from invoice_vat where invoice",
        uuid,
        " order by invoice, position"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, String, Dec, Option<String>, i64, i64)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    let mut groups: BTreeMap<Uuid, Vec<VatGroup>> = BTreeMap::new();
    for (invoice, category, rate_pct, reason, net_minor, vat_minor) in rows {
        let category = tax_category(&category)?;
        groups.entry(invoice).or_default().push(VatGroup {
            category,
            rate_pct: rate_pct.0,
            reason,
            net_minor,
            vat_minor,
        });
    }
    Ok(groups)
}

pub(crate) fn tax_category(name: &str) -> anyhow::Result<TaxCategory> {
    TaxCategory::parse(name).ok_or_else(|| anyhow!("`{name}` is not a VAT category"))
}
