//! Whether what a caller shows is a key, and which.

use super::{ApiKey, hash_of};
use crate::context::Context;

/// What a caller has shown.
#[derive(Debug, Clone)]
pub enum Checked {
    Good(ApiKey),
    Unknown,
    Revoked,
    Expired,
}

/// Looks a key up. The database is asked for the hash, so that how long it takes tells nothing of a key that is near.
pub async fn check(ctx: &Context, key: &str) -> anyhow::Result<Checked> {
    let mut tx = ctx.store.read().await?;
    let Some(found) = store::api_key::by_hash(&mut tx, &hash_of(key)).await? else {
        return Ok(Checked::Unknown);
    };
    if found.revoked_at.is_some() {
        return Ok(Checked::Revoked);
    }
    if found.expires_at.is_some_and(|end| end <= (ctx.now)()) {
        return Ok(Checked::Expired);
    }
    Ok(Checked::Good(found))
}
