//! The one who sells, as a client may know it.

use crate::context::Context;
use domain::catalogue::Tenant;

/// The tenant of the book; none as long as nothing is loaded.
pub async fn tenant(ctx: &Context) -> anyhow::Result<Option<Tenant>> {
    let mut tx = ctx.store.read().await?;
    Ok(store::catalogue::load(&mut tx).await?.map(|catalogue| catalogue.tenant))
}
