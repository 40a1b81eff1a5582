//! Whether the books answer.

use crate::context::Context;
use std::time::Duration;

/// A database that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the database for the least there is.
pub async fn database_answers(ctx: &Context) -> bool {
    let asked = async {
        let mut tx = ctx.store.read().await?;
        store::schedule::jobs(&mut tx).await
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "the database does not answer");
            false
        }
        Err(_) => {
            tracing::warn!("the database takes longer than {} s to answer", PATIENCE.as_secs());
            false
        }
    }
}
