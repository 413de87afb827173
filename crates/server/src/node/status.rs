//! What the admin listener says of a node.

use std::fmt::Write as _;
use std::sync::Arc;

use atalaya_api::resources::node::Status;
use atalaya_detect::Scheduler;
use atalaya_journal::Journal;
use atalaya_lake::Lake;
use parking_lot::Mutex;

use crate::adapters::JournalRecorder;

pub(super) struct NodeStatus {
    pub(super) journal: Journal,
    pub(super) lake: Lake,
    pub(super) scheduler: Scheduler,
    pub(super) analytics: Option<Arc<super::analytics::Analytics>>,
    pub(super) gateway: Arc<atalaya_gateway::Metrics>,
    pub(super) recorder: JournalRecorder,
    pub(super) stopping: Mutex<bool>,
}

impl Status for NodeStatus {
    fn ready(&self) -> Result<(), String> {
        if *self.stopping.lock() {
            return Err("stopping".to_owned());
        }
        if self.journal.stats().is_unwritable {
            return Err("the decision log cannot be written".to_owned());
        }
        Ok(())
    }

    fn metrics(&self) -> String {
        let mut out = self.gateway.render();
        self.scheduler.metrics().write_prometheus(&mut out);
        for (name, kind, help, value) in self.numbers() {
            let _ = writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            );
        }
        out
    }
}

/// Name, kind, help and value of a figure.
pub(super) type Number = (&'static str, &'static str, &'static str, u64);

impl NodeStatus {
    fn numbers(&self) -> Vec<Number> {
        let mut numbers = self.journal_numbers();
        numbers.extend(self.lake_numbers());
        if let Some(analytics) = &self.analytics {
            numbers.extend(analytics.numbers());
        }
        numbers
    }

    fn journal_numbers(&self) -> Vec<Number> {
        let stats = self.journal.stats();
        let counter = |name, help, value| (name, "counter", help, value);
        let gauge = |name, help, value| (name, "gauge", help, value);
        vec![
            counter(
                "atalaya_journal_records",
                "Number of the next record.",
                stats.next_seq,
            ),
            counter(
                "atalaya_journal_bytes_total",
                "Bytes written to the journal.",
                stats.bytes,
            ),
            counter(
                "atalaya_journal_syncs_total",
                "Syncs of the journal.",
                stats.syncs,
            ),
            counter(
                "atalaya_journal_sync_microseconds_total",
                "Time spent on syncs of the journal.",
                stats.sync_us,
            ),
            gauge(
                "atalaya_journal_queue_records",
                "Records that wait to be written.",
                size(stats.queue_records),
            ),
            counter(
                "atalaya_journal_refused_total",
                "Records refused because the queue was full.",
                stats.refused,
            ),
            counter(
                "atalaya_journal_failures_total",
                "Failed attempts to write the journal.",
                stats.failures,
            ),
            gauge(
                "atalaya_journal_unwritable",
                "1 while the journal cannot be written.",
                u64::from(stats.is_unwritable),
            ),
            counter(
                "atalaya_settlements_lost_total",
                "Ends of calls that found no place in the journal's queue.",
                self.recorder.settlements_lost(),
            ),
        ]
    }

    fn lake_numbers(&self) -> Vec<Number> {
        let stats = self.lake.stats();
        let lag = self.journal.next_seq().saturating_sub(stats.position);
        let counter = |name, help, value| (name, "counter", help, value);
        let gauge = |name, help, value| (name, "gauge", help, value);
        vec![
            gauge(
                "atalaya_lake_lag_records",
                "Journal records not yet in the tables.",
                lag,
            ),
            gauge(
                "atalaya_lake_tail_rows",
                "Rows in memory only.",
                size(stats.tail_rows),
            ),
            gauge(
                "atalaya_lake_unsettled",
                "Decisions whose call has not ended.",
                size(stats.unsettled),
            ),
            gauge(
                "atalaya_lake_files",
                "Files of all tables.",
                size(stats.files),
            ),
            counter(
                "atalaya_lake_flushes_total",
                "Flushes to files.",
                stats.flushes,
            ),
            counter(
                "atalaya_lake_flush_failures_total",
                "Flushes that failed; their rows are kept and tried again.",
                stats.flush_failures,
            ),
        ]
    }
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
