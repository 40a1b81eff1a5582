//! Names that callers give to invoices and to charges of subscriptions. Billing does not use them.

use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Invoice,
    Charge,
}

impl Named {
    fn word(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Charge => "charge",
        }
    }
}

/// Names something, in place of the name that it had; `owner` is what it is listed with.
pub async fn set(tx: &mut Tx, kind: Named, object: Uuid, owner: Uuid, refkey: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into object_refkey (object, kind, owner, refkey) values ($1, $2, $3, $4)
         on conflict (object) do update set refkey = excluded.refkey")
        .bind(object)
        .bind(kind.word())
        .bind(owner)
        .bind(refkey)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Names of what belongs to these owners.
pub async fn of_owners(tx: &mut Tx, owners: Vec<Uuid>) -> anyhow::Result<BTreeMap<Uuid, String>> {
    const SQL: PerDriver = by_keys!("select object, refkey from object_refkey where owner", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, String)> = on!(tx, c => sqlx::query_as(sql).bind(Ids(owners)).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// The first that has this name.
pub async fn find(tx: &mut Tx, kind: Named, refkey: &str) -> anyhow::Result<Option<Uuid>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select object from object_refkey where kind = $1 and refkey = $2 order by object limit 1")
        .bind(kind.word())
        .bind(refkey)
        .fetch_optional(c)
        .await?))
}
