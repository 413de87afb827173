//! What can be set, with every limit named, and the world that is handed in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;

/// Settings of a lake.
#[derive(Clone, Debug)]
pub struct LakeConfig {
    /// Folder of the tables, one Delta Lake table per sub-folder; made if missing.
    pub dir: PathBuf,
    /// Longest time a row stays in memory only (it is durable in the journal all the while).
    pub flush_age: Duration,
    /// Rows in memory that cause a flush.
    pub flush_rows: usize,
    /// Bytes of JSON in memory that cause a flush.
    pub flush_bytes: usize,
    /// How long a decision waits in memory for its settlement. After that it is flushed without,
    /// and rewritten should the settlement still come.
    pub settle_wait: Duration,
    /// Most decisions that may wait for their settlement. Beyond it, the oldest is given up: it
    /// is flushed without, and a settlement that comes later is counted as orphaned.
    pub unsettled_max: usize,
    /// How often the journal is asked for news.
    pub poll_interval: Duration,
    /// Most records taken from the journal at once.
    pub poll_records_max: usize,
    /// Files smaller than this are merged by maintenance.
    pub small_file_bytes: u64,
    /// Most rows in one file; bounds the memory of flush, ingestion and compaction.
    pub file_rows_max: usize,
    /// How many small files of a day make a merge worthwhile.
    pub small_files_min: usize,
    /// Days that rows are kept, by table; the entry for `*` is for all others; none is for ever.
    pub retention_days: Vec<(String, u32)>,
    /// How long a file that no table refers to is kept: readers may still have it open, and an
    /// ingestion may not have been committed yet.
    pub vacuum_grace: Duration,
}

impl LakeConfig {
    /// Defaults for a lake in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            flush_age: Duration::from_secs(30),
            flush_rows: 50_000,
            flush_bytes: 24 << 20,
            settle_wait: Duration::from_secs(600),
            unsettled_max: 20_000,
            poll_interval: Duration::from_millis(100),
            poll_records_max: 2_000,
            small_file_bytes: 8 << 20,
            file_rows_max: 65_536,
            small_files_min: 8,
            retention_days: Vec::new(),
            vacuum_grace: Duration::from_secs(24 * 3_600),
        }
    }

    pub(crate) fn retention_days_of(&self, table: &str) -> Option<u32> {
        let find = |name: &str| self.retention_days.iter().find(|(entry, _)| entry == name);
        find(table).or_else(|| find("*")).map(|(_, days)| *days)
    }
}

/// The world outside.
#[derive(Clone)]
pub struct Ports {
    /// The current time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// A new unique id, for ingested rows that have none.
    pub new_id: Arc<dyn Fn() -> String + Send + Sync>,
}
