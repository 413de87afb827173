//! Sigma rules as KQL find the events that the rules find: labelled events from outside the
//! repository (`shared` beside the checkout), asked through the engine.
//!
//! Known differences in meaning, left out of the comparison: Kusto's strings are never null, so
//! a rule that asks whether a field is absent or empty cannot tell the two apart. A query that the
//! engine refuses for the types that it inferred from a handful of events is not compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use atalaya_sigma::convert::{self, Language, Options};
use atalaya_sigma::ir::{Collection, Expr, Test};
use atalaya_sigma::pipeline::Pipelines;
use serde_json::{Map, Value};

use crate::support;

/// Every so many-th rule is asked.
const SAMPLE: usize = 12;

#[test]
fn rules_as_kql_find_what_the_rules_find() {
    let Some(folder) = folder() else {
        return;
    };
    let mut wrong = Vec::new();
    let (mut rules, mut triples) = (0, 0);
    for file in [
        "match_modifiers.jsonl",
        "match_synth.jsonl",
        "match_mordor.jsonl",
    ] {
        let text = std::fs::read_to_string(folder.join(file)).expect("a corpus");
        let mut by_rule: BTreeMap<String, Vec<(Value, bool)>> = BTreeMap::new();
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).expect("JSON");
            let event = case["event_json"].as_str().expect("an event");
            let event = serde_json::from_str(event).expect("JSON");
            let rule = case["rule_yaml"].as_str().expect("a rule").to_owned();
            let matches = case["matches"].as_bool().expect("a label");
            by_rule.entry(rule).or_default().push((event, matches));
        }
        let step = if file == "match_synth.jsonl" {
            SAMPLE
        } else {
            1
        };
        for (rule, events) in by_rule.iter().step_by(step) {
            let Some(found) = asked(rule, events) else {
                continue;
            };
            rules += 1;
            for ((event, label), found) in events.iter().zip(found) {
                triples += 1;
                if *label != found {
                    wrong.push(format!("{file} {label} but {found}: {event}\n{rule}"));
                }
            }
        }
    }
    eprintln!(
        "{rules} rules as KQL, {triples} labelled events, {} wrong",
        wrong.len()
    );
    if let Some(path) = std::env::var_os("CONVERSION_DIFFERENCES") {
        let path = PathBuf::from(path).join("kql-meaning.txt");
        std::fs::write(path, wrong.join("\n")).expect("written");
    }
    assert!(rules > 100, "only {rules} rules were compared");
    assert!(
        wrong.len() * 200 <= triples,
        "{} of {triples} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
}

/// Which events the rule's query finds; `None` if the rule asks what KQL cannot tell apart.
fn asked(rule: &str, events: &[(Value, bool)]) -> Option<Vec<bool>> {
    let collection = atalaya_sigma::parse(rule).expect("a rule");
    let fields = fields(&collection)?;
    let options = Options {
        table: Some("Events".to_owned()),
        ..Options::default()
    };
    let none = Pipelines::default();
    let converted = convert::convert(&collection, Language::Kql, &none, &options);
    let queries = converted.first()?.result.as_ref().ok()?;
    let mut lines = String::new();
    for (row, (event, _)) in events.iter().enumerate() {
        let mut flat: Map<String, Value> = event.as_object()?.clone();
        if row == 0 {
            for field in &fields {
                if !flat.contains_key(field) {
                    flat.insert(field.clone(), Value::Null);
                }
            }
        }
        // Columns of the tables that such rules are for hold text where events hold booleans.
        for value in flat.values_mut() {
            if let Value::Bool(flag) = value {
                *value = Value::String(flag.to_string());
            }
        }
        flat.insert("RowNumber".to_owned(), Value::from(row));
        lines.push_str(&Value::Object(flat).to_string());
        lines.push('\n');
    }
    let (engine, _folder) = support::engine(&[("Events", lines.as_str())]);
    let mut found = vec![false; events.len()];
    for query in queries {
        let kql = format!("{}\n| project RowNumber", query.text);
        let result = match engine.run_blocking(&kql, &support::options()) {
            Ok(result) => result,
            Err(atalaya_query::QueryError::Invalid(why))
                if why.iter().all(|why| why.message.contains(" wants ")) =>
            {
                return None;
            }
            Err(error) => panic!("{error}\n{kql}\n{lines}"),
        };
        for row in support::json(&result)["rows"].as_array().expect("rows") {
            let row = row[0].as_u64().expect("a number");
            found[usize::try_from(row).expect("small")] = true;
        }
    }
    Some(found)
}

/// The fields that a rule asks of; `None` if it asks whether one is empty or absent.
fn fields(collection: &Collection) -> Option<BTreeSet<String>> {
    let mut out = BTreeSet::new();
    for rule in &collection.rules {
        for condition in &rule.conditions {
            visit(&condition.expr, &mut out)?;
        }
    }
    Some(out)
}

fn visit(expr: &Expr, out: &mut BTreeSet<String>) -> Option<()> {
    match expr {
        Expr::And(members) | Expr::Or(members) => {
            members.iter().try_for_each(|member| visit(member, out))
        }
        Expr::Not(inner) => visit(inner, out),
        Expr::Item(item) => {
            out.extend(item.field.clone());
            for test in &item.tests {
                match test {
                    Test::Null | Test::Exists(_) => return None,
                    Test::Text(pattern) if pattern.parts.is_empty() => return None,
                    Test::FieldRef { field, .. } => {
                        out.insert(field.clone());
                    }
                    _ => {}
                }
            }
            Some(())
        }
    }
}

fn folder() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [root.join("shared/sigma"), root.join("../shared/sigma")];
    let found = places.into_iter().find(|place| place.is_dir());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "shared/sigma is missing, and CI is set"
        );
        eprintln!("SKIPPED: shared/sigma is not there");
    }
    found
}
