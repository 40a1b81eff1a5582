//! What lines give back of others (rules M3): booked in a table of its own; of open drafts and of what is carried it
//! stands in their bodies.

use crate::bulk::Bulk;
use crate::draft_body::{self, BodyRow};
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Dec, Ids};
use crate::words::small;
use domain::billing::{CarriedDraft, CreditedLine, credits_of};
use domain::ids::{CustomerId, InvoiceId, LineId};
use domain::invoice::{Credit, Invoice};
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

const BOOKED: PerDriver = by_keys!(
    "select payer, credit_line, credited_line, amount_minor, vat_minor from line_credit where payer",
    uuid,
    " order by payer, credit_line, credited_line"
);

type CreditRow = (Uuid, Uuid, Uuid, i64, i64);

/// Writes the credits of booked lines. Key: the line that credits and the line that is credited.
pub(crate) async fn save(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let columns = &["credit_line", "credited_line", "payer", "amount_minor", "vat_minor"];
    let mut rows = Bulk::into("line_credit", columns);
    for invoice in invoices {
        for (by, credit) in credits_of(&invoice.draft.lines) {
            rows.row([
                by.0.into(),
                credit.line.0.into(),
                invoice.draft.payer.0.into(),
                credit.amount_minor.into(),
                credit.vat_minor.into(),
            ]);
        }
    }
    rows.insert(tx).await.map(drop)
}

/// Credits of the lines of these payers, each with the line that gives it back: booked, in open drafts, and carried.
pub async fn of_payers(
    tx: &mut Tx,
    payers: &[CustomerId],
) -> anyhow::Result<BTreeMap<CustomerId, Vec<(LineId, Credit)>>> {
    const DRAFTED: PerDriver = by_keys!(
        "select b.packed, b.body from draft d join draft_body b on b.draft = d.id where d.state = 'open' and d.payer",
        uuid,
        ""
    );
    let mut credits: BTreeMap<CustomerId, Vec<(LineId, Credit)>> = BTreeMap::new();
    let sql = tx.pick(&BOOKED);
    let rows: Vec<CreditRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    for row in rows {
        credits.entry(CustomerId(row.0)).or_default().push(credit(row));
    }
    let sql = tx.pick(&DRAFTED);
    let drafts: Vec<BodyRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    for draft in draft_body::read(drafts)? {
        credits.entry(draft.payer).or_default().extend(credits_of(&draft.lines));
    }
    for (payer, carried) in carried_of(tx, payers).await? {
        for carried in carried {
            credits.entry(payer).or_default().extend(credits_of(&carried.draft.lines));
        }
    }
    add_taken_over(tx, payers, &mut credits).await?;
    Ok(credits)
}

/// Adds what was credited of lines that somebody else was billed, who paid for these payers' subscriptions before.
async fn add_taken_over(
    tx: &mut Tx,
    payers: &[CustomerId],
    credits: &mut BTreeMap<CustomerId, Vec<(LineId, Credit)>>,
) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!(
        "select c.payer, l.credit_line, l.credited_line, l.amount_minor, l.vat_minor
         from customer c
         join subscription s on s.customer = c.id
         join billed_line b on b.subscription = s.id and b.payer <> c.payer
         join line_credit l on l.credited_line = b.line
         where l.payer <> c.payer and c.payer",
        uuid,
        " order by c.payer, l.credit_line, l.credited_line"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<CreditRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    for row in rows {
        credits.entry(CustomerId(row.0)).or_default().push(credit(row));
    }
    Ok(())
}

/// The drafts that wait for a larger invoice, as the newest run of each payer left them. Those of a customer who is billed
/// to another by now are that one's (rules I8).
pub(crate) async fn carried_of(
    tx: &mut Tx,
    payers: &[CustomerId],
) -> anyhow::Result<BTreeMap<CustomerId, Vec<CarriedDraft>>> {
    const SQL: PerDriver = by_keys!(
        "select c.payer, s.payer, s.drafts from carried_set s join customer c on c.id = s.payer where c.payer",
        uuid,
        " order by s.payer, s.run_ordinal"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, Uuid, Json<Vec<CarriedDraft>>)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    let newest: BTreeMap<(Uuid, Uuid), Vec<CarriedDraft>> =
        rows.into_iter().map(|(payer, of, Json(drafts))| ((payer, of), drafts)).collect();
    let mut carried: BTreeMap<CustomerId, Vec<CarriedDraft>> = BTreeMap::new();
    for ((payer, _), drafts) in newest {
        carried.entry(CustomerId(payer)).or_default().extend(drafts);
    }
    Ok(carried)
}

