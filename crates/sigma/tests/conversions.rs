//! Conversions against the recorded output of the community's converters (`shared` beside the
//! checkout): figures per language and pipeline, with floors.
//!
//! Queries are compared without regard to blanks, redundant parentheses and the quoting of
//! fields. `docs/sigma-conversion.md` lists what differs on purpose. KQL is judged by meaning
//! elsewhere (the official analyzer, and our engine over labelled events); the share of equal
//! texts is printed here all the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use atalaya_sigma::convert::{self, Format, Language, Options, Windows, Written};
use atalaya_sigma::pipeline::{Pipeline, Pipelines};
use serde_json::Value;

use crate::corpora::lines;
use crate::differences::{Pair, reason};

/// Equal, of how many, errors where there is a query.
#[derive(Default)]
struct Figures {
    total: usize,
    equal: usize,
    normalised: usize,
    refused: usize,
    /// By reason, how often.
    explained: BTreeMap<&'static str, usize>,
    unexplained: usize,
    differing: Vec<String>,
    queries: Vec<String>,
}

fn pipelines(names: &[&str]) -> Option<Pipelines> {
    let list: Option<Vec<Pipeline>> = names.iter().map(|name| Pipeline::named(name)).collect();
    list.map(Pipelines::new)
}

pub(crate) fn converted(
    rule: &str,
    language: Language,
    pipelines: &Pipelines,
    format: Format,
    windows: Windows,
) -> Result<Vec<String>, String> {
    let collection = atalaya_sigma::parse(rule).map_err(|errors| format!("{errors:?}"))?;
    let options = Options {
        windows,
        ..Options::default()
    };
    let mut out = Vec::new();
    for one in convert::convert(&collection, language, pipelines, &options) {
        let queries = one.result.map_err(|errors| errors[0].message.clone())?;
        for query in &queries {
            if format == Format::Query {
                out.push(query.text.clone());
            } else {
                let written = Written {
                    metadata: &one.metadata,
                    query,
                };
                let text = convert::write(&[written], language, format);
                out.push(text.map_err(|error| error.message)?);
            }
        }
    }
    Ok(out)
}

pub(crate) fn normalised(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '`'))
        .collect()
}

pub(crate) fn language(backend: &str) -> Option<Language> {
    Some(match backend {
        "kusto" => Language::Kql,
        "splunk" => Language::Spl,
        "lucene" => Language::Lucene,
        "esql" => Language::Esql,
        "eql" => Language::Eql,
        _ => return None,
    })
}

fn compare(
    figures: &mut Figures,
    (backend, expected): (&str, &str),
    ours: Result<Vec<String>, String>,
    rule: &str,
) {
    figures.total += 1;
    let mut explain = |ours: Result<&str, &str>| {
        let pair = Pair {
            backend,
            theirs: expected,
            ours,
        };
        let reason = reason(&pair);
        match reason {
            Some(reason) => *figures.explained.entry(reason).or_default() += 1,
            None => figures.unexplained += 1,
        }
        reason.unwrap_or("UNEXPLAINED")
    };
    match ours {
        Ok(queries) => {
            let text = queries.join("\n");
            figures.queries.extend(queries);
            if text.trim() == expected.trim() {
                figures.equal += 1;
                figures.normalised += 1;
            } else if normalised(&text) == normalised(expected) {
                figures.normalised += 1;
            } else {
                let reason = explain(Ok(&text));
                let detection = rule.find("detection:").map_or(rule, |at| &rule[at..]);
                figures.differing.push(format!(
                    "{detection}\n   {reason}\n   THEIRS {expected}\n   OURS   {text}\n"
                ));
            }
        }
        Err(error) => {
            figures.refused += 1;
            let reason = explain(Err(&error));
            figures.differing.push(format!(
                "{rule}\n   {reason}\n   THEIRS {expected}\n   REFUSED {error}\n"
            ));
        }
    }
}

fn report(name: &str, all: &BTreeMap<String, Figures>) {
    let mut text = String::new();
    for (key, figures) in all {
        let _ = writeln!(
            text,
            "{name} {key}: {} equal, {} normalised, {} refused, of {}; differing by {:?}",
            figures.equal, figures.normalised, figures.refused, figures.total, figures.explained
        );
    }
    eprint!("{text}");
    if let Some(folder) = std::env::var_os("CONVERSION_DIFFERENCES") {
        for (key, figures) in all {
            let file = format!("{name}-{}.txt", key.replace([' ', '/'], "_"));
            let path = std::path::Path::new(&folder).join(file);
            std::fs::write(path, figures.differing.join("\n")).unwrap();
            let lines = figures
                .queries
                .iter()
                .map(|query| format!("{}\n", Value::from(query.as_str())));
            let file = format!("{name}-{}.queries", key.replace([' ', '/'], "_"));
            let path = std::path::Path::new(&folder).join(file);
            std::fs::write(path, lines.collect::<String>()).unwrap();
        }
    }
}

