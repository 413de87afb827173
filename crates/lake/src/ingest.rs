//! Logs of other systems into a table: JSON lines, CSV, Parquet.
//!
//! Every row is either accepted, typed to the table's columns, or refused with its line and the
//! reason; nothing is guessed. Accepted rows do not take the detour over the journal: they are
//! written as Parquet and become visible in one Delta commit at the end, so that an ingestion is
//! in the table completely or not at all, and its memory is bounded by one file's rows.
//!
//! Names are matched exactly, else without regard to case. Fields without a column are kept in
//! `AdditionalFields`, where the table has it. A row without an id gets one.

mod csv_rows;
mod intake;
mod jsonl;
mod parquet_rows;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::delta::Change;
use crate::error::LakeError;
use crate::lake::Lake;
use intake::{IncomingRow, Intake};

/// Formats of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestFormat {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated, with a header line (RFC 4180).
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl IngestFormat {
    /// Told from a file name's extension.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// What a row without `TimeGenerated` gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingTime {
    /// It is refused.
    #[default]
    Refuse,
    /// The time of its ingestion.
    Now,
}

/// How to ingest.
pub struct IngestOptions<'a> {
    /// What a row without `TimeGenerated` gets.
    pub missing_time: MissingTime,
    /// `SourceType` of rows that have none.
    pub source_type: Option<String>,
    /// Where refused rows go, as JSON lines `{"line", "reason", "row"}`. The file is only made if
    /// a row is refused. It holds log content: treat it like the log.
    pub refused_file: Option<PathBuf>,
    /// Longest row, bytes.
    pub row_bytes_max: usize,
    /// Called now and then.
    pub progress: Option<&'a mut dyn FnMut(IngestProgress)>,
}

impl Default for IngestOptions<'_> {
    fn default() -> Self {
        Self {
            missing_time: MissingTime::default(),
            source_type: None,
            refused_file: None,
            row_bytes_max: 8 << 20,
            progress: None,
        }
    }
}

/// How far an ingestion has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngestProgress {
    /// Bytes read of the source.
    pub bytes: u64,
    /// Rows accepted.
    pub accepted: u64,
    /// Rows refused.
    pub refused: u64,
}

/// What came of an ingestion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Rows that are in the table now.
    pub accepted: u64,
    /// Rows that are not.
    pub refused: u64,
    /// Line and reason of the first refused rows, at most ten.
    pub first_refused: Vec<(u64, String)>,
    /// The file of refused rows, if one was made.
    pub refused_file: Option<PathBuf>,
    /// Fields that have no column, in a table without `AdditionalFields`.
    pub fields_dropped: u64,
}

/// Why an ingestion ended without any row in the table.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The source could not be read.
    #[error("reading the source: {0}")]
    Read(#[from] io::Error),
    /// The source is not in the format.
    #[error("the source is not {format}: {reason}")]
    Format {
        /// The format that was asked for.
        format: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// The table could not be written.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

impl Lake {
    /// Ingests a stream. Blocks until all of it is in the table.
    ///
    /// # Errors
    /// If the source cannot be read as the format, or the table not written; then no row of it is
    /// in the table. Refused rows are no error.
    pub fn ingest(
        &self,
        table: &str,
        source: impl Read,
        format: IngestFormat,
        options: IngestOptions<'_>,
    ) -> Result<IngestReport, IngestError> {
        self.ingest_with(table, options, |intake| match format {
            IngestFormat::Jsonl => jsonl::read(source, intake),
            IngestFormat::Csv => csv_rows::read(source, intake),
            IngestFormat::Parquet => parquet_rows::spool(source, intake),
        })
    }

    /// Ingests a file; as [`Lake::ingest`], but Parquet is read in place.
    ///
    /// # Errors
    /// As [`Lake::ingest`].
    pub fn ingest_file(
        &self,
        table: &str,
        path: &Path,
        format: IngestFormat,
        options: IngestOptions<'_>,
    ) -> Result<IngestReport, IngestError> {
        let file = File::open(path)?;
        if format == IngestFormat::Parquet {
            return self.ingest_with(table, options, |intake| parquet_rows::read(file, intake));
        }
        self.ingest(table, file, format, options)
    }

    fn ingest_with(
        &self,
        table: &str,
        options: IngestOptions<'_>,
        read: impl FnOnce(&mut Intake<'_>) -> Result<(), IngestError>,
    ) -> Result<IngestReport, IngestError> {
        let mut intake = Intake::new(self, table, options)?;
        let outcome = read(&mut intake).and_then(|()| intake.finish());
        if outcome.is_err() {
            intake.discard();
        }
        outcome
    }
}

impl Lake {
    /// Commits a change that has nothing to do with the journal.
    pub(crate) fn commit_files(&self, table: &str, change: Change) -> Result<(), LakeError> {
        let index = self.index_of(table).ok_or_else(|| LakeError::NoSuchTable {
            name: table.to_owned(),
        })?;
        let mut folder = self.inner.folders[index].lock();
        folder.commit(change)?;
        let files = folder.files();
        self.inner.core.lock().tables[index].files = files.into();
        Ok(())
    }
}
