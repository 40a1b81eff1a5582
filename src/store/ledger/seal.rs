//! What the sealer reads and writes (rules L2): entries that wait, in sealing order, and the end of the chain.

use super::read::{EntryRow, entry_columns, with_postings};
use crate::bulk::Bulk;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::{count, stored};
use anyhow::ensure;
use domain::ids::EntryId;
use domain::ledger::{ChainState, Entry, Sealed};
use std::collections::HashMap;

/// Where the chain ends: sequence 0 and a hash of zeros before the first entry.
pub type ChainEnd = ChainState;

/// Where the chain ends now.
pub async fn chain_end(tx: &mut Tx) -> anyhow::Result<ChainEnd> {
    let last: Option<(i64, String)> = on!(tx, c => sqlx::query_as(
        "select sequence, hash from ledger_seal order by sequence desc limit 1").fetch_optional(c).await?);
    let Some((sequence, hash)) = last else { return Ok(ChainEnd::default()) };
    Ok(ChainEnd { sequence: count(sequence, "ledger_seal.sequence")?, hash: hash.parse()? })
}

/// As [`chain_end`], and nobody else seals until the transaction ends.
pub async fn lock_chain(tx: &mut Tx) -> anyhow::Result<ChainEnd> {
    if let Tx::Postgres(t) = tx {
        sqlx::query("lock table ledger_seal in share row exclusive mode").execute(&mut **t).await?;
    }
    chain_end(tx).await
}

/// The entries that wait for a seal, in sealing order: posting date, document number, kind, ordinal. Read once for a whole
/// pass: sorting all that wait again for every chunk would cost the square of a run.
pub async fn unsealed(tx: &mut Tx) -> anyhow::Result<Vec<EntryId>> {
    let rows: Vec<uuid::Uuid> = on!(tx, c => sqlx::query_scalar(
        "select e.id
         from ledger_unsealed u
         join ledger_entry e on e.id = u.entry
         order by e.posting_date,
                  e.document_number,
                  case e.kind when 'booking' then 0
                              when 'payment' then 1
                              when 'fee' then 2
                              when 'refund' then 3
                              when 'credit_note' then 4
                              when 'write_off' then 5
                              when 'rounding' then 6
                              when 'recognition' then 7
                              else 8 end,
                  e.ordinal,
                  e.invoice")
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(EntryId).collect())
}

/// Those of these entries that still wait, in the order given.
pub async fn waiting(tx: &mut Tx, ids: &[EntryId]) -> anyhow::Result<Vec<Entry>> {
    const SQL: PerDriver = by_keys!(
        concat!(
            "select ",
            entry_columns!(),
            " from ledger_unsealed u
         join ledger_entry e on e.id = u.entry
         left join invoice i on i.id = e.invoice
         where u.entry"
        ),
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<EntryRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    let place: HashMap<EntryId, usize> = ids.iter().copied().zip(0..).collect();
    let mut entries = with_postings(tx, rows).await?;
    entries.sort_by_key(|entry| place.get(&entry.id).copied());
    Ok(entries)
}

/// How many entries wait for a seal.
pub async fn unsealed_count(tx: &mut Tx) -> anyhow::Result<u64> {
    let n: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from ledger_unsealed").fetch_one(c).await?);
    count(n, "ledger_unsealed")
}

/// Writes seals that go on from the end of the chain, under [`lock_chain`]. Sequence and entry are unique, so a
/// repeat is refused.
pub async fn save_sealed(tx: &mut Tx, sealed: &[Sealed]) -> anyhow::Result<()> {
    const WAITED: PerDriver = by_keys!("delete from ledger_unsealed where entry", uuid, "");
    let mut end = chain_end(tx).await?;
    let mut rows = Bulk::into("ledger_seal", &["sequence", "entry", "previous_hash", "hash"]);
    for s in sealed {
        ensure!(
            s.sequence == end.sequence + 1 && s.previous_hash == end.hash,
            "sealing entry {}: sequence {} does not go on from {}",
            s.entry.id,
            s.sequence,
            end.sequence
        );
        end = s.state();
        rows.row([
            stored(s.sequence).into(),
            s.entry.id.0.into(),
            s.previous_hash.to_string().into(),
            s.hash.to_string().into(),
        ]);
    }
    rows.insert(tx).await?;
    let ids: Vec<EntryId> = sealed.iter().map(|s| s.entry.id).collect();
    let sql = tx.pick(&WAITED);
    let waited = on!(tx, c => sqlx::query(sql).bind(Ids::of(&ids)).execute(c).await?.rows_affected());
    ensure!(waited == u64::try_from(ids.len())?, "sealing {} entries: {waited} were waiting", ids.len());
    Ok(())
}
