//! What a run has done outside the books beside its mails, and what older runs left for a person.

use super::Run;
use crate::delivery;
use crate::tx::{Tx, on};
use crate::words::count;
use domain::ids::RunId;
use domain::run::PaymentCounts;

/// The run's invoices on which somebody was charged, by the last attempt.
pub async fn payments(tx: &mut Tx, run: RunId) -> anyhow::Result<PaymentCounts> {
    let states: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "select a.state, count(*)
         from invoice i
         join payment_attempt a on a.invoice = i.id
         where i.run = $1
           and a.ordinal = (select max(b.ordinal) from payment_attempt b where b.invoice = i.id)
         group by a.state")
        .bind(run.0)
        .fetch_all(c)
        .await?);
    let mut counts = PaymentCounts::default();
    for (state, n) in states {
        let n = count(n, "payment_attempt")?;
        match state.as_str() {
            "paid" => counts.paid += n,
            "pending" => counts.pending += n,
            _ => counts.declined += n,
        }
    }
    Ok(counts)
}

/// What runs before this one left for a person: payers set aside that no later run has met, and invoices that have not
/// reached their buyer.
pub async fn older(tx: &mut Tx, run: &Run) -> anyhow::Result<u64> {
    let payers: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*)
         from run_item i
         join run r on r.id = i.run
         where i.state in ('failed', 'parked')
           and r.ordinal < $1
           and r.state in ('closed', 'review')
           and not exists (select 1
                           from run_item n
                           join run later on later.id = n.run
                           where n.payer = i.payer and later.ordinal > r.ordinal and later.state <> 'cancelled')")
        .bind(crate::words::stored(run.ordinal))
        .fetch_one(c)
        .await?);
    Ok(count(payers, "run_item")? + delivery::open_of_others(tx, run.id).await?)
}
