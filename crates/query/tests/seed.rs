//! The four founding queries, as they were written, find exactly what was planted.

use serde_json::{Value, json};

use crate::support::{engine, json, options};

const GUARDRAIL: &str = include_str!("cases/seed/guardrail.kql");
const CONFIDENCE: &str = include_str!("cases/seed/confidence.kql");
const POISONING: &str = include_str!("cases/seed/poisoning.kql");
const HOSTS: &str = include_str!("cases/seed/hosts.kql");

fn lines(rows: impl IntoIterator<Item = Value>) -> String {
    rows.into_iter().map(|row| format!("{row}\n")).collect()
}

fn minutes_ago(minutes: i64) -> String {
    // 12:00 of the tests' day, minus so many minutes.
    let total = 15 * 1440 + 720 - minutes;
    let (day, rest) = (total / 1440, total % 1440);
    format!("2026-01-{day:02}T{:02}:{:02}:00Z", rest / 60, rest % 60)
}

#[test]
fn blocked_injections_are_counted_by_caller() {
    let row =
        |minutes: i64, user: &str, endpoint: &str, detection: &str, score: i64, decision: &str| {
            json!({"TimeGenerated": minutes_ago(minutes), "UserId": user, "ModelEndpoint": endpoint,
               "ThreatDetection": detection, "ThreatScore": score, "Decision": decision,
               "DetectedPattern": "p"})
        };
    let chat = "/v1/chat/completions";
    let injection = "prompt_injection";
    let table = lines([
        row(1, "mallory", chat, injection, 90, "BLOCK"),
        row(2, "mallory", chat, injection, 76, "CONSTRAIN"),
        row(3, "eve", chat, injection, 99, "BLOCK"),
        row(4, "low", chat, injection, 75, "BLOCK"),
        row(5, "allowed", chat, injection, 99, "ALLOW"),
        row(6, "elsewhere", "/v1/embeddings", injection, 99, "BLOCK"),
        row(7, "other", chat, "jailbreak", 99, "BLOCK"),
        row(61, "late", chat, injection, 99, "BLOCK"),
    ]);
    let (engine, _folder) = engine(&[("AIGuardrailDecisions", &table)]);
    let result = engine.run_blocking(GUARDRAIL, &options()).expect("it runs");
    let shown = json(&result);
    assert_eq!(shown["rows"], json!([["mallory", 2], ["eve", 1]]));
    assert_eq!(
        shown["columns"],
        json!([{"name": "UserId", "type": "string"}, {"name": "count_", "type": "long"}])
    );
}

#[test]
fn confidence_drops_follow_time_and_say_what_kusto_would_say() {
    let row = |minutes: i64, model: &str, score: f64| {
        json!({"TimeGenerated": minutes_ago(minutes), "ModelId": model, "InputHash": "h",
               "ModelType": "image_classification", "PredictedClass": "cat",
               "ConfidenceScore": score})
    };
    // Scores of 95 stand for a model that reports percent; 0.5 follows each. File order is not
    // the order of time.
    let mut rows = Vec::new();
    for pair in 0..11 {
        rows.push(row(2 * pair, "badge-reader", 0.5));
        rows.push(row(2 * pair + 1, "badge-reader", 95.0));
    }
    let table = lines(rows);
    let (engine, _folder) = engine(&[("ModelInferenceLog", &table)]);
    let result = engine
        .run_blocking(CONFIDENCE, &options())
        .expect("it runs");
    assert_eq!(
        json(&result)["rows"],
        json!([["badge-reader", "cat", 11, 94.5]])
    );
    let codes: Vec<&str> = result.warnings.iter().map(|w| w.code.as_ref()).collect();
    for code in ["ATL101", "ATL102", "ATL104"] {
        assert!(codes.contains(&code), "{code} is missing in {codes:?}");
    }
}

#[test]
fn poisoning_is_counted_by_who_did_it() {
    let row = |hours: i64, who: &str, resource: &str, old: &str, new: &str| {
        json!({"TimeGenerated": minutes_ago(hours * 60), "PerformedBy_UPN": who, "Operation": "modify",
               "Resource": resource, "ResourceName": "r", "OldValue": old, "NewValue": new})
    };
    let mut rows = Vec::new();
    for hour in 1..=6 {
        rows.push(row(
            hour,
            "temp@vendor.example",
            "s3://training_data/a",
            "1000",
            "1200",
        ));
        rows.push(row(
            hour,
            "ann@datascience.internal",
            "dataset/b",
            "1000",
            "9000",
        ));
        rows.push(row(
            hour,
            "small@vendor.example",
            "dataset/b",
            "1000",
            "1100",
        ));
        rows.push(row(hour, "empty@vendor.example", "dataset/b", "", "1100"));
        rows.push(row(
            hour + 7 * 24,
            "old@vendor.example",
            "dataset/b",
            "1",
            "1100",
        ));
    }
    for hour in 1..=5 {
        rows.push(row(hour, "five@vendor.example", "dataset/b", "1", "1100"));
    }
    let table = lines(rows);
    let (engine, _folder) = engine(&[("AuditLog", &table)]);
    let result = engine.run_blocking(POISONING, &options()).expect("it runs");
    assert_eq!(json(&result)["rows"], json!([["temp@vendor.example", 6]]));
}

#[test]
fn scripted_chat_calls_are_found_on_hosts() {
    let row = |minutes: i64, account: &str, event: i64, command: &str, process: &str| {
        json!({"TimeGenerated": minutes_ago(minutes), "Account": account, "EventID": event,
               "CommandLine": command, "Process": process, "ParentProcessName": "p"})
    };
    let mut rows = Vec::new();
    for minute in 1..=11 {
        rows.push(row(
            minute,
            "SHOP\\svc",
            4688,
            "curl /v1/Chat/x",
            "Python3.exe",
        ));
        rows.push(row(minute, "SHOP\\ann", 4688, "git pull", "python3"));
        rows.push(row(minute, "SHOP\\bob", 4624, "chat", "python3"));
    }
    let table = lines(rows);
    let (engine, _folder) = engine(&[("SecurityEvents", &table)]);
    let result = engine.run_blocking(HOSTS, &options()).expect("it runs");
    assert_eq!(json(&result)["rows"], json!([["SHOP\\svc", 11]]));
}
