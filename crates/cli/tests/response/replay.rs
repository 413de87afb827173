//! Changed rules, policy and detectors over what was logged.

use serde_json::Value;

use crate::node::{ATTACK, Node};

const LADDER: &str = "
id: ladder-twice
title: Twice is enough
version: 1.0.0
match: {decisions: [CONSTRAIN, BLOCK], score_min: 75}
by: caller
window: 1h
rungs: [{at: 2, then: alert, severity: medium}]
techniques: [AML.T0051]
";

const RULE: &str = "
id: any-attack
name: Any attack
description: Every decision of high risk.
severity: Medium
query: |
  AIGuardrailDecisions
  | where ThreatScore >= 75
  | summarize Count = count() by UserId
queryFrequency: 5m
queryPeriod: 1h
triggerOperator: gt
triggerThreshold: 0
version: 1.0.0
kind: Scheduled
entityMappings:
  - entityType: Account
    fieldMappings: [{identifier: FullName, columnName: UserId}]
atlas: {techniques: [AML.T0051]}
";

/// Nothing is stopped any more, whatever is found.
const LAX: &str = "version: 1\nid: lax\nrevision: '1'\nmode: enforce\n\
    thresholds: {log: 1, constrain: null, block: null}\n\
    sessions: {thresholds: {log: null, constrain: null, block: null}}\n";

const DETECTOR: &str = "
detector: own
category: prompt_injection
patterns:
  - id: capital
    score: 95
    regex: ['capital of peru']
    match: ['What is the capital of Peru?']
    no_match: ['the capital of Chile']
";

fn file(node: &Node, name: &str, text: &str) -> String {
    let path = node.folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text.trim_start()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn attacked(node: &Node) {
    for _ in 0..3 {
        node.call("eve", ATTACK);
    }
    node.call("ann", "What is the capital of Peru?");
    let query = ["query", "AIGuardrailDecisions | count"];
    node.until(&query, |rows| rows[0]["Count"] == 4);
}

fn change<'a>(difference: &'a Value, rule: &str) -> Option<&'a Value> {
    let changes = difference["alerts"].as_array().unwrap();
    changes.iter().find(|change| change["rule_id"] == rule)
}

#[test]
fn changed_rules_and_ladders_show_the_alerts_that_they_would_raise() {
    let node = Node::start();
    attacked(&node);
    file(&node, "rules/twice.yml", LADDER);
    let folder = file(&node, "rules/any.yml", RULE);
    let folder = folder.trim_end_matches("/any.yml").to_owned();
    let difference = &node.json(&["replay", "--rules", &folder, "--since", "1h"])[0];
    assert_eq!(
        difference["failures"].as_array().unwrap().len(),
        0,
        "{difference}"
    );
    let ladder = change(difference, "ladder-twice").unwrap();
    assert_eq!(
        (&ladder["change"], &ladder["entities"]),
        (&"new".into(), &"caller=eve".into())
    );
    let rule = change(difference, "any-attack").unwrap();
    assert_eq!(rule["change"], "new", "{difference}");
    // Looking changes nothing.
    assert!(node.json(&["alerts", "list"]).is_empty());
    // The ladder in force, with a threshold that is reached.
    let burst = include_str!("../../../../ladders/burst.yml").replace("at: 5,", "at: 3,");
    let changed = file(&node, "burst.yml", &burst);
    let arguments = [
        "replay",
        "--rules",
        &changed,
        "--since",
        "1h",
        "--ladders-only",
    ];
    let difference = &node.json(&arguments)[0];
    assert_eq!(difference["compared_with"], "current");
    assert_eq!(
        change(difference, "ladder-burst").unwrap()["change"],
        "new",
        "{difference}"
    );
}

