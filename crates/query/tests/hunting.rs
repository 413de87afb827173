//! Real security queries on empty tables: all that bind must also plan and run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::Schema;
use atalaya_kql::bound::{ColumnDef, Type};
use atalaya_query::{
    Engine, EngineConfig, ExternalData, Library, QueryError, SourceError, StoredTable, TableSource,
};
use serde_json::Value;

use crate::support::options;

/// Share that runs; raised as the engine grows, never lowered.
const RUNS_MIN: f64 = 0.98;
/// Every so many queries are run, unless `ATALAYA_HUNTING_ALL` is set: planning thousands in a
/// debug build takes minutes.
const EVERY: usize = 8;

#[test]
fn real_security_queries_run_on_empty_tables() {
    let (Some(cases), Some(tables)) = (
        corpus("security_queries.jsonl"),
        corpus("table_schemas.jsonl"),
    ) else {
        return;
    };
    let tables = tables.iter().map(|table| {
        let name = table["table"].as_str().unwrap_or_default().to_owned();
        (name.clone(), columns(&name, &table["columns"]))
    });
    let source = EmptyTables(tables.collect());
    // What lies outside is as empty as the tables.
    let outside = tempfile::NamedTempFile::new().expect("a file");
    let library =
        Library::default().with_external_data(["http", "https"].map(|url| ExternalData {
            url: url.to_owned(),
            path: outside.path().to_owned(),
        }));
    let config = EngineConfig {
        library: Arc::new(library),
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(source)).expect("an engine");
    let every = match std::env::var_os("ATALAYA_HUNTING_ALL") {
        Some(_) => 1,
        None => EVERY,
    };
    let (mut ran, mut all, mut notes) = (0_u32, 0_u32, Vec::new());
    let bindable = cases
        .iter()
        .filter(|case| case["binds_with_la_schema"] == true && case["result_columns"].is_array());
    for case in bindable.step_by(every) {
        all += 1;
        let query = case["query"].as_str().unwrap_or_default();
        match engine.run_blocking(query, &options()) {
            Ok(_) => ran += 1,
            Err(QueryError::Invalid(why)) => {
                let error = why.iter().find(|d| d.level == atalaya_model::Level::Error);
                let why = error.map_or("", |d| d.message.as_str());
                notes.push(format!("{}\t{why}", case["id"]));
            }
            Err(error) => notes.push(format!("{}\t{error:?}", case["id"])),
        }
    }
    let share = f64::from(ran) / f64::from(all.max(1));
    println!("{ran} of {all} real queries run on empty tables ({share:.4})");
    if let Ok(path) = std::env::var("ATALAYA_HUNTING_NOTES") {
        std::fs::write(path, notes.join("\n")).expect("notes");
    }
    assert!(share >= RUNS_MIN, "{share}: {notes:#?}");
}

fn corpus(name: &str) -> Option<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kql");
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        assert!(std::env::var_os("CI").is_none(), "CI must have {name}");
        eprintln!("SKIPPED: no conformance corpus beside the checkout");
        return None;
    };
    let line = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    Some(text.lines().map(line).collect())
}

struct EmptyTables(BTreeMap<String, Vec<ColumnDef>>);

impl TableSource for EmptyTables {
    fn columns(&self, name: &str) -> Option<Vec<ColumnDef>> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn snapshot(&self, _: &str) -> Result<StoredTable, SourceError> {
        Ok(StoredTable {
            schema: Arc::new(Schema::empty()),
            files: Vec::new(),
            batches: Vec::new(),
        })
    }
}

/// The columns of a table, and those that every table of a workspace has.
fn columns(table: &str, list: &Value) -> Vec<ColumnDef> {
    let column = |name: &str, ty| ColumnDef {
        name: name.to_owned(),
        ty,
        range: None,
    };
    let mut columns: Vec<ColumnDef> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|pair| {
            let ty = Type::parse(pair[1].as_str().unwrap_or_default());
            column(
                pair[0].as_str().unwrap_or_default(),
                ty.unwrap_or(Type::Dynamic),
            )
        })
        .collect();
    let is_hunting = [
        "Device", "Email", "Identity", "CloudApp", "Alert", "Behavior", "OAuth", "Url",
    ]
    .iter()
    .any(|prefix| table.starts_with(prefix));
    let hunting = [("Timestamp", Type::DateTime), ("ReportId", Type::Long)];
    let common = [
        ("TimeGenerated", Type::DateTime),
        ("TenantId", Type::String),
        ("Type", Type::String),
        ("_ResourceId", Type::String),
        ("SourceSystem", Type::String),
    ];
    for (name, ty) in hunting.into_iter().filter(|_| is_hunting).chain(common) {
        if !columns.iter().any(|known| known.name == name) {
            columns.push(column(name, ty));
        }
    }
    columns
}
