//! Figures and bars.

use std::fmt::Write as _;
use std::time::Duration;

/// What the gateway may add to a call, microseconds; a strict log may add its sync.
const RELAXED_ADDED_US_MAX: f64 = 250.0;

/// What one target cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) calls: u64,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Cost {
    pub(crate) fn add(&mut self, calls: u64, wall: Duration, cpu: Duration) {
        self.calls += calls;
        self.wall += wall;
        self.cpu += cpu;
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        micros(self.cpu) / self.count()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.count() / self.wall.as_secs_f64().max(1e-9)
    }

    #[expect(clippy::cast_precision_loss, reason = "calls are far below 2^52")]
    fn count(&self) -> f64 {
        (self.calls as f64).max(1.0)
    }
}

/// All figures of one target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) whole: Cost,
    pub(crate) unseen: Cost,
    pub(crate) streams: Cost,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) idle_mib: f64,
    pub(crate) peak_mib: f64,
}

impl Figures {
    pub(crate) fn percentile_us(&self, share: f64) -> f64 {
        percentile_us(&self.latencies, share)
    }
}

pub(crate) fn percentile_us(values: &[Duration], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index of a short list"
    )]
    let index = ((sorted.len() as f64 - 1.0) * share).max(0.0).round() as usize;
    sorted.get(index).copied().map_or(0.0, micros)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) direct: Figures,
    pub(crate) bare: Figures,
    pub(crate) strict: Figures,
    pub(crate) relaxed: Figures,
    pub(crate) sync_us: f64,
}

impl Report {
    /// The table and the bars; true if all are met.
    pub(crate) fn render(&self) -> (String, bool) {
        let mut out = String::from(
            "target    CPU/call  calls/s  CPU/call unseen  CPU/stream  streams/s  p50 us  p90 us  p99 us  idle MiB  peak MiB\n",
        );
        for target in [&self.direct, &self.bare, &self.strict, &self.relaxed] {
            let _ = writeln!(
                out,
                "{:8} {:6.1} us {:8.0}  {:12.1} us {:8.1} us {:10.0} {:7.0} {:7.0} {:7.0} {:9.1} {:9.1}",
                target.name,
                target.whole.cpu_us(),
                target.whole.rate(),
                target.unseen.cpu_us(),
                target.streams.cpu_us(),
                target.streams.rate(),
                target.percentile_us(0.5),
                target.percentile_us(0.9),
                target.percentile_us(0.99),
                target.idle_mib,
                target.peak_mib,
            );
        }
        let _ = writeln!(
            out,
            "one fdatasync of 4 KiB: {:.0} us (p50)\n",
            self.sync_us
        );
        let mut all_met = true;
        for bar in self.bars() {
            let met = if bar.at_least {
                bar.value >= bar.limit
            } else {
                bar.value <= bar.limit
            };
            all_met &= met;
            let (sign, verdict) = (
                if bar.at_least { ">=" } else { "<=" },
                if met { "PASS" } else { "FAIL" },
            );
            let _ = writeln!(
                out,
                "{verdict}  {:52} {:8.2} {sign} {:.2} {}",
                bar.what, bar.value, bar.limit, bar.unit
            );
        }
        (out, all_met)
    }

    fn bars(&self) -> Vec<Bar> {
        let (bare, strict) = (&self.bare, &self.strict);
        let direct_p50 = self.direct.percentile_us(0.5);
        let relaxed_added = self.relaxed.percentile_us(0.5) - direct_p50;
        let strict_added = strict.percentile_us(0.5) - direct_p50;
        let bar = |what, value, limit, unit| Bar {
            what,
            value,
            limit,
            unit,
            at_least: false,
        };
        vec![
            bar(
                "CPU per call, strict / bare proxy",
                strict.whole.cpu_us() / bare.whole.cpu_us(),
                3.0,
                "x",
            ),
            Bar {
                at_least: true,
                ..bar(
                    "calls/s, strict / bare proxy",
                    strict.whole.rate() / bare.whole.rate(),
                    0.4,
                    "x",
                )
            },
            bar(
                "CPU per stream, strict / bare proxy",
                strict.streams.cpu_us() / bare.streams.cpu_us(),
                1.5,
                "x",
            ),
            bar(
                "added p50 at 200/s, relaxed",
                relaxed_added,
                RELAXED_ADDED_US_MAX,
                "us",
            ),
            bar(
                "added p50 at 200/s, strict (+ 1.5 fdatasync)",
                strict_added,
                RELAXED_ADDED_US_MAX + 1.5 * self.sync_us,
                "us",
            ),
            bar("memory at idle", strict.idle_mib, 64.0, "MiB"),
            bar("memory under load", strict.peak_mib, 256.0, "MiB"),
        ]
    }
}

struct Bar {
    what: &'static str,
    value: f64,
    limit: f64,
    unit: &'static str,
    at_least: bool,
}