#[test]
fn a_changed_policy_decides_again_and_texts_that_are_stored_are_inspected_again() {
    let node = Node::start_with("  prompt_text: full\n", "");
    attacked(&node);
    node.call("eve", ATTACK);
    node.call("eve", ATTACK);
    node.until(&["alerts", "list"], |alerts| !alerts.is_empty());
    let policy = file(&node, "lax.yml", LAX);
    let difference = &node.json(&["replay", "--policy", &policy, "--since", "1h"])[0];
    assert_eq!(
        difference["decision_changes"]["BLOCK → LOG"], 5,
        "{difference}"
    );
    assert_eq!(difference["unjudged"], 0, "{difference}");
    assert!(
        difference["reinspected"].as_u64().unwrap() >= 6,
        "{difference}"
    );
    assert_eq!(difference["decision_examples"][0]["inspected_again"], true);
    // What is decided otherwise is counted otherwise.
    assert_eq!(
        change(difference, "ladder-burst").unwrap()["change"],
        "gone",
        "{difference}"
    );
    // Detectors that nobody had then.
    let detector = file(&node, "own.yml", DETECTOR);
    let difference = &node.json(&["replay", "--detectors", &detector, "--since", "1h"])[0];
    let changes = difference["decision_changes"].as_object().unwrap();
    assert_eq!(
        changes.get("ALLOW → BLOCK"),
        Some(&1.into()),
        "{difference}"
    );
}

#[test]
fn without_texts_the_findings_of_then_are_judged_and_the_rest_is_unjudged() {
    let node = Node::start();
    attacked(&node);
    let policy = file(&node, "lax.yml", LAX);
    let difference = &node.json(&["replay", "--policy", &policy, "--since", "1h"])[0];
    assert_eq!(
        difference["decision_changes"]["BLOCK → LOG"], 3,
        "{difference}"
    );
    assert_eq!(
        (&difference["reinspected"], &difference["unjudged"]),
        (&0.into(), &4.into())
    );
    let detector = file(&node, "own.yml", DETECTOR);
    let arguments = ["replay", "--detectors", &detector, "--since", "1h"];
    let difference = &node.json(&arguments)[0];
    assert!(
        difference["decision_changes"]
            .as_object()
            .unwrap()
            .is_empty(),
        "{difference}"
    );
    assert_eq!(difference["unjudged"], 4);
    let (_, text) = node.run(&[&arguments[..], &["--format", "table"]].concat());
    assert!(
        text.contains("4 not stored (Unjudged: left as they were)"),
        "{text}"
    );
}

#[test]
fn a_rules_threshold_shows_its_effect_before_it_is_written() {
    let node = Node::start();
    attacked(&node);
    let rule = RULE
        .replace("any-attack", "many-attacks")
        .replace("by UserId\n", "by UserId\n  | where Count >= 2\n");
    let path = file(&node, "rules/many.yml", &rule);
    let folder = path.trim_end_matches("/many.yml");
    let config = std::fs::read_to_string(&node.config).unwrap();
    let off = "rules: {enabled: false";
    let config = config.replace(off, &format!("{off}, folders: ['{folder}']"));
    std::fs::write(&node.config, config).unwrap();
    let arguments = ["tuning", "thresholds", "many-attacks", "--since", "1h"];
    let suggestion = &node.json(&arguments)[0][0];
    assert_eq!(
        (
            &suggestion["id"],
            &suggestion["threshold"],
            &suggestion["current"]
        ),
        (&"many-attacks".into(), &"Count".into(), &2.0.into()),
        "{suggestion}"
    );
    // Three attacks by one caller: found from 2 and from 3 on, and not from 4.
    let effects = suggestion["effects"].as_array().unwrap();
    let entities: Vec<(f64, u64)> = effects
        .iter()
        .map(|effect| {
            let (at, entities) = (&effect["at"], &effect["entities"]);
            (at.as_f64().unwrap(), entities.as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        entities[..4],
        [(1.0, 1), (2.0, 1), (3.0, 1), (4.0, 0)],
        "{suggestion}"
    );
    let changed = node.folder.path().join("changed");
    let folder = changed.to_str().unwrap();
    let write = [&arguments[..], &["--write", folder, "--at", "3"]].concat();
    assert_eq!(node.run(&write).0, 0);
    let written = std::fs::read_to_string(changed.join("many-attacks.yml")).unwrap();
    assert!(written.contains("| where Count >= 3\n"), "{written}");
}
