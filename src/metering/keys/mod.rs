//! The key index: which (source, id) have been accepted, with what content, and which have been corrected
//! (rules Q3). It holds hashes only and never forgets: there is no time window for duplicates.
//!
//! Every committed import adds one or more *key runs*: files of sorted entries with a filter and a sparse index
//! ([`run`]). A new import looks its keys up in all of them ([`History`]) and keeps its own in tables ([`fresh`]); runs
//! can be merged at any time ([`merge`]), which changes nothing but their number.

mod filter;
mod fresh;
mod history;
mod merge;
mod run;

pub use merge::merge;
pub use run::KeyRunFile;

pub(crate) use history::{History, KeyLookup};

use siphasher::sip::SipHasher13;
use siphasher::sip128::SipHasher13 as SipHasher13Wide;

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
        let hasher = SipHasher13Wide::new_with_keys(self.low, self.high);
        // The length keeps ("a", "bc") apart from ("ab", "c").
        let length = (source.len() as u64).to_le_bytes();
        let mut text = Joined::default();
        text.add(&[tag]).add(&length).add(source.as_bytes()).add(id.as_bytes());
        hasher.hash(text.bytes()).as_u128()
    }

    /// The hash of what an event says, apart from its key: two events of one key and one hash are duplicates.
    pub fn content(&self, content: &Content<'_>) -> u64 {
        let hasher = SipHasher13::new_with_keys(self.low, self.high);
        let mut text = Joined::default();
        text.add(&content.quantity.to_le_bytes()).add(&content.time_us.to_le_bytes());
        for part in [content.subject, content.meter, content.properties, content.corrects] {
            text.add(&(part.len() as u64).to_le_bytes()).add(part.as_bytes());
        }
        hasher.hash(text.bytes())
    }
}

/// Bytes one after the other, to be hashed at one go: that takes a third of the time of hashing them piece by piece.
struct Joined {
    room: [u8; ROOM_BYTES],
    len: usize,
    /// Everything, once it is more than there is room for.
    long: Vec<u8>,
}

const ROOM_BYTES: usize = 384;

impl Default for Joined {
    fn default() -> Self {
        Self { room: [0; ROOM_BYTES], len: 0, long: Vec::new() }
    }
}

impl Joined {
    #[inline]
    fn add(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len + bytes.len();
        match self.room.get_mut(self.len..end) {
            Some(room) if self.long.is_empty() => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            _ => {
                if self.long.is_empty() {
                    self.long.extend_from_slice(&self.room[..self.len]);
                }
                self.long.extend_from_slice(bytes);
            }
        }
        self
    }

    fn bytes(&self) -> &[u8] {
        if self.long.is_empty() { &self.room[..self.len] } else { &self.long }
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

#[cfg(test)]
mod tests {
    use super::*;
    use siphasher::sip128::Hasher128;
    use std::hash::Hasher;

    /// Key runs of any age hold hashes that were made piece by piece.
    #[test]
    fn hashes_are_those_of_the_pieces() {
        let (low, high) = (0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210);
        let hashes = Hashes::new(u128::from(high) << 64 | u128::from(low));
        let long = "x".repeat(ROOM_BYTES * 3);
        for text in ["", "e", "evt-0000000042", "æøå", &long[..200], &long[..ROOM_BYTES], &long] {
            let mut key = SipHasher13Wide::new_with_keys(low, high);
            key.write(b"e");
            key.write(&(text.len() as u64).to_le_bytes());
            key.write(text.as_bytes());
            key.write(b"id");
            assert_eq!(hashes.event(text, "id"), key.finish128().as_u128(), "{text}");
            let said = Content {
                subject: "SUB-1",
                meter: text,
                quantity: -7,
                time_us: 9,
                properties: text,
                corrects: "",
            };
            let mut content = SipHasher13::new_with_keys(low, high);
            content.write(&said.quantity.to_le_bytes());
            content.write(&said.time_us.to_le_bytes());
            for part in ["SUB-1", text, text, ""] {
                content.write(&(part.len() as u64).to_le_bytes());
                content.write(part.as_bytes());
            }
            assert_eq!(hashes.content(&said), content.finish(), "{text}");
        }
    }
}
