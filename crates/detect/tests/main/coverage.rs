//! The numbers of coverage, counted again from the files alone; and that some log delivers what
//! each rule reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use atalaya_atlas::LogSource;
use atalaya_detect::RuleCatalogue;
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, keep: &dyn Fn(&str) -> bool, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, keep, found);
        } else if keep(&path.to_string_lossy()) {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    items
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// A rule as its files say it.
struct OnDisk {
    path: PathBuf,
    techniques: Vec<String>,
    /// What it reads, as text: the query, or the fields of an analytic.
    reads: String,
}

/// Every rule with a test file that has a case which must fire.
fn tested_rules() -> Vec<OnDisk> {
    let is_rule = |path: &str| {
        path.ends_with(".yml") && !path.ends_with(".test.yml") && !path.ends_with(".meta.yml")
    };
    let mut paths = Vec::new();
    files(&repository().join("rules"), &is_rule, &mut paths);
    let mut rules = Vec::new();
    for path in paths {
        let Ok(tests) = std::fs::read_to_string(path.with_extension("test.yml")) else {
            continue;
        };
        let tests: Value = atalaya_yaml::parse(&tests).unwrap();
        let fires = |case: &Value| case["fires"].as_array().is_some_and(|f| !f.is_empty());
        if !tests["cases"].as_array().unwrap().iter().any(fires) {
            continue;
        }
        let rule: Value = atalaya_yaml::parse(&read(&path)).unwrap();
        let companion = path.with_extension("meta.yml");
        let techniques = if companion.is_file() {
            let companion: Value = atalaya_yaml::parse(&read(&companion)).unwrap();
            texts(&companion["techniques"])
        } else {
            texts(&rule["atlas"]["techniques"])
        };
        let reads = match (rule["query"].as_str(), rule.get("fields")) {
            (Some(query), _) => query.to_owned(),
            (None, Some(fields)) => fields.to_string(),
            // Sigma's `custom_ml_application/inference_log`.
            (None, None) => "ModelInferenceLog".to_owned(),
        };
        rules.push(OnDisk {
            path,
            techniques,
            reads,
        });
    }
    rules
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect()
}

fn sources_of(rule: &OnDisk) -> BTreeSet<&'static str> {
    let words = words(&rule.reads);
    let tables = LogSource::ALL.map(LogSource::table);
    tables.into_iter().filter(|t| words.contains(t)).collect()
}

/// Id, tactics, visibility, sources and detectability as the table of techniques has them.
struct Line {
    id: String,
    tactics: Vec<String>,
    is_visible: bool,
    is_usable: bool,
}

fn techniques() -> Vec<Line> {
    let text = read(&repository().join("crates/atlas/data/techniques.tsv"));
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let column = |name: &str| header.iter().position(|known| *known == name).unwrap();
    let (id, tactics) = (column("id"), column("tactics"));
    let (visibility, detectability) = (column("visibility"), column("detectability"));
    let line = |text: &str| {
        let cells: Vec<&str> = text.split('\t').collect();
        let is_visible = matches!(cells[visibility], "direct" | "behavioural");
        Line {
            id: cells[id].to_owned(),
            tactics: cells[tactics].split(',').map(str::to_owned).collect(),
            is_visible,
            is_usable: is_visible && cells[detectability].parse::<u8>().unwrap() >= 3,
        }
    };
    lines.map(line).collect()
}

fn counted(rules: &[OnDisk], runs: impl Fn(&OnDisk) -> bool) -> [usize; 3] {
    let covered: BTreeSet<&String> = rules
        .iter()
        .filter(|rule| runs(rule))
        .flat_map(|rule| &rule.techniques)
        .collect();
    let mut numbers = [0; 3];
    for line in techniques()
        .iter()
        .filter(|line| covered.contains(&line.id))
    {
        numbers[0] += usize::from(line.is_usable);
        numbers[1] += usize::from(line.is_visible);
        numbers[2] += 1;
    }
    numbers
}

