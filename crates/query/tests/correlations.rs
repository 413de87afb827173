//! Sigma correlations as KQL raise what the correlations raise: labelled scenarios from outside
//! the repository (`shared` beside the checkout), asked through the engine.
//!
//! Left out: scenarios that mix upper and lower case on purpose (`by` of KQL tells them apart), and
//! expressions with `not`, of which the specification does not say when their window ends.

use std::collections::{BTreeMap, BTreeSet};

use atalaya_query::Engine;
use atalaya_sigma::convert::{self, Language, Options};
use atalaya_sigma::pipeline::Pipelines;
use serde_json::{Map, Value};

use crate::sigma::folder;
use crate::support;

/// Fewer scenarios than these mean that the test skips what it should compare.
const SCENARIOS_MIN: usize = 150;

struct Scenario {
    name: String,
    rules: String,
    events: Vec<Map<String, Value>>,
    expected: BTreeSet<String>,
}

#[test]
fn correlations_as_kql_raise_what_the_correlations_raise() {
    let Some(folder) = folder() else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("correlation.jsonl")).expect("a corpus");
    let scenarios: Vec<Scenario> = text.lines().filter_map(scenario).collect();
    let mut by_kind: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (batch, scenarios) in scenarios.chunks(40).enumerate() {
        let tables: Vec<(String, String)> = scenarios
            .iter()
            .enumerate()
            .map(|(index, scenario)| (format!("Events{batch}x{index}"), lines(&scenario.events)))
            .collect();
        let borrowed: Vec<(&str, &str)> = tables
            .iter()
            .map(|(name, lines)| (name.as_str(), lines.as_str()))
            .collect();
        let (engine, _files) = support::engine(&borrowed);
        for (scenario, (table, _)) in scenarios.iter().zip(&tables) {
            let kind = scenario.name.rsplit_once('-').map_or("", |(kind, _)| kind);
            let figures = by_kind.entry(kind).or_default();
            figures.0 += 1;
            if let Err(why) = judge(scenario, table, &engine) {
                figures.1 += 1;
                wrong.push(format!("{}: {why}", scenario.name));
            }
        }
    }
    for (kind, (total, wrong)) in &by_kind {
        eprintln!("{kind}: {total} as KQL, {wrong} wrong");
    }
    assert!(scenarios.len() >= SCENARIOS_MIN, "only {}", scenarios.len());
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(4)]
    );
}

fn scenario(line: &str) -> Option<Scenario> {
    let case: Value = serde_json::from_str(line).expect("JSON");
    let rules = case["rules_yaml"].as_str().expect("rules");
    let name = case["name"].as_str().expect("a name");
    if name.starts_with("mixedcase") || rules.contains("not ") {
        return None;
    }
    let events = case["events"].as_array().expect("events").iter();
    let alerts = case["alerts"].as_array().expect("alerts").iter();
    let row = |event: &Value| {
        let mut row = event.as_object().expect("an object").clone();
        let time = row.remove("timestamp").expect("a time");
        row.insert("TimeGenerated".to_owned(), time);
        row
    };
    let alert = |alert: &Value| {
        let group = alert["group"].as_object().expect("a group").iter();
        let group =
            group.map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()));
        told(alert["time"].as_str().expect("a time"), group.collect())
    };
    Some(Scenario {
        name: name.to_owned(),
        rules: rules.to_owned(),
        events: events.map(row).collect(),
        expected: alerts.map(alert).collect(),
    })
}

/// Time and group as one text.
fn told(time: &str, group: BTreeMap<String, String>) -> String {
    let time = time.split(['.', 'Z']).next().unwrap_or(time);
    let group: Vec<String> = group
        .into_iter()
        .map(|(name, value)| format!("{name}={}", value.to_lowercase()))
        .collect();
    format!("{time} {}", group.join(","))
}

fn judge(scenario: &Scenario, table: &str, engine: &Engine) -> Result<(), String> {
    let collection =
        atalaya_sigma::parse(&scenario.rules).map_err(|errors| format!("{errors:?}"))?;
    let options = Options {
        table: Some(table.to_owned()),
        ..Options::default()
    };
    let converted = convert::convert(&collection, Language::Kql, &Pipelines::default(), &options);
    let one = converted.first().ok_or("nothing raises alerts")?;
    let queries = one
        .result
        .as_ref()
        .map_err(|errors| errors[0].message.clone())?;
    let query = &queries[0];
    let result = engine
        .run_blocking(&query.text, &support::options())
        .map_err(|error| format!("{error}\n{}", query.text))?;
    let json = support::json(&result);
    let columns = json["columns"].as_array().expect("columns").iter();
    let columns: Vec<&str> = columns
        .map(|column| column["name"].as_str().unwrap_or_default())
        .collect();
    let mut found = BTreeSet::new();
    for row in json["rows"].as_array().expect("rows") {
        let value = |name: &str| {
            let at = columns.iter().position(|column| *column == name);
            at.and_then(|at| row[at].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let group = query.group_by.iter();
        let group = group.map(|name| (name.clone(), value(name))).collect();
        found.insert(told(&value("TimeGenerated"), group));
    }
    if found == scenario.expected {
        return Ok(());
    }
    Err(format!(
        "\nfound    {found:?}\nexpected {:?}\n{}",
        scenario.expected, query.text
    ))
}

fn lines(events: &[Map<String, Value>]) -> String {
    let names: BTreeSet<&String> = events.iter().flat_map(Map::keys).collect();
    let mut out = String::new();
    for event in events {
        let row: Map<String, Value> = names
            .iter()
            .map(|name| {
                (
                    (*name).clone(),
                    event.get(*name).cloned().unwrap_or(Value::Null),
                )
            })
            .collect();
        out.push_str(&Value::Object(row).to_string());
        out.push('\n');
    }
    out
}
