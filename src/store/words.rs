//! Enumerations as the words that stand in tables, and rows back into domain values.

use anyhow::{Context, anyhow};
use serde::Serialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

/// The word that serde writes for a plain enumeration value.
pub(crate) fn word<T: Serialize>(value: &T) -> anyhow::Result<String> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(anyhow!("{other} is not one word")),
    }
}

/// Reads a word back; `what` names the column in the error.
pub(crate) fn read_word<T: serde::de::DeserializeOwned>(word: &str, what: &str) -> anyhow::Result<T> {
    let text: StrDeserializer<'_, ValueError> = word.into_deserializer();
    T::deserialize(text).with_context(|| format!("{what} holds `{word}`"))
}

/// A count from a bigint column that is never negative.
pub(crate) fn count(value: i64, what: &str) -> anyhow::Result<u64> {
    u64::try_from(value).map_err(|_| anyhow!("{what} holds {value}"))
}

/// A small count from a bigint column.
pub(crate) fn small(value: i64, what: &str) -> anyhow::Result<u32> {
    u32::try_from(value).map_err(|_| anyhow!("{what} holds {value}"))
}

/// A count as it is stored; counts beyond 63 bits do not exist.
pub(crate) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
