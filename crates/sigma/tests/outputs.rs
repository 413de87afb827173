//! What other products import, read back: nothing of a rule is lost or breaks the format.

use std::collections::BTreeMap;

use atalaya_sigma::convert::{self, Format, Language, Options, Written};
use atalaya_sigma::correlate::{Engine, Limits};
use atalaya_sigma::ir::Target;
use atalaya_sigma::pipeline::{Pipeline, Pipelines};
use serde_json::Value;

/// Titles, texts and values that formats stumble over.
const RULES: &str = "title: 'Names: \"quoted\", [brackets] # and more'
id: 11111111-2222-3333-4444-555555555555
name: base
description: |
  First line
  second: line \\ with a backslash
status: test
author: 'A & B'
logsource: {product: windows, category: process_creation}
detection:
  s:
    CommandLine|contains: ['a \"b\" c', 'C:\\dir\\', '{x}: %y%', \"tab\\there\"]
    Image|re: '\\\\x[0-9]+\\.exe$'
  condition: s
fields: [CommandLine, Image]
tags: [attack.execution, attack.t1059.001, atlas.aml.t0051]
level: high
---
title: 'yes'
id: 11111111-2222-3333-4444-666666666666
correlation:
  type: event_count
  rules: [base]
  group-by: [User]
  timespan: 10m
  condition: {gte: 3}
  generate: true
level: critical
";

fn written(language: Language, format: Format, pipeline: &str) -> (Vec<String>, String) {
    let collection = atalaya_sigma::parse(RULES).unwrap();
    let pipelines = Pipelines::new(vec![Pipeline::named(pipeline).unwrap()]);
    let converted = convert::convert(&collection, language, &pipelines, &Options::default());
    let mut queries = Vec::new();
    let mut all = Vec::new();
    for one in &converted {
        let result = one.result.as_ref();
        let Ok(found) = result else {
            panic!("{}: {result:?}", one.metadata.title);
        };
        for query in found {
            queries.push(query.text.clone());
            all.push(Written {
                metadata: &one.metadata,
                query,
            });
        }
    }
    (queries, convert::write(&all, language, format).unwrap())
}

#[test]
fn sentinel_rules_are_yaml_with_the_query_untouched() {
    let (queries, text) = written(
        Language::Kql,
        Format::named("sentinel").unwrap(),
        "microsoft_xdr",
    );
    let rules: Vec<Value> = atalaya_yaml::parse_many(&text).unwrap();
    assert_eq!(rules.len(), 2);
    for (rule, query) in rules.iter().zip(&queries) {
        assert_eq!(rule["query"].as_str().unwrap().trim_end(), query.trim_end());
        assert_eq!(rule["kind"], "Scheduled");
        for key in ["queryFrequency", "queryPeriod"] {
            let span = rule[key].as_str().unwrap();
            assert!(is_span(span), "{key}: {span}");
        }
    }
    let base = rules
        .iter()
        .find(|rule| rule["id"] == "11111111-2222-3333-4444-555555555555")
        .unwrap();
    assert_eq!(base["name"], "Names: \"quoted\", [brackets] # and more");
    assert_eq!(
        base["description"],
        "First line\nsecond: line \\ with a backslash\n"
    );
    assert_eq!(base["tactics"], serde_json::json!(["Execution"]));
    assert_eq!(base["severity"], "High");
    // A title that YAML would take for a truth value stays a text.
    assert!(rules.iter().any(|rule| rule["name"] == "yes"));

    let (queries, text) = written(
        Language::Kql,
        Format::named("sentinel-arm").unwrap(),
        "microsoft_xdr",
    );
    let template: Value = serde_json::from_str(&text).unwrap();
    let resources = template["resources"].as_array().unwrap();
    let of_template = resources
        .iter()
        .map(|one| one["properties"]["query"].as_str().unwrap());
    assert!(of_template.eq(queries.iter().map(String::as_str)));
}

/// `5m`, `1h`, `2d`.
fn is_span(text: &str) -> bool {
    let number = text.strip_suffix(['m', 'h', 'd']);
    number.is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 0))
}

#[test]
fn saved_searches_are_stanzas_with_the_search_untouched() {
    let (queries, text) = written(
        Language::Spl,
        Format::named("savedsearch").unwrap(),
        "splunk_windows",
    );
    let stanzas = stanzas(&text);
    assert_eq!(stanzas.len(), 3, "{text}");
    let names: Vec<&str> = stanzas.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[0], "default");
    assert!(
        names.contains(&"Names: \"quoted\",  brackets  # and more"),
        "{names:?}"
    );
    for ((_, keys), query) in stanzas.iter().skip(1).zip(&queries) {
        let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(without_blanks(&keys["search"]), without_blanks(query));
        assert_eq!(keys["enableSched"], "1");
        assert_eq!(keys["cron_schedule"].split(' ').count(), 5);
        assert!(keys["dispatch.earliest_time"].starts_with('-'));
    }
}

