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
fn a_callers_past_is_said_beside_its_rows() {
    let kql = "let Old = toscalar(T | where TimeGenerated < ago(1d) | count);\nT\n| where TimeGenerated >= ago(1h)\n| summarize Recent = count() by User\n| join kind=leftouter (\n    T\n    | where TimeGenerated < ago(1h)\n    | summarize Hourly = count() by User, Hour = bin(TimeGenerated, 1h)\n    | summarize Usual = max(Hourly) by User\n  ) on User\n| where Recent > 3 * coalesce(Usual, 0) and Old > 0";
    let spl = translate(kql, Target::Spl, Some("index=ai")).unwrap();
    let expected = [
        "index=ai",
        "| eventstats count(eval((_time < (now() - 86400)))) as past1_rows",
        "| eval Old=past1_rows",
        "| eval past2_Hour=floor(_time / 3600) * 3600",
        "| eventstats count(eval((_time < (now() - 3600)))) as past2_Hourly count(eval((_time < (now() - 3600)))) as past2_rows by User past2_Hour",
        "| eventstats max(eval(if((_time < (now() - 3600)), past2_Hourly, null()))) as Usual count(eval((_time < (now() - 3600)))) as past2_rows by User",
        "| where _time >= (now() - 3600)",
        "| stats count as Recent max(Old) as Old max(past2_rows) as past2_rows max(Usual) as Usual by User",
        "| where (Recent > (3 * coalesce(Usual, 0))) AND (Old > 0)",
    ];
    assert_eq!(spl.lines().collect::<Vec<_>>(), expected);
    // Without a group on the other side a count is null, not 0; a missing group is kept or not.
    for (kind, then) in [
        ("leftouter", "| eval C=if(past1_rows == 0, null(), C)"),
        ("inner", "| where past1_rows > 0"),
        ("leftanti", "| where past1_rows == 0"),
    ] {
        let kql = format!(
            "T | summarize N = count() by A | join kind={kind} (T | where B == 1 | summarize C = count() by A) on A | where N > 1"
        );
        let spl = translate(&kql, Target::Spl, None).unwrap();
        assert!(spl.lines().any(|line| line == then), "{kind}: {spl}");
        let esql = translate(&kql, Target::Esql, None).unwrap();
        let beside =
            "| inline stats C = count(*) where (B == 1), past1_rows = count(*) where (B == 1) by A";
        assert!(esql.lines().any(|line| line == beside), "{esql}");
    }
}

#[test]
fn what_cannot_be_said_is_refused_at_its_place() {
    for (kql, part) in [
        ("T | join kind=inner (U) on A", "U"),
        ("let x = 1; T | where A == x", "1"),
        ("let T2 = T | where A == 1; T2 | count", "T2"),
        // A summary of a summary that depends on how often a value stands there.
        (
            "T | join kind=leftouter (T | summarize C = count() by A, B | summarize M = avg(C) by A) on A | where M > 1",
            "avg(C)",
        ),
        // Keys that are not the same, or not computed alike.
        (
            "T | join kind=inner (T | summarize C = count() by A, B) on A",
            "A, B",
        ),
        (
            "T | extend K = tolower(A) | join kind=inner (T | summarize C = count() by K = toupper(A)) on K",
            "K",
        ),
        (
            "T | summarize N = count() by A | join kind=inner (T | summarize C = count() by B) on $left.A == $right.B",
            "$left.A == $right.B",
        ),
        (
            "T | summarize N = count() by A | join kind=inner (T | summarize C = count() by B) on B",
            "B",
        ),
        // Columns of the row that a join finds, and names that it would change.
        (
            "T | join kind=inner (T | where A == 1) on B",
            "T | where A == 1",
        ),
        (
            "T | summarize N = count() by A | join kind=inner (T | summarize N = sum(B) by A) on A",
            "join kind=inner",
        ),
        (
            "T | summarize N = count() by A | join kind=fullouter (T | summarize C = sum(B) by A) on A",
            "join kind=fullouter",
        ),
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
    let (mut total, mut plain, mut said, mut refused) = (0, 0, 0, Vec::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let rule: Value = atalaya_yaml::parse(&text).unwrap();
        let query = rule["query"].as_str().unwrap();
        total += 1;
        let both = [Target::Spl, Target::Esql].map(|target| translate(query, target, None));
        said += usize::from(both.iter().all(Result::is_ok));
        if let Some(Err(problems)) = both.iter().find(|one| one.is_err()) {
            let part = problems[0].span.slice(query);
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            eprintln!(
                "{name}: {}: {}",
                problems[0].message,
                part.lines().next().unwrap_or("")
            );
        }
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
    eprintln!(
        "built-in KQL rules: {total}, said in both: {said}, that simple: {plain}, refused of these: {refused:#?}"
    );
    assert!(refused.is_empty() && plain >= 30);
    // Most look at a caller's past.
    assert!(said * 2 >= total, "{said} of {total}");
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
