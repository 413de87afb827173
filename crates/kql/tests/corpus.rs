//! Real security queries from the conformance corpora: how many are read, and how many are bound
//! to the columns that the official analyzer gives them.

use std::collections::BTreeMap;
use std::path::Path;

use atalaya_kql::bound::{ColumnDef, Type};
use atalaya_kql::{BindOptions, Catalog, bind, format, parse};
use atalaya_model::Level;
use serde_json::Value;

/// Share of the real queries that parse today; raised as the parser grows, never lowered.
const PARSED_SHARE_MIN: f64 = 0.997;
/// Share of those that the analyzer binds which bind here with the same columns.
const BOUND_SHARE_MIN: f64 = 0.97;
/// Noon of a day, ticks since year one: `now()` of the corpus' queries.
const NOW: i64 = 638_500_000_000_000_000;

fn corpus(name: &str) -> Option<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kql");
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        assert!(std::env::var_os("CI").is_none(), "CI must have {name}");
        eprintln!("SKIPPED: no conformance corpus beside the checkout");
        return None;
    };
    let line = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    Some(text.lines().map(line).collect())
}

/// Prints how often each reason occurs, and writes the whole list where it is asked for.
fn report(reasons: BTreeMap<String, u32>, variable: &str, notes: &[String]) {
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.iter().take(15) {
        println!("{count:6} {reason}");
    }
    if let Ok(path) = std::env::var(variable) {
        std::fs::write(path, notes.join("\n")).expect("notes");
    }
}

#[test]
fn real_security_queries_parse() {
    let Some(cases) = corpus("security_queries.jsonl") else {
        return;
    };
    let (mut parsed, mut notes) = (0_u32, Vec::new());
    let mut reasons = BTreeMap::<String, u32>::new();
    for case in &cases {
        let query = case["query"].as_str().unwrap_or_default();
        let result = parse(query);
        match result.diagnostics.iter().find(|d| d.level == Level::Error) {
            None => parsed += 1,
            Some(error) => {
                let line = query[..error.span.start].lines().last().unwrap_or_default();
                notes.push(format!("{}\t{}\t{line}", case["id"], error.message));
                *reasons.entry(error.message.clone()).or_default() += 1;
            }
        }
    }
    let share = f64::from(parsed) / cases.len() as f64;
    println!(
        "{parsed} of {} real queries parse ({share:.4})",
        cases.len()
    );
    report(reasons, "ATALAYA_PARSE_NOTES", &notes);
    assert!(share >= PARSED_SHARE_MIN, "{share}");
}

#[test]
fn formatting_real_queries_changes_white_space_only_and_once() {
    let Some(cases) = corpus("security_queries.jsonl") else {
        return;
    };
    let solid = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
    for case in &cases {
        let query = case["query"].as_str().unwrap_or_default();
        let Ok(once) = format(query) else { continue };
        assert_eq!(solid(&once), solid(query), "{}", case["id"]);
        let tokens = |text: &str| -> Vec<String> {
            let (tokens, _) = atalaya_kql::lexer::lex(text);
            let tokens = tokens.iter().map(|token| token.span.slice(text).to_owned());
            tokens.collect()
        };
        assert_eq!(tokens(&once), tokens(query), "{}", case["id"]);
        let twice = format(&once).expect("it was formatted before");
        assert_eq!(twice, once, "{}", case["id"]);
    }
}

#[test]
fn real_security_queries_bind_to_the_same_columns() {
    let (Some(cases), Some(tables)) = (
        corpus("security_queries.jsonl"),
        corpus("table_schemas.jsonl"),
    ) else {
        return;
    };
    let tables = tables.iter().map(|table| {
        let name = table["table"].as_str().unwrap_or_default().to_owned();
        let columns = with_common_columns(&name, columns(&table["columns"]));
        (name, columns)
    });
    let catalog = Schemas(tables.collect());
    let options = BindOptions {
        now_ticks: NOW,
        strict: false,
    };
    let (mut same, mut all, mut notes) = (0_u32, 0_u32, Vec::new());
    let mut reasons = BTreeMap::<String, u32>::new();
    for case in &cases {
        if case["binds_with_la_schema"] != true || !case["result_columns"].is_array() {
            continue;
        }
        all += 1;
        let bound = bind(
            case["query"].as_str().unwrap_or_default(),
            &catalog,
            options,
        );
        let why = match &bound.query {
            None => bound
                .diagnostics
                .iter()
                .find(|d| d.level == Level::Error)
                .map_or_else(String::new, |d| format!("{} {}", d.code, d.message)),
            Some(query) => {
                let wanted = columns(&case["result_columns"]);
                let shown = |columns: &[ColumnDef]| -> Vec<String> {
                    let each = columns.iter();
                    each.map(|c| format!("{}:{}", c.name, c.ty.name()))
                        .collect()
                };
                let (wanted, got) = (shown(&wanted), shown(&query.root.schema));
                if wanted == got {
                    same += 1;
                    continue;
                }
                let pair = wanted.iter().zip(&got).find(|(a, b)| a != b);
                let pair = pair.map_or_else(String::new, |(a, b)| format!("{a} got {b}"));
                let (wanted, got) = (wanted.len(), got.len());
                format!("COLUMNS {wanted} got {got}: {pair}")
            }
        };
        notes.push(format!("{}\t{why}", case["id"]));
        *reasons.entry(why).or_default() += 1;
    }
    let share = f64::from(same) / f64::from(all.max(1));
    println!("{same} of {all} queries bind to the same columns ({share:.4})");
    report(reasons, "ATALAYA_BIND_NOTES", &notes);
    assert!(share >= BOUND_SHARE_MIN, "{share}");
}

/// Columns that every table of a workspace has, which the list of tables leaves out of some; the
/// hunting tables have two more.
fn with_common_columns(table: &str, mut columns: Vec<ColumnDef>) -> Vec<ColumnDef> {
    const HUNTING: [&str; 8] = [
        "Device",
        "Email",
        "Identity",
        "CloudAppEvents",
        "Alert",
        "Behavior",
        "OAuthAppInfo",
        "Url",
    ];
    let hunting: &[(&str, Type)] = &[("Timestamp", Type::DateTime), ("ReportId", Type::Long)];
    let common = [
        ("TimeGenerated", Type::DateTime),
        ("TenantId", Type::String),
        ("Type", Type::String),
        ("_ResourceId", Type::String),
        ("SourceSystem", Type::String),
    ];
    let is_hunting = HUNTING.iter().any(|prefix| table.starts_with(prefix));
    let extra = hunting.iter().filter(|_| is_hunting).chain(&common);
    for (name, ty) in extra {
        if !columns.iter().any(|column| column.name == *name) {
            columns.push(ColumnDef {
                name: (*name).to_owned(),
                ty: *ty,
                range: None,
            });
        }
    }
    columns
}

/// The tables of a Sentinel workspace.
struct Schemas(BTreeMap<String, Vec<ColumnDef>>);

impl Catalog for Schemas {
    fn table(&self, name: &str) -> Option<Vec<ColumnDef>> {
        self.0.get(name).cloned()
    }

    fn table_names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

fn columns(list: &Value) -> Vec<ColumnDef> {
    let pairs = list.as_array().into_iter().flatten();
    pairs
        .map(|pair| ColumnDef {
            name: pair[0].as_str().unwrap_or_default().to_owned(),
            ty: Type::parse(pair[1].as_str().unwrap_or_default()).unwrap_or(Type::Dynamic),
            range: None,
        })
        .collect()
}
