//! Small facts about this database.

use crate::tx::{Tx, on};
use anyhow::Context;
use uuid::Uuid;

/// The fact of this name.
pub async fn get(tx: &mut Tx, name: &str) -> anyhow::Result<Option<String>> {
    Ok(
        on!(tx, c => sqlx::query_scalar("select value from meta where name = $1").bind(name).fetch_optional(c).await?),
    )
}

/// Writes a fact, replacing what was there.
pub async fn set(tx: &mut Tx, name: &str, value: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into meta (name, value)
         values ($1, $2)
         on conflict (name) do update set value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Forgets a fact.
pub(crate) async fn remove(tx: &mut Tx, name: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from meta where name = $1").bind(name).execute(c).await.map(drop))?;
    Ok(())
}

/// The seed of [`key_seed`], if it was made already.
pub async fn known_key_seed(tx: &mut Tx) -> anyhow::Result<Option<u128>> {
    if get(tx, "usage_key_seed").await?.is_none() {
        return Ok(None);
    }
    key_seed(tx).await.map(Some)
}

/// The seed of this store's usage key hashes (ARCHITECTURE.md); made on the first call, then fixed for ever.
/// Needs a transaction that writes on that first call.
pub async fn key_seed(tx: &mut Tx) -> anyhow::Result<u128> {
    const NAME: &str = "usage_key_seed";
    if let Some(text) = get(tx, NAME).await? {
        return u128::from_str_radix(&text, 16).with_context(|| format!("{NAME} holds `{text}`"));
    }
    let seed = Uuid::new_v4().as_u128();
    on!(tx, c => sqlx::query(
        "insert into meta (name, value) values ($1, $2) on conflict (name) do nothing")
        .bind(NAME)
        .bind(format!("{seed:032x}"))
        .execute(c)
        .await
        .map(drop))?;
    let text = get(tx, NAME).await?.context("the usage key seed was just written")?;
    u128::from_str_radix(&text, 16).with_context(|| format!("{NAME} holds `{text}`"))
}
