//! Texts that programs keep with objects of the book, by key.

use crate::tx::{Tx, on};
use chrono::{DateTime, Utc};
use domain::book_file::ObjectKind;
use uuid::Uuid;

/// One text.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Metadata {
    pub id: Uuid,
    pub object: Uuid,
    pub key: String,
    pub value: String,
    pub created_at: DateTime<Utc>,
    pub created_by: String,
    pub modified_at: DateTime<Utc>,
    pub modified_by: String,
}

/// Which texts of a kind of object; nothing set means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub id: Option<Uuid>,
    pub object: Option<Uuid>,
    pub key: Option<String>,
    pub value: Option<String>,
}

/// Texts in the order in which they came.
pub async fn list(tx: &mut Tx, kind: ObjectKind, filter: &Filter) -> anyhow::Result<Vec<Metadata>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select id, object, key, value, created_at, created_by, modified_at, modified_by
         from metadata
         where kind = $1
           and ($2 is null or id = $2)
           and ($3 is null or object = $3)
           and ($4 is null or key = $4)
           and ($5 is null or value = $5)
         order by created_at, id")
        .bind(kind.name())
        .bind(filter.id)
        .bind(filter.object)
        .bind(&filter.key)
        .bind(&filter.value)
        .fetch_all(c)
        .await?))
}

/// Keeps a text, in place of the one under its key.
pub async fn save(tx: &mut Tx, kind: ObjectKind, row: &Metadata) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into metadata (id, kind, object, key, value, created_at, created_by, modified_at, modified_by)
         values ($1, $2, $3, $4, $5, $6, $7, $6, $7)
         on conflict (object, key) do update set
            value = excluded.value, modified_at = excluded.modified_at, modified_by = excluded.modified_by")
        .bind(row.id)
        .bind(kind.name())
        .bind(row.object)
        .bind(&row.key)
        .bind(&row.value)
        .bind(row.modified_at)
        .bind(&row.modified_by)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Takes a text away; `false` if there is none.
pub async fn delete(tx: &mut Tx, kind: ObjectKind, id: Uuid) -> anyhow::Result<bool> {
    let gone = on!(tx, c => sqlx::query("delete from metadata where kind = $1 and id = $2")
        .bind(kind.name())
        .bind(id)
        .execute(c)
        .await?
        .rows_affected());
    Ok(gone > 0)
}
