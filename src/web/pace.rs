//! How fast a key may ask: a bucket of tokens for each, in this process.

use crate::problem::{Problem, TOO_MANY};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Buckets kept; full ones are let go first.
const BUCKETS_MAX: usize = 10_000;

/// One bucket per key.
pub struct Pace {
    per_second: u32,
    burst: u32,
    buckets: Mutex<HashMap<Uuid, Bucket>>,
}

/// When the bucket would be full again, if nobody took from it.
#[derive(Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

impl Pace {
    /// `per_second` 0: no limit.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst: burst.max(1), buckets: Mutex::default() }
    }

    /// Takes one token, or says when there will be one.
    pub fn take(&self, key: Uuid, now: Instant) -> Result<(), Problem> {
        if self.per_second == 0 {
            return Ok(());
        }
        let token = Duration::from_secs(1) / self.per_second;
        let whole = token * self.burst;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, bucket| bucket.full_at > now);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { full_at: now });
        let full_at = bucket.full_at.max(now) + token;
        if full_at > now + whole {
            let wait = (full_at - now - whole).as_secs() + 1;
            let message = format!("more than {} requests per second with this key", self.per_second);
            return Err(Problem::new(TOO_MANY, message).retry_after(wait));
        }
        bucket.full_at = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_the_rate_counts() {
        let pace = Pace::new(10, 3);
        let (key, start) = (Uuid::nil(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        for _ in 0..3 {
            assert!(pace.take(key, start).is_ok());
        }
        let refused = pace.take(key, start).unwrap_err();
        assert_eq!(refused.headers["retry-after"], "1");
        assert!(pace.take(key, at(99)).is_err());
        assert!(pace.take(key, at(100)).is_ok());
        assert!(pace.take(key, at(100)).is_err());
        assert!(pace.take(Uuid::from_u128(1), at(100)).is_ok(), "another key has its own");
        assert!(Pace::new(0, 0).take(key, start).is_ok());
    }
}
