//! Usage that came over HTTP and is in no segment yet: a row per commit, the records as lines of a usage file and their keys
//! beside them.

use crate::counter;
use crate::tx::{PerDriver, Tx, on};
use anyhow::ensure;
use chrono::{DateTime, Utc};

/// How an event that waits is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingKey {
    /// Hash of (source, id).
    pub key: u128,
    /// Hash of what it says.
    pub content: u64,
    /// Of a correction: what the key index will hold of the event that it corrects.
    pub mark: Option<u128>,
}

/// Bytes of a key as it is kept.
const KEY_BYTES: usize = 40;

/// What one commit has taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    pub ordinal: i64,
    /// One record per line.
    pub lines: String,
    pub received_at: DateTime<Utc>,
}

/// What an intake that keeps the book in memory has to look at to know that it is still right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct IntakeVersions {
    /// Of the usage store.
    pub version: i64,
    pub subscriptions: i64,
    pub charges: i64,
    pub catalogue: i64,
    /// Runs there have been, and how many are over.
    pub runs: i64,
    pub runs_over: i64,
}

/// Locks the usage store against other intakes until the transaction ends, and says how everything stands.
pub async fn lock(tx: &mut Tx) -> anyhow::Result<IntakeVersions> {
    const LOCK: PerDriver = PerDriver {
        sqlite: "select version from usage_store",
        postgres: "select version from usage_store for update",
    };
    let sql = tx.pick(&LOCK);
    let _: i64 = on!(tx, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    standing(tx).await
}

/// How everything stands.
pub async fn standing(tx: &mut Tx) -> anyhow::Result<IntakeVersions> {
    Ok(on!(tx, c => sqlx::query_as(
        "select (select version from usage_store) as version,
                coalesce((select last from counter where name = $1), 0) as subscriptions,
                coalesce((select last from counter where name = $2), 0) as charges,
                (select revision from catalogue_revision) as catalogue,
                (select count(*) from run) as runs,
                (select count(*) from run where state not in ('open', 'review')) as runs_over")
        .bind(counter::SUBSCRIPTION)
        .bind(counter::CHARGE)
        .fetch_one(c)
        .await?))
}

/// Adds what a commit takes in, a line for each key; returns its ordinal. The keys must be new: see [`keys_after`].
pub async fn add(
    tx: &mut Tx,
    keys: &[WaitingKey],
    lines: &str,
    received_at: DateTime<Utc>,
) -> anyhow::Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "insert into usage_pack (events, keys, lines, received_at) values ($1, $2, $3, $4) returning ordinal")
        .bind(i64::try_from(keys.len())?)
        .bind(written(keys))
        .bind(lines)
        .bind(received_at)
        .fetch_one(c)
        .await?))
}

/// Keys of what waits after an ordinal, by pack. Intakes are in the order of their commits ([`lock`]), so nothing older
/// comes later.
pub async fn keys_after(tx: &mut Tx, ordinal: i64) -> anyhow::Result<Vec<(i64, Vec<WaitingKey>)>> {
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "select ordinal, keys from usage_pack where ordinal > $1 order by ordinal")
        .bind(ordinal)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(|(ordinal, keys)| Ok((ordinal, read(&keys)?))).collect()
}

/// How many events wait.
pub async fn count(tx: &mut Tx) -> anyhow::Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar("select cast(coalesce(sum(events), 0) as bigint) from usage_pack")
        .fetch_one(c)
        .await?))
}

/// When the oldest that waits came.
pub async fn oldest(tx: &mut Tx) -> anyhow::Result<Option<DateTime<Utc>>> {
    Ok(on!(tx, c => sqlx::query_scalar("select received_at from usage_pack order by ordinal limit 1")
        .fetch_optional(c)
        .await?))
}

/// The ordinal of what has come last, and waits.
pub async fn newest(tx: &mut Tx) -> anyhow::Result<Option<i64>> {
    Ok(on!(tx, c => sqlx::query_scalar("select max(ordinal) from usage_pack").fetch_one(c).await?))
}

/// The oldest packs, as many as hold about so many events; at least one.
pub async fn packs(tx: &mut Tx, events_max: i64) -> anyhow::Result<Vec<Pack>> {
    let sizes: Vec<(i64, i64)> = on!(tx, c => sqlx::query_as(
        "select ordinal, events from usage_pack order by ordinal").fetch_all(c).await?);
    let mut events = 0_i64;
    let taken = sizes.into_iter().take_while(|(_, size)| {
        let is_taken = events == 0 || events.saturating_add(*size) <= events_max;
        events = events.saturating_add(*size);
        is_taken
    });
    let Some((last, _)) = taken.last() else { return Ok(Vec::new()) };
    let rows: Vec<(i64, String, DateTime<Utc>)> = on!(tx, c => sqlx::query_as(
        "select ordinal, lines, received_at from usage_pack where ordinal <= $1 order by ordinal")
        .bind(last)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|(ordinal, lines, received_at)| Pack { ordinal, lines, received_at }).collect())
}

/// Deletes what has been moved: everything up to an ordinal. In the commit that names its segments.
pub async fn moved(tx: &mut Tx, through: i64) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from usage_pack where ordinal <= $1")
        .bind(through)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

fn written(keys: &[WaitingKey]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(keys.len() * KEY_BYTES);
    for WaitingKey { key, content, mark } in keys {
        bytes.extend_from_slice(&key.to_be_bytes());
        bytes.extend_from_slice(&content.to_be_bytes());
        bytes.extend_from_slice(&mark.unwrap_or(0).to_be_bytes());
    }
    bytes
}

fn read(bytes: &[u8]) -> anyhow::Result<Vec<WaitingKey>> {
    let (keys, rest) = bytes.as_chunks::<KEY_BYTES>();
    ensure!(rest.is_empty(), "usage_pack.keys has {} bytes too many", rest.len());
    let number = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let key = |bytes: &[u8; KEY_BYTES]| {
        let (key, content, mark) = (number(&bytes[..16]), number(&bytes[16..24]), number(&bytes[24..]));
        Ok(WaitingKey { key, content: u64::try_from(content)?, mark: Some(mark).filter(|mark| *mark != 0) })
    };
    keys.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        let keys = [
            WaitingKey { key: u128::MAX - 1, content: u64::MAX, mark: None },
            WaitingKey { key: 7, content: 0, mark: Some(1 << 100) },
        ];
        assert_eq!(read(&written(&keys)).unwrap(), keys);
        assert!(read(&written(&keys)[1..]).is_err());
    }
}