/// Nothing differs without a reason, and no more than the floors allow.
fn floors(all: &BTreeMap<String, Figures>, floors: &[(&str, usize)]) {
    if let Some((key, figures)) = all.iter().find(|(_, figures)| figures.unexplained > 0) {
        let differing = figures.differing.iter();
        let first = differing
            .filter(|text| text.contains("\n   UNEXPLAINED\n"))
            .take(3);
        let first: Vec<&String> = first.collect();
        panic!(
            "{key}: {} differ without a reason: {first:#?}",
            figures.unexplained
        );
    }
    for (key, percent) in floors {
        let figures = &all[*key];
        assert!(
            figures.normalised * 100 >= percent * figures.total,
            "{key}: {} of {} are below {percent} %",
            figures.normalised,
            figures.total
        );
    }
}

#[test]
fn public_rules_convert_as_the_community_converts_them() {
    let Some(cases) = lines("convert_sigmahq.jsonl") else {
        return;
    };
    let mut all: BTreeMap<String, Figures> = BTreeMap::new();
    for case in &cases {
        let Some(expected) = case["expected_query"].as_str() else {
            continue;
        };
        let backend = case["backend"].as_str().unwrap();
        let pipeline = case["pipeline"].as_str();
        let Some(language) = language(backend) else {
            continue;
        };
        let Some(pipelines) = pipelines(&pipeline.into_iter().collect::<Vec<_>>()) else {
            continue;
        };
        let format = match case["output_format"].as_str() {
            Some("data_model") => Format::DataModel,
            _ => Format::Query,
        };
        let rule = case["rule_yaml"].as_str().unwrap();
        let ours = converted(rule, language, &pipelines, format, Windows::Sliding);
        let key = format!("{backend} {}", pipeline.unwrap_or("plain"));
        compare(all.entry(key).or_default(), (backend, expected), ours, rule);
    }
    report("sigmahq", &all);
    floors(&all, FLOORS_SIGMAHQ);
}

#[test]
fn modifiers_convert_as_the_community_converts_them() {
    let Some(cases) = lines("convert_modifiers.jsonl") else {
        return;
    };
    let mut all: BTreeMap<String, Figures> = BTreeMap::new();
    for case in &cases {
        let (Some(expected), Some(language)) = (
            case["expected_query"].as_str(),
            language(case["backend"].as_str().unwrap()),
        ) else {
            continue;
        };
        let rule = case["rule_yaml"].as_str().unwrap();
        let ours = converted(
            rule,
            language,
            &Pipelines::default(),
            Format::Query,
            Windows::Sliding,
        );
        let backend = case["backend"].as_str().unwrap();
        let key = backend.to_owned();
        compare(all.entry(key).or_default(), (backend, expected), ours, rule);
    }
    report("modifiers", &all);
    floors(&all, FLOORS_MODIFIERS);
}

#[test]
fn correlations_convert_and_fixed_windows_as_the_community_writes_them() {
    let Some(cases) = lines("convert_correlation.jsonl") else {
        return;
    };
    let mut all: BTreeMap<String, Figures> = BTreeMap::new();
    let mut sliding: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for case in &cases {
        let backend = case["backend"].as_str().unwrap();
        let Some(language) = language(backend) else {
            continue;
        };
        let rule = case["rule_yaml"].as_str().unwrap();
        let none = Pipelines::default();
        let options = Options {
            table: Some("Events".to_owned()),
            ..Options::default()
        };
        let collection = atalaya_sigma::parse(rule).unwrap();
        let is_said = convert::convert(&collection, language, &none, &options)
            .iter()
            .all(|one| one.result.is_ok());
        let counts = sliding.entry(backend.to_owned()).or_default();
        counts.0 += usize::from(is_said);
        counts.1 += 1;
        let Value::String(expected) = &case["expected_query"] else {
            continue;
        };
        let ours = converted(rule, language, &none, Format::Query, Windows::Tumbling);
        compare(
            all.entry(backend.to_owned()).or_default(),
            (backend, expected),
            ours,
            rule,
        );
    }
    report("correlation (fixed windows)", &all);
    for (backend, (said, total)) in &sliding {
        eprintln!("correlation (sliding windows) {backend}: {said} of {total} are said");
    }
    floors(&all, FLOORS_CORRELATION);
}

