//! Persons who were erased, and the words that an erasure empties. Amounts, numbers, dates and what is booked stay.

use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Texts;
use crate::words::count;
use chrono::NaiveDate;
use domain::customer::Customer;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::Party;
use sqlx::types::Json;
use uuid::Uuid;

/// Stands where words were.
pub const ERASED: &str = "erased";

/// Somebody who was erased.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Erasure {
    pub account_number: String,
    pub erased_on: NaiveDate,
    /// Last day on which something of it must be kept; none = nothing is.
    pub kept_until: Option<NaiveDate>,
}

/// Those of these accounts that were erased.
pub async fn of_accounts(tx: &mut Tx, accounts: &[&str]) -> anyhow::Result<Vec<Erasure>> {
    const SQL: PerDriver = by_keys!(
        "select account_number, erased_on, kept_until from erasure where account_number",
        text,
        " order by account_number"
    );
    let sql = tx.pick(&SQL);
    let accounts = Texts(accounts.iter().map(|account| (*account).to_owned()).collect());
    Ok(on!(tx, c => sqlx::query_as(sql).bind(accounts).fetch_all(c).await?))
}

/// Notes an erasure, or until when something is kept of it by now.
pub async fn record(tx: &mut Tx, customer: &Customer, erasure: &Erasure) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into erasure (customer, account_number, erased_on, kept_until)
         values ($1, $2, $3, $4)
         on conflict (customer) do update set kept_until = excluded.kept_until")
        .bind(customer.id.0)
        .bind(&erasure.account_number)
        .bind(erasure.erased_on)
        .bind(erasure.kept_until)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// How much an erasure would empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Words {
    /// Addresses of mails, with the reasons and notes that stand beside them.
    pub mails: u64,
    /// Drafts that were booked, cancelled or set aside: each is a copy of the buyer.
    pub drafts: u64,
    /// Reasons for which runs set the payer aside.
    pub reasons: u64,
    /// Payments of bank statements with the name, account and words of who sent them.
    pub received: u64,
    /// Records of the audit log about the customer.
    pub audit_records: u64,
}

/// Counts what [`empty`] would empty.
pub async fn words(tx: &mut Tx, customer: &Customer) -> anyhow::Result<Words> {
    let (id, object) = (customer.id.0, format!("customer {}", customer.account_number));
    let number = |n: i64| count(n, "erasure");
    let mails: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*) from delivery d join invoice i on i.id = d.invoice
         where i.payer = $1 and d.address <> '' and d.address not like 'erased-%'")
        .bind(id).fetch_one(c).await?);
    let drafts: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*) from draft_body b join draft d on d.id = b.draft where d.payer = $1 and d.state <> 'open'")
        .bind(id).fetch_one(c).await?);
    let reasons: i64 = on!(tx, c => sqlx::query_scalar(
        "select (select count(*) from run_item where payer = $1 and reason is not null and reason <> 'erased')
              + (select count(*) from run_attempt_item where payer = $1 and reason is not null and reason <> 'erased')")
        .bind(id).fetch_one(c).await?);
    let received: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*) from bank_entry
         where (name is not null or sender is not null or words <> '')
           and id in (select p.entry from bank_placing p join invoice i on i.id = p.invoice where i.payer = $1)")
        .bind(id).fetch_one(c).await?);
    let audit_records: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from journal where object = $1")
        .bind(object).fetch_one(c).await?);
    Ok(Words {
        mails: number(mails)?,
        drafts: number(drafts)?,
        reasons: number(reasons)?,
        received: number(received)?,
        audit_records: number(audit_records)?,
    })
}

/// Empties them.
pub async fn empty(tx: &mut Tx, customer: &Customer) -> anyhow::Result<()> {
    let (id, account) = (customer.id.0, &customer.account_number);
    // An address is part of the key of a delivery, and its Message-ID goes on telling them apart.
    for sql in [
        "update delivery set address = 'erased-' || message_id, reason = null
         where address <> '' and address not like 'erased-%' and invoice in (select id from invoice where payer = $1)",
        "update delivery set reason = null
         where reason is not null and invoice in (select id from invoice where payer = $1)",
        "update delivery set closed_why = 'erased'
         where closed_why is not null and invoice in (select id from invoice where payer = $1)",
        "delete from draft_body where draft in (select id from draft where payer = $1 and state <> 'open')",
        "update draft set reason = 'erased' where payer = $1 and reason is not null",
        "update run_item set reason = 'erased' where payer = $1 and reason is not null",
        "update run_attempt_item set reason = 'erased' where payer = $1 and reason is not null",
        "update unhealthy_method set reason = 'erased' where customer = $1",
        "update bank_entry set name = null, sender = null, words = ''
         where id in (select p.entry from bank_placing p join invoice i on i.id = p.invoice where i.payer = $1)",
        "update debit set debtor_name = 'erased', debtor_iban = '', debtor_bic = null, words = ''
         where attempt in (select a.id from payment_attempt a join invoice i on i.id = a.invoice where i.payer = $1)",
        "delete from deleted_part where customer = $1",
    ] {
        on!(tx, c => sqlx::query(sql).bind(id).execute(c).await.map(drop))?;
    }
    // The words of a record go; its place in the chain, and that it was there, can still be proved.
    on!(tx, c => sqlx::query(
        "update journal set actor = 'erased', object = 'erased', detail = '{}', salt = null where object = $1")
        .bind(format!("customer {account}"))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Message-IDs of all that was mailed to a payer.
pub async fn message_ids(tx: &mut Tx, payer: CustomerId) -> anyhow::Result<Vec<String>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select d.message_id from delivery d join invoice i on i.id = d.invoice where i.payer = $1 order by 1")
        .bind(payer.0)
        .fetch_all(c)
        .await?))
}

/// Invoices of a payer with their day that still say who bought.
pub async fn named_invoices(tx: &mut Tx, payer: CustomerId) -> anyhow::Result<Vec<(InvoiceId, NaiveDate)>> {
    let rows: Vec<(Uuid, NaiveDate)> = on!(tx, c => sqlx::query_as(
        "select id, invoice_date from invoice
         where payer = $1 and buyer ->> 'name' <> 'erased'
         order by invoice_date, id")
        .bind(payer.0)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|(id, day)| (InvoiceId(id), day)).collect())
}

/// Empties the buyer of invoices whose years are over, and forgets their documents. The country stays: VAT follows from it.
pub async fn empty_invoices(tx: &mut Tx, invoices: &[(InvoiceId, Party)]) -> anyhow::Result<()> {
    for (id, buyer) in invoices {
        on!(tx, c => sqlx::query("update invoice set buyer = $2, reference = null where id = $1")
            .bind(id.0)
            .bind(Json(buyer))
            .execute(c)
            .await
            .map(drop))?;
        on!(tx, c => sqlx::query("delete from document where invoice = $1").bind(id.0).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Reject files of imports: id of the import, path.
pub async fn reject_files(tx: &mut Tx) -> anyhow::Result<Vec<(Uuid, String)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select id, reject_path from usage_import where state = 'done' and reject_path is not null order by number")
        .fetch_all(c)
        .await?))
}

/// A reject file was rewritten.
pub async fn replace_reject_file(tx: &mut Tx, import: Uuid, path: &str, sha256: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update usage_import set reject_path = $2, reject_sha256 = $3 where id = $1")
        .bind(import)
        .bind(path)
        .bind(sha256)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
