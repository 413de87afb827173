//! Answers of the real engine, recorded. The corpus lies beside the project, not in it: without
//! it the check is skipped, except in CI.

use std::collections::BTreeMap;
use std::path::Path;

use atalaya_query::QueryError;
use atalaya_query::value::{datetime, timespan};
use serde_json::Value;

use crate::support::{engine, json, options};

const CORPUS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/kql/emulator.jsonl"
);
/// Share of the scoreable cases that are answered right, and wrong, at least and at most.
const RIGHT_MIN: f64 = 0.96;
const WRONG_MAX: f64 = 0.005;

#[test]
fn answers_equal_those_of_the_real_engine() {
    let Ok(text) = std::fs::read_to_string(Path::new(CORPUS)) else {
        assert!(std::env::var_os("CI").is_none(), "CI must have {CORPUS}");
        eprintln!("SKIPPED: {CORPUS} is not here");
        return;
    };
    let (engine, _folder) = engine(&[]);
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    let mut notes = Vec::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        if case["scoreable"] != true {
            continue;
        }
        let query = case["query"].as_str().unwrap_or_default();
        let mut short = options();
        short.timeout = std::time::Duration::from_secs(5);
        // The engine's word counts, also on what we would run with a warning.
        short.strict = true;
        let outcome = engine.run_blocking(query, &short);
        let verdict = match (&outcome, case["expect"].as_str()) {
            (Ok(_), Some("error")) => "accepted what Kusto refuses",
            (Err(_), Some("error")) => "right",
            (Err(QueryError::Invalid(_)), _) => "refused",
            (Err(_), _) => "failed",
            (Ok(result), _) if same(&case, &json(result)) => "right",
            (Ok(_), _) => "wrong",
        };
        *tally.entry(verdict).or_default() += 1;
        if verdict != "right" {
            let why = match &outcome {
                Ok(result) => json(result)["rows"].to_string(),
                Err(QueryError::Invalid(d)) => d
                    .iter()
                    .map(|d| format!("{} {}; ", d.code, d.message))
                    .collect(),
                Err(error) => format!("{error:?}"),
            };
            let why: String = why.chars().take(400).collect();
            notes.push(format!(
                "{verdict}\t{}\t{why}",
                case["id"].as_str().unwrap_or_default()
            ));
        }
    }
    if let Ok(path) = std::env::var("ATALAYA_RECORDED_NOTES") {
        std::fs::write(path, notes.join("\n")).expect("notes");
    }
    let all: usize = tally.values().sum();
    println!("{all} cases: {tally:?}");
    let share =
        |verdict: &str| tally.get(verdict).copied().unwrap_or_default() as f64 / all.max(1) as f64;
    assert!(share("right") >= RIGHT_MIN, "{tally:?}");
    assert!(share("wrong") <= WRONG_MAX, "{tally:?}");
}

fn same(case: &Value, shown: &Value) -> bool {
    let types: Vec<&str> = case["types"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let names = |columns: &Value| -> Vec<String> {
        let columns = columns.as_array().cloned().unwrap_or_default();
        columns
            .iter()
            .filter_map(|c| c.as_str().or_else(|| c["name"].as_str()))
            .map(str::to_owned)
            .collect()
    };
    if names(&case["columns"]) != names(&shown["columns"]) {
        return false;
    }
    if case["rows_complete"] == false {
        return case["row_count"] == shown["rows"].as_array().map_or(0, Vec::len);
    }
    let canonical = |rows: &Value| -> Vec<Vec<Value>> {
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.iter()
            .map(|row| {
                let row = row.as_array().cloned().unwrap_or_default();
                row.iter()
                    .zip(&types)
                    .map(|(v, ty)| normal(v, ty))
                    .collect()
            })
            .collect()
    };
    let mut expected = canonical(&case["rows"]);
    let mut actual = canonical(&shown["rows"]);
    if expected.len() != actual.len() {
        return false;
    }
    if case["ordered"] != true {
        let key = |row: &Vec<Value>| format!("{row:?}");
        expected.sort_by_key(key);
        actual.sort_by_key(key);
    }
    expected
        .iter()
        .zip(&actual)
        .all(|(e, a)| e.iter().zip(a).all(|(e, a)| near(e, a)))
}

/// One spelling per value.
fn normal(value: &Value, ty: &str) -> Value {
    match (ty, value) {
        ("datetime", Value::String(text)) => datetime::parse(text).map_or(Value::Null, Value::from),
        ("timespan", Value::String(text)) => timespan::parse(text).map_or(Value::Null, Value::from),
        ("decimal", Value::String(text)) => text.parse::<f64>().map_or(Value::Null, Value::from),
        ("real" | "decimal", Value::Number(n)) => n.as_f64().map_or(Value::Null, rounded),
        ("dynamic", value) => inner(value),
        _ => value.clone(),
    }
}

/// Inside of a dynamic: whole reals are whole numbers, times and spans are ticks.
fn inner(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(inner).collect()),
        Value::Object(pairs) => {
            Value::Object(pairs.iter().map(|(k, v)| (k.clone(), inner(v))).collect())
        }
        Value::Number(n) => n.as_f64().map_or(Value::Null, rounded),
        Value::String(text) if text.len() >= 10 && text.as_bytes()[4] == b'-' => {
            datetime::parse(text).map_or_else(|| value.clone(), Value::from)
        }
        Value::String(text) if text.contains(':') => {
            timespan::parse(text).map_or_else(|| value.clone(), Value::from)
        }
        other => other.clone(),
    }
}

fn rounded(value: f64) -> Value {
    format!("{value:.10e}")
        .parse::<f64>()
        .map_or(Value::Null, Value::from)
}

fn near(expected: &Value, actual: &Value) -> bool {
    match (expected.as_f64(), actual.as_f64()) {
        (Some(e), Some(a)) => (e - a).abs() <= 1e-9 * e.abs().max(a.abs()).max(1e-300) || e == a,
        _ => expected == actual,
    }
}
