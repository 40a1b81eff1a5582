//! A blocked Bloom filter: one 64-byte block per key, so that asking for a key that is not there costs one cache
//! miss and no read of the run. With 16 bits per key about one absent key in a thousand is looked up without need.

const WORDS_PER_BLOCK: usize = 8;
const BITS_PER_KEY: usize = 16;
const PROBES: u32 = 6;

/// The filter of one key run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// An empty filter for `keys` keys.
    pub fn for_keys(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(WORDS_PER_BLOCK * 64).max(1);
        Self { words: vec![0; blocks * WORDS_PER_BLOCK] }
    }

    pub fn insert(&mut self, key: u128) {
        let start = self.block_of(key);
        for bit in bits_of(key) {
            self.words[start + bit / 64] |= 1 << (bit % 64);
        }
    }

    /// False means: certainly not there.
    pub fn may_hold(&self, key: u128) -> bool {
        let start = self.block_of(key);
        bits_of(key).all(|bit| self.words[start + bit / 64] >> (bit % 64) & 1 == 1)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// None if the bytes are not whole blocks.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(WORDS_PER_BLOCK * 8) {
            return None;
        }
        let words = bytes.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok()).map(u64::from_le_bytes);
        Some(Self { words: words.collect() })
    }

    /// The high half of the key spreads keys over blocks evenly: sorted keys walk through the filter in order.
    fn block_of(&self, key: u128) -> usize {
        let blocks = (self.words.len() / WORDS_PER_BLOCK) as u128;
        let block = (((key >> 64) * blocks) >> 64) as usize;
        block * WORDS_PER_BLOCK
    }
}

/// Six bit positions of a 512-bit block from the low half of the key.
fn bits_of(key: u128) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |probe| (key >> (9 * probe)) as usize & 511)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> u128 {
        u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).rotate_left(47)
            ^ u128::from(n).wrapping_mul(0xD1B5_4A32_D192_ED03_9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn finds_every_key_and_few_others() {
        let mut filter = Filter::for_keys(10_000);
        for n in 0..10_000 {
            filter.insert(key(n));
        }
        let read_back = Filter::from_bytes(&filter.to_bytes()).unwrap();
        assert!((0..10_000).all(|n| read_back.may_hold(key(n))));
        let false_alarms = (10_000..110_000).filter(|&n| read_back.may_hold(key(n))).count();
        assert!(false_alarms < 1_000, "{false_alarms} of 100000");
    }
}
