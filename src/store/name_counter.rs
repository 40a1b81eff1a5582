//! Numbers for objects of the book that come without a name.

use crate::counter;
use crate::tx::Tx;

/// The next number of a kind; given back if the transaction is dropped.
pub async fn next(tx: &mut Tx, kind: &str) -> anyhow::Result<i64> {
    counter::take(tx, &format!("name_{kind}"), 1).await
}
