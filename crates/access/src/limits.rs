//! How much: requests, tokens and money per minute and day, and calls at once.
//!
//! A call reserves what is known of it before it is forwarded (one request, an estimate of its
//! input tokens) and is corrected when its answer has ended and the provider has counted. Output
//! tokens are therefore charged afterwards: a caller can overshoot by the calls that it has under
//! way, which `concurrency_max` bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use atalaya_model::Timestamp;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::window::{Span, Window};

/// Millionths of a US dollar in one.
const MICROS_PER_USD: f64 = 1_000_000.0;

/// Limits; a missing one does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitRules {
    /// Calls in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Calls in any 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<u64>,
    /// Input and output tokens in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Input and output tokens in any 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// US dollars in any minute, by the configured prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd_per_minute: Option<f64>,
    /// US dollars in any 24 hours, by the configured prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd_per_day: Option<f64>,
    /// Calls at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u64>,
}

impl LimitRules {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether money is limited, so that a price must be known.
    #[must_use]
    pub const fn limits_cost(&self) -> bool {
        self.cost_usd_per_minute.is_some() || self.cost_usd_per_day.is_some()
    }

    /// The stricter of both, member by member.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        fn least<T: PartialOrd>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(if b < a { b } else { a }),
                (a, b) => a.or(b),
            }
        }
        Self {
            requests_per_minute: least(self.requests_per_minute, other.requests_per_minute),
            requests_per_day: least(self.requests_per_day, other.requests_per_day),
            tokens_per_minute: least(self.tokens_per_minute, other.tokens_per_minute),
            tokens_per_day: least(self.tokens_per_day, other.tokens_per_day),
            cost_usd_per_minute: least(self.cost_usd_per_minute, other.cost_usd_per_minute),
            cost_usd_per_day: least(self.cost_usd_per_day, other.cost_usd_per_day),
            concurrency_max: least(self.concurrency_max, other.concurrency_max),
        }
    }

    fn of(&self, meter: Meter) -> Option<u64> {
        match meter {
            Meter::RequestsPerMinute => self.requests_per_minute,
            Meter::RequestsPerDay => self.requests_per_day,
            Meter::TokensPerMinute => self.tokens_per_minute,
            Meter::TokensPerDay => self.tokens_per_day,
            Meter::CostPerMinute => self.cost_usd_per_minute.map(micros),
            Meter::CostPerDay => self.cost_usd_per_day.map(micros),
            Meter::Concurrency => self.concurrency_max,
        }
    }
}

fn micros(usd: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits before"
    )]
    let micros = (usd * MICROS_PER_USD).clamp(0.0, 1e18) as u64;
    micros
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Calls in a minute.
    RequestsPerMinute,
    /// Calls in a day.
    RequestsPerDay,
    /// Tokens in a minute.
    TokensPerMinute,
    /// Tokens in a day.
    TokensPerDay,
    /// Millionths of a dollar in a minute.
    CostPerMinute,
    /// Millionths of a dollar in a day.
    CostPerDay,
    /// Calls at once.
    Concurrency,
}

/// The meters that have a window, in the order in which they are kept.
const WINDOWED: [(Meter, Span); 6] = [
    (Meter::RequestsPerMinute, Span::Minute),
    (Meter::RequestsPerDay, Span::Day),
    (Meter::TokensPerMinute, Span::Minute),
    (Meter::TokensPerDay, Span::Day),
    (Meter::CostPerMinute, Span::Minute),
    (Meter::CostPerDay, Span::Day),
];

impl Meter {
    /// The name in answers and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests per minute",
            Self::RequestsPerDay => "requests per day",
            Self::TokensPerMinute => "tokens per minute",
            Self::TokensPerDay => "tokens per day",
            Self::CostPerMinute => "cost per minute",
            Self::CostPerDay => "cost per day",
            Self::Concurrency => "calls at the same time",
        }
    }
}

/// What a call is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Calls.
    pub requests: u64,
    /// Input and output tokens.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub cost_micros: u64,
}

