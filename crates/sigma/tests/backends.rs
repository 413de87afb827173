//! The community's converters have tests of their own: rule, pipeline and the query that they
//! expect (`shared` beside the checkout). Ours writes the same, or stands in [`DIFFERENT`] with
//! the reason; what they refuse may be refused, and what we say more stands in [`SAID_BY_US`].

use atalaya_sigma::convert::{Format, Language, Windows};
use atalaya_sigma::pipeline::{Pipeline, Pipelines};
use serde_json::Value;

use crate::conversions::{converted, language, normalised};
use crate::corpora::lines;

/// By the name of their test: why ours is another query.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "test_kusto_and_or_expression",
        "text asked of a column of numbers: `tostring`",
    ),
    (
        "test_kusto_regex_query",
        "text asked of a column of numbers: `tostring`",
    ),
    (
        "test_kusto_wildcard_regex_mixed",
        "wildcards are anchored and fold case",
    ),
    (
        "test_kusto_wildcard_regex_with_backslashes",
        "wildcards are anchored and fold case",
    ),
    (
        "test_azure_monitor_process_creation_field_mapping",
        "a number asked of a column of text is compared as text",
    ),
    (
        "test_azure_monitor_network_connection_field_mapping",
        "SecurityEvent has no such columns: refused",
    ),
    (
        "test_azure_monitor_query_table_state_priority",
        "the table is an argument of a Python function",
    ),
    (
        "test_azure_monitor_eventid_based_table_mapping",
        "no log source: the released version refuses it too",
    ),
    (
        "test_microsoft_xdr_process_creation_field_mapping",
        "a number asked of a column of text is compared as text",
    ),
    (
        "test_sentinel_asim_process_creation_field_mapping",
        "a number asked of a column of text is compared as text",
    ),
    (
        "test_sentinel_asim_custom_table",
        "the table is an argument of a Python function",
    ),
    (
        "test_splunk_regex_query_implicit_or",
        "a search cannot begin with a pipe: `*` before it",
    ),
    (
        "test_splunk_data_model_process_creation_with_or_regex",
        "flags are computed before they are asked for",
    ),
    (
        "test_event_count_correlation_rule_with_regex_or_deferred",
        "a search cannot begin with a pipe: `*` before it",
    ),
    (
        "test_eql_regex_query_escaped_input",
        "a backslash in a string of EQL is doubled",
    ),
    (
        "test_eql_keyword_quotes",
        "keywords are no condition of EQL: refused",
    ),
    (
        "test_eql_keyword_quotes_eqlapi",
        "keywords are no condition of EQL: refused",
    ),
    (
        "test_es_dsl_lucene_space_value_text",
        "the released version quotes",
    ),
    (
        "test_ecs_windows_eql_contains_expression_with_trailing_backslash_multivalue",
        "the released version asks `.caseless`",
    ),
];

/// By the name of their test: refused by theirs, said by ours.
const SAID_BY_US: &[&str] = &["test_splunk_fieldref_or"];

/// Fewer cases than these mean that the runner skips what it should compare.
const COMPARED_MIN: usize = 120;

