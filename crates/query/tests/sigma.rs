//! Sigma rules as KQL find the events that the rules find, in every table that converters know.
//!
//! Rules come from outside the repository (`shared` beside the checkout): with labelled events,
//! and with events made up from the rules' own conditions, which the streaming matcher labels.
//! The engine is asked rule by rule, over tables of the types that the target has.
//!
//! `SIGMA_SEED` makes up other events; `SIGMA_STEP=1` asks every rule instead of a sample.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use atalaya_sigma::convert::{self, Language, Options};
use atalaya_sigma::ir::{Collection, LogSource};
use atalaya_sigma::matcher::{Matcher, Scratch};
use atalaya_sigma::pipeline::{Pipeline, Pipelines};
use serde_json::{Map, Value};

use crate::made_up::{self, Events};
use crate::support;

/// Every so many-th rule of the large corpora is asked.
const STEP: usize = 12;
/// Rules that one engine knows the tables of.
const BATCH: usize = 40;
/// Events that are made up for a rule.
const MADE_UP: usize = 24;

/// A rule with events and what it should find.
struct Asked {
    name: String,
    rule: String,
    queries: Vec<String>,
    events: Vec<Map<String, Value>>,
    labels: Vec<bool>,
}

#[derive(Default)]
struct Figures {
    rules: usize,
    events: usize,
    found: usize,
    /// Rules that the language or the table refuses.
    refused: usize,
    wrong: Vec<String>,
}

#[test]
fn rules_as_kql_find_the_labelled_events() {
    let Some(folder) = folder() else {
        return;
    };
    let mut figures = Figures::default();
    for file in [
        "match_modifiers.jsonl",
        "match_synth.jsonl",
        "match_mordor.jsonl",
    ] {
        let text = std::fs::read_to_string(folder.join(file)).expect("a corpus");
        let mut by_rule: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).expect("JSON");
            let event = case["event_json"].as_str().expect("an event");
            let rule = case["rule_yaml"].as_str().expect("a rule").to_owned();
            let event = serde_json::from_str(event).expect("JSON");
            by_rule.entry(rule).or_default().push(event);
        }
        let step = if file == "match_synth.jsonl" {
            step()
        } else {
            1
        };
        let mut asked = Vec::new();
        for (rule, events) in by_rule.iter().step_by(step) {
            let flat = events.iter().filter_map(flat).collect();
            asked.extend(prepare(&mut figures, (file, rule), None, |_, _| flat));
        }
        ask(&mut figures, &asked);
    }
    report("labelled", &figures);
    judge("labelled", &figures, 140);
}

#[test]
fn rules_as_kql_find_the_events_that_the_matcher_finds() {
    let Some(folder) = folder() else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("sigmahq_rules.jsonl")).expect("a corpus");
    let rules: Vec<String> = text
        .lines()
        .map(|line| {
            let rule: Value = serde_json::from_str(line).expect("JSON");
            rule["rule_yaml"].as_str().expect("a rule").to_owned()
        })
        .collect();
    let mut seed = seed();
    let mut all = Vec::new();
    eprintln!("SIGMA_SEED={seed}");
    for (pipeline, step, floor) in [
        (None, step() * 4, 60),
        (Some("microsoft_xdr"), step() * 4, 30),
        (Some("sentinel_asim"), step() * 4, 30),
        (Some("azure_monitor"), step() * 4, 30),
    ] {
        let mut figures = Figures::default();
        let mut asked = Vec::new();
        for rule in rules.iter().step_by(step) {
            seed += 1;
            let name = pipeline.unwrap_or("plain");
            asked.extend(prepare(
                &mut figures,
                (name, rule),
                pipeline,
                |expr, columns| Events::new(seed, columns).of(expr, MADE_UP),
            ));
        }
        ask(&mut figures, &asked);
        all.push((pipeline.unwrap_or("plain"), figures, floor));
    }
    for (name, figures, _) in &all {
        report(name, figures);
    }
    for (name, figures, floor) in &all {
        judge(name, figures, *floor);
    }
}

#[test]
fn rules_about_our_own_tables_find_the_events_that_the_matcher_finds() {
    let mut figures = Figures::default();
    let mut asked = Vec::new();
    for (seed, detection) in (seed() + 1..).zip(OWN) {
        let rule = format!("title: t\n{detection}\n");
        asked.extend(prepare(
            &mut figures,
            ("own", &rule),
            Some("atalaya"),
            |expr, columns| Events::new(seed, columns).of(expr, MADE_UP),
        ));
    }
    ask(&mut figures, &asked);
    report("own", &figures);
    judge("own", &figures, OWN.len());
}

