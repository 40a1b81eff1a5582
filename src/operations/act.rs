//! Who asks, and on which day.

use crate::context::Context;
use chrono::NaiveDate;
use domain::journal::{Action, Object};
use store::Tx;

/// Who asks for what day.
#[derive(Debug, Clone)]
pub struct Asked {
    pub on: NaiveDate,
    pub actor: String,
}

pub(crate) async fn note(
    ctx: &Context,
    tx: &mut Tx,
    number: &str,
    action: Action,
    asked: &Asked,
) -> anyhow::Result<()> {
    let detail = serde_json::json!({"on": asked.on});
    ctx.note(tx, &asked.actor, action, Object::Invoice(number), detail).await
}
