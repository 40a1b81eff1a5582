//! The key index: which (source, id) have been accepted, with what content, and which have been corrected
//! (rules Q3). It holds hashes only and never forgets: there is no time window for duplicates.
//!
//! Every committed import adds one or more *key runs*: files of sorted entries with a filter and a sparse index
//! ([`run`]). A new import looks its keys up in all of them ([`History`]); runs can be merged at any time
//! ([`merge`]), which changes nothing but their number.

mod filter;
mod history;
mod merge;
mod run;

pub use merge::merge;
pub use run::KeyRunFile;

pub(crate) use history::History;

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13Wide};
use std::hash::Hasher;

/// What is known of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub key: u128,
    /// Hash of the content; of a correction mark, 0.
    pub content: u64,
}

/// Makes keys and content hashes with the store's secret, so that nobody can construct ids that collide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashes {
    low: u64,
    high: u64,
}

impl Hashes {
    /// The store's seed must never change: every key run was written with it.
    pub fn new(seed: u128) -> Self {
        Self { low: seed as u64, high: (seed >> 64) as u64 }
    }

    /// The key of an accepted event.
    pub fn event(&self, source: &str, id: &str) -> u128 {
        self.tagged(b'e', source, id)
    }

    /// The key that says: this event has been corrected.
    pub fn corrected(&self, source: &str, id: &str) -> u128 {
        self.tagged(b'c', source, id)
    }

    fn tagged(&self, tag: u8, source: &str, id: &str) -> u128 {
        let mut hasher = SipHasher13Wide::new_with_keys(self.low, self.high);
        hasher.write(&[tag]);
        // The length keeps ("a", "bc") apart from ("ab", "c").
        hasher.write(&(source.len() as u64).to_le_bytes());
        hasher.write(source.as_bytes());
        hasher.write(id.as_bytes());
        hasher.finish128().as_u128()
    }

    /// The hash of what an event says, apart from its key: two events of one key and one hash are duplicates.
    pub fn content(&self, content: &Content<'_>) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.low, self.high);
        hasher.write(&content.quantity.to_le_bytes());
        hasher.write(&content.time_us.to_le_bytes());
        for text in [content.subject, content.meter, content.properties, content.corrects] {
            hasher.write(&(text.len() as u64).to_le_bytes());
            hasher.write(text.as_bytes());
        }
        hasher.finish()
    }
}

/// What makes two events of one key the same: quantity as a number, time as an instant, properties as sorted JSON.
pub(crate) struct Content<'a> {
    pub subject: &'a str,
    pub meter: &'a str,
    pub quantity: i128,
    pub time_us: i64,
    pub properties: &'a str,
    pub corrects: &'a str,
}
