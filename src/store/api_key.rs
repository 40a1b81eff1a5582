//! Keys of the HTTP API, by the hash of what the caller shows.

use crate::bulk::{Bulk, Cell};
use crate::tx::{Tx, on};
use anyhow::anyhow;
use chrono::{DateTime, Utc};
use domain::api_key::{Numbers, Scope};
use sqlx::types::Json;
use uuid::Uuid;

/// A key without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: Uuid,
    /// The audit log calls whoever uses it `key:NAME`.
    pub name: String,
    pub scopes: Vec<Scope>,
    pub numbers: Numbers,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    scopes: Json<Vec<String>>,
    numbers: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl Row {
    fn read(self) -> anyhow::Result<ApiKey> {
        let scope = |word: &String| {
            Scope::parse(word).ok_or_else(|| anyhow!("api_key.scopes of {} holds `{word}`", self.name))
        };
        Ok(ApiKey {
            id: self.id,
            scopes: self.scopes.0.iter().map(scope).collect::<anyhow::Result<_>>()?,
            numbers: Numbers::parse(&self.numbers)
                .ok_or_else(|| anyhow!("api_key.numbers of {} holds `{}`", self.name, self.numbers))?,
            name: self.name,
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        })
    }
}

/// Writes a new key; `false` if the name is taken.
pub async fn add(tx: &mut Tx, key: &ApiKey, hash: &str) -> anyhow::Result<bool> {
    let columns = &["id", "name", "hash", "scopes", "numbers", "created_at", "expires_at"];
    let mut rows = Bulk::into("api_key", columns).on_conflict("on conflict (name) do nothing");
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
    rows.row([
        key.id.into(),
        (&key.name).into(),
        hash.into(),
        Cell::json(&scopes)?,
        key.numbers.name().into(),
        key.created_at.into(),
        key.expires_at.into(),
    ]);
    Ok(rows.insert(tx).await? == 1)
}

/// The key of this hash, whatever has become of it.
pub async fn by_hash(tx: &mut Tx, hash: &str) -> anyhow::Result<Option<ApiKey>> {
    let row: Option<Row> = on!(tx, c => sqlx::query_as(
        "select id, name, scopes, numbers, created_at, expires_at, revoked_at from api_key where hash = $1")
        .bind(hash)
        .fetch_optional(c)
        .await?);
    row.map(Row::read).transpose()
}

/// Every key, oldest first.
pub async fn all(tx: &mut Tx) -> anyhow::Result<Vec<ApiKey>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select id, name, scopes, numbers, created_at, expires_at, revoked_at from api_key order by created_at, id")
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Row::read).collect()
}

/// Revokes a key; `false` if it was revoked before.
pub async fn revoke(tx: &mut Tx, id: Uuid, now: DateTime<Utc>) -> anyhow::Result<bool> {
    let revoked = on!(tx, c => sqlx::query("update api_key set revoked_at = $2 where id = $1 and revoked_at is null")
        .bind(id)
        .bind(now)
        .execute(c)
        .await?
        .rows_affected());
    Ok(revoked == 1)
}
