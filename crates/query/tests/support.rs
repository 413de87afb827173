//! Tables in memory and JSON out of results.

use std::sync::Arc;

use atalaya_query::value::datetime;
use atalaya_query::write::{Format, write};
use atalaya_query::{Engine, EngineConfig, FileTables, QueryOptions};
use serde_json::Value;

/// 2026-01-15T12:00:00Z: "now" of the tests.
pub(crate) const NOW: &str = "2026-01-15T12:00:00Z";

pub(crate) fn options() -> QueryOptions {
    QueryOptions {
        timeout: std::time::Duration::from_secs(30),
        ..QueryOptions::at(datetime::parse(NOW).expect("a time"))
    }
}

/// An engine over tables given as JSON lines.
pub(crate) fn engine(tables: &[(&str, &str)]) -> (Engine, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = FileTables::new();
    for (name, lines) in tables {
        let path = folder.path().join(format!("{name}.jsonl"));
        std::fs::write(&path, lines).expect("a file");
        files.add(name, &path).expect("a table");
    }
    let config = EngineConfig {
        threads: 2,
        ..EngineConfig::default()
    };
    (
        Engine::new(config, Arc::new(files)).expect("an engine"),
        folder,
    )
}

/// The result as the JSON format shows it.
pub(crate) fn json(result: &atalaya_query::QueryResult) -> Value {
    let mut out = Vec::new();
    write(result, Format::Json, None, &mut out).expect("it can be written");
    serde_json::from_slice(&out).expect("it is JSON")
}
