//! `cases/*.yml`: queries with the rows they must give; an analyst can add one.

use serde::Deserialize;
use serde_json::Value;

use crate::support::{engine, json, options};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    query: String,
    rows: Vec<Vec<Value>>,
    #[serde(default)]
    any_order: bool,
}

#[test]
fn operators() {
    run(include_str!("cases/operators.yml"));
}

#[test]
fn order_is_kept() {
    run(include_str!("cases/order.yml"));
}

#[test]
fn plugins_and_sketches() {
    run(include_str!("cases/plugins.yml"));
}

fn run(text: &str) {
    let cases: Vec<Case> = atalaya_yaml::parse(text).unwrap_or_else(|d| panic!("{d:?}"));
    let (engine, _folder) = engine(&[]);
    let mut failed = Vec::new();
    for case in cases {
        match engine.run_blocking(&case.query, &options()) {
            Err(error) => failed.push(format!("{}: {error:?}", case.name)),
            Ok(result) => {
                let mut rows = json(&result)["rows"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let mut expected: Vec<Value> = case.rows.into_iter().map(Value::Array).collect();
                if case.any_order {
                    rows.sort_by_key(Value::to_string);
                    expected.sort_by_key(Value::to_string);
                }
                if rows != expected {
                    failed.push(format!("{}: {rows:?} instead of {expected:?}", case.name));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