/// Percent that must be equal. EQL is refused where it cannot search for keywords; KQL differs
/// where types, null and case need another form.
const FLOORS_SIGMAHQ: &[(&str, usize)] = &[
    ("eql ecs_windows", 95),
    ("esql ecs_windows", 99),
    ("esql plain", 99),
    ("kusto azure_monitor", 75),
    ("kusto microsoft_xdr", 85),
    ("kusto plain", 70),
    ("kusto sentinel_asim", 80),
    ("lucene ecs_windows", 99),
    ("lucene plain", 99),
    ("splunk plain", 99),
    ("splunk splunk_cim", 97),
    ("splunk splunk_windows", 99),
];
const FLOORS_MODIFIERS: &[(&str, usize)] =
    &[("eql", 90), ("esql", 92), ("lucene", 97), ("splunk", 97)];
const FLOORS_CORRELATION: &[(&str, usize)] = &[("esql", 100), ("splunk", 100)];

/// Texts broken at random places never make the converters panic.
#[test]
fn broken_rules_and_pipelines_do_not_panic() {
    let rule = "title: t\nname: base\nlogsource: {product: windows, category: process_creation}\ndetection:\n  s:\n    Image|endswith: ['\\a.exe', 'b*c?d']\n    Hashes|contains: ['MD5=abc', 'SHA1=def']\n    User: 'D\\u'\n    F|re|i: 'a.b'\n    G|cidr: ['10.0.0.0/8', '::1/128']\n    H|fieldref|startswith: I\n    T|hour: 3\n    P|expand: '%x%'\n  k: [alpha, 'b*c']\n  condition: s and not k or 1 of them\n---\ntitle: c\ncorrelation:\n  type: temporal_ordered\n  rules: [base, base]\n  group-by: [User, Computer]\n  timespan: 5m\n  condition: {gte: 2}\n";
    let pipeline = "name: p\npriority: 5\nvars: {x: [a, 'b*']}\ntransformations:\n  - id: a\n    type: field_name_mapping\n    mapping: {Image: [process.name, exe], User: user}\n    rule_conditions: [{type: logsource, product: windows}]\n  - type: value_placeholders\n  - type: replace_string\n    regex: '^(a|b)+'\n    replacement: '\\1x'\n    field_name_conditions: [{type: include_fields, fields: [exe]}]\n  - type: add_condition\n    conditions: {index: main, source: [a, b]}\n  - type: nest\n    items: [{type: case, method: upper}]\npostprocessing:\n  - {type: template, template: '{{ query }} {{ rule.title }}'}\nfinalizers: [{type: concat, separator: ';'}]\n";
    let mut seed = 7_u64;
    let mut next = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % below.max(1)
    };
    let mut broken = |text: &str| {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=next(4) {
            let at = next(chars.len());
            match next(4) {
                0 => {
                    chars.remove(at);
                }
                1 => chars.insert(at, ['*', '\\', '"', ':', '|', '%', '{', 'é'][next(8)]),
                2 => chars.truncate(at.max(1)),
                _ => chars[at] = ['(', ')', '[', ']', '?', '-', ' ', '\n'][next(8)],
            }
        }
        chars.into_iter().collect::<String>()
    };
    for round in 0..600 {
        let read = if round % 3 == 0 {
            Pipeline::parse(pipeline)
        } else {
            Pipeline::parse(&broken(pipeline))
        };
        let pipelines = Pipelines::new(read.into_iter().collect());
        let (collection, _) = atalaya_sigma::parse_files([broken(rule).as_str()]);
        for (_, language) in Language::NAMES {
            for exact in [false, true] {
                let options = Options {
                    exact,
                    table: Some("T".to_owned()),
                    ..Options::default()
                };
                let converted = convert::convert(&collection, *language, &pipelines, &options);
                for one in &converted {
                    let Ok(queries) = &one.result else {
                        continue;
                    };
                    let texts: Vec<String> =
                        queries.iter().map(|query| query.text.clone()).collect();
                    let _ = pipelines.finalize(&texts);
                    for (query, (_, format)) in queries.iter().zip(Format::NAMES) {
                        let metadata = &one.metadata;
                        let _ = convert::write(&[Written { metadata, query }], *language, *format);
                    }
                }
            }
        }
    }
}
