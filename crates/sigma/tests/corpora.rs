//! Corpora of rules, events and labels outside the repository (`shared` beside the checkout).
//!
//! Without them the tests say so and pass, unless `CI` is set.

use std::path::PathBuf;

use atalaya_sigma::correlate::{Engine, Limits};
use atalaya_sigma::ir::Target;
use atalaya_sigma::matcher::{Matcher, Scratch};
use serde_json::Value;

#[test]
fn every_public_rule_is_read() {
    let Some(rules) = lines("sigmahq_rules.jsonl") else {
        return;
    };
    let mut wrong = Vec::new();
    for rule in &rules {
        let text = rule["rule_yaml"].as_str().unwrap();
        if let Err(errors) = atalaya_sigma::parse(text) {
            wrong.push(format!("{}: {:?}", rule["rule_path"], errors[0]));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}: {:#?}",
        wrong.len(),
        rules.len(),
        wrong
    );
}

#[test]
fn labelled_events_match_the_rules_that_they_should() {
    let mut wrong = Vec::new();
    let mut total = 0;
    for name in ["synth", "regression", "mordor", "modifiers"] {
        let Some(cases) = lines(&format!("match_{name}.jsonl")) else {
            return;
        };
        for case in &cases {
            total += 1;
            let text = case["rule_yaml"].as_str().unwrap();
            let event = case["event_json"].as_str().unwrap();
            let found = matches(text, event);
            if found != case["matches"].as_bool().unwrap() {
                wrong.push(format!(
                    "{name}: found {found} for\n{text}\n{event}\n{}",
                    case["note"]
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {total}:\n{}",
        wrong.len(),
        wrong.join("\n---\n")
    );
}

fn matches(rule: &str, event: &str) -> bool {
    let collection =
        atalaya_sigma::parse(rule).unwrap_or_else(|errors| panic!("{rule}\n{errors:?}"));
    let matcher = Matcher::new(&collection).unwrap();
    let mut out = Vec::new();
    matcher
        .matches(event, &mut Scratch::default(), None, &mut out)
        .unwrap();
    !out.is_empty()
}

#[test]
fn correlations_fire_when_they_should() {
    let Some(scenarios) = lines("correlation.jsonl") else {
        return;
    };
    let mut wrong = Vec::new();
    let mut total = 0;
    for scenario in &scenarios {
        let rules = scenario["rules_yaml"].as_str().unwrap();
        // When a window without something ends is not said by the specification.
        if scenario["type"] == "temporal_extended" && rules.contains("not ") {
            continue;
        }
        total += 1;
        let expected: Vec<String> = scenario["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .map(expected)
            .collect();
        let found = raised(rules, scenario["events"].as_array().unwrap());
        if found != expected {
            wrong.push(format!(
                "{}\nfound    {found:?}\nexpected {expected:?}",
                scenario["name"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {total}:\n{}",
        wrong.len(),
        wrong.join("\n---\n")
    );
}

fn expected(alert: &Value) -> String {
    let group = alert["group"].as_object().unwrap().iter();
    let mut group: Vec<String> = group
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
        .collect();
    group.sort();
    let time = alert["time"].as_str().unwrap().trim_end_matches('Z');
    let metric = alert["metric"].as_f64().unwrap();
    format!("{time} {} {metric:.6}", group.join(","))
}

fn raised(rules: &str, events: &[Value]) -> Vec<String> {
    let collection = atalaya_sigma::parse(rules).unwrap_or_else(|e| panic!("{rules}\n{e:?}"));
    let mut engine = Engine::new(&collection, Limits::default()).unwrap();
    let mut alerts = Vec::new();
    for (number, event) in events.iter().enumerate() {
        engine
            .process(&event.to_string(), number as u64, None, &mut alerts)
            .unwrap();
    }
    let is_last = |target: Target| target == Target::Correlation(collection.correlations.len() - 1);
    let lines = alerts
        .iter()
        .filter(|alert| is_last(alert.target))
        .map(|alert| {
            let group = alert.group.iter();
            let mut group: Vec<String> = group
                .map(|(name, value)| format!("{name}={}", value.to_lowercase()))
                .collect();
            group.sort();
            let time = jiff::Timestamp::from_millisecond(alert.time_ms.unwrap()).unwrap();
            let time = time.to_string();
            let value = alert.value;
            format!(
                "{} {} {value:.6}",
                time.trim_end_matches('Z'),
                group.join(",")
            )
        });
    lines.collect()
}

/// The lines of a corpus as JSON; `None` where there is none to be had.
pub(crate) fn lines(name: &str) -> Option<Vec<Value>> {
    let path = folder()?.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
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