#[test]
fn coverage_is_what_rules_and_tests_on_disk_say() {
    let rules = tested_rules();
    let facts = RuleCatalogue::builtin().coverage_facts();
    let delivering = [LogSource::GatewayDecision, LogSource::Inference];
    let told = atalaya_atlas::coverage(atalaya_atlas::release(), &facts, &delivering);
    let [usable, ceiling, all] = counted(&rules, |_| true);
    assert_eq!(
        (told.usable.covered, told.ceiling.covered, told.all.covered),
        (usable, ceiling, all)
    );
    assert_eq!(
        (told.usable.of, told.ceiling.of, told.all.of),
        (88, 134, 208)
    );
    assert_eq!((usable, ceiling), (88, 134), "a technique lost its rule");

    let runs_with = |tables: &[&str]| {
        let tables: BTreeSet<&str> = tables.iter().copied().collect();
        counted(&rules, |rule| {
            let needed = sources_of(rule);
            !needed.is_empty() && needed.iter().all(|table| tables.contains(table))
        })
    };
    let now = ["AIGuardrailDecisions", "ModelInferenceLog"];
    let [usable, ceiling, _] = runs_with(&now);
    assert_eq!(
        (told.live.usable.covered, told.live.ceiling.covered),
        (usable, ceiling)
    );
    for (source, added) in &told.one_more_source {
        let more = [now[0], now[1], source.table()];
        assert_eq!(runs_with(&more)[1] - ceiling, *added, "{source:?}");
    }
    assert_eq!(told.one_more_source.len(), 2);
}

#[test]
fn coverage_by_tactic_is_what_rules_and_tests_on_disk_say() {
    let rules = tested_rules();
    let covered: BTreeSet<&String> = rules.iter().flat_map(|rule| &rule.techniques).collect();
    let mut counted: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for line in techniques().iter().filter(|line| line.is_visible) {
        for tactic in &line.tactics {
            let entry = counted.entry(tactic.clone()).or_default();
            entry.0 += usize::from(covered.contains(&line.id));
            entry.1 += 1;
        }
    }
    let facts = RuleCatalogue::builtin().coverage_facts();
    let told = atalaya_atlas::coverage(atalaya_atlas::release(), &facts, &[]);
    let told: BTreeMap<String, (usize, usize)> = told
        .by_tactic
        .into_iter()
        .map(|(tactic, share)| (tactic, (share.covered, share.of)))
        .collect();
    assert_eq!(told, counted);
}

/// Columns that a built-in mapping or the gateway's own code fills, by table.
fn delivered() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut found: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for source in atalaya_sources::sources() {
        let mapping: Value = atalaya_yaml::parse(source.mapping).unwrap();
        let name = mapping["table"].as_str().unwrap();
        let table = atalaya_tables::find(name).unwrap();
        let columns = mapping["columns"].as_object().unwrap();
        let entry = found.entry(table.name).or_default();
        entry.extend(columns.keys().cloned());
    }
    let mut code = Vec::new();
    let is_code = |path: &str| path.ends_with(".rs");
    files(
        &repository().join("crates/gateway/src"),
        &is_code,
        &mut code,
    );
    let decisions = atalaya_tables::find("AIGuardrailDecisions").unwrap();
    let entry = found.entry(decisions.name).or_default();
    for path in code {
        let text = read(&path);
        for column in decisions.columns {
            if text.contains(&format!("\"{}\"", column.name)) {
                entry.insert(column.name.to_owned());
            }
        }
    }
    found
}

#[test]
fn a_source_delivers_every_column_that_a_rule_reads() {
    let delivered = delivered();
    let mut missing = Vec::new();
    for rule in tested_rules() {
        let words = words(&rule.reads);
        for table in sources_of(&rule) {
            let table = atalaya_tables::find(table).unwrap();
            for column in table.columns {
                let is_read = words.contains(column.name);
                let is_ours = matches!(
                    column.name,
                    "SchemaVersion" | "AdditionalFields" | "SourceType"
                );
                let has = |name: &str| {
                    delivered
                        .get(name)
                        .is_some_and(|columns| columns.contains(column.name))
                };
                // A name that several tables of a query have is enough in one of them.
                let anywhere = sources_of(&rule).into_iter().any(has);
                if is_read && !is_ours && !anywhere {
                    missing.push(format!(
                        "{}: {}.{}",
                        rule.path.display(),
                        table.name,
                        column.name
                    ));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
