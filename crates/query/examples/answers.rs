//! Answers queries for a comparison with other engines: lines of JSON with `id` and `query` in,
//! one line of JSON for each out, with `columns` and `rows`, or `error`.
//!
//! ```sh
//! cargo run --release -p atalaya-query --example answers < cases.jsonl > answers.jsonl
//! ```
//!
//! Queries see no tables; what real Kusto refuses is refused (strict), and one query may take
//! [`SECONDS_MAX`].

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a tool for developers, not part of the product"
)]

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use atalaya_query::value::datetime;
use atalaya_query::write::{Format, write};
use atalaya_query::{Engine, EngineConfig, FileTables, QueryOptions};
use serde_json::{Value, json};

/// Longest time of one query.
const SECONDS_MAX: u64 = 10;

fn main() {
    let config = EngineConfig {
        threads: 2,
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(FileTables::new())).expect("an engine");
    let now = datetime::parse("2026-01-15T12:00:00Z").expect("a time");
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line of text");
        let case: Value = serde_json::from_str(&line).expect("a line of JSON");
        let mut options = QueryOptions::at(now);
        options.strict = true;
        options.timeout = Duration::from_secs(SECONDS_MAX);
        let query = case["query"].as_str().unwrap_or_default();
        let answer = match engine.run_blocking(query, &options) {
            Ok(result) => {
                let mut text = Vec::new();
                write(&result, Format::Json, None, &mut text).expect("it is written to memory");
                let shown: Value = serde_json::from_slice(&text).expect("it is JSON");
                json!({"id": case["id"], "columns": shown["columns"], "rows": shown["rows"]})
            }
            Err(error) => json!({"id": case["id"], "error": error.to_string()}),
        };
        writeln!(out, "{answer}").expect("the answer is written");
    }
}
