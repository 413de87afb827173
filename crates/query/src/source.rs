//! Where the rows of a table come from.
//!
//! The port is as narrow as a snapshot: files and batches at one instant. Who stores them, and
//! how, is the source's business; what Kusto's types are made of is the engine's
//! ([`crate::types`]).

use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use atalaya_kql::bound::ColumnDef;

/// Tables by name.
pub trait TableSource: Send + Sync {
    /// The columns of a table of that exact name.
    fn columns(&self, name: &str) -> Option<Vec<ColumnDef>>;

    /// Names of all tables.
    fn names(&self) -> Vec<String>;

    /// Rows of a table as they are now.
    ///
    /// # Errors
    /// When the table cannot be read.
    fn snapshot(&self, name: &str) -> Result<StoredTable, SourceError>;

    /// The file that holds the data behind an address, if `externaldata` may read it.
    fn external(&self, _url: &str) -> Option<PathBuf> {
        None
    }
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("table {table} cannot be read: {reason}")]
pub struct SourceError {
    /// Which table.
    pub table: String,
    /// Why, without data of the table.
    pub reason: String,
}

/// One table at one instant: every row exactly once, in a file or in a batch.
///
/// Columns are found by name; one that is missing is null throughout. Storage types: `datetime`
/// is a timestamp (any unit) or 100 ns ticks since 0001-01-01, `dynamic` and `guid` are text
/// (JSON for `dynamic`), `timespan` is 100 ns ticks.
#[derive(Clone, Debug)]
pub struct StoredTable {
    /// Columns of files and batches.
    pub schema: SchemaRef,
    /// Parquet files.
    pub files: Vec<StoredFile>,
    /// Rows that are in no file.
    pub batches: Vec<RecordBatch>,
}

/// One Parquet file.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Earliest and latest `TimeGenerated` in ticks, where known: a query of other times never
    /// opens the file.
    pub times: Option<(i64, i64)>,
}
