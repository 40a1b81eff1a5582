//! A key that opens nothing any more. Servers look a key up again after a second at the latest.

use crate::act::Actor;
use crate::context::Context;
use domain::audit::{Action, Object};
use uuid::Uuid;

/// What came of it.
#[derive(Debug)]
pub enum Revoked {
    /// With its name; whether it was in force until now.
    Done {
        name: String,
        now: bool,
    },
    Unknown,
}

/// Revokes the key of this id or name; it is idempotent.
pub async fn revoke(ctx: &Context, actor: &Actor, named: &str) -> anyhow::Result<Revoked> {
    let mut tx = ctx.store.begin().await?;
    let id: Option<Uuid> = named.parse().ok();
    let keys = store::api_key::all(&mut tx).await?;
    let Some(key) = keys.into_iter().find(|key| Some(key.id) == id || key.name == named) else {
        return Ok(Revoked::Unknown);
    };
    let now = store::api_key::revoke(&mut tx, key.id, (ctx.now)()).await?;
    if now {
        let detail = serde_json::json!({"id": key.id});
        ctx.note(&mut tx, actor, Action::RevokeKey, Object::Key(&key.name), detail).await?;
        tx.commit().await?;
    }
    Ok(Revoked::Done { name: key.name, now })
}
