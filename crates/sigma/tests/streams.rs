//! Runs `tests/cases/streams.yml`.

use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rules: String,
    events: Vec<serde_json::Value>,
    matches: Vec<usize>,
}

#[test]
fn events_match_as_the_cases_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/streams.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = atalaya_yaml::parse(&text).unwrap();
    assert!(cases.len() > 7, "{} cases", cases.len());
    for case in cases {
        let file = serde_json::json!({
            "cases": [{"name": case.name, "events": case.events, "matches": case.matches}]
        });
        let outcomes = atalaya_sigma::testing::run(&case.rules, &file.to_string()).unwrap();
        assert_eq!(outcomes[0].failure, None, "{}", case.name);
    }
}

#[test]
fn an_explanation_names_what_was_missing() {
    let rule = "title: t\nlogsource: {product: x}\ndetection:\n  a: {F|contains: x, G: [1, 2]}\n  b: [kw]\n  condition: a and not b\n";
    let collection = atalaya_sigma::parse(rule).unwrap();
    let explain =
        |event: &str| atalaya_sigma::explain::explain(&collection.rules[0], event).unwrap();
    let explanation = explain(r#"{"F": "axb", "G": 3}"#);
    assert!(!explanation.matches);
    let lines = &explanation.selections[0].lines;
    assert_eq!(
        (lines[0].holds, lines[0].values.as_slice()),
        (true, ["axb".to_owned()].as_slice())
    );
    assert_eq!(
        (lines[1].holds, lines[1].values.as_slice()),
        (false, ["3".to_owned()].as_slice())
    );
    assert!(explain(r#"{"F": "axb", "G": "2"}"#).matches);
    assert!(!explain(r#"{"F": "axb", "G": "2", "z": "kw"}"#).matches);
}