#[test]
fn queries_are_those_that_the_converters_own_tests_expect() {
    let Some(cases) = lines("convert_backend_tests.jsonl") else {
        return;
    };
    let (mut compared, mut equal) = (0, 0);
    let mut wrong = Vec::new();
    for case in &cases {
        let Some((language, pipelines)) = setting(case) else {
            continue;
        };
        compared += 1;
        let name = text(case, "test");
        let name = name.rsplit("::").next().unwrap_or(name);
        let rule = text(case, "rule_yaml");
        let ours = ours(case, rule, language, &pipelines);
        let outcome = judge(case, name, &ours);
        equal += usize::from(outcome == Ok(true));
        if let Err(why) = outcome {
            let expected = if case["expected_query"].is_null() {
                &case["error"]
            } else {
                &case["expected_query"]
            };
            wrong.push(format!(
                "{name}: {why}\n{rule}\n   PIPELINE {}\n   THEIRS {expected}\n   OURS   {ours:?}\n",
                case["pipeline"]
            ));
        }
    }
    eprintln!(
        "backends' own tests: {equal} equal of {compared}, {} unexplained",
        wrong.len()
    );
    if let Some(folder) = std::env::var_os("CONVERSION_DIFFERENCES") {
        let path = std::path::Path::new(&folder).join("backends.txt");
        std::fs::write(path, wrong.join("\n")).unwrap();
    }
    assert!(compared >= COMPARED_MIN, "only {compared} were compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether it is the same query; an error is a difference that nobody explains, or an
/// explanation of a difference that is none.
fn judge(
    case: &Value,
    name: &str,
    ours: &Result<Vec<String>, String>,
) -> Result<bool, &'static str> {
    let explained = DIFFERENT.iter().any(|(known, _)| *known == name);
    let Some(expected) = expected(case) else {
        return match (ours.is_ok(), SAID_BY_US.contains(&name)) {
            (true, false) => Err("said, and theirs refuses"),
            (false, true) => Err("refused, and the list says that it is said"),
            _ => Ok(false),
        };
    };
    let is_same = ours
        .as_ref()
        .is_ok_and(|ours| normalised(&ours.join("\n")) == normalised(&expected.join("\n")));
    match (is_same, explained) {
        (true, true) => Err("equal, and the list says that it differs"),
        (false, false) => Err("differs"),
        (is_same, _) => Ok(is_same),
    }
}

/// The queries that they expect, taken out of what stands around them.
fn expected(case: &Value) -> Option<Vec<String>> {
    let mut out = Vec::new();
    match case.get("expected_query")? {
        Value::Null => return None,
        Value::String(text) => out.extend(stanza_searches(text)),
        Value::Array(items) => out.extend(items.iter().filter_map(query_of)),
        other => out.extend(query_of(other)),
    }
    Some(out)
}

/// `search = …` with its continued lines.
fn stanza_searches(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", "\n");
    let parts = joined.split("search = ").skip(1);
    parts
        .map(|part| part.split("\n\n[").next().unwrap_or(part).trim().to_owned())
        .collect()
}

fn query_of(value: &Value) -> Option<String> {
    let inner = |at: &str| value.pointer(at).and_then(Value::as_str);
    if let Some(text) = value.as_str().or_else(|| inner("/query")) {
        return Some(text.to_owned());
    }
    if let Some(text) = inner("/query/bool/must/0/query_string/query") {
        return Some(text.to_owned());
    }
    let source = inner("/attributes/kibanaSavedObjectMeta/searchSourceJSON")?;
    let source: Value = serde_json::from_str(source).ok()?;
    let query = source
        .pointer("/query/esql")
        .or_else(|| source.pointer("/query/query_string/query"))?;
    query.as_str().map(str::to_owned)
}

fn ours(
    case: &Value,
    rule: &str,
    language: Language,
    pipelines: &Pipelines,
) -> Result<Vec<String>, String> {
    let format = match text(case, "output_format") {
        "data_model" => Format::DataModel,
        _ => Format::Query,
    };
    converted(rule, language, pipelines, format, Windows::Tumbling)
}

/// Language and pipelines; `None` for languages that are not ours and pipelines made up in code.
fn setting(case: &Value) -> Option<(Language, Pipelines)> {
    let language = language(text(case, "backend"))?;
    let names: &[&str] = match text(case, "pipeline") {
        "" => &[],
        "Generic Log Sources to Windows XDR tables and fields" => &["microsoft_xdr"],
        "Generic Log Sources to Azure Monitor tables and fields" => &["azure_monitor"],
        "Generic Log Sources to Sentinel ASIM tables and fields" => &["sentinel_asim"],
        "Splunk Windows log source conditions" => &["splunk_windows"],
        "Splunk CIM Data Model Mapping" => &["splunk_cim"],
        name if name.contains("Winlogbeat") => &["ecs_windows"],
        name if name.contains("macOS") => &["ecs_macos"],
        name if name.contains("Kubernetes") => &["ecs_kubernetes"],
        _ => {
            let index = index_state(text(case, "test"))?;
            return Some((
                language,
                Pipelines::new(vec![Pipeline::parse(&index).ok()?]),
            ));
        }
    };
    let pipelines: Option<Vec<Pipeline>> = names.iter().map(|name| Pipeline::named(name)).collect();
    Some((language, Pipelines::new(pipelines?)))
}

/// The pipelines of a group of tests that set the index, by what the tests expect.
fn index_state(test: &str) -> Option<String> {
    let value = match test.rsplit("set_state_").next()? {
        "index_string" => "logs-test-*",
        "index_list" => "[logs-test1-*, logs-test2-*]",
        "index_list_single" => "[logs-test-*]",
        _ => return None,
    };
    Some(format!(
        "name: index\npriority: 20\ntransformations:\n  - type: set_state\n    key: index\n    val: {value}\n"
    ))
}

fn text<'v>(case: &'v Value, key: &str) -> &'v str {
    case[key].as_str().unwrap_or_default()
}
