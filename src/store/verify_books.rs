//! What booked documents must agree with: their periods, their ledger entries, their settlements and the provider's
//! answers. A row that somebody has changed or taken away behind the program shows here.

use crate::tx::{Tx, on};
use crate::value::Dec;
use crate::verify::Check;
use crate::words::{count, small};
use chrono::NaiveDate;
use domain::exact::Exact;
use domain::invoice::PrintedLine;
use uuid::Uuid;

/// How many differences a check names.
const DIFFERENCES_MAX: i64 = 20;

/// A rule, and the sentences about what breaks it.
struct Rule {
    name: &'static str,
    /// How many there are.
    total: &'static str,
    /// One text per difference; `$1` bounds the rows.
    broken: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        name: "lines_billed",
        total: "select count(*) from invoice_line where key_charge is not null",
        broken: "select i.number || ': the billed period of line ' || cast(l.number as text) || ' is gone'
                 from invoice_line l
                 join invoice i on i.id = l.invoice
                 where l.key_charge is not null
                   and not exists (select 1 from billed_line b
                                   where b.charge = l.key_charge and b.key_start = l.key_start
                                     and b.revision = l.key_revision and b.kind = l.key_kind
                                     and b.ordinal = l.key_ordinal)
                 order by i.number, l.number
                 limit $1",
    },
    Rule {
        name: "periods_invoiced",
        total: "select count(*) from billed_line where line is not null",
        broken: "select i.number || ': the period from ' || cast(b.period_start as text)
                        || ' is billed on a line that it does not have'
                 from billed_line b
                 join invoice i on i.id = b.invoice
                 left join invoice_line l
                   on l.id = b.line and l.invoice = b.invoice and l.key_charge = b.charge
                      and l.key_start = b.key_start and l.key_revision = b.revision
                      and l.key_kind = b.kind and l.key_ordinal = b.ordinal
                 where b.line is not null
                   and l.id is null
                 order by i.number, b.period_start
                 limit $1",
    },
    Rule {
        name: "invoice_heads",
        total: "select count(*) from ledger_entry",
        broken: "select i.number || ' of ' || i.account_number || ' dated ' || cast(i.invoice_date as text)
                        || ' in ' || i.currency || ' stands in the ledger as ' || e.document_number || ' of '
                        || e.account_number || ' dated ' || cast(e.document_date as text) || ' in ' || e.currency
                 from ledger_entry e
                 join invoice i on i.id = e.invoice
                 where e.document_number <> i.number
                    or e.account_number <> i.account_number
                    or e.currency <> i.currency
                    or (e.kind in ('booking', 'credit_note') and e.document_date <> i.invoice_date)
                 order by i.number, e.id
                 limit $1",
    },
    Rule {
        name: "invoice_receivable",
        total: "select count(*) from ledger_entry where kind in ('booking', 'credit_note', 'opening')",
        broken: "select i.number || ': gross ' || cast(i.net_minor + i.vat_minor as text) || ', in the ledger '
                        || cast(coalesce(sum(p.debit_minor - p.credit_minor), 0) as text)
                 from ledger_entry e
                 join invoice i on i.id = e.invoice
                 left join ledger_posting p on p.entry = e.id and p.line is null and p.tax_category is null
                 where e.kind in ('booking', 'credit_note', 'opening')
                 group by i.id, i.number, i.net_minor, i.vat_minor
                 having coalesce(sum(p.debit_minor - p.credit_minor), 0) <> i.net_minor + i.vat_minor
                 order by i.number
                 limit $1",
    },
    Rule {
        name: "lines_in_ledger",
        total: "select count(*) from invoice_line",
        // What was taken over stands on opening balances with its VAT.
        broken: "select s.invoice || ': line ' || cast(s.number as text) || ' is ' || cast(s.minor as text)
                        || ', in the ledger ' || cast(s.posted as text)
                 from (select i.number as invoice, l.number,
                              l.subtotal_minor + case when i.series = 'taken_over' then l.vat_minor else 0 end as minor,
                              cast(coalesce(sum(p.credit_minor - p.debit_minor), 0) as bigint) as posted
                       from invoice_line l
                       join invoice i on i.id = l.invoice
                       left join ledger_entry e on e.invoice = l.invoice
                                               and e.kind in ('booking', 'credit_note', 'opening')
                       left join ledger_posting p on p.entry = e.id and p.line = l.id
                       group by l.id, i.number, i.series, l.number, l.subtotal_minor, l.vat_minor) s
                 where s.posted <> s.minor
                 order by s.invoice, s.number
                 limit $1",
    },
    Rule {
        name: "invoices_settled",
        total: "select count(*) from invoice",
        broken: "select i.number || ': its settlement is gone'
                 from invoice i
                 where not exists (select 1 from invoice_settlement s where s.invoice = i.id)
                 order by i.number
                 limit $1",
    },
    Rule {
        name: "payments_asked",
        total: "select count(*) from settlement_part where kind = 'payment'",
        broken: "select i.number || ': ' || cast(p.amount_minor as text) || ' is settled by a payment that '
                        || case when a.id is null then 'nobody made' else 'was not ' || cast(p.amount_minor as text) end
                 from settlement_part p
                 join invoice i on i.id = p.invoice
                 left join payment_attempt a on a.id = p.source and a.invoice = p.invoice and a.state = 'paid'
                 where p.kind = 'payment'
                   and (a.id is null or a.amount_minor <> p.amount_minor)
                 order by i.number
                 limit $1",
    },
    Rule {
        name: "set_off_in_pairs",
        total: "select count(*) from settlement_part where kind = 'set_off'",
        broken: "select i.number || ': ' || cast(p.amount_minor as text)
                        || ' is set off against a document that does not say so'
                 from settlement_part p
                 join invoice i on i.id = p.invoice
                 where p.kind = 'set_off'
                   and (select coalesce(sum(o.amount_minor), 0)
                        from settlement_part o
                        where o.kind = 'set_off' and o.invoice = p.invoice
                          and coalesce(o.document, o.source) = coalesce(p.document, p.source))
                    <> -(select coalesce(sum(q.amount_minor), 0)
                         from settlement_part q
                         where q.kind = 'set_off' and q.invoice = coalesce(p.document, p.source)
                           and coalesce(q.document, q.source) = p.invoice)
                 order by i.number
                 limit $1",
    },
    Rule {
        name: "states_settled",
        total: "select count(*) from invoice_settlement",
        broken: "select i.number || ': reads ' || s.payment_status || ', of ' || cast(s.settled_minor as text)
                        || ' settled ' || cast(s.credited_minor as text) || ' is credited and '
                        || cast(s.written_off_minor as text) || ' given up, in the parts '
                        || cast(w.minor as text)
                 from (select s.invoice, cast(coalesce(sum(p.amount_minor), 0) as bigint) as minor
                       from invoice_settlement s
                       left join settlement_part p on p.invoice = s.invoice and p.kind = 'write_off'
                       group by s.invoice) w
                 join invoice_settlement s on s.invoice = w.invoice
                 join invoice i on i.id = s.invoice
                 where s.written_off_minor <> w.minor
                    or (s.open_minor = 0 and s.settled_minor > 0
                        and s.payment_status <> case when s.written_off_minor <> 0 then 'failed'
                                                     when s.credited_minor = s.settled_minor then 'cancelled'
                                                     else 'paid' end)
                 order by i.number
                 limit $1",
    },
    Rule {
        name: "refunds_paid",
        total: "select count(*) from settlement_part where kind = 'refund'",
        broken: "select k.account_number || ': ' || cast(k.back as text) || ' ' || k.currency || ' was paid back, and '
                        || cast(k.came as text) || ' had come'
                 from (select i.account_number, i.payer, i.currency,
                              sum(case when m.kind = 'refund' then -m.minor else 0 end) as back,
                              sum(case when m.kind = 'refund' then 0 else m.minor end) as came
                       from (select p.invoice, p.kind, p.amount_minor as minor
                             from settlement_part p
                             where p.kind in ('payment', 'refund')
                             union all
                             select o.id, 'own' as kind, -(o.net_minor + o.vat_minor)
                             from invoice o
                             where o.net_minor + o.vat_minor < 0 and cast(o.credits as text) = '[]') m
                       join invoice i on i.id = m.invoice
                       group by i.account_number, i.payer, i.currency) k
                 where k.back > k.came
                 order by k.account_number, k.currency
                 limit $1",
    },
    Rule {
        name: "settled_in_ledger",
        total: "select count(*) from settlement_part where kind in ('payment', 'refund', 'write_off')",
        broken: "select i.number || ': ' || k.kind || ' of ' || cast(k.settled as text) || ', in the ledger '
                        || cast(k.posted as text)
                 from (select m.invoice, m.kind, sum(m.settled) as settled, sum(m.posted) as posted
                       from (select invoice, kind, cast(abs(amount_minor) as bigint) as settled, 0 as posted
                             from settlement_part
                             where kind in ('payment', 'refund', 'write_off')
                             union all
                             select e.invoice, e.kind, 0 as settled, p.debit_minor as posted
                             from ledger_entry e
                             join ledger_posting p on p.entry = e.id
                             where e.kind in ('payment', 'refund', 'write_off')) m
                       group by m.invoice, m.kind) k
                 join invoice i on i.id = k.invoice
                 where k.settled <> k.posted
                 order by i.number, k.kind
                 limit $1",
    },
];

