//! What each built-in rule converts to: `docs/rule-conversions.md` says it, and this proves it.
//!
//! `UPDATE_DOCS=1` writes the file anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use atalaya_sigma::convert::{self, Language, Options};
use atalaya_sigma::pipeline::{Pipeline, Pipelines};
use atalaya_translate::{Target, translate};
use serde_json::Value;

#[test]
fn every_built_in_rule_says_what_it_converts_to() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut rows: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
    let mut files = Vec::new();
    collect(&root.join("rules"), &mut files);
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(root.join("rules")).unwrap();
        let name = name.to_string_lossy().replace('\\', "/");
        if name.starts_with("sigma/") {
            sigma(&name, &text, &mut rows);
        } else {
            let rule: Value = atalaya_yaml::parse(&text).unwrap();
            // Rules over the streaming analytics hold no query: there is nothing to convert.
            let Some(query) = rule["query"].as_str() else {
                continue;
            };
            let mut targets = vec!["kql"];
            if translate(query, Target::Spl, None).is_ok() {
                targets.push("spl");
            }
            if translate(query, Target::Esql, None).is_ok() {
                targets.push("esql");
            }
            let title = rule["name"].as_str().unwrap().to_owned();
            rows.insert(name, (title, targets));
        }
    }
    let mut text = String::from(
        "# What the built-in rules convert to\n\nBy `atalaya rules convert --to LANGUAGE FILE`; a test keeps this page true.\n\n| rule | title | languages |\n|---|---|---|\n",
    );
    for (name, (title, targets)) in &rows {
        let title = title.replace('|', "\\|");
        let _ = writeln!(text, "| `{name}` | {title} | {} |", targets.join(", "));
    }
    let path = root.join("docs/rule-conversions.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/rule-conversions.md is stale: run this test with UPDATE_DOCS=1"
    );
}

fn sigma(name: &str, text: &str, rows: &mut BTreeMap<String, (String, Vec<&'static str>)>) {
    let collection = atalaya_sigma::parse(text).unwrap();
    let own = Pipelines::new(Pipeline::named("atalaya").into_iter().collect());
    let none = Pipelines::default();
    let options = Options::default();
    let mut targets = Vec::new();
    let mut title = String::new();
    for (word, language) in Language::NAMES.iter().take(7) {
        let pipelines = if *language == Language::Kql {
            &own
        } else {
            &none
        };
        let converted = convert::convert(&collection, *language, pipelines, &options);
        if converted.iter().all(|one| one.result.is_ok()) {
            targets.push(*word);
        }
        if let Some(first) = converted.first() {
            title.clone_from(&first.metadata.title);
        }
    }
    assert!(targets.contains(&"kql"), "{name} must become KQL");
    rows.insert(name.to_owned(), (title, targets));
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, out);
        } else if name.ends_with(".yml")
            && ![".test.yml", ".meta.yml"]
                .iter()
                .any(|end| name.ends_with(end))
        {
            out.push(path);
        }
    }
}
