//! Rows by table and hour, as JSON lines: a rule's window is then a run of hours.

use std::collections::BTreeMap;

use atalaya_model::Timestamp;
use serde_json::{Value, json};

/// Monday, 2026-09-21, midnight UTC.
pub(crate) const START: i64 = 1_789_948_800 * SECOND;
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) const DECISIONS: &str = "AIGuardrailDecisions";
pub(crate) const INFERENCE: &str = "ModelInferenceLog";
pub(crate) const ACCESS: &str = "APIAccessLog";
pub(crate) const AUDIT: &str = "AuditLog";
pub(crate) const HOST: &str = "SecurityEvents";

/// One row: when, and its JSON.
pub(crate) struct Row {
    pub(crate) micros: i64,
    pub(crate) json: String,
}

/// Rows of all tables.
#[derive(Default)]
pub(crate) struct Week {
    tables: BTreeMap<&'static str, Vec<Row>>,
    count: u64,
    end: i64,
}

impl Week {
    /// An empty week of that many days; rows outside of it are left out.
    pub(crate) fn of_days(days: i64) -> Self {
        Self {
            end: START + days * DAY,
            ..Self::default()
        }
    }

    /// Adds a row; it gets the time, and an id of its own.
    pub(crate) fn add(&mut self, table: &'static str, micros: i64, mut row: Value) {
        if micros < START || micros >= self.end {
            return;
        }
        self.count += 1;
        let id = atalaya_tables::find(table).map_or("EventId", |found| found.id_column);
        if let Some(object) = row.as_object_mut() {
            let time = Timestamp(micros).to_rfc3339();
            object.insert("TimeGenerated".to_owned(), json!(time));
            object
                .entry(id)
                .or_insert_with(|| json!(format!("{table}-{}", self.count)));
        }
        let json = row.to_string();
        self.tables
            .entry(table)
            .or_default()
            .push(Row { micros, json });
    }

    /// Takes in the rows of another week; they keep their names, and get ids of their own.
    pub(crate) fn include(&mut self, other: &Self) {
        for (table, row) in other.stream() {
            let mut value: Value = serde_json::from_str(&row.json).unwrap_or_default();
            let id = atalaya_tables::find(table).map_or("EventId", |found| found.id_column);
            if let Some(object) = value.as_object_mut() {
                object.remove(id);
            }
            self.add(table, row.micros, value);
        }
    }

    /// Puts the rows in the order of their times.
    pub(crate) fn sort(&mut self) {
        for rows in self.tables.values_mut() {
            rows.sort_by_key(|row| row.micros);
        }
    }

    pub(crate) fn rows(&self, table: &str) -> &[Row] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// All rows of all tables in the order of their times.
    pub(crate) fn stream(&self) -> Vec<(&'static str, &Row)> {
        let mut all: Vec<(&'static str, &Row)> = self
            .tables
            .iter()
            .flat_map(|(table, rows)| rows.iter().map(|row| (*table, row)))
            .collect();
        all.sort_by_key(|(_, row)| row.micros);
        all
    }
}

/// The members of both objects.
pub(crate) fn joined(a: &Value, b: &Value) -> Value {
    let mut all = a.clone();
    if let (Some(all), Some(b)) = (all.as_object_mut(), b.as_object()) {
        all.extend(b.clone());
    }
    all
}