impl Charge {
    const fn of(self, meter: Meter) -> u64 {
        match meter {
            Meter::RequestsPerMinute | Meter::RequestsPerDay => self.requests,
            Meter::TokensPerMinute | Meter::TokensPerDay => self.tokens,
            Meter::CostPerMinute | Meter::CostPerDay => self.cost_micros,
            Meter::Concurrency => 0,
        }
    }
}

/// A limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateExceeded {
    /// Which.
    pub meter: Meter,
    /// Its value; millionths of a dollar for costs.
    pub limit: u64,
    /// Microseconds until the call has a chance.
    pub retry_after_us: i64,
}

/// What is left of one meter, for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Which.
    pub meter: Meter,
    /// Its limit.
    pub limit: u64,
    /// What is left.
    pub remaining: u64,
    /// Microseconds until something falls out.
    pub reset_us: i64,
}

/// Saved counts of one meter: (bucket since the epoch, count).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterState {
    /// Which.
    pub meter: Meter,
    /// The buckets that are not empty.
    pub buckets: Vec<(i64, u64)>,
}

/// What one subject has used.
#[derive(Debug, Default)]
pub struct Usage {
    windows: Mutex<[Option<Window>; 6]>,
    in_flight: AtomicU64,
}

impl Usage {
    /// Reserves a call, or says which limit it would break. All limits or none are charged.
    ///
    /// # Errors
    /// The first limit that is reached.
    pub fn admit(
        &self,
        rules: &LimitRules,
        charge: Charge,
        now: Timestamp,
    ) -> Result<(), RateExceeded> {
        if let Some(limit) = rules.concurrency_max
            && self.in_flight.fetch_add(1, Relaxed) >= limit
        {
            self.in_flight.fetch_sub(1, Relaxed);
            return Err(RateExceeded {
                meter: Meter::Concurrency,
                limit,
                retry_after_us: 1_000_000,
            });
        }
        let admitted = self.charge(rules, charge, now);
        if admitted.is_err() && rules.concurrency_max.is_some() {
            self.in_flight.fetch_sub(1, Relaxed);
        }
        admitted
    }

    fn charge(
        &self,
        rules: &LimitRules,
        charge: Charge,
        now: Timestamp,
    ) -> Result<(), RateExceeded> {
        let mut windows = self.windows.lock();
        for (slot, (meter, span)) in windows.iter_mut().zip(WINDOWED) {
            let Some(limit) = rules.of(meter) else {
                continue;
            };
            let window = slot.get_or_insert_with(|| Window::new(span));
            let used = window.used(now.0);
            // What is not known before the answer (cost, output) needs room for at least one.
            let wanted = charge.of(meter).max(1);
            if used.saturating_add(wanted) > limit {
                let over = used.saturating_add(wanted) - limit;
                return Err(RateExceeded {
                    meter,
                    limit,
                    retry_after_us: window.frees_after(now.0, over),
                });
            }
        }
        for (slot, (meter, _)) in windows.iter_mut().zip(WINDOWED) {
            if let Some(window) = slot.as_mut().filter(|_| rules.of(meter).is_some()) {
                window.add(now.0, charge.of(meter));
            }
        }
        Ok(())
    }

    /// Corrects a reservation by what was really used, and frees its place.
    pub fn settle(&self, rules: &LimitRules, reserved: Charge, used: Charge, now: Timestamp) {
        if rules.concurrency_max.is_some() {
            self.in_flight.fetch_sub(1, Relaxed);
        }
        if reserved == used {
            return;
        }
        let mut windows = self.windows.lock();
        for (slot, (meter, _)) in windows.iter_mut().zip(WINDOWED) {
            let Some(window) = slot.as_mut().filter(|_| rules.of(meter).is_some()) else {
                continue;
            };
            let (was, is) = (reserved.of(meter), used.of(meter));
            if is > was {
                window.add(now.0, is - was);
            } else {
                window.take_back(now.0, was - is);
            }
        }
    }

