//! JSON rows to Arrow columns.
//!
//! Written by hand instead of using Arrow's JSON reader for three reasons: a `dynamic` column
//! takes any JSON value as its text, one bad row must be refusable with a reason while the others
//! go on, and the keys of log rows come in the same order every time, which makes finding the
//! column of a key a comparison instead of a hash.

mod column;
mod fields;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use atalaya_tables::{ColumnType, Table};
use serde::de::DeserializeSeed;

use crate::schema::arrow_schema;
use column::{ColumnBuilder, fits};

pub(crate) use column::{Cell, is_empty, to_time};
pub(crate) use fields::{Cells, Names};

/// What to do with a value that does not fit its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadCell {
    /// Leave the cell empty and count it: rows of our own journal must not be lost.
    Null,
    /// Refuse the row.
    RefuseRow,
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowFault {
    #[error("not a JSON object: {0}")]
    NotJson(String),
    #[error("column {column}: expected {expected}")]
    Cell {
        column: &'static str,
        expected: &'static str,
    },
    #[error("TimeGenerated is missing")]
    NoTime,
}

impl RowFault {
    /// `TimeGenerated` is there, but is no point in time.
    pub(crate) fn time() -> Self {
        Self::Cell {
            column: "TimeGenerated",
            expected: ColumnType::DateTime.kusto_name(),
        }
    }
}

/// Collects rows of one table into columns.
pub(crate) struct RowDecoder {
    table: &'static Table,
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    names: Names,
    rows: usize,
    bad_cell: BadCell,
    /// Cells that were left empty because their value did not fit.
    pub(crate) cells_refused: u64,
}

impl RowDecoder {
    pub(crate) fn new(table: &'static Table, bad_cell: BadCell) -> Self {
        Self {
            table,
            schema: arrow_schema(table),
            columns: table
                .columns
                .iter()
                .map(|column| ColumnBuilder::new(column.ty))
                .collect(),
            names: Names::new(table),
            rows: 0,
            bad_cell,
            cells_refused: 0,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends one row given as JSON objects that complement each other, and as further cells
    /// (column, value). Keys that are no columns are skipped.
    pub(crate) fn append_json(
        &mut self,
        objects: &[&[u8]],
        further: &[(usize, &str)],
    ) -> Result<(), RowFault> {
        let mut values = vec![Cell::Null; self.columns.len()];
        for (column, text) in further {
            values[*column] = Cell::Text(text);
        }
        for object in objects {
            let mut deserializer = serde_json::Deserializer::from_slice(object);
            let cells = Cells {
                names: &mut self.names,
                extra: None,
            }
            .deserialize(&mut deserializer)
            .map_err(|error| RowFault::NotJson(json_fault(&error)))?;
            for (column, raw) in cells {
                values[column] = Cell::Json(raw);
            }
        }
        self.append_cells(&values)
    }

    /// Appends one row given as a cell per column. On a fault nothing is appended.
    pub(crate) fn append_cells(&mut self, cells: &[Cell<'_>]) -> Result<(), RowFault> {
        if self.bad_cell == BadCell::RefuseRow {
            self.check(cells)?;
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if !column.append(*cell) {
                self.cells_refused += 1;
                column.append_null();
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Looks for a bad cell before anything is appended: builders cannot take a value back.
    fn check(&self, cells: &[Cell<'_>]) -> Result<(), RowFault> {
        let bad = self
            .table
            .columns
            .iter()
            .zip(cells)
            .find(|(column, cell)| !fits(column.ty, **cell));
        match bad {
            None => Ok(()),
            Some((column, _)) => Err(RowFault::Cell {
                column: column.name,
                expected: column.ty.kusto_name(),
            }),
        }
    }

    /// The rows so far as a batch; the decoder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        let arrays = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

/// The message without the excerpt that a JSON error may carry.
pub(crate) fn json_fault(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "syntax error",
        serde_json::error::Category::Data => "not an object",
        serde_json::error::Category::Io => "cannot be read",
    };
    format!("{kind} at column {}", error.column())
}
