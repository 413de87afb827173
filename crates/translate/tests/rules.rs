//! The built-in KQL rules in other languages: figures, floors, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

use std::path::{Path, PathBuf};

use atalaya_translate::{Target, translate};
use serde_json::Value;

#[test]
fn a_filter_summary_and_threshold_is_said() {
    let kql = "APIAccessLog\n| where TimeGenerated >= ago(1h) and Method =~ \"post\" and Path startswith \"/v1/\"\n| summarize Calls = count(), Models = dcount(Model) by UserId, bin(TimeGenerated, 5m)\n| where Calls > 100\n| top 10 by Calls";
    let spl = translate(kql, Target::Spl, Some("index=ai")).unwrap();
    assert_eq!(
        spl,
        "index=ai\n| where ((_time >= (now() - 3600)) AND (lower(Method) == \"post\")) AND (match(Path, \"(?i)^\\\\/v1\\\\/\"))\n| bin _time span=300s\n| stats count as Calls dc(Model) as Models by UserId _time\n| where Calls > 100\n| sort 10 -Calls"
    );
    let esql = translate(kql, Target::Esql, None).unwrap();
    assert_eq!(
        esql,
        "from apiaccesslog\n| where ((@timestamp >= (now() - 3600 seconds)) and (to_lower(Method) == \"post\")) and (starts_with(to_lower(Path), \"/v1/\"))\n| stats Calls = count(*), Models = count_distinct(Model) by UserId, @timestamp = date_trunc(300 seconds, @timestamp)\n| where Calls > 100\n| sort Calls desc\n| limit 10"
    );
}

#[test]
fn what_cannot_be_said_is_refused_at_its_place() {
    for (kql, part) in [
        ("T | join kind=inner (U) on A", "join kind=inner (U) on A"),
        ("let x = 1; T | where A == x", "x"),
        ("T | mv-expand A", "mv-expand A"),
        ("T | summarize arg_max(A, B) by C", "arg_max(A, B)"),
        (
            "T | where A == geo_point_to_s2cell(1, 2)",
            "geo_point_to_s2cell(1, 2)",
        ),
    ] {
        for target in [Target::Spl, Target::Esql] {
            let problems = translate(kql, target, None).unwrap_err();
            let found = problems[0].span.slice(kql);
            assert!(found.contains(part), "{kql}: {found}: {problems:?}");
        }
    }
    assert!(translate("T | where", Target::Spl, None).is_err());
}

/// What is more than filters, summaries and thresholds over the rows of one table: rules with any
/// of it are refused, and say so in docs/rule-conversions.md.
const MORE: &[&str] = &[
    // Another row set.
    "let ",
    "join ",
    "union ",
    "lookup ",
    "_GetWatchlist",
    // The row before.
    "prev(",
    // Lists and other values that are not plain.
    "mv-expand",
    "parse_json(",
    "array_length(",
    "split(",
    "datetime(null)",
];

#[test]
fn built_in_rules_of_filters_summaries_and_thresholds_are_said() {
    let mut files = Vec::new();
    collect(
        &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules/kql"),
        &mut files,
    );
    let (mut total, mut plain, mut refused) = (0, 0, Vec::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let rule: Value = atalaya_yaml::parse(&text).unwrap();
        let query = rule["query"].as_str().unwrap();
        total += 1;
        if MORE.iter().any(|word| query.contains(word)) {
            continue;
        }
        plain += 1;
        for target in [Target::Spl, Target::Esql] {
            if let Err(problems) = translate(query, target, None) {
                let part = problems[0].span.slice(query);
                refused.push(format!("{target:?} {}: {part}", file.display()));
            }
        }
    }
    eprintln!("built-in KQL rules: {total}, that simple: {plain}, refused: {refused:#?}");
    assert!(refused.is_empty() && plain >= 30);
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, out);
        } else if name.ends_with(".yml") && !name.ends_with(".test.yml") {
            out.push(path);
        }
    }
}
