//! Drafts and the periods they take. Saving replaces what the same run had for the same payers, so a payer whose
//! book changed can be billed again; a period that another run has taken is refused.

use crate::bulk::{Bulk, Cell};
use crate::draft_body::{self, BodyRow, DraftBody};
use crate::outbox;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::stored;
use anyhow::ensure;
use chrono::NaiveDate;
use domain::billing::{BilledLine, CarriedDraft};
use domain::ids::*;
use domain::invoice::{Draft, Line};
use domain::money::Currency;
use domain::webhook::Event;
use sqlx::types::Json;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Stands for the run of drafts that a person wrote.
pub const NO_RUN: RunId = RunId(Uuid::nil());

/// What billing one payer gave.
#[derive(Debug, Clone, Copy)]
pub struct PayerDrafts<'a> {
    pub payer: CustomerId,
    pub drafts: &'a [Draft],
    /// Their content, in the same order.
    pub bodies: &'a [DraftBody],
    /// Every period taken, with or without a line.
    pub lines: &'a [BilledLine],
    /// Replaces the payer's carried drafts; none leaves them as they are.
    pub carried: Option<&'a [CarriedDraft]>,
}

/// Another run has billed some of the same periods in the meantime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} payers have periods that another run has taken", payers.len())]
pub struct AlreadyBilled {
    /// Set these aside and save the rest in a new transaction.
    pub payers: Vec<CustomerId>,
}

/// State of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftState {
    Open,
    /// An invoice has been made of it.
    Booked,
    Cancelled,
    /// Not booked by its run, with a reason: the book changed since, or a check refused it.
    SetAside,
}

/// What ranks a draft (rules I5) and what a list of drafts shows, without its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftKey {
    pub id: InvoiceId,
    pub run: RunId,
    pub payer: CustomerId,
    pub account_number: String,
    pub subscription_number: Option<String>,
    pub currency: Currency,
    pub charge_date: NaiveDate,
    pub invoice_date: NaiveDate,
    pub series: String,
    pub autobill: bool,
    pub net_minor: i64,
    pub vat_minor: i64,
    pub revision: i64,
    pub state: DraftState,
    pub reason: Option<String>,
}

/// Which drafts to list; every field narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftFilter {
    pub run: Option<RunId>,
    pub account_number: Option<String>,
    pub state: Option<DraftState>,
}

