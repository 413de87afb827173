//! Corpora of rules, events and labels outside the repository (`shared` beside the checkout).
//!
//! Without them the tests say so and pass, unless `CI` is set.

use std::path::PathBuf;

use serde_json::Value;

#[test]
fn every_public_rule_is_read() {
    let Some(rules) = lines("sigmahq_rules.jsonl") else {
        return;
    };
    let mut wrong = Vec::new();
    for rule in &rules {
        let text = rule["rule_yaml"].as_str().unwrap();
        if let Err(errors) = atalaya_sigma::parse(text) {
            wrong.push(format!("{}: {:?}", rule["rule_path"], errors[0]));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}: {:#?}",
        wrong.len(),
        rules.len(),
        wrong
    );
}

/// The lines of a corpus as JSON; `None` where there is none to be had.
fn lines(name: &str) -> Option<Vec<Value>> {
    let path = folder()?.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

fn folder() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [root.join("shared/sigma"), root.join("../shared/sigma")];
    let found = places.into_iter().find(|place| place.is_dir());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "shared/sigma is missing, and CI is set"
        );
        eprintln!("SKIPPED: shared/sigma is not there");
    }
    found
}
