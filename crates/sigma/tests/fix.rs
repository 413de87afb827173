//! What `rules check --fix` writes means the same and has nothing left to mend.

use atalaya_sigma::correlate::{Engine, Limits};

const HEAD: &str =
    "title: T\nid: 0b1c9c9e-0000-4000-8000-000000000001\nlogsource:\n  product: ai_gateway\n";

fn mended(text: &str) -> String {
    let collection = atalaya_sigma::parse(text).unwrap_or_else(|e| panic!("{text}\n{e:?}"));
    let mended = atalaya_sigma::apply_edits(text, &collection.fixes);
    let again = atalaya_sigma::parse(&mended).unwrap_or_else(|e| panic!("{mended}\n{e:?}"));
    assert!(again.fixes.is_empty(), "{mended}\n{:?}", again.fixes);
    mended
}

/// Numbers of the events at which something is raised.
fn raised(rules: &str, events: &[&str]) -> Vec<usize> {
    let collection = atalaya_sigma::parse(rules).unwrap();
    let mut engine = Engine::new(&collection, Limits::default()).unwrap();
    let mut found = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let mut out = Vec::new();
        engine
            .process(event, number as u64, None, &mut out)
            .unwrap();
        if !out.is_empty() {
            found.push(number);
        }
    }
    found
}

#[test]
fn dead_values_become_comparisons() {
    let rule = format!(
        "{HEAD}detection:\n  # high scores\n  a:\n    ThreatScore: \"> 20\"\n    Confidence: '0.4..0.6'\n  condition: a\n"
    );
    let text = mended(&rule);
    assert!(text.contains("    ThreatScore|gt: 20\n"), "{text}");
    assert!(
        text.contains("    Confidence|gte: 0.4\n    Confidence|lte: 0.6\n"),
        "{text}"
    );
    assert!(text.contains("# high scores"), "{text}");
    let events = [
        r#"{"ThreatScore": 25, "Confidence": 0.5}"#,
        r#"{"ThreatScore": 20, "Confidence": 0.5}"#,
        r#"{"ThreatScore": "> 20", "Confidence": "0.4..0.6"}"#,
    ];
    assert_eq!(raised(&text, &events), [0]);
    assert_eq!(raised(&rule, &events), [0]);
}

#[test]
fn thresholds_and_aggregations_become_correlations() {
    let event = |second: u32, kind: &str| {
        format!(
            r#"{{"Kind": "{kind}", "UserId": "u", "SrcIpAddr": "10.0.0.{second}", "timestamp": "2026-01-01T00:00:{second:02}Z"}}"#
        )
    };
    let (one, two, three) = (event(1, "a"), event(2, "a"), event(3, "b"));
    let events = [one.as_str(), two.as_str(), three.as_str()];
    for (detection, expected) in [
        (
            "  a:\n    Kind: a\n  many:\n    count: \"> 1\"\n    timespan: 1m\n    group_by: UserId\n  condition: a and many\n",
            vec![1],
        ),
        (
            "  a:\n    Kind: a\n  timeframe: 1m\n  condition: a | count() by UserId > 1\n",
            vec![1],
        ),
        (
            "  a:\n    Kind: a\n  timeframe: 1m\n  condition: a | count(SrcIpAddr) by UserId >= 2\n",
            vec![1],
        ),
        (
            "  a:\n    Kind: a\n  b:\n    Kind: b\n  timeframe: 1m\n  condition: a | near b\n",
            vec![2],
        ),
    ] {
        let rule = format!("{HEAD}detection:\n{detection}level: high\n");
        let text = mended(&rule);
        assert!(text.contains("correlation:"), "{text}");
        assert!(text.contains("level: high"), "{text}");
        assert_eq!(raised(&text, &events), expected, "{text}");
        assert_eq!(raised(&rule, &events), expected, "{rule}");
    }
}
