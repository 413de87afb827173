//! Sigma rules on the stream: alerts as rows arrive, counts that survive a restart and a reload.

use atalaya_detect::{AnalyticHit, AnalyticRunner, CorrelationLimits, RuleCatalogue};
use atalaya_model::Timestamp;
use serde_json::{Value, json};

use crate::world::NOW;

const BURST: &str = "title: Blocked again and again
id: burst
name: blocked
logsource: {product: ai_gateway, service: decision}
detection:
  s: {action: block}
  condition: s
tags: [atlas.aml.t0051]
---
title: Three blocked calls of a user in five minutes
id: burst-of-user
correlation:
  type: event_count
  rules: [blocked]
  group-by: [user]
  timespan: 5m
  condition: {gte: 3}
tags: [atlas.aml.t0051]
level: high
";

const LONG: &str = "title: A long answer
id: long-answer
logsource: {product: ai_gateway, service: decision}
detection:
  s: {completion_tokens|gte: 1000, user|startswith: m}
  condition: s
tags: [atlas.aml.t0057]
";

const SLOW: &str = "title: An access that took long
id: slow-access
logsource: {product: api, service: access}
detection:
  s: {DurationMs|gt: 900}
  condition: s
tags: [atlas.aml.t0029]
";

fn catalogue(rules: &[&str]) -> RuleCatalogue {
    let folder = tempfile::tempdir().unwrap();
    for (i, text) in rules.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{i}.yml")), text).unwrap();
    }
    let mut catalogue = RuleCatalogue::default();
    catalogue.add_folder(folder.path());
    let problems: Vec<_> = catalogue
        .problems()
        .iter()
        .filter(|p| p.diagnostic.level == atalaya_model::Level::Error)
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
    catalogue
}

fn runner(rules: &RuleCatalogue, keys_max: usize) -> AnalyticRunner {
    let limits = CorrelationLimits {
        keys_max,
        ..CorrelationLimits::default()
    };
    AnalyticRunner::new(rules, atalaya_analytics::Limits::default(), limits)
}

fn at(second: i64) -> String {
    Timestamp(NOW.0 + second * 1_000_000).to_string()
}

fn feed(runner: &mut AnalyticRunner, record: &Value) -> Vec<AnalyticHit> {
    runner.record(record.to_string().as_bytes(), NOW);
    runner.take()
}

/// The journal's records begin with their table.
fn decision(second: i64, user: &str, decision: &str) -> Value {
    json!({"$table": "AIGuardrailDecisions", "TimeGenerated": at(second), "DecisionId": format!("{user}-{second}"),
        "UserId": user, "Decision": decision, "ModelName": "gpt"})
}

fn settlement(second: i64, user: &str, more: &Value) -> Value {
    let mut record = json!({"$table": "AIGuardrailDecisions", "$settles": format!("{user}-{second}"), "Outcome": "answered"});
    let members = record.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    record
}

fn ids(hits: &[AnalyticHit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.rule.id.as_str()).collect()
}

#[test]
fn a_correlation_goes_on_after_a_kill_in_the_middle() {
    let rules = catalogue(&[BURST, LONG]);
    let mut first = runner(&rules, 100);
    assert!(feed(&mut first, &decision(0, "mallory", "BLOCK")).is_empty());
    assert!(feed(&mut first, &decision(1, "alice", "ALLOW")).is_empty());
    assert!(feed(&mut first, &decision(60, "mallory", "BLOCK")).is_empty());
    let snapshot = first.snapshot(3);
    drop(first);

    let mut second = runner(&rules, 100);
    assert_eq!(second.restore(&snapshot), Ok(3));
    let hits = feed(&mut second, &decision(120, "mallory", "BLOCK"));
    assert_eq!(ids(&hits), ["burst-of-user"]);
    let hit = &hits[0].hit;
    assert_eq!(hit.count, 3);
    assert_eq!(hit.record_ids, ["mallory-0", "mallory-60", "mallory-120"]);
    assert_eq!(hit.entities[0].value, "mallory");
    assert_eq!(
        (hit.first_seen, hit.last_seen),
        (NOW, Timestamp(NOW.0 + 120_000_000))
    );
    // What was cut off anywhere is refused, and nothing is taken from it.
    for cut in (0..snapshot.len()).step_by(7) {
        assert!(
            runner(&rules, 100).restore(&snapshot[..cut]).is_err(),
            "{cut}"
        );
    }
}

#[test]
fn other_rules_come_into_force_and_counts_go_on() {
    let mut stream = runner(&catalogue(&[BURST]), 100);
    feed(&mut stream, &decision(0, "mallory", "BLOCK"));
    feed(&mut stream, &decision(1, "mallory", "BLOCK"));
    stream.replace_rules(&catalogue(&[LONG, SLOW, BURST]));
    assert_eq!(stream.stream_stats().rules, 3);
    let hits = feed(&mut stream, &decision(2, "mallory", "BLOCK"));
    assert_eq!(ids(&hits), ["burst-of-user"]);
    stream.replace_rules(&catalogue(&[LONG]));
    assert!(feed(&mut stream, &decision(3, "mallory", "BLOCK")).is_empty());
}

#[test]
fn how_a_call_ended_is_asked_when_it_has() {
    let mut stream = runner(&catalogue(&[LONG, SLOW]), 100);
    assert!(feed(&mut stream, &decision(0, "mallory", "ALLOW")).is_empty());
    let ended = settlement(
        0,
        "mallory",
        &json!({"OutputTokens": 2_000, "UpstreamLatencyMs": 950.5}),
    );
    let hits = feed(&mut stream, &ended);
    assert_eq!(ids(&hits), ["long-answer", "slow-access"]);
    assert_eq!(hits[0].hit.record_ids, ["mallory-0"]);
    assert_eq!(hits[0].hit.details["OutputTokens"], "2000");
    // The same again: nothing waits for it any more.
    assert!(feed(&mut stream, &ended).is_empty());
    // An ingested row of the access log, twice.
    let row = json!({"TimeGenerated": at(5), "EventId": "e1", "DurationMs": 1_000}).to_string();
    stream.row("APIAccessLog", &row);
    stream.row("APIAccessLog", &row);
    assert_eq!(ids(&stream.take()), ["slow-access"]);
}

#[test]
fn groups_that_make_room_are_counted() {
    let mut stream = runner(&catalogue(&[BURST]), 10);
    for user in 0..25 {
        feed(&mut stream, &decision(user, &format!("u{user}"), "BLOCK"));
    }
    let stats = stream.stream_stats();
    assert_eq!(
        (stats.keys, stats.evicted_keys, stats.matched),
        (10, 15, 25)
    );
}
