//! What is in memory: per table, the list of files and the rows that are in no file yet.
//!
//! One mutex around all of it is what makes snapshots consistent: a flush removes rows from the
//! tail and adds their file in one critical section, and everything slow (Parquet, Delta) happens
//! outside of it.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use atalaya_journal::RecordRef;
use atalaya_tables::Table;

use crate::config::LakeConfig;
use crate::decode::{BadCell, RowDecoder};
use crate::error::LakeError;
use crate::gateway::{Complete, Gateway};
use crate::parquet_file::row_count;
use crate::project;
use crate::record::{self, DECISIONS, Kind};
use crate::schema::arrow_schema;
use crate::snapshot::{DataFile, Snapshot};

const ACCESS_LOG: &str = "APIAccessLog";
const INFERENCE_LOG: &str = "ModelInferenceLog";

/// See the module.
pub(crate) struct Core {
    pub(crate) tables: Vec<TableView>,
    pub(crate) gateway: Gateway,
    /// Number of the next journal record to be read.
    pub(crate) position: u64,
    /// Where reading would begin after a restart: older records are not needed any more.
    pub(crate) resume_at: u64,
    /// Since when there has been something to flush.
    pub(crate) unflushed_since: Option<Instant>,
    /// Bytes of JSON that went into rows since the last flush.
    pub(crate) unflushed_bytes: usize,
    pub(crate) unknown_records: u64,
    pub(crate) rows_refused: u64,
    pub(crate) records_missing: u64,
}

/// One table.
pub(crate) struct TableView {
    pub(crate) table: &'static Table,
    pub(crate) files: Arc<[DataFile]>,
    /// Rows whose key is below this are in files.
    pub(crate) committed: u64,
    pub(crate) tail: Vec<RecordBatch>,
    /// Decision log only: rows that will replace a row in a file, and are not shown before.
    pub(crate) late: Vec<RecordBatch>,
    decoder: RowDecoder,
}

impl TableView {
    pub(crate) fn new(table: &'static Table, files: Vec<DataFile>, committed: u64) -> Self {
        Self {
            table,
            files: files.into(),
            committed,
            tail: Vec::new(),
            late: Vec::new(),
            decoder: RowDecoder::new(table, BadCell::Null),
        }
    }

    fn push(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.tail.push(batch);
        }
    }

    /// Makes the rows decoded so far part of the tail.
    fn settle_decoder(&mut self) -> Result<(), ArrowError> {
        if self.decoder.rows() > 0 {
            let batch = self.decoder.finish()?;
            self.push(batch);
        }
        Ok(())
    }

    pub(crate) fn tail_rows(&self) -> usize {
        row_count(&self.tail) + row_count(&self.late) + self.decoder.rows()
    }
}

impl Core {
    pub(crate) fn view(&self, name: &str) -> Result<&TableView, LakeError> {
        let found = self.tables.iter().find(|view| view.table.name == name);
        found.ok_or_else(|| LakeError::NoSuchTable {
            name: name.to_owned(),
        })
    }

    pub(crate) fn view_mut(&mut self, name: &str) -> Result<&mut TableView, LakeError> {
        let found = self.tables.iter_mut().find(|view| view.table.name == name);
        found.ok_or_else(|| LakeError::NoSuchTable {
            name: name.to_owned(),
        })
    }

    /// Takes in one journal record.
    pub(crate) fn apply(&mut self, record: RecordRef<'_>, now: Instant) {
        self.position = record.seq + 1;
        match record::kind(record.payload) {
            Kind::Decision { id } => self.gateway.decided(id, record, now),
            Kind::Settlement {
                id,
                reached_upstream,
            } => self.gateway.settled(id, reached_upstream, record),
            Kind::Opened => self.gateway.opened(record.seq),
            Kind::Row { table } => self.apply_row(table, record),
            Kind::Other => return,
            Kind::Unknown => {
                self.unknown_records += 1;
                return;
            }
        }
        self.unflushed_bytes += record.payload.len();
        if self.unflushed_since.is_none() {
            self.unflushed_since = Some(now);
        }
    }

    /// Records before `oldest` were removed from the journal before they were read.
    pub(crate) fn skip_to(&mut self, oldest: u64) {
        let missing = oldest.saturating_sub(self.position);
        tracing::error!(
            from = self.position,
            missing,
            "lake: journal records were removed before they were read"
        );
        self.records_missing += missing;
        self.position = oldest;
    }

    fn apply_row(&mut self, table: &str, record: RecordRef<'_>) {
        let Ok(view) = self.view_mut(table) else {
            self.unknown_records += 1;
            return;
        };
        if record.seq < view.committed {
            return;
        }
        let time = record.time.0.to_string();
        let appended = view
            .decoder
            .append_json(&[record.payload], &[(0, time.as_str())]);
        if appended.is_err() {
            self.rows_refused += 1;
            tracing::warn!(
                seq = record.seq,
                "lake: a record is not a JSON object, its row is lost"
            );
        }
    }

    /// Hands completed rows to the tables they belong to.
    pub(crate) fn settle(&mut self) -> Result<(), ArrowError> {
        if let Some(complete) = self.gateway.take_complete()? {
            self.hand_out(&complete)?;
        }
        self.tables
            .iter_mut()
            .try_for_each(TableView::settle_decoder)
    }

    fn hand_out(&mut self, complete: &Complete) -> Result<(), ArrowError> {
        for view in &mut self.tables {
            match view.table.name {
                DECISIONS => {
                    let (fresh, late) = complete.decisions(view.committed)?;
                    view.push(fresh);
                    if late.num_rows() > 0 {
                        view.late.push(late);
                    }
                }
                ACCESS_LOG => {
                    let rows = complete.all(view.committed)?;
                    view.push(project::access_log(&rows, &arrow_schema(view.table))?);
                }
                INFERENCE_LOG => {
                    let rows = complete.reached_upstream(view.committed)?;
                    view.push(project::inference_log(&rows, &arrow_schema(view.table))?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn snapshot(&mut self, name: &str) -> Result<Snapshot, LakeError> {
        self.settle()?;
        let unsettled = (name == DECISIONS)
            .then(|| self.gateway.unsettled_rows())
            .transpose()?
            .filter(|rows| rows.num_rows() > 0);
        let view = self.view(name)?;
        Ok(Snapshot {
            schema: arrow_schema(view.table),
            files: Arc::clone(&view.files),
            tail: view.tail.iter().cloned().chain(unsettled).collect(),
        })
    }

    /// Whether it is time to flush.
    pub(crate) fn is_flush_due(&self, config: &LakeConfig, now: Instant) -> bool {
        let is_old = self
            .unflushed_since
            .is_some_and(|since| now.duration_since(since) >= config.flush_age);
        is_old
            || self.is_over(config, 1)
            || self
                .gateway
                .has_overdue(config.settle_wait, config.unsettled_max, now)
    }

    /// Whether the tail holds more than `times` what a flush is due at. Then nothing more is read
    /// from the journal until a flush has succeeded.
    pub(crate) fn is_over(&self, config: &LakeConfig, times: usize) -> bool {
        self.unflushed_bytes > config.flush_bytes.saturating_mul(times)
            || self.tail_rows() > config.flush_rows.saturating_mul(times)
    }

    pub(crate) fn tail_rows(&self) -> usize {
        let tables: usize = self.tables.iter().map(TableView::tail_rows).sum();
        tables + self.gateway.complete_rows() + self.gateway.unsettled_count()
    }
}
