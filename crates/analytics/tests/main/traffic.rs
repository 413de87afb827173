//! Makes traffic: deterministic, from a seed.

use atalaya_analytics::{Engine, Event, Finding, Limits, Settings};
use atalaya_model::Timestamp;

/// Monday 2026-09-28, midnight UTC.
pub(crate) const MONDAY_S: u32 = 1_790_553_600;

/// Pseudo-random numbers (SplitMix64).
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    /// From 0 to 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.share() * (high - low)
    }

    /// Normal, mean 0, deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        let sum: f64 = (0..12).map(|_| self.share()).sum();
        sum - 6.0
    }

    /// Log-normal: most are near the median, few are far above.
    pub(crate) fn skewed(&mut self, median: f64, spread: f64) -> f64 {
        median * (spread * self.normal()).exp()
    }

    /// Number of independent arrivals with this mean.
    pub(crate) fn arrivals(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).max(0.0) as u64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), 1.0, 0);
        loop {
            product *= self.share();
            if product <= limit {
                return count;
            }
            count += 1;
        }
    }

    /// Flips up to so many bits.
    pub(crate) fn variant(&mut self, base: u64, bits_max: u64) -> u64 {
        let flips = 1 + self.below(bits_max);
        (0..flips).fold(base, |hash, _| hash ^ 1 << self.below(64))
    }
}

/// An event at a second.
pub(crate) fn at(seconds: f64) -> Event<'static> {
    let micros = f64::from(MONDAY_S) * 1e6 + seconds * 1e6;
    Event {
        time: Timestamp(micros as i64),
        turn: 1,
        ..Event::default()
    }
}

/// All analytics over events, in the order of their times.
pub(crate) fn run(events: &mut [Event<'static>]) -> Vec<Finding> {
    let mut engine = Engine::new(Settings::all(), Limits::default());
    events.sort_by_key(|event| event.time);
    let mut findings = Vec::new();
    for (number, event) in events.iter_mut().enumerate() {
        if event.id.is_empty() {
            event.id = format!("e{number}").into();
        }
        engine.observe(event, &mut findings);
    }
    findings
}

/// What was found, for people.
pub(crate) fn told(findings: &[Finding]) -> String {
    let one = |finding: &Finding| {
        let entities: Vec<&str> = finding.entities.iter().map(|e| e.value.as_str()).collect();
        format!(
            "{} {entities:?} ×{} at {}: {}",
            finding.analytic,
            finding.count,
            finding.last_seen,
            finding.explain()
        )
    };
    findings.iter().map(one).collect::<Vec<_>>().join("\n")
}