    /// What is left of every limit.
    #[must_use]
    pub fn remaining(&self, rules: &LimitRules, now: Timestamp) -> Vec<Remaining> {
        let mut windows = self.windows.lock();
        let mut out = Vec::new();
        for (slot, (meter, _)) in windows.iter_mut().zip(WINDOWED) {
            let Some(limit) = rules.of(meter) else {
                continue;
            };
            let (used, reset_us) = slot.as_mut().map_or((0, 0), |window| {
                (window.used(now.0), window.frees_after(now.0, 1))
            });
            out.push(Remaining {
                meter,
                limit,
                remaining: limit.saturating_sub(used),
                reset_us: if used == 0 { 0 } else { reset_us },
            });
        }
        out
    }

    /// Counts to be kept over a restart.
    #[must_use]
    pub fn save(&self) -> Vec<MeterState> {
        let windows = self.windows.lock();
        let each = windows.iter().zip(WINDOWED);
        each.filter_map(|(window, (meter, _))| {
            let buckets = window.as_ref()?.save();
            (!buckets.is_empty()).then_some(MeterState { meter, buckets })
        })
        .collect()
    }

    /// Counts that were kept.
    #[must_use]
    pub fn restore(states: &[MeterState]) -> Arc<Self> {
        let usage = Self::default();
        {
            let mut windows = usage.windows.lock();
            for (slot, (meter, span)) in windows.iter_mut().zip(WINDOWED) {
                let state = states.iter().find(|state| state.meter == meter);
                *slot = state.map(|state| Window::restore(span, &state.buckets));
            }
        }
        Arc::new(usage)
    }

    /// Calls at the moment.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Charge, LimitRules, Meter, Usage};
    use atalaya_model::Timestamp;

    const ONE: Charge = Charge {
        requests: 1,
        tokens: 10,
        cost_micros: 0,
    };

    #[test]
    fn limits_hold_slide_and_survive_a_restart() {
        let rules = LimitRules {
            requests_per_minute: Some(2),
            tokens_per_day: Some(100),
            ..LimitRules::default()
        };
        let usage = Usage::default();
        let now = Timestamp(1_000_000_000_000_000);
        usage.admit(&rules, ONE, now).unwrap();
        usage.admit(&rules, ONE, now).unwrap();
        let refused = usage.admit(&rules, ONE, now).unwrap_err();
        assert_eq!(
            (refused.meter, refused.limit),
            (Meter::RequestsPerMinute, 2)
        );
        assert!((60_000_000..=61_000_000).contains(&refused.retry_after_us));
        let later = Timestamp(now.0 + refused.retry_after_us);
        let restored = Usage::restore(&usage.save());
        assert!(restored.admit(&rules, ONE, Timestamp(later.0 - 1)).is_err());
        restored.admit(&rules, ONE, later).unwrap();
        let left = restored.remaining(&rules, later);
        assert_eq!((left[0].remaining, left[1].remaining), (1, 70));
    }

    #[test]
    fn what_was_used_replaces_what_was_reserved() {
        let rules = LimitRules {
            tokens_per_minute: Some(100),
            cost_usd_per_day: Some(0.5),
            concurrency_max: Some(1),
            ..LimitRules::default()
        };
        let usage = Usage::default();
        let now = Timestamp(1_000_000_000_000_000);
        usage.admit(&rules, ONE, now).unwrap();
        let refused = usage.admit(&rules, ONE, now).unwrap_err();
        assert_eq!(refused.meter, Meter::Concurrency);
        let used = Charge {
            requests: 1,
            tokens: 95,
            cost_micros: 500_000,
        };
        usage.settle(&rules, ONE, used, now);
        let refused = usage.admit(&rules, ONE, now).unwrap_err();
        assert_eq!(refused.meter, Meter::TokensPerMinute);
        let later = Timestamp(now.0 + 61_000_000);
        let refused = usage.admit(&rules, ONE, later).unwrap_err();
        assert_eq!((refused.meter, refused.limit), (Meter::CostPerDay, 500_000));
        assert_eq!(usage.in_flight(), 0);
    }
}