/// Credits of the lines of these invoices, by line.
pub(crate) async fn of_invoices(
    tx: &mut Tx,
    invoices: &[InvoiceId],
) -> anyhow::Result<BTreeMap<LineId, Vec<Credit>>> {
    const SQL: PerDriver = by_keys!(
        "select c.payer, c.credit_line, c.credited_line, c.amount_minor, c.vat_minor
         from line_credit c
         join invoice_line l on l.id = c.credit_line
         where l.invoice",
        uuid,
        " order by c.credit_line, c.credited_line"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<CreditRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(invoices)).fetch_all(c).await?);
    let mut credits: BTreeMap<LineId, Vec<Credit>> = BTreeMap::new();
    for row in rows {
        let (by, credit) = credit(row);
        credits.entry(by).or_default().push(credit);
    }
    Ok(credits)
}

fn credit((_, by, line, amount_minor, vat_minor): CreditRow) -> (LineId, Credit) {
    (LineId(by), Credit { line: LineId(line), amount_minor, vat_minor })
}

/// A booked line of which something was credited, for [`domain::billing::over_credited`].
#[derive(sqlx::FromRow)]
struct CreditedRow {
    payer: Uuid,
    line: Uuid,
    invoice: Uuid,
    invoice_number: String,
    number: i64,
    priced_minor: i64,
    tax_category: String,
    tax_pct: Dec,
    group_vat_minor: Option<i64>,
    checked: i64,
}

/// What was credited of booked lines, payer by payer after `after`, `limit` payers at most: the lines, and every credit
/// that counts against them. Lines of which everything was credited before there was a balance are left out.
pub async fn credited_page(
    tx: &mut Tx,
    after: Option<CustomerId>,
    limit: u32,
) -> anyhow::Result<Vec<CreditedOf>> {
    const LINES: PerDriver = by_keys!(
        "select c.payer, l.id as line, i.id as invoice, i.number as invoice_number, l.number,
                l.subtotal_minor + case when l.tax_inclusive then l.vat_minor else 0 end as priced_minor,
                l.tax_category, l.tax_pct,
                case when exists (select 1 from line_credit own where own.credit_line = l.id)
                       or exists (select 1 from line_credit own
                                  join invoice_line b on b.id = own.credit_line
                                  where own.credited_line = l.id and b.invoice = l.invoice) then null
                     else (select cast(sum(g.vat_minor) as bigint)
                           from invoice_line g
                           where g.invoice = l.invoice and g.tax_category = l.tax_category and g.tax_pct = l.tax_pct
                             and not exists (select 1 from line_credit own where own.credit_line = g.id))
                end as group_vat_minor,
                cast(sum(case when c.taken_over then 0 else 1 end) as bigint) as checked
         from line_credit c
         join invoice_line l on l.id = c.credited_line
         join invoice i on i.id = l.invoice
         where c.payer",
        uuid,
        " group by c.payer, l.id, i.id, i.number, l.number, l.subtotal_minor, l.tax_inclusive, l.vat_minor,
                   l.tax_category, l.tax_pct, l.invoice
          order by c.payer, i.number, l.number"
    );
    let payers: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select distinct payer from line_credit where $1 is null or payer > $1 order by payer limit $2")
        .bind(after.map(|payer| payer.0))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    let sql = tx.pick(&LINES);
    let rows: Vec<CreditedRow> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids(payers.clone())).fetch_all(c).await?);
    let sql = tx.pick(&BOOKED);
    let credits: Vec<CreditRow> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids(payers.clone())).fetch_all(c).await?);
    let mut of_payer: BTreeMap<Uuid, CreditedOf> = BTreeMap::new();
    for payer in payers {
        let payer_id = CustomerId(payer);
        of_payer.insert(payer, CreditedOf { payer: payer_id, lines: Vec::new(), credits: Vec::new() });
    }
    for row in rows.into_iter().filter(|row| row.checked > 0) {
        let Some(of) = of_payer.get_mut(&row.payer) else { continue };
        of.lines.push(CreditedLine {
            line: LineId(row.line),
            invoice: InvoiceId(row.invoice),
            invoice_number: row.invoice_number,
            number: small(row.number, "invoice_line.number")?,
            priced_minor: row.priced_minor,
            group: (crate::invoice::tax_category(&row.tax_category)?, row.tax_pct.0),
            group_vat_minor: row.group_vat_minor,
        });
    }
    for row in credits {
        if let Some(of) = of_payer.get_mut(&row.0) {
            of.credits.push(credit(row));
        }
    }
    Ok(of_payer.into_values().collect())
}

/// What was credited of one payer's lines.
#[derive(Debug, Clone)]
pub struct CreditedOf {
    pub payer: CustomerId,
    pub lines: Vec<CreditedLine>,
    pub credits: Vec<(LineId, Credit)>,
}
