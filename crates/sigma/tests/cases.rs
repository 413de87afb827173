//! Runs `tests/cases/rules.yml`.

use std::path::Path;

use atalaya_sigma::convert;
use serde::Deserialize;

/// One rule: what it becomes, or what is wrong with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rule: String,
    /// The query, without regard to white space at line ends.
    kql: Option<String>,
    /// Codes of remarks and errors, in order.
    #[serde(default)]
    says: Vec<String>,
    /// Part of the text of the first one's help.
    help: Option<String>,
}

#[test]
fn rules_become_what_the_cases_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/rules.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = atalaya_yaml::parse(&text).unwrap();
    assert!(cases.len() > 10, "{} cases", cases.len());
    for case in &cases {
        check(case);
    }
}

fn check(case: &Case) {
    let name = &case.name;
    let (queries, said) = match atalaya_sigma::parse(&case.rule) {
        Err(errors) => (Vec::new(), errors),
        Ok(collection) => match convert::over_log_tables(&collection) {
            Err(errors) => (Vec::new(), errors),
            Ok(queries) => {
                let queries = queries.into_iter().map(|(_, query)| query.text).collect();
                (queries, collection.remarks)
            }
        },
    };
    let codes: Vec<&str> = said.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes, case.says, "{name}: {said:?}");
    if let Some(help) = &case.help {
        let found = said
            .iter()
            .any(|d| d.help.as_deref().unwrap_or("").contains(help.as_str()));
        assert!(found, "{name}: {said:?}");
    }
    let expected: Vec<&str> = case.kql.as_deref().map(str::trim_end).into_iter().collect();
    assert_eq!(queries, expected, "{name}");
    for diagnostic in &said {
        assert!(
            diagnostic.span.end <= case.rule.len(),
            "{name}: {diagnostic:?}"
        );
    }
}
