//! Counters of the gateway, in Prometheus text exposition format.
//!
//! Plain relaxed atomics: a call touches about ten of them. Labels come from closed sets only,
//! never from a caller.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use atalaya_model::Decision;

/// Upper bounds of the added-latency histogram, microseconds.
const LATENCY_BOUNDS_US: [u64; 10] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000,
];

/// All counters.
#[derive(Debug, Default)]
pub struct Metrics {
    decisions: [AtomicU64; 4],
    latency_buckets: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_us: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) calls_in_flight: AtomicU64,
    pub(crate) calls_shed: AtomicU64,
    pub(crate) unjudged: AtomicU64,
    pub(crate) unlogged: AtomicU64,
    pub(crate) log_failures: AtomicU64,
    pub(crate) upstream_failures: AtomicU64,
    pub(crate) breakers_opened: AtomicU64,
    pub(crate) client_aborts: AtomicU64,
    pub(crate) request_bytes: AtomicU64,
    pub(crate) response_bytes: AtomicU64,
}

impl Metrics {
    pub(crate) fn decided(&self, decision: Decision) {
        self.decisions[decision as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn added_latency(&self, micros: u64) {
        let bucket = LATENCY_BOUNDS_US.iter().position(|bound| micros <= *bound);
        self.latency_buckets[bucket.unwrap_or(LATENCY_BOUNDS_US.len())].fetch_add(1, Relaxed);
        self.latency_sum_us.fetch_add(micros, Relaxed);
    }

    /// Number of calls decided that way.
    #[must_use]
    pub fn decisions(&self, decision: Decision) -> u64 {
        self.decisions[decision as usize].load(Relaxed)
    }

    /// Text exposition.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(4_096);
        out.push_str("# HELP atalaya_decisions_total Calls decided, by decision.\n");
        out.push_str("# TYPE atalaya_decisions_total counter\n");
        for decision in Decision::ALL {
            let count = self.decisions(decision);
            let _ = writeln!(
                out,
                "atalaya_decisions_total{{decision=\"{decision}\"}} {count}"
            );
        }
        self.render_latency(&mut out);
        let (name, opened) = (
            "atalaya_breakers_opened_total",
            self.breakers_opened.load(Relaxed),
        );
        let _ = writeln!(
            out,
            "# HELP {name} Upstreams that were left alone for a while.\n# TYPE {name} counter\n{name} {opened}"
        );
        for (name, kind, help, value) in self.plain() {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            let _ = writeln!(out, "{name} {}", value.load(Relaxed));
        }
        out
    }

    fn render_latency(&self, out: &mut String) {
        let name = "atalaya_added_latency_seconds";
        let _ = writeln!(
            out,
            "# HELP {name} Time added before a call is forwarded or refused."
        );
        let _ = writeln!(out, "# TYPE {name} histogram");
        let mut count = 0;
        for (bound, bucket) in LATENCY_BOUNDS_US.iter().zip(&self.latency_buckets) {
            count += bucket.load(Relaxed);
            let seconds = Seconds(*bound);
            let _ = writeln!(out, "{name}_bucket{{le=\"{seconds}\"}} {count}");
        }
        count += self.latency_buckets[LATENCY_BOUNDS_US.len()].load(Relaxed);
        let sum = Seconds(self.latency_sum_us.load(Relaxed));
        let _ = writeln!(
            out,
            "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}"
        );
        let _ = writeln!(out, "{name}_count {count}");
    }

    fn plain(&self) -> [(&'static str, &'static str, &'static str, &AtomicU64); 11] {
        [
            (
                "atalaya_connections",
                "gauge",
                "Open connections.",
                &self.connections,
            ),
            (
                "atalaya_connections_refused_total",
                "counter",
                "Connections closed at the limit.",
                &self.connections_refused,
            ),
            (
                "atalaya_calls_in_flight",
                "gauge",
                "Calls in flight.",
                &self.calls_in_flight,
            ),
            (
                "atalaya_calls_shed_total",
                "counter",
                "Calls answered 503.",
                &self.calls_shed,
            ),
            (
                "atalaya_unjudged_calls_total",
                "counter",
                "Calls of which something was not judged.",
                &self.unjudged,
            ),
            (
                "atalaya_unlogged_calls_total",
                "counter",
                "Calls forwarded without a durable decision.",
                &self.unlogged,
            ),
            (
                "atalaya_log_failures_total",
                "counter",
                "Decisions that could not be made durable.",
                &self.log_failures,
            ),
            (
                "atalaya_upstream_failures_total",
                "counter",
                "Upstreams that refused, reset, stalled or cut off.",
                &self.upstream_failures,
            ),
            (
                "atalaya_client_aborts_total",
                "counter",
                "Callers that went away.",
                &self.client_aborts,
            ),
            (
                "atalaya_request_bytes_total",
                "counter",
                "Bytes of request bodies.",
                &self.request_bytes,
            ),
            (
                "atalaya_response_bytes_total",
                "counter",
                "Bytes of answers.",
                &self.response_bytes,
            ),
        ]
    }
}

/// Microseconds, printed as seconds without rounding.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
