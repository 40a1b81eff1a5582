//! Every key without the key.

use crate::context::Context;
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

/// A key as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct KeyView {
    pub id: Uuid,
    pub name: String,
    pub scopes: Vec<&'static str>,
    pub numbers: &'static str,
    pub created: DateTime<Utc>,
    pub expires: Option<DateTime<Utc>>,
    pub revoked: Option<DateTime<Utc>>,
    /// `active`, `expired` or `revoked`.
    pub state: &'static str,
}

/// Oldest first.
pub async fn list(ctx: &Context) -> anyhow::Result<Vec<KeyView>> {
    let now = (ctx.now)();
    let mut tx = ctx.store.read().await?;
    let keys = store::api_key::all(&mut tx).await?;
    let shown = keys.into_iter().map(|key| KeyView {
        state: match (key.revoked_at, key.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            _ => "active",
        },
        scopes: key.scopes.iter().map(|scope| scope.name()).collect(),
        numbers: key.numbers.name(),
        id: key.id,
        name: key.name,
        created: key.created_at,
        expires: key.expires_at,
        revoked: key.revoked_at,
    });
    Ok(shown.collect())
}
