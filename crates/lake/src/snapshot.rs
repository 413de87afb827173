//! What a query reads: files and the rows that are in no file yet, taken at one instant.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use atalaya_model::Timestamp;

/// One table at one instant: every row exactly once, either in a file or in the tail.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Columns of the files and of the tail.
    pub schema: SchemaRef,
    /// Parquet files. They stay readable for at least the vacuum's grace after a newer version of
    /// the table no longer refers to them.
    pub files: Arc<[DataFile]>,
    /// Rows that are in no file yet, durable in the journal.
    pub tail: Vec<RecordBatch>,
}

impl Snapshot {
    /// Number of rows, in files and in the tail.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let files: u64 = self.files.iter().map(|file| file.rows).sum();
        files
            + self
                .tail
                .iter()
                .map(|batch| batch.num_rows() as u64)
                .sum::<u64>()
    }
}

/// One Parquet file, sorted by `TimeGenerated`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of rows.
    pub rows: u64,
    /// UTC day of all its rows, days since 1970-01-01.
    pub day: i32,
    /// Earliest `TimeGenerated`.
    pub time_min: Timestamp,
    /// Latest `TimeGenerated`.
    pub time_max: Timestamp,
}
