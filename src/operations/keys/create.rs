//! A new key. It is told here and never again.

use super::{ApiKey, Numbers, Scope, hash_of};
use crate::act::Actor;
use crate::context::Context;
use chrono::{DateTime, Utc};
use domain::audit::{Action, Object};
use uuid::Uuid;

/// Letters of a name.
const NAME_MAX: usize = 100;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub name: String,
    pub scopes: Vec<Scope>,
    pub numbers: Numbers,
    /// First instant at which it no longer opens anything.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What came of it.
#[derive(Debug)]
pub enum Created {
    /// The key itself, this once.
    Key { id: Uuid, key: String },
    /// The name is taken, also by a key that was revoked: the audit log names it.
    NameTaken,
    /// The name is empty, too long or holds what cannot be shown.
    BadName,
    /// It would have ended before it began.
    Past,
}

/// Makes a key.
pub async fn create(ctx: &Context, actor: &Actor, new: &NewKey) -> anyhow::Result<Created> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Ok(Created::BadName);
    }
    let now = (ctx.now)();
    if new.expires_at.is_some_and(|end| end <= now) {
        return Ok(Created::Past);
    }
    let key = random();
    let mut scopes = new.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let row = ApiKey {
        id: Uuid::new_v4(),
        name: name.to_owned(),
        scopes,
        numbers: new.numbers,
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
    };
    let mut tx = ctx.store.begin().await?;
    if !store::api_key::add(&mut tx, &row, &hash_of(&key)).await? {
        return Ok(Created::NameTaken);
    }
    let names: Vec<&str> = row.scopes.iter().map(|scope| scope.name()).collect();
    let detail = serde_json::json!({"scopes": names, "expires": row.expires_at});
    ctx.note(&mut tx, actor, Action::CreateKey, Object::Key(name), detail).await?;
    tx.commit().await?;
    Ok(Created::Key { id: row.id, key })
}

/// 256 bits of the operating system's, drawn through random ids: each has 122.
fn random() -> String {
    let drawn: String = (0..3).map(|_| Uuid::new_v4().simple().to_string()).collect();
    // What is fixed in an id is gone once they are hashed.
    format!("tally_{}", hash_of(&drawn))
}
