//! Names with their numbers in flat tables, so that a name is found with one look at memory. There are two, for short names
//! and longer ones: the smaller a table is, the more of it is in the processor's cache.

use rustc_hash::FxHashMap;

const SLOTS_MIN: usize = 16;
/// Names that are looked at together, usually.
const TOUCHED: usize = 256;

/// Name → number.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    short: Table<12>,
    longer: Table<28>,
    /// Names that are longer still, or hold the byte that the tables fill up with.
    others: FxHashMap<Box<str>, u32>,
}

impl Names {
    /// The number of a name. Names that hold NUL are found only by [`Names::insert`]: no record may carry one.
    #[inline]
    pub fn get(&self, name: &str) -> Option<u32> {
        match name.len() {
            1..=12 => self.short.get(&filled(name)?),
            13..=28 => self.longer.get(&filled(name)?),
            _ => self.others.get(name).copied(),
        }
    }

    /// Looks at where names belong: their places come from memory side by side, when one by one each would be waited for.
    /// To be called with some hundreds of names before they are asked for.
    pub fn touch<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let (mut short, mut longer) = (Vec::with_capacity(TOUCHED), Vec::new());
        for name in names {
            match name.len() {
                1..=12 => short.extend(filled::<12>(name).map(|name| hash(&name))),
                13..=28 => longer.extend(filled::<28>(name).map(|name| hash(&name))),
                _ => {}
            }
        }
        std::hint::black_box(self.short.touch(&short) ^ self.longer.touch(&longer));
    }

    /// Gives a name its number, in place of the one that it had.
    pub fn insert(&mut self, name: &str, number: u32) {
        let is_plain = !name.contains('\0');
        match (filled::<12>(name), filled::<28>(name)) {
            (Some(short), _) if is_plain && !name.is_empty() => self.short.insert(short, number),
            (None, Some(longer)) if is_plain => self.longer.insert(longer, number),
            _ => drop(self.others.insert(name.into(), number)),
        }
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.short.len + self.longer.len + self.others.len()
    }
}

/// A name, filled up with zeros; none if it does not fit.
#[inline]
fn filled<const BYTES: usize>(name: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    Some(bytes)
}

/// Names of up to so many bytes.
#[derive(Debug, Clone, Default)]
struct Table<const BYTES: usize> {
    /// A power of two of them, at most four fifths of them taken.
    slots: Vec<Slot<BYTES>>,
    len: usize,
}

/// Free if the name begins with zero.
#[derive(Debug, Clone, Copy)]
struct Slot<const BYTES: usize> {
    name: [u8; BYTES],
    number: u32,
}

impl<const BYTES: usize> Table<BYTES> {
    /// Something of every slot where a search begins. Nothing but loads, so that many are under way at once.
    fn touch(&self, hashes: &[usize]) -> u32 {
        let Some(last) = self.slots.len().checked_sub(1) else { return 0 };
        hashes.iter().fold(0, |all, hash| all ^ self.slots[hash & last].number)
    }

    #[inline]
    fn get(&self, name: &[u8; BYTES]) -> Option<u32> {
        let last = self.slots.len().checked_sub(1)?;
        let mut at = hash(name) & last;
        loop {
            let slot = &self.slots[at];
            if slot.name == *name {
                return Some(slot.number);
            }
            if slot.name[0] == 0 {
                return None;
            }
            at = (at + 1) & last;
        }
    }

    fn insert(&mut self, name: [u8; BYTES], number: u32) {
        if (self.len + 1) * 5 > self.slots.len() * 4 {
            let free = Slot { name: [0; BYTES], number: 0 };
            let larger = vec![free; (self.slots.len() * 2).max(SLOTS_MIN)];
            for slot in std::mem::replace(&mut self.slots, larger) {
                if slot.name[0] != 0 {
                    self.place(slot);
                }
            }
        }
        self.len += usize::from(self.place(Slot { name, number }));
    }

    /// Whether the name is new.
    fn place(&mut self, new: Slot<BYTES>) -> bool {
        let last = self.slots.len() - 1;
        let mut at = hash(&new.name) & last;
        while self.slots[at].name[0] != 0 && self.slots[at].name != new.name {
            at = (at + 1) & last;
        }
        let is_new = self.slots[at].name[0] == 0;
        self.slots[at] = new;
        is_new
    }
}

/// Not for strangers to build collisions with: names are those of the book.
#[inline]
fn hash<const BYTES: usize>(name: &[u8; BYTES]) -> usize {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, _) = name.as_chunks::<4>();
    let mixed = words.iter().fold(0_u64, |hash, word| {
        (hash.rotate_left(23) ^ u64::from(u32::from_le_bytes(*word))).wrapping_mul(ODD)
    });
    (mixed ^ mixed >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_have_their_numbers() {
        let mut names = Names::default();
        assert_eq!(names.get("SUB-1"), None);
        let name = |n: u32| format!("{n:0width$}", width = n as usize % 40);
        for n in 0..2_000 {
            names.insert(&name(n), n + 7);
            names.insert(&name(n), n);
        }
        names.insert("", 9);
        names.insert("7\0", 9);
        assert_eq!(names.len(), 2_002);
        assert!((0..2_000).all(|n| names.get(&name(n)) == Some(n)) && names.get("") == Some(9));
        assert!((2_000..3_000).all(|n| names.get(&name(n)).is_none()));
    }
}
