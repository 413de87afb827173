//! What the scheduler counts.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $metric:literal, $kind:literal, $help:literal;)*) => {
        /// Counters of a scheduler since its start.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl Metrics {
            /// Appends the counters in Prometheus' text format.
            pub fn write_prometheus(&self, out: &mut String) {
                $(
                    let value = self.$name.load(Ordering::Relaxed);
                    let _ = writeln!(out, concat!("# HELP ", $metric, " ", $help));
                    let _ = writeln!(out, concat!("# TYPE ", $metric, " ", $kind));
                    let _ = writeln!(out, concat!($metric, " {}"), value);
                )*
            }
        }
    };
}

counters! {
    /// Evaluations of rules.
    runs = "atalaya_rule_runs_total", "counter", "Evaluations of rules.";
    /// Evaluations that failed.
    failures = "atalaya_rule_failures_total", "counter", "Evaluations of rules that failed.";
    /// Rules whose last evaluation failed.
    failing = "atalaya_rules_failing", "gauge", "Rules whose last evaluation failed.";
    /// Time spent on evaluations, milliseconds.
    run_ms = "atalaya_rule_run_milliseconds_total", "counter", "Time spent on evaluating rules.";
    /// Result rows that were looked at.
    rows = "atalaya_rule_rows_total", "counter", "Result rows of rules.";
    /// Evaluations that hit a limit of rows or alerts.
    truncated = "atalaya_rule_truncated_total", "counter", "Evaluations that left rows or alerts out because of a limit.";
    /// Alerts raised.
    raised = "atalaya_alerts_raised_total", "counter", "Alerts raised.";
    /// Hits that added evidence to an alert.
    grown = "atalaya_alerts_grown_total", "counter", "Hits that added evidence to an alert raised before.";
    /// Deliveries to sinks that failed and will be tried again.
    delivery_failures = "atalaya_alert_delivery_failures_total", "counter", "Deliveries of alerts that failed and will be tried again.";
}

impl Metrics {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}
