//! Who did what: the journal, read back.

use crate::context::Context;
use crate::refusal::Stop;
use chrono::{DateTime, NaiveDate, Utc};
use domain::zone::start_of_day;
use serde::Serialize;
use serde_json::Value;
use store::journal;

/// Records read together.
const PAGE: u32 = 5_000;

/// Which records; every field narrows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// As the list names it: `run 18`, `invoice INV-0000007`.
    pub object: Option<String>,
    pub actor: Option<String>,
    /// From this day on, tenant-local.
    pub since: Option<NaiveDate>,
}

/// Something that was done.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub detail: Value,
}

/// A record in its chain; one of a version that kept no chain has only its place.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    pub ordinal: u64,
    #[serde(flatten)]
    pub record: Option<Record>,
    pub hash: Option<String>,
}

/// The newest records first.
pub async fn newest(ctx: &Context, filter: &Filter, limit: u32) -> Result<Vec<Record>, Stop> {
    let zone = ctx.catalogue().await?.tenant.timezone;
    let wanted = journal::Filter {
        object: filter.object.clone(),
        actor: filter.actor.clone(),
        since: filter.since.map(|day| start_of_day(day, zone)),
    };
    let mut tx = ctx.store.read().await?;
    let records = journal::newest(&mut tx, &wanted, limit).await?.into_iter();
    let views = records.map(|r| Record {
        at: r.at,
        actor: r.actor,
        action: r.action,
        object: r.object,
        detail: r.detail,
    });
    Ok(views.collect())
}

/// The next records after this one as they stand in the chain, oldest first; none = that was all.
pub async fn links(ctx: &Context, after: u64) -> Result<Vec<Link>, Stop> {
    let mut tx = ctx.store.read().await?;
    let page = journal::page(&mut tx, after, PAGE).await?;
    let links = page.into_iter().map(|(ordinal, record)| Link {
        ordinal,
        hash: record.as_ref().map(|r| r.hash.to_string()),
        record: record.map(|r| Record {
            at: r.at,
            actor: r.actor,
            action: r.action,
            object: r.object,
            detail: r.detail,
        }),
    });
    Ok(links.collect())
}
