//! A circuit breaker for each upstream, shared by all workers: one that has failed several times in
//! a row is left alone for a while, then tried with one call at a time.
//!
//! Lock-free: three atomics, read once per call.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

use crate::config::BreakerConfig;

/// State of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures_in_a_row: AtomicU32,
    /// Microseconds since the epoch; 0 is closed.
    open_until: AtomicI64,
    /// When the one call that tries again began; 0 if none does.
    probe_since: AtomicI64,
}

impl Breaker {
    /// Whether the upstream may be called now.
    pub(crate) fn admits(&self, config: &BreakerConfig, now_us: i64) -> bool {
        let until = self.open_until.load(Relaxed);
        if until == 0 {
            return true;
        }
        if now_us < until {
            return false;
        }
        // Half open: whoever takes the place tries; a place that nobody gave back falls free.
        let since = self.probe_since.load(Relaxed);
        let is_free = since == 0 || now_us - since > millis(config.open_ms);
        is_free
            && self
                .probe_since
                .compare_exchange(since, now_us.max(1), Relaxed, Relaxed)
                .is_ok()
    }

    /// The upstream answered.
    pub(crate) fn succeeded(&self) {
        if self.failures_in_a_row.load(Relaxed) != 0 {
            self.failures_in_a_row.store(0, Relaxed);
        }
        if self.open_until.load(Relaxed) != 0 {
            self.open_until.store(0, Relaxed);
            self.probe_since.store(0, Relaxed);
        }
    }

    /// The upstream failed; true if that opened the breaker.
    pub(crate) fn failed(&self, config: &BreakerConfig, now_us: i64) -> bool {
        let failures = self
            .failures_in_a_row
            .fetch_add(1, Relaxed)
            .saturating_add(1);
        let was_open = self.open_until.load(Relaxed) != 0;
        if config.failures_max == 0 || (failures < config.failures_max && !was_open) {
            return false;
        }
        self.open_until
            .store(now_us.saturating_add(millis(config.open_ms)), Relaxed);
        self.probe_since.store(0, Relaxed);
        !was_open
    }
}

fn millis(count: u64) -> i64 {
    i64::try_from(count)
        .unwrap_or(i64::MAX / 1_000)
        .saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::Breaker;
    use crate::config::BreakerConfig;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_call_try() {
        let config = BreakerConfig {
            failures_max: 2,
            open_ms: 10,
        };
        let breaker = Breaker::default();
        assert!(!breaker.failed(&config, 0) && breaker.admits(&config, 0));
        breaker.succeeded();
        assert!(!breaker.failed(&config, 0));
        assert!(breaker.failed(&config, 1_000));
        assert!(!breaker.admits(&config, 10_999));
        assert!(breaker.admits(&config, 11_000));
        assert!(!breaker.admits(&config, 11_001), "one tries at a time");
        assert!(!breaker.failed(&config, 12_000), "it was open before");
        assert!(!breaker.admits(&config, 21_000));
        assert!(breaker.admits(&config, 22_000));
        breaker.succeeded();
        assert!(breaker.admits(&config, 22_001));
    }
}
