//! A token bucket: how many messages a second one relay gets.

use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

/// Lets `per_second` pass each second, spread evenly after a burst of one second's worth; 0 = everything.
pub(super) struct Bucket {
    per_second: u32,
    /// When the next one would pass if there were no burst.
    next: Mutex<Option<Instant>>,
}

impl Bucket {
    pub fn new(per_second: u32) -> Self {
        Self { per_second, next: Mutex::new(None) }
    }

    /// Waits until one may pass.
    pub async fn take(&self) {
        if self.per_second == 0 {
            return;
        }
        let step = Duration::from_secs(1) / self.per_second;
        let mut next = self.next.lock().await;
        let now = Instant::now();
        let earliest = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        let mine = next.map_or(earliest, |next| next.max(earliest)) + step;
        *next = Some(mine);
        drop(next);
        tokio::time::sleep_until(mine).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_of_one_second_then_evenly() {
        let bucket = Bucket::new(20);
        let start = Instant::now();
        for _ in 0..20 {
            bucket.take().await;
        }
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
        for _ in 0..10 {
            bucket.take().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
        let free = Bucket::new(0);
        free.take().await;
    }
}
