//! Sorting on a few threads: parts are sorted side by side, then merged.

/// Sorts `items`, using up to `threads` threads. The order of equal items is not kept.
pub(crate) fn sort_in_parallel<T: Ord + Send>(items: &mut [T], threads: usize) {
    const WORTH_A_THREAD: usize = 1 << 14;
    let parts = threads.min(items.len() / WORTH_A_THREAD).max(1);
    if parts == 1 {
        items.sort_unstable();
        return;
    }
    let size = items.len().div_ceil(parts);
    std::thread::scope(|scope| {
        for part in items.chunks_mut(size) {
            scope.spawn(|| part.sort_unstable());
        }
    });
    // The stable sort finds the sorted parts and merges them.
    items.sort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_like_one_thread() {
        let mut items: Vec<u64> = (0..100_000_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        let mut expected = items.clone();
        expected.sort_unstable();
        sort_in_parallel(&mut items, 3);
        assert_eq!(items, expected);
    }
}