/// Stanzas and their keys; a backslash at the end of a line continues it.
fn stanzas(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut out: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        if let Some(line) = line.strip_suffix('\\') {
            open.push_str(line);
            open.push('\n');
            continue;
        }
        let whole = std::mem::take(&mut open) + line;
        if let Some(name) = whole
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            out.push((name.to_owned(), BTreeMap::new()));
        } else if let Some((key, value)) = whole.split_once(" = ") {
            out.last_mut()
                .unwrap()
                .1
                .insert(key.to_owned(), value.to_owned());
        } else {
            assert!(
                whole.trim().is_empty() || whole.ends_with(" ="),
                "no key: {whole}"
            );
        }
    }
    out
}

#[test]
fn elastic_rules_are_one_json_object_a_line() {
    for language in [Language::Esql, Language::Eql] {
        let (queries, text) = written(language, Format::named("elastic").unwrap(), "ecs_windows");
        let rules: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(rules.len(), queries.len());
        for (rule, query) in rules.iter().zip(&queries) {
            assert_eq!(rule["query"], query.as_str());
            assert_eq!(rule["type"], language.name());
            for key in [
                "rule_id",
                "name",
                "description",
                "severity",
                "interval",
                "from",
            ] {
                assert!(
                    rule[key].as_str().is_some_and(|text| !text.is_empty()),
                    "{key}"
                );
            }
            assert!(rule["risk_score"].is_u64());
        }
        let base = rules
            .iter()
            .find(|rule| rule["severity"] == "high")
            .unwrap();
        assert_eq!(base["threat"][0]["tactic"]["id"], "TA0002");
    }
}

#[test]
fn rules_rewritten_by_a_pipeline_match_the_events_of_the_place() {
    let rules = "title: base
name: base
logsource: {product: windows, category: process_creation}
detection:
  s: {Image|endswith: '\\x.exe', CommandLine|contains: '%bad%'}
  e: {CommandLine|expand|contains: '%bad%'}
  condition: s or e
---
title: c
correlation:
  type: value_count
  rules: [base]
  group-by: [User]
  timespan: 10m
  condition: {gte: 2, field: CommandLine}
";
    let pipeline = "name: p
vars: {bad: [evil]}
transformations:
  - {type: value_placeholders}
  - type: field_name_mapping
    mapping: {Image: process.executable, CommandLine: process.command_line, User: user.name}
";
    let mut collection = atalaya_sigma::parse(rules).unwrap();
    let pipelines = Pipelines::new(vec![Pipeline::parse(pipeline).unwrap()]);
    pipelines.rewrite(&mut collection).unwrap();
    let mut engine = Engine::new(&collection, Limits::default()).unwrap();
    let mut alerts = Vec::new();
    for (number, line) in ["an evil one", "an evil one", "harmless", "another evil"]
        .iter()
        .enumerate()
    {
        let event = serde_json::json!({"user": {"name": "u"}, "process": {"command_line": line}, "@timestamp": format!("2026-01-01T00:00:0{number}Z")});
        engine
            .process(&event.to_string(), number as u64, None, &mut alerts)
            .unwrap();
    }
    let found: Vec<(Target, &[u64])> = alerts
        .iter()
        .map(|alert| (alert.target, alert.events.as_slice()))
        .collect();
    assert_eq!(found, [(Target::Correlation(0), &[0, 1, 3][..])]);
    assert_eq!(alerts[0].group, [("user.name".to_owned(), "u".to_owned())]);
}

/// Kusto's analyzer refuses chains of some hundreds of operators beside each other.
#[test]
fn long_lists_of_alternatives_are_not_deep_in_kql() {
    let values: Vec<String> = (0..900).map(|n| format!("value{n}")).collect();
    let rule = format!(
        "title: many\nid: 1\nlogsource: {{product: windows, category: process_creation}}\n\
         detection:\n  s:\n    CommandLine|contains: [{}]\n  condition: s\n",
        values.join(", ")
    );
    let collection = atalaya_sigma::parse(&rule).unwrap();
    let pipelines = Pipelines::new(vec![Pipeline::named("microsoft_xdr").unwrap()]);
    let converted = convert::convert(&collection, Language::Kql, &pipelines, &Options::default());
    let query = &converted[0].result.as_ref().unwrap()[0].text;
    assert!(
        values
            .iter()
            .all(|value| query.contains(&format!("\"{value}\"")))
    );
    let longest = query
        .split(['(', ')'])
        .map(|part| part.matches(" or ").count())
        .max();
    assert!(longest < Some(300), "{longest:?} in a row");
}