/// Saves the drafts, periods and carried drafts of some payers of a run. Fails with [`AlreadyBilled`] (downcast it)
/// if a period is taken: roll back.
pub async fn save(
    tx: &mut Tx,
    run: RunId,
    run_ordinal: u64,
    payers: &[PayerDrafts<'_>],
) -> anyhow::Result<()> {
    let ids: Vec<CustomerId> = payers.iter().map(|p| p.payer).collect();
    drop_of_payers(tx, run, &ids).await?;
    drop_cancelled(tx, payers).await?;
    save_drafts(tx, run, payers).await?;
    save_lines(tx, run, payers).await?;
    let mut sets = Bulk::into("carried_set", &["payer", "run_ordinal", "run", "drafts"])
        .on_conflict("on conflict (payer, run_ordinal) do update set drafts = excluded.drafts");
    for p in payers {
        if let Some(carried) = p.carried {
            sets.row([p.payer.0.into(), stored(run_ordinal).into(), run.0.into(), Cell::json(&carried)?]);
        }
    }
    sets.insert(tx).await?;
    take_over_carried(tx, run, run_ordinal, payers).await
}

/// What waited for customers who are billed to these payers by now was taken over with the rest (rules I8).
async fn take_over_carried(
    tx: &mut Tx,
    run: RunId,
    run_ordinal: u64,
    payers: &[PayerDrafts<'_>],
) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!(
        "insert into carried_set (payer, run_ordinal, run, drafts)
         select distinct s.payer, $2, $3, $4
         from carried_set s
         join customer c on c.id = s.payer
         where s.payer <> c.payer and s.run_ordinal < $2 and c.payer",
        uuid,
        " on conflict (payer, run_ordinal) do nothing"
    );
    let ids: Vec<CustomerId> = payers.iter().filter(|p| p.carried.is_some()).map(|p| p.payer).collect();
    let sql = tx.pick(&SQL);
    on!(tx, c => sqlx::query(sql)
        .bind(Ids::of(&ids))
        .bind(stored(run_ordinal))
        .bind(run.0)
        .bind(Json(Vec::<CarriedDraft>::new()))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Adds a draft that a person wrote. One that is open or booked already stays as it is and its state is returned; one
/// that was dropped is replaced.
pub async fn add_manual(tx: &mut Tx, draft: &Draft) -> anyhow::Result<Option<DraftState>> {
    let state: Option<String> = on!(tx, c => sqlx::query_scalar("select state from draft where id = $1")
        .bind(draft.id.0)
        .fetch_optional(c)
        .await?);
    if let Some(word) = state {
        let state: DraftState = crate::words::read_word(&word, "draft.state")?;
        if matches!(state, DraftState::Open | DraftState::Booked) {
            return Ok(Some(state));
        }
        on!(tx, c => sqlx::query("delete from draft where id = $1 and state in ('cancelled', 'set_aside')")
            .bind(draft.id.0)
            .execute(c)
            .await
            .map(drop))?;
    }
    let (drafts, bodies) = (std::slice::from_ref(draft), [DraftBody::of(draft)?]);
    let payer = PayerDrafts { payer: draft.payer, drafts, bodies: &bodies, lines: &[], carried: None };
    save_drafts(tx, NO_RUN, &[payer]).await?;
    outbox::tell(tx, &[Event { kind: "Invoice", action: "create", object: draft.id.0 }]).await?;
    Ok(None)
}

/// A draft that was dropped and whose periods were released comes back under its id.
async fn drop_cancelled(tx: &mut Tx, payers: &[PayerDrafts<'_>]) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!("delete from draft where state = 'cancelled' and id", uuid, "");
    let ids: Vec<InvoiceId> = payers.iter().flat_map(|p| p.drafts).map(|d| d.id).collect();
    let sql = tx.pick(&SQL);
    on!(tx, c => sqlx::query(sql).bind(Ids::of(&ids)).execute(c).await.map(drop))?;
    Ok(())
}

async fn save_drafts(tx: &mut Tx, run: RunId, payers: &[PayerDrafts<'_>]) -> anyhow::Result<()> {
    let columns = &[
        "id",
        "run",
        "payer",
        "account_number",
        "subscription",
        "subscription_number",
        "currency",
        "charge_date",
        "invoice_date",
        "series",
        "is_credit_note",
        "autobill",
        "net_minor",
        "vat_minor",
        "revision",
        "state",
    ];
    let mut rows = Bulk::into("draft", columns);
    for d in payers.iter().flat_map(|p| p.drafts) {
        rows.row([
            d.id.0.into(),
            run.0.into(),
            d.payer.0.into(),
            (&d.account_number).into(),
            d.subscription.map(|s| s.0).into(),
            (&d.subscription_number).into(),
            d.currency.code().to_owned().into(),
            d.charge_date.into(),
            d.invoice_date.into(),
            (&d.series).into(),
            d.is_credit_note.into(),
            d.autobill.into(),
            d.net_minor.into(),
            d.vat_minor.into(),
            d.revision.into(),
            "open".into(),
        ]);
    }
    rows.insert(tx).await?;
    for p in payers {
        ensure!(p.drafts.len() == p.bodies.len(), "payer {}: a draft comes without its content", p.payer);
    }
    // Collected first: an iterator of closures would not be sent between threads.
    let bodies: Vec<_> = payers.iter().flat_map(|p| p.drafts.iter().map(|d| d.id).zip(p.bodies)).collect();
    draft_body::save(tx, bodies.into_iter()).await
}

async fn save_lines(tx: &mut Tx, run: RunId, payers: &[PayerDrafts<'_>]) -> anyhow::Result<()> {
    let wanted: usize = payers.iter().map(|p| p.lines.len()).sum();
    let written =
        insert_lines(tx, run, payers.iter().flat_map(|p| p.lines.iter().map(|l| (p.payer, l)))).await?;
    if written == u64::try_from(wanted)? {
        return Ok(());
    }
    Err(already_billed(tx, run, payers).await?.into())
}

/// Inserts billed periods, skipping those that are taken; returns how many were written.
pub(crate) async fn insert_lines<'a>(
    tx: &mut Tx,
    run: RunId,
    lines: impl Iterator<Item = (CustomerId, &'a BilledLine)>,
) -> anyhow::Result<u64> {
    let columns = &[
        "charge",
        "key_start",
        "revision",
        "kind",
        "ordinal",
        "run",
        "payer",
        "subscription",
        "period_start",
        "period_end",
        "charge_date",
        "line",
        "invoice",
        "currency",
        "group_value",
        "quantity",
        "net_minor",
        "discount",
        "granted_minor",
        "priced_minor",
        "vat_minor",
        "tax_category",
        "tax_pct",
        "usage_mark",
        "acts_seen",
    ];
    let mut rows = Bulk::into("billed_line", columns)
        .on_conflict("on conflict (charge, key_start, revision, kind, ordinal) do nothing");
    for (payer, l) in lines {
        rows.row([
            l.key.charge.0.into(),
            l.key.period_start.into(),
            l.key.revision.into(),
            l.key.kind.name().into(),
            l.key.ordinal.into(),
            run.0.into(),
            payer.0.into(),
            l.subscription.0.into(),
            l.period.start.into(),
            l.period.end.into(),
            l.charge_date.into(),
            l.line.map(|id| id.0).into(),
            l.invoice.map(|id| id.0).into(),
            l.currency.code().to_owned().into(),
            (&l.group).into(),
            l.quantity.to_fraction_text().into(),
            l.net_minor.into(),
            l.discount.into(),
            l.granted_minor.into(),
            l.priced_minor.into(),
            l.vat_minor.into(),
            l.tax_category.name().into(),
            l.tax_pct.into(),
            l.usage_mark.into(),
            l.acts_seen.into(),
        ]);
    }
    rows.insert(tx).await
}

async fn already_billed(
    tx: &mut Tx,
    run: RunId,
    payers: &[PayerDrafts<'_>],
) -> anyhow::Result<AlreadyBilled> {
    const SQL: PerDriver = by_keys!(
        "select charge, key_start, revision, kind, ordinal from billed_line where run <> $2 and charge",
        uuid,
        ""
    );
    let charges: Vec<Uuid> = payers.iter().flat_map(|p| p.lines).map(|l| l.key.charge.0).collect();
    let sql = tx.pick(&SQL);
    let taken: Vec<(Uuid, NaiveDate, i64, String, i64)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids(charges)).bind(run.0).fetch_all(c).await?);
    let taken: BTreeSet<_> = taken.into_iter().collect();
    let meets = |l: &BilledLine| {
        let k = &l.key;
        let kind = k.kind.name().to_owned();
        taken.contains(&(k.charge.0, k.period_start, i64::from(k.revision), kind, i64::from(k.ordinal)))
    };
    Ok(AlreadyBilled {
        payers: payers.iter().filter(|p| p.lines.iter().any(meets)).map(|p| p.payer).collect(),
    })
}

/// Drops what some payers of a run have not booked: drafts, the periods and carried drafts that came with them. Of a
/// payer that has booked something in this run only the drafts that are left go, with their own periods: what booking
/// took silently or carried over stays. What a person has waived stays waived. The rows are found by their payer: a run has
/// far more of them than a payer (`is true` keeps both databases from the index on the run).
pub async fn drop_of_payers(tx: &mut Tx, run: RunId, payers: &[CustomerId]) -> anyhow::Result<()> {
    const STATEMENTS: [PerDriver; 4] = [
        by_keys!(
            "delete from billed_line
             where (run = $2) is true
               and not waived
               and not exists (select 1 from invoice i where i.id = billed_line.invoice)
               and (not exists (select 1 from invoice i where (i.run = $2) is true and i.payer = billed_line.payer)
                    or exists (select 1 from draft d
                               where d.id = billed_line.invoice and d.run = $2 and d.state in ('open', 'set_aside')))
               and payer",
            uuid,
            ""
        ),
        by_keys!(
            "delete from carried_set
             where run = $2
               and not exists (select 1 from invoice i join customer c on c.id = carried_set.payer
                               where (i.run = $2) is true and i.payer in (carried_set.payer, c.payer))
               and payer in (select c.id from customer c where c.payer",
            uuid,
            ")"
        ),
        by_keys!("delete from draft where (run = $2) is true and state = 'open' and payer", uuid, ""),
        by_keys!("delete from draft where (run = $2) is true and state = 'set_aside' and payer", uuid, ""),
    ];
    for statement in &STATEMENTS {
        let sql = tx.pick(statement);
        on!(tx, c => sqlx::query(sql).bind(Ids::of(payers)).bind(run.0).execute(c).await.map(drop))?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: Uuid,
    run: Uuid,
    payer: Uuid,
    account_number: String,
    subscription_number: Option<String>,
    currency: String,
    charge_date: NaiveDate,
    invoice_date: NaiveDate,
    series: String,
    autobill: bool,
    net_minor: i64,
    vat_minor: i64,
    revision: i64,
    state: String,
    reason: Option<String>,
}

macro_rules! keys_where {
    ($condition:literal) => {
        concat!(
            "select id, run, payer, account_number, subscription_number, currency, charge_date, invoice_date, series,
                autobill, net_minor, vat_minor, revision, state, reason
         from draft
         where ",
            $condition,
            "
         order by series, invoice_date, account_number, coalesce(subscription_number, ''), charge_date, id"
        )
    };
}

/// Drafts by the filter, in (series, invoice date, account number, subscription number, charge date, id) order.
pub async fn keys(tx: &mut Tx, filter: &DraftFilter) -> anyhow::Result<Vec<DraftKey>> {
    const SQL: &str = keys_where!(
        "($1 is null or run = $1)
           and ($2 is null or account_number = $2)
           and ($3 is null or state = $3)"
    );
    let state = filter.state.as_ref().map(crate::words::word).transpose()?;
    let rows: Vec<KeyRow> = on!(tx, c => sqlx::query_as(SQL)
        .bind(filter.run.map(|r| r.0))
        .bind(&filter.account_number)
        .bind(state)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(KeyRow::key).collect()
}

/// Drafts whose ids lie between these two, both included: those that begin with some digits.
pub async fn keys_between(tx: &mut Tx, first: InvoiceId, last: InvoiceId) -> anyhow::Result<Vec<DraftKey>> {
    const SQL: &str = keys_where!("id >= $1 and id <= $2");
    let rows: Vec<KeyRow> = on!(tx, c => sqlx::query_as(SQL).bind(first.0).bind(last.0).fetch_all(c).await?);
    rows.into_iter().map(KeyRow::key).collect()
}

/// Ids of drafts that are open or set aside and end in these eight digits.
pub async fn ids_ending(tx: &mut Tx, digits: &str) -> anyhow::Result<Vec<InvoiceId>> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select id from draft
                 where state in ('open', 'set_aside') and lower(substr(hex(id), -8)) = $1",
        postgres: "select id from draft where state in ('open', 'set_aside') and right(id::text, 8) = $1",
    };
    let sql = tx.pick(&SQL);
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(digits).fetch_all(c).await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}

/// Ids of all drafts that are open or set aside.
pub async fn open_ids(tx: &mut Tx) -> anyhow::Result<Vec<InvoiceId>> {
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select id from draft where state in ('open', 'set_aside')").fetch_all(c).await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}

impl KeyRow {
    fn key(self) -> anyhow::Result<DraftKey> {
        Ok(DraftKey {
            id: InvoiceId(self.id),
            run: RunId(self.run),
            payer: CustomerId(self.payer),
            account_number: self.account_number,
            subscription_number: self.subscription_number,
            currency: self.currency.parse()?,
            charge_date: self.charge_date,
            invoice_date: self.invoice_date,
            series: self.series,
            autobill: self.autobill,
            net_minor: self.net_minor,
            vat_minor: self.vat_minor,
            revision: self.revision,
            state: crate::words::read_word(&self.state, "draft.state")?,
            reason: self.reason,
        })
    }
}

/// Gives the drafts their places in the order of booking, `per_slice` to a slice; returns how many slices that
/// makes. Drafts of the run that are not named lose theirs.
pub async fn rank(tx: &mut Tx, run: RunId, in_order: &[InvoiceId], per_slice: u32) -> anyhow::Result<u32> {
    on!(tx, c => sqlx::query("update draft set rank = null, slice = null where run = $1 and rank is not null")
        .bind(run.0)
        .execute(c)
        .await
        .map(drop))?;
    const SQL: PerDriver = PerDriver {
        sqlite: "update draft
                 set rank = given.key, slice = given.key / $2
                 from json_each($1) as given
                 where draft.id = unhex(given.value)",
        postgres: "update draft
                   set rank = given.place - 1, slice = (given.place - 1) / $2
                   from unnest($1) with ordinality as given (id, place)
                   where draft.id = given.id",
    };
    let sql = tx.pick(&SQL);
    let per_slice = i64::from(per_slice.max(1));
    on!(tx, c => sqlx::query(sql).bind(Ids::of(in_order)).bind(per_slice).execute(c).await.map(drop))?;
    let slices = i64::try_from(in_order.len())?.div_euclid(per_slice)
        + i64::from(i64::try_from(in_order.len())?.rem_euclid(per_slice) > 0);
    Ok(u32::try_from(slices)?)
}

/// Open drafts of a booking slice, in rank order.
pub async fn of_slice(tx: &mut Tx, run: RunId, slice: u32) -> anyhow::Result<Vec<Draft>> {
    let rows: Vec<BodyRow> = on!(tx, c => sqlx::query_as(
        "select b.packed, b.body
         from draft d
         join draft_body b on b.draft = d.id
         where d.run = $1 and d.slice = $2 and d.state = 'open'
         order by d.rank")
        .bind(run.0)
        .bind(i64::from(slice))
        .fetch_all(c)
        .await?);
    draft_body::read(rows)
}

/// Invoices made of a booking slice's drafts, in rank order. Slice 0 also has those that an earlier pass of the same
/// run booked, which have lost their rank: what a rerun finds missing about them is made up.
pub async fn booked_in_slice(tx: &mut Tx, run: RunId, slice: u32) -> anyhow::Result<Vec<InvoiceId>> {
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select id from draft
         where run = $1 and state = 'booked' and (slice = $2 or ($2 = 0 and slice is null))
         order by rank, id")
        .bind(run.0)
        .bind(i64::from(slice))
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}

/// Drafts of these ids that are not booked, by id.
pub async fn by_ids(tx: &mut Tx, ids: &[InvoiceId]) -> anyhow::Result<Vec<Draft>> {
    const SQL: PerDriver =
        by_keys!("select packed, body from draft_body where draft", uuid, " order by draft");
    let sql = tx.pick(&SQL);
    let rows: Vec<BodyRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    draft_body::read(rows)
}

/// State of a draft, and the reason of one that is not open any more; none if it is gone.
pub async fn state(tx: &mut Tx, id: InvoiceId) -> anyhow::Result<Option<(DraftState, Option<String>)>> {
    let row: Option<(String, Option<String>)> = on!(tx, c => sqlx::query_as(
        "select state, reason from draft where id = $1").bind(id.0).fetch_optional(c).await?);
    row.map(|(state, reason)| Ok((crate::words::read_word(&state, "draft.state")?, reason))).transpose()
}

/// Payers of the open drafts of a booking slice.
pub async fn payers_of_slice(tx: &mut Tx, run: RunId, slice: u32) -> anyhow::Result<Vec<CustomerId>> {
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select distinct payer from draft where run = $1 and slice = $2 and state = 'open'")
        .bind(run.0)
        .bind(i64::from(slice))
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(CustomerId).collect())
}

/// Marks open drafts; returns how many were open.
pub async fn mark(
    tx: &mut Tx,
    ids: &[InvoiceId],
    state: DraftState,
    reason: Option<&str>,
) -> anyhow::Result<u64> {
    const SQL: PerDriver =
        by_keys!("update draft set state = $2, reason = $3 where state = 'open' and id", uuid, "");
    let sql = tx.pick(&SQL);
    let word = crate::words::word(&state)?;
    Ok(
        on!(tx, c => sqlx::query(sql).bind(Ids::of(ids)).bind(word).bind(reason).execute(c).await?.rows_affected()),
    )
}

/// Puts a changed draft in the place of the open one; false if it is not open any more.
pub async fn replace(tx: &mut Tx, draft: &Draft) -> anyhow::Result<bool> {
    let changed = on!(tx, c => sqlx::query(
        "update draft set net_minor = $2, vat_minor = $3 where id = $1 and state = 'open'")
        .bind(draft.id.0)
        .bind(draft.net_minor)
        .bind(draft.vat_minor)
        .execute(c)
        .await?
        .rows_affected());
    if changed == 0 {
        return Ok(false);
    }
    draft_body::replace(tx, draft).await?;
    Ok(true)
}

/// Notes what the lines of a changed draft come to: the most that can be credited of them (rules M3).
pub async fn reprice_lines(tx: &mut Tx, lines: &[Line]) -> anyhow::Result<()> {
    for line in lines {
        on!(tx, c => sqlx::query("update billed_line set priced_minor = $2, vat_minor = $3 where line = $1")
            .bind(line.id.0)
            .bind(line.priced_minor())
            .bind(line.vat_minor)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// Waives billed lines that were taken off a draft: their periods are never billed (rules I4).
pub async fn waive_lines(tx: &mut Tx, lines: &[LineId]) -> anyhow::Result<()> {
    const WAIVE: PerDriver = by_keys!(
        "update billed_line set waived = (1 = 1), invoice = null, line = null, net_minor = 0 where line",
        uuid,
        ""
    );
    let sql = tx.pick(&WAIVE);
    let ids = Ids(lines.iter().map(|line| line.0).collect());
    on!(tx, c => sqlx::query(sql).bind(ids).execute(c).await.map(drop))?;
    Ok(())
}

/// What becomes of the periods of cancelled drafts (rules I4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Periods {
    /// Due again.
    Released,
    /// Never billed.
    Waived,
}

/// Cancels open drafts and releases or waives their periods; returns how many were open.
pub async fn cancel(tx: &mut Tx, ids: &[InvoiceId], periods: Periods, reason: &str) -> anyhow::Result<u64> {
    const OPEN: PerDriver = by_keys!("select id from draft where state = 'open' and id", uuid, "");
    const RELEASE: PerDriver = by_keys!("delete from billed_line where invoice", uuid, "");
    const WAIVE: PerDriver = by_keys!(
        "update billed_line set waived = (1 = 1), invoice = null, line = null, net_minor = 0 where invoice",
        uuid,
        ""
    );
    let sql = tx.pick(&OPEN);
    let open: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    let sql = tx.pick(if periods == Periods::Released { &RELEASE } else { &WAIVE });
    on!(tx, c => sqlx::query(sql).bind(Ids(open.clone())).execute(c).await.map(drop))?;
    let events: Vec<Event> =
        open.iter().map(|id| Event { kind: "Invoice", action: "cancel", object: *id }).collect();
    outbox::tell(tx, &events).await?;
    let open: Vec<InvoiceId> = open.into_iter().map(InvoiceId).collect();
    mark(tx, &open, DraftState::Cancelled, Some(reason)).await
}

/// Cancels all of a run that is not booked: its drafts, and every period they have taken, also with quantity 0
/// (rules I4), as [`drop_of_payers`] does. Returns how many drafts were cancelled.
pub async fn cancel_run(tx: &mut Tx, run: RunId, reason: &str) -> anyhow::Result<u64> {
    for sql in [
        "delete from billed_line
         where run = $1
           and not waived
           and not exists (select 1 from invoice i where i.id = billed_line.invoice)
           and (not exists (select 1 from invoice i where i.run = $1 and i.payer = billed_line.payer)
                or exists (select 1 from draft d
                           where d.id = billed_line.invoice and d.run = $1 and d.state in ('open', 'set_aside')))",
        "delete from carried_set
         where run = $1
           and not exists (select 1 from invoice i join customer c on c.id = carried_set.payer
                           where i.run = $1 and i.payer in (carried_set.payer, c.payer))",
    ] {
        on!(tx, c => sqlx::query(sql).bind(run.0).execute(c).await.map(drop))?;
    }
    Ok(on!(tx, c => sqlx::query(
        "update draft set state = 'cancelled', reason = $2 where run = $1 and state in ('open', 'set_aside')")
        .bind(run.0)
        .bind(reason)
        .execute(c)
        .await?
        .rows_affected()))
}
