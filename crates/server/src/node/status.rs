//! What the admin listener says of a node.

use std::fmt::Write as _;
use std::sync::Arc;

use atalaya_detect::Scheduler;
use atalaya_journal::Journal;
use atalaya_lake::Lake;
use parking_lot::Mutex;

use crate::adapters::JournalRecorder;
use crate::admin::Status;

pub(super) struct NodeStatus {
    pub(super) journal: Journal,
    pub(super) lake: Lake,
    pub(super) scheduler: Scheduler,
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

type Number = (&'static str, &'static str, &'static str, u64);

impl NodeStatus {
    fn numbers(&self) -> Vec<Number> {
        let journal = self.journal.stats();
        let lake = self.lake.stats();
        let lag = journal.next_seq.saturating_sub(lake.position);
        let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        vec![
            (
                "atalaya_journal_records",
                "counter",
                "Number of the next record of the journal.",
                journal.next_seq,
            ),
            (
                "atalaya_journal_bytes_total",
                "counter",
                "Bytes written to the journal.",
                journal.bytes,
            ),
            (
                "atalaya_journal_syncs_total",
                "counter",
                "Syncs of the journal.",
                journal.syncs,
            ),
            (
                "atalaya_journal_sync_microseconds_total",
                "counter",
                "Time spent on syncs of the journal.",
                journal.sync_us,
            ),
            (
                "atalaya_journal_queue_records",
                "gauge",
                "Records that wait to be written.",
                size(journal.queue_records),
            ),
            (
                "atalaya_journal_refused_total",
                "counter",
                "Records refused because the queue was full.",
                journal.refused,
            ),
            (
                "atalaya_journal_failures_total",
                "counter",
                "Failed attempts to write the journal.",
                journal.failures,
            ),
            (
                "atalaya_journal_unwritable",
                "gauge",
                "1 while the journal cannot be written.",
                u64::from(journal.is_unwritable),
            ),
            (
                "atalaya_settlements_lost_total",
                "counter",
                "Ends of calls that found no place in the journal's queue.",
                self.recorder.settlements_lost(),
            ),
            (
                "atalaya_lake_lag_records",
                "gauge",
                "Journal records not yet in the tables.",
                lag,
            ),
            (
                "atalaya_lake_tail_rows",
                "gauge",
                "Rows in memory only.",
                size(lake.tail_rows),
            ),
            (
                "atalaya_lake_unsettled",
                "gauge",
                "Decisions whose call has not ended.",
                size(lake.unsettled),
            ),
            (
                "atalaya_lake_files",
                "gauge",
                "Files of all tables.",
                size(lake.files),
            ),
            (
                "atalaya_lake_flushes_total",
                "counter",
                "Flushes to files.",
                lake.flushes,
            ),
            (
                "atalaya_lake_flush_failures_total",
                "counter",
                "Flushes that failed; their rows are kept and tried again.",
                lake.flush_failures,
            ),
        ]
    }
}
