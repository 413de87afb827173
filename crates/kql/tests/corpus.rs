//! Real security queries from the conformance corpora: how many are read.

use std::path::Path;

use atalaya_kql::parse;
use atalaya_model::Level;

/// Share of the real queries that parse today; raised as the parser grows, never lowered.
const PARSED_SHARE_MIN: f64 = 0.60;

#[test]
fn real_security_queries_parse() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kql/security_queries.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the corpus is missing: {}",
            path.display()
        );
        eprintln!("SKIPPED: no conformance corpus beside the checkout");
        return;
    };
    let (mut parsed, mut total) = (0_u32, 0_u32);
    let mut reasons = std::collections::BTreeMap::<String, u32>::new();
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let Some(query) = case["query"].as_str() else {
            continue;
        };
        total += 1;
        let result = parse(query);
        match result.diagnostics.iter().find(|d| d.level == Level::Error) {
            None => parsed += 1,
            Some(error) => *reasons.entry(error.message.clone()).or_default() += 1,
        }
    }
    let share = f64::from(parsed) / f64::from(total.max(1));
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!(
        "{parsed} of {total} real queries parse ({:.1} %)",
        share * 100.0
    );
    for (reason, count) in reasons.iter().take(15) {
        println!("{count:6} {reason}");
    }
    assert!(share >= PARSED_SHARE_MIN, "{share}");
}