/// Rules about our own log sources, one per way to ask.
const OWN: &[&str] = &[
    "logsource: {product: ai_gateway, service: decision}\ndetection:\n  s: {action: block, user|startswith: 'svc-', tool|contains: [shell, 'ex*c']}\n  f: {model: ['gpt-4o', 'claude*']}\n  condition: s and not f",
    "logsource: {product: ai_gateway, service: decision}\ndetection:\n  s: {src_ip|cidr: ['10.0.0.0/8', '192.168.1.0/24'], action|neq: allow}\n  condition: s",
    "logsource: {product: ai_gateway, service: inference}\ndetection:\n  s: {prompt_tokens|gte: 1000, completion_tokens|lt: 10}\n  t: {confidence|lt: 0.5, model|endswith: mini}\n  condition: s or t",
    "logsource: {product: ai_gateway, service: inference}\ndetection:\n  s: {model|re: '^gpt-[0-9]', provider|contains|all: [open, ai]}\n  condition: not s",
];

/// The rule's query, and its events with what the matcher says of them.
fn prepare(
    figures: &mut Figures,
    (name, rule): (&str, &str),
    pipeline: Option<&str>,
    events: impl FnOnce(&atalaya_sigma::ir::Expr, &BTreeMap<String, String>) -> Vec<Map<String, Value>>,
) -> Option<Asked> {
    let mut collection = atalaya_sigma::parse(rule).ok()?;
    let pipelines: Vec<Pipeline> = pipeline.into_iter().filter_map(Pipeline::named).collect();
    let pipelines = Pipelines::new(pipelines);
    let options = Options {
        table: Some("Events".to_owned()),
        ..Options::default()
    };
    let converted = convert::convert(&collection, Language::Kql, &pipelines, &options);
    let Some(Ok(queries)) = converted.first().map(|one| one.result.as_ref()) else {
        figures.refused += 1;
        return None;
    };
    let queries = queries.iter().map(|query| query.text.clone()).collect();
    let columns = rewrite(&mut collection, &pipelines)?;
    let any: Vec<_> = collection
        .rules
        .first()?
        .conditions
        .iter()
        .map(|c| c.expr.clone())
        .collect();
    let expr = atalaya_sigma::ir::Expr::any_of(any);
    let is_placeholder = expr
        .items()
        .any(|item| item.placeholders().next().is_some());
    if is_placeholder {
        return None;
    }
    let asked_for = made_up::fields(&expr);
    let mut kept = Vec::new();
    let mut labels = Vec::new();
    for event in events(&expr, &columns) {
        if let Some(label) = label(&collection, &event, &asked_for) {
            kept.push(event);
            labels.push(label);
        }
    }
    made_up::complete(&mut kept, &asked_for, &columns);
    (!kept.is_empty()).then(|| Asked {
        name: name.to_owned(),
        rule: rule.to_owned(),
        queries,
        events: kept,
        labels,
    })
}

/// The rule in the fields of the target; the types of its columns that are no text.
fn rewrite(collection: &mut Collection, pipelines: &Pipelines) -> Option<BTreeMap<String, String>> {
    let rule = collection.rules.first_mut()?;
    let state = pipelines.apply(rule, Language::Kql).ok()?;
    rule.source = LogSource::default();
    let columns = state.value("columns").and_then(Value::as_object);
    let columns = columns.into_iter().flatten();
    Some(
        columns
            .map(|(name, ty)| (name.clone(), ty.as_str().unwrap_or_default().to_owned()))
            .collect(),
    )
}

/// What the matcher says; `None` where it depends on whether a text is absent or empty, which
/// strings of Kusto cannot tell apart.
fn label(
    collection: &Collection,
    event: &Map<String, Value>,
    fields: &BTreeSet<String>,
) -> Option<bool> {
    let mut without = event.clone();
    let is_empty = |value: &Value| value.is_null() || value.as_str() == Some("");
    without.retain(|_, value| !is_empty(value));
    let mut with = without.clone();
    for field in fields {
        with.entry(field.clone()).or_insert_with(|| Value::from(""));
    }
    let (without, with) = (matches(collection, &without), matches(collection, &with));
    (without == with).then_some(without)
}

