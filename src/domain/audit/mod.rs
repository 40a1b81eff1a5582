//! The hash chain over the audit log of who did what. Its canonical form holds no names and no free text: those are bound
//! by a salted hash, so that a person can be erased (salt and words go, the hash stays) and every other record is
//! still proved.

mod action;

use crate::ledger::{ChainHash, ChainState};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

pub use action::{Action, Object};

/// First line of the two canonical forms; a change of a form changes it.
const LINK_VERSION: &str = "tallybook journal 1";
const CONTENT_VERSION: &str = "tallybook journal content 1";

/// The word that stands in place of what was erased.
pub const ERASED: &str = "erased";

/// What a record says, beside when and what kind of thing it was.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    pub actor: &'a str,
    pub object: &'a str,
    pub detail: &'a Value,
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    pub ordinal: u64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub detail: Value,
    /// None once it was erased.
    pub salt: Option<String>,
    pub content_hash: ChainHash,
    pub hash: ChainHash,
}

/// The first thing that is wrong with the audit log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    #[error("record {expected} is missing: {found} follows {}", expected - 1)]
    Gap { expected: u64, found: u64 },
    #[error("record {0} ({1}) was changed, or one before it")]
    Broken(u64, String),
    #[error("record {0} ({1}): who, what or with what was changed")]
    Content(u64, String),
}

/// The hash that binds who, what and with what; `salt` keeps the words from being guessed.
pub fn content_hash(salt: &str, content: Content<'_>) -> ChainHash {
    let mut text = format!("{CONTENT_VERSION}\n{salt}\n");
    push(&mut text, content.actor);
    push(&mut text, content.object);
    push_json(&mut text, content.detail);
    ChainHash(Sha256::digest(text.as_bytes()).into())
}

/// The hash of a record behind `previous`. Instants count to the microsecond, which both databases keep.
///
/// ```text
/// tallybook audit log 1
/// previous hash  ordinal  instant  action  content hash
/// ```
pub fn link_hash(
    previous: &ChainHash,
    ordinal: u64,
    at: DateTime<Utc>,
    action: &str,
    content: &ChainHash,
) -> ChainHash {
    let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut text = format!("{LINK_VERSION}\n{previous}\t{ordinal}\t{at}\t");
    push(&mut text, action);
    let _ = writeln!(text, "{content}");
    ChainHash(Sha256::digest(text.as_bytes()).into())
}

/// Checks one record against the end of the chain before it, and returns where the chain ends then.
pub fn verify_record(previous: &ChainState, record: &AuditRecord) -> Result<ChainState, AuditFault> {
    let (ordinal, action) = (record.ordinal, record.action.clone());
    if ordinal != previous.sequence + 1 {
        return Err(AuditFault::Gap { expected: previous.sequence + 1, found: ordinal });
    }
    if link_hash(&previous.hash, ordinal, record.at, &record.action, &record.content_hash) != record.hash {
        return Err(AuditFault::Broken(ordinal, action));
    }
    let AuditRecord { actor, object, detail, .. } = record;
    let is_whole = match &record.salt {
        Some(salt) => content_hash(salt, Content { actor, object, detail }) == record.content_hash,
        None => actor == ERASED && object == ERASED && *detail == Value::Object(serde_json::Map::new()),
    };
    if !is_whole {
        return Err(AuditFault::Content(ordinal, action));
    }
    Ok(ChainState { sequence: ordinal, hash: record.hash })
}

/// A text with its length before it, so that no two lists of texts are written alike.
fn push(text: &mut String, part: &str) {
    let _ = writeln!(text, "{} {part}", part.len());
}

/// JSON with its keys in order: databases keep them in an order of their own.
fn push_json(text: &mut String, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            let _ = writeln!(text, "object {}", names.len());
            for name in names {
                push(text, name);
                push_json(text, &members[name]);
            }
        }
        Value::Array(items) => {
            let _ = writeln!(text, "array {}", items.len());
            items.iter().for_each(|item| push_json(text, item));
        }
        plain => push(text, &plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chain() -> Vec<AuditRecord> {
        let mut end = ChainState::default();
        let record = |n: u64| {
            let (actor, object) = ("karen".to_owned(), format!("run {n}"));
            let detail = json!({"b": [1, "x"], "a": {"as_of": "2026-01-31"}});
            let salt = format!("salt {n}");
            let content = content_hash(&salt, Content { actor: &actor, object: &object, detail: &detail });
            let at = DateTime::from_timestamp(1_770_000_000, 123_456_789).unwrap();
            let hash = link_hash(&end.hash, n, at, "run.open", &content);
            end = ChainState { sequence: n, hash };
            let (action, salt) = ("run.open".to_owned(), Some(salt));
            AuditRecord { ordinal: n, at, actor, action, object, detail, salt, content_hash: content, hash }
        };
        (1..=3).map(record).collect()
    }

    fn verify(records: &[AuditRecord]) -> Result<ChainState, AuditFault> {
        records.iter().try_fold(ChainState::default(), |end, record| verify_record(&end, record))
    }

    #[test]
    fn a_person_is_erased_and_the_chain_still_holds() {
        let mut records = chain();
        let end = verify(&records).unwrap();
        let erased = &mut records[1];
        (erased.actor, erased.object) = (ERASED.into(), ERASED.into());
        (erased.detail, erased.salt) = (json!({}), None);
        assert_eq!(verify(&records), Ok(end));
        records[1].detail = json!({"as_of": "2026-02-28"});
        assert!(matches!(verify(&records), Err(AuditFault::Content(2, _))), "erased, then rewritten");
    }

    #[test]
    fn the_order_of_keys_and_what_is_below_a_microsecond_do_not_count() {
        let mut records = chain();
        records[0].detail = json!({"a": {"as_of": "2026-01-31"}, "b": [1, "x"]});
        records[0].at = DateTime::from_timestamp(1_770_000_000, 123_456_000).unwrap();
        verify(&records).unwrap();
    }

    #[test]
    fn every_change_is_told() {
        type Change = fn(&mut AuditRecord);
        let changes: [(Change, &str); 6] = [
            (|r| r.actor = "ole".into(), "actor"),
            (|r| r.object = "run 9".into(), "object"),
            (|r| r.detail = json!({}), "detail"),
            (|r| r.action = "run.cancel".into(), "action"),
            (|r| r.at = DateTime::from_timestamp(0, 0).unwrap(), "at"),
            (|r| r.ordinal += 1, "ordinal"),
        ];
        for (change, what) in changes {
            let mut records = chain();
            change(&mut records[1]);
            assert!(verify(&records).is_err(), "{what}");
        }
        let mut records = chain();
        records.remove(1);
        assert_eq!(verify(&records), Err(AuditFault::Gap { expected: 2, found: 3 }));
    }
}
