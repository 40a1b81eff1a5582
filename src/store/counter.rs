//! Dense numbers, taken inside the transaction that uses them: no gap, no repeat, visible in order (rules Q5).

use crate::tx::{Tx, on};
use anyhow::ensure;

/// Imports (rules Q5).
pub(crate) const IMPORT: &str = "import";
/// Runs.
pub(crate) const RUN: &str = "run";
/// Subscriptions in the usage store.
pub(crate) const SUBSCRIPTION: &str = "subscription";
/// Charge references in the usage store.
pub(crate) const CHARGE: &str = "charge";
/// Objects of the book, in the order in which they came.
pub(crate) const OBJECT: &str = "book_object";
/// Meters in the usage store.
pub(crate) const METER: &str = "meter";
/// Loads of book files: one waits for another.
pub(crate) const LOAD: &str = "load";
/// Numbers of which payment references are made.
pub(crate) const REFERENCE: &str = "payment_reference";
/// Bank files: one waits for another.
pub(crate) const BANK_FILE: &str = "bank_file";
/// What banks say came.
pub(crate) const BANK_ENTRY: &str = "bank_entry";
/// Files for the bank: one waits for another.
pub(crate) const DEBIT_FILE: &str = "debit_file";
/// Rows of the audit log.
pub(crate) const AUDIT_LOG: &str = "journal";

/// Takes `n` numbers of a counter and returns the first; they start at 1. The counter stays locked until the
/// transaction ends, so whoever takes the next numbers sees what these were used for.
pub(crate) async fn take(tx: &mut Tx, counter: &str, n: i64) -> anyhow::Result<i64> {
    ensure!(n >= 0, "counter {counter}: {n} numbers cannot be taken");
    let last: i64 = on!(tx, c => sqlx::query_scalar(
        "insert into counter (name, last)
         values ($1, $2)
         on conflict (name) do update set last = counter.last + excluded.last
         returning last")
        .bind(counter)
        .bind(n)
        .fetch_one(c)
        .await?);
    Ok(last - n + 1)
}

/// The last number taken, 0 if none.
pub(crate) async fn last(tx: &mut Tx, counter: &str) -> anyhow::Result<i64> {
    let last: Option<i64> = on!(tx, c => sqlx::query_scalar("select last from counter where name = $1")
        .bind(counter)
        .fetch_optional(c)
        .await?);
    Ok(last.unwrap_or(0))
}
