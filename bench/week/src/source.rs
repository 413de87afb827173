//! The week as tables of the engine, cut by hour: a query is shown the hours of its window only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use arrow::array::RecordBatch;
use atalaya_kql::bound::ColumnDef;
use atalaya_query::{FileTables, SourceError, StoredTable, TableSource};

use serde_json::{Map, Value};

use crate::rows::{HOUR, Row, Week};

/// Batches of one table with the hour they are of.
#[derive(Clone)]
struct Hours {
    columns: Vec<ColumnDef>,
    empty: StoredTable,
    batches: Vec<(i64, RecordBatch)>,
}

/// The week's tables; cheap to clone.
#[derive(Clone)]
pub(crate) struct Hourly {
    tables: Arc<BTreeMap<&'static str, Hours>>,
    more: Arc<BTreeMap<&'static str, Vec<RecordBatch>>>,
}

impl Hourly {
    /// Reads the week.
    pub(crate) fn new(week: &Week) -> Result<Self, String> {
        let mut tables = BTreeMap::new();
        for table in atalaya_tables::ALL {
            tables.insert(table.name, hours(table.name, week.rows(table.name))?);
        }
        Ok(Self {
            tables: Arc::new(tables),
            more: Arc::default(),
        })
    }

    /// The same with other rows besides.
    pub(crate) fn with(&self, week: &Week) -> Result<Self, String> {
        let mut more = BTreeMap::new();
        for table in atalaya_tables::ALL {
            let batches = batches(table.name, week.rows(table.name))?.batches;
            more.insert(table.name, batches);
        }
        Ok(Self {
            tables: Arc::clone(&self.tables),
            more: Arc::new(more),
        })
    }
}

fn hours(table: &str, rows: &[Row]) -> Result<Hours, String> {
    let empty = batches(table, &[])?;
    let mut found = Hours {
        columns: columns(table),
        empty,
        batches: Vec::new(),
    };
    for chunk in rows.chunk_by(|a, b| a.micros / HOUR == b.micros / HOUR) {
        let hour = chunk.first().map_or(0, |row| row.micros / HOUR);
        let read = batches(table, chunk)?.batches;
        found
            .batches
            .extend(read.into_iter().map(|batch| (hour, batch)));
    }
    Ok(found)
}

fn columns(table: &str) -> Vec<ColumnDef> {
    atalaya_tables::find(table).map_or_else(Vec::new, atalaya_kql::columns)
}

/// Batches that all have every column of the table: a first row names them and is cut off again.
fn batches(table: &str, rows: &[Row]) -> Result<StoredTable, String> {
    let names = columns(table).into_iter().map(|column| column.name);
    let all: Map<String, Value> = names.map(|name| (name, Value::Null)).collect();
    let mut lines = vec![Value::Object(all).to_string()];
    lines.extend(rows.iter().map(|row| row.json.clone()));
    let mut files = FileTables::new();
    files
        .add_rows(table, lines.join("\n").as_bytes())
        .map_err(|error| error.to_string())?;
    let mut stored = files.snapshot(table).map_err(|error| error.to_string())?;
    if let Some(first) = stored.batches.first_mut() {
        *first = first.slice(1, first.num_rows().saturating_sub(1));
    }
    Ok(stored)
}

/// What one engine sees: the hours of the window that was set last.
pub(crate) struct Window {
    hourly: Hourly,
    range: Mutex<(i64, i64)>,
}

impl Window {
    pub(crate) const fn new(hourly: Hourly) -> Self {
        Self {
            hourly,
            range: Mutex::new((i64::MIN, i64::MAX)),
        }
    }

    /// Rows from `start` to `end`, microseconds, are needed next.
    pub(crate) fn set(&self, start: i64, end: i64) {
        if let Ok(mut range) = self.range.lock() {
            *range = (start.div_euclid(HOUR), end.div_euclid(HOUR));
        }
    }
}

impl TableSource for Window {
    fn columns(&self, name: &str) -> Option<Vec<ColumnDef>> {
        self.hourly
            .tables
            .get(name)
            .map(|table| table.columns.clone())
    }

    fn names(&self) -> Vec<String> {
        self.hourly
            .tables
            .keys()
            .map(|name| (*name).to_owned())
            .collect()
    }

    fn snapshot(&self, name: &str) -> Result<StoredTable, SourceError> {
        let missing = || SourceError {
            table: name.to_owned(),
            reason: "there is no such table".to_owned(),
        };
        let table = self.hourly.tables.get(name).ok_or_else(missing)?;
        let (first, last) = self
            .range
            .lock()
            .map_or((i64::MIN, i64::MAX), |range| *range);
        let mut stored = table.empty.clone();
        let inside = table
            .batches
            .iter()
            .filter(|(hour, _)| (first..=last).contains(hour));
        stored
            .batches
            .extend(inside.map(|(_, batch)| batch.clone()));
        let more = self.hourly.more.get(name);
        stored.batches.extend(more.into_iter().flatten().cloned());
        Ok(stored)
    }
}
