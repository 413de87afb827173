//! How large a result may be: Kusto's limits of records and of data, which a query changes with
//! `set` as far as its caller lets it. What is beyond is left out, and said so as Kusto does.

use arrow::array::RecordBatch;
use atalaya_kql::bound;
use atalaya_model::{Diagnostic, Span};

use crate::engine::{QueryOptions, ResultColumn};
use crate::lower::HELD_ROWS_MAX;
use crate::types;
use crate::value::Value;

/// Kusto's limit of records.
pub(crate) const ROWS_MAX: usize = 500_000;
/// Kusto's limit of data, bytes.
pub(crate) const BYTES_MAX: usize = 64 << 20;
/// Kusto's name for what happens.
const CODE: &str = "E_QUERY_RESULT_SET_TOO_LARGE";

/// The limits of one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncation {
    pub(crate) rows_max: usize,
    bytes_max: usize,
}

/// The rows that fit, and which limit left out the others.
pub(crate) struct Fitting {
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) exceeded: Option<Diagnostic>,
}

impl Truncation {
    pub(crate) fn of(asked: bound::Truncation, options: &QueryOptions) -> Self {
        let limit = |asked_max: Option<u64>, default: usize, most: usize| {
            let most = if options.truncation_is_fixed {
                default
            } else {
                most
            };
            let asked_max = asked_max.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
            let otherwise = if asked.is_lifted { most } else { default };
            asked_max.unwrap_or(otherwise).min(most)
        };
        Self {
            rows_max: limit(asked.rows_max, options.rows_max, HELD_ROWS_MAX),
            bytes_max: limit(asked.bytes_max, options.bytes_max, usize::MAX),
        }
    }

    /// Reads a result up to the limits.
    pub(crate) fn read(self, columns: &[ResultColumn], batches: &[RecordBatch]) -> Fitting {
        let all: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let mut rows = Vec::with_capacity(all.min(self.rows_max));
        let mut bytes = 0_usize;
        let places = batches
            .iter()
            .flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
        for (batch, row) in places {
            if rows.len() == self.rows_max {
                let exceeded = too_large("record count", self.rows_max, "truncationmaxrecords");
                return Fitting {
                    rows,
                    exceeded: Some(exceeded),
                };
            }
            let cells = columns.iter().zip(batch.columns());
            let cells = cells.map(|(column, array)| types::read(array, column.ty, row));
            let cells: Vec<Value> = cells.collect();
            bytes = bytes.saturating_add(cells.iter().map(bytes_of).sum());
            if bytes > self.bytes_max {
                let exceeded = too_large("data size", self.bytes_max, "truncationmaxsize");
                return Fitting {
                    rows,
                    exceeded: Some(exceeded),
                };
            }
            rows.push(cells);
        }
        Fitting {
            rows,
            exceeded: None,
        }
    }
}

fn too_large(what: &str, limit: usize, setting: &str) -> Diagnostic {
    let message =
        format!("the result set has exceeded the {what} limit {limit}: the rest is left out");
    let help = format!(
        "filter or aggregate further, or raise it: `set {setting} = …;`, `set notruncation;`"
    );
    Diagnostic::warning(CODE, Span::new(0, 0), message).with_help(help)
}

/// What a value is counted as: its text, or its fixed width.
fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Int(_) => 4,
        Value::Long(_) | Value::Real(_) | Value::DateTime(_) | Value::Timespan(_) => 8,
        Value::Guid(_) => 16,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 1 + bytes_of(item)).sum(),
        Value::Bag(pairs) => {
            let pairs = pairs.iter();
            pairs
                .map(|(key, value)| 2 + key.len() + bytes_of(value))
                .sum()
        }
    }
}