fn matches(collection: &Collection, event: &Map<String, Value>) -> bool {
    let matcher = Matcher::new(collection).expect("a matcher");
    let mut out = Vec::new();
    let text = Value::Object(event.clone()).to_string();
    matcher
        .matches(&text, &mut Scratch::default(), None, &mut out)
        .expect("an event");
    !out.is_empty()
}

/// An event as a row of texts; `None` if it is nested: a column of a table is one value.
fn flat(event: &Value) -> Option<Map<String, Value>> {
    let mut row = Map::new();
    for (name, value) in event.as_object()? {
        let value = match value {
            Value::Object(_) | Value::Array(_) => return None,
            Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
            value => value.clone(),
        };
        row.insert(name.clone(), value);
    }
    Some(row)
}

fn ask(figures: &mut Figures, all: &[Asked]) {
    for batch in all.chunks(BATCH) {
        let tables: Vec<(String, String)> = batch
            .iter()
            .enumerate()
            .map(|(index, asked)| (format!("Rows{index}"), lines(&asked.events)))
            .collect();
        let borrowed: Vec<(&str, &str)> = tables
            .iter()
            .map(|(name, lines)| (name.as_str(), lines.as_str()))
            .collect();
        let (engine, _folder) = support::engine(&borrowed);
        for (index, asked) in batch.iter().enumerate() {
            compare(figures, &engine, index, asked);
        }
    }
}

fn lines(events: &[Map<String, Value>]) -> String {
    let mut out = String::new();
    for (row, event) in events.iter().enumerate() {
        let mut event = event.clone();
        event.insert("RowNumber".to_owned(), Value::from(row));
        out.push_str(&Value::Object(event).to_string());
        out.push('\n');
    }
    out
}

fn compare(figures: &mut Figures, engine: &atalaya_query::Engine, index: usize, asked: &Asked) {
    figures.rules += 1;
    let mut found = vec![false; asked.events.len()];
    for query in &asked.queries {
        let (_, rest) = query.split_once('\n').expect("a table and a condition");
        let kql = format!("Rows{index}\n{rest}\n| project RowNumber");
        let result = match engine.run_blocking(&kql, &support::options()) {
            Ok(result) => result,
            Err(error) => {
                let name = &asked.name;
                figures
                    .wrong
                    .push(format!("{name}: {error}\n{kql}\n{}", asked.rule));
                return;
            }
        };
        for row in support::json(&result)["rows"].as_array().expect("rows") {
            let row = row[0].as_u64().expect("a number");
            found[usize::try_from(row).expect("small")] = true;
        }
    }
    for ((event, label), found) in asked.events.iter().zip(&asked.labels).zip(found) {
        figures.events += 1;
        figures.found += usize::from(found);
        if *label != found {
            figures.wrong.push(format!(
                "{}: {label} but {found}: {}\n{}\n{}",
                asked.name,
                Value::Object(event.clone()),
                asked.queries.join("\n"),
                asked.rule
            ));
        }
    }
}

fn report(name: &str, figures: &Figures) {
    let Figures {
        rules,
        events,
        found,
        refused,
        wrong,
    } = figures;
    eprintln!(
        "{name}: {rules} rules as KQL ({refused} refused), {events} events, {found} found, {} wrong",
        wrong.len()
    );
    if let Some(path) = std::env::var_os("CONVERSION_DIFFERENCES") {
        let path = PathBuf::from(path).join(format!("kql-meaning-{name}.txt"));
        std::fs::write(path, wrong.join("\n")).expect("written");
    }
}

fn judge(name: &str, figures: &Figures, floor: usize) {
    let Figures {
        rules,
        events,
        found,
        wrong,
        ..
    } = figures;
    assert!(*rules >= floor, "{name}: only {rules} rules were compared");
    assert!(
        found * 10 > *events,
        "{name}: only {found} of {events} are found at all"
    );
    assert!(
        wrong.is_empty(),
        "{name}: {} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
}

fn step() -> usize {
    let step = std::env::var("SIGMA_STEP")
        .ok()
        .and_then(|text| text.parse().ok());
    step.unwrap_or(STEP)
}

fn seed() -> u64 {
    let seed = std::env::var("SIGMA_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    seed.unwrap_or(20_260)
}

pub(crate) fn folder() -> Option<PathBuf> {
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
