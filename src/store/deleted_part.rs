//! Contacts and payment methods that were deleted, as they were answered last.

use crate::tx::{Tx, on};
use uuid::Uuid;

/// Keeps what was answered of a part of a customer, as JSON text.
pub async fn keep(tx: &mut Tx, id: Uuid, customer: Uuid, record: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into deleted_part (id, customer, record) values ($1, $2, $3)
         on conflict (id) do update set record = excluded.record")
        .bind(id)
        .bind(customer)
        .bind(record)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What is kept under this id.
pub async fn find(tx: &mut Tx, id: Uuid) -> anyhow::Result<Option<String>> {
    Ok(on!(tx, c => sqlx::query_scalar("select record from deleted_part where id = $1")
        .bind(id)
        .fetch_optional(c)
        .await?))
}
