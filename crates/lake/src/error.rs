//! Errors, one enum per family of operations.

use std::io;
use std::path::PathBuf;

use arrow::error::ArrowError;
use atalaya_journal::ReadError;
use deltalake_core::DeltaTableError;
use parquet::errors::ParquetError;

/// Why the lake could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// There is no such table.
    #[error("there is no table {name}")]
    NoSuchTable {
        /// The name asked for.
        name: String,
    },
    /// The Delta log could not be read or written.
    #[error("{action} the Delta table {table}: {source}")]
    Delta {
        /// What was tried.
        action: &'static str,
        /// On which table.
        table: String,
        /// What the library said.
        source: Box<DeltaTableError>,
    },
    /// A file could not be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A Parquet file could not be read or written.
    #[error("{action} {path}: {source}")]
    Parquet {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the library said.
        source: ParquetError,
    },
    /// Columns could not be built.
    #[error("building columns: {0}")]
    Arrow(#[from] ArrowError),
    /// The journal could not be read.
    #[error("reading the journal: {0}")]
    Journal(#[from] ReadError),
    /// A table's log has a column of another type than this program.
    #[error("table {table} on disk has other columns than this program: {difference}")]
    Schema {
        /// Which table.
        table: String,
        /// What differs.
        difference: String,
    },
}

impl LakeError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn parquet(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(ParquetError) -> Self {
        let path = path.into();
        move |source| Self::Parquet {
            action,
            path,
            source,
        }
    }

    pub(crate) fn delta(action: &'static str, table: &str) -> impl FnOnce(DeltaTableError) -> Self {
        let table = table.to_owned();
        move |source| Self::Delta {
            action,
            table,
            source: Box::new(source),
        }
    }
}