/// Runs every rule.
pub(crate) async fn all(tx: &mut Tx) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::with_capacity(RULES.len());
    for rule in RULES {
        let total: i64 = on!(tx, c => sqlx::query_scalar(rule.total).fetch_one(c).await?);
        let differences: Vec<String> =
            on!(tx, c => sqlx::query_scalar(rule.broken).bind(DIFFERENCES_MAX).fetch_all(c).await?);
        checks.push(Check { name: rule.name, count: count(total, rule.name)?, differences });
    }
    Ok(checks)
}

/// A booked line with what is known of it elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct LineSeen {
    pub id: Uuid,
    pub invoice: String,
    pub number: u32,
    pub printed: PrintedLine,
    /// The exact quantity of the billed period that this very line stands for.
    pub billed: Option<Exact>,
}

/// Booked lines after `after` in the order of their ids.
pub async fn lines(tx: &mut Tx, after: Option<Uuid>, limit: u32) -> anyhow::Result<Vec<LineSeen>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: Uuid,
        invoice: String,
        currency: String,
        number: i64,
        quantity: Dec,
        unit_price: Dec,
        rated_quantity: Dec,
        subtotal_minor: i64,
        discount_minor: i64,
        tax_inclusive: bool,
        billed: Option<String>,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select l.id, i.number as invoice, i.currency, l.number, l.quantity, l.unit_price, l.rated_quantity,
                l.subtotal_minor, l.discount_minor, l.tax_inclusive, b.quantity as billed
         from invoice_line l
         join invoice i on i.id = l.invoice
         left join billed_line b
           on b.charge = l.key_charge and b.key_start = l.key_start and b.revision = l.key_revision
              and b.kind = l.key_kind and b.ordinal = l.key_ordinal and b.line = l.id
         where $1 is null or l.id > $1
         order by l.id
         limit $2")
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|r| {
            Ok(LineSeen {
                id: r.id,
                invoice: r.invoice,
                number: small(r.number, "invoice_line.number")?,
                printed: PrintedLine {
                    currency: r.currency.parse()?,
                    quantity: r.quantity.0,
                    unit_price: r.unit_price.0,
                    rated_quantity: r.rated_quantity.0,
                    subtotal_minor: r.subtotal_minor,
                    discount_minor: r.discount_minor,
                    tax_inclusive: r.tax_inclusive,
                },
                billed: r.billed.as_deref().and_then(Exact::from_fraction_text),
            })
        })
        .collect()
}

/// What an invoice's number is made of.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HeadSeen {
    pub id: Uuid,
    pub number: String,
    pub number_pattern: String,
    pub sequence: i64,
    pub invoice_date: NaiveDate,
}

/// Heads of booked invoices after `after` in the order of their ids.
pub async fn heads(tx: &mut Tx, after: Option<Uuid>, limit: u32) -> anyhow::Result<Vec<HeadSeen>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select id, number, number_pattern, sequence, invoice_date
         from invoice
         where $1 is null or id > $1
         order by id
         limit $2")
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?))
}

/// What the database file itself says about its pages, indexes and references; none on PostgreSQL, which has tools of
/// its own. Asked before everything else: what is damaged cannot be relied on for the other answers.
pub async fn integrity(tx: &mut Tx) -> anyhow::Result<Option<Check>> {
    let Tx::Sqlite(transaction) = tx else { return Ok(None) };
    let pages: i64 = sqlx::query_scalar("pragma page_count").fetch_one(&mut **transaction).await?;
    let found: Result<Vec<String>, sqlx::Error> =
        sqlx::query_scalar("pragma integrity_check(20)").fetch_all(&mut **transaction).await;
    let mut differences = match found {
        Ok(found) => found.into_iter().filter(|line| line != "ok").collect(),
        Err(error) => vec![error.to_string()],
    };
    if differences.is_empty() {
        let orphans: Vec<String> =
            sqlx::query_scalar("select \"table\" || ' refers to a row of ' || parent || ' that is gone' from pragma_foreign_key_check limit 20")
                .fetch_all(&mut **transaction)
                .await?;
        differences.extend(orphans);
    }
    Ok(Some(Check { name: "database_file", count: count(pages, "page_count")?, differences }))
}
