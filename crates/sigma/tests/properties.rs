//! What must hold of any rule, any event, any stream.

use atalaya_sigma::correlate::{Engine, Limits};
use atalaya_sigma::matcher::{Matcher, Scratch};
use proptest::prelude::*;

/// Pieces of which rules are made, well or badly.
const PIECES: &[&str] = &[
    "title: t\n",
    "detection:\n",
    "  a:\n",
    "    F|contains: x\n",
    "    F|re: '('\n",
    "  - F: 1\n",
    "    '|all': [a, b]\n",
    "  condition: a\n",
    "  condition: 1 of a* and not (b\n",
    "---\n",
    "action: global\n",
    "action: repeat\n",
    "correlation:\n",
    "  type: temporal\n",
    "  rules: [a, b]\n",
    "  timespan: 5m\n",
    "filter:\n",
    "  condition: a | count() by F > 5\n",
    "    F|base64offset|contains: 'ä*'\n",
    "    F|windash: '-a -b /c -d'\n",
    "logsource: {product: x}\n",
    "    F: \"> 5\"\n",
    "    F: \"1..2\"\n",
    "  b: {count: 5, timespan: 5m}\n",
    "  condition: a and b\n",
    "    F|cidr: 10.0.0.0/8\n",
    "    F|expand: '%x%'\n",
    "name: a\n",
    "id: a\n",
    "\t",
    "&a ",
    "*a",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_the_reader(indexes in prop::collection::vec(0..PIECES.len(), 0..24), noise in ".{0,20}") {
        let mut text: String = indexes.iter().map(|index| PIECES[*index]).collect();
        text.push_str(&noise);
        let (collection, problems) = atalaya_sigma::parse_files([text.as_str()]);
        for problem in &problems {
            prop_assert!(problem.diagnostic.span.start <= text.len());
        }
        for problem in atalaya_sigma::check(&collection) {
            prop_assert!(problem.diagnostic.span.end <= text.len());
        }
        let mended = atalaya_sigma::apply_edits(&text, &collection.fixes);
        let _ = atalaya_sigma::parse_files([mended.as_str()]);
        let mut engine = Engine::new(&collection, Limits::default()).unwrap();
        let mut out = Vec::new();
        let _ = engine.process(r#"{"F": "x", "timestamp": "2026-01-01T00:00:00Z"}"#, 0, None, &mut out);
    }

    #[test]
    fn no_event_breaks_the_matcher(text in r#"[\{\}\[\]",:\\u0-9a-fF "tnäx.+-]{0,60}"#) {
        let rule = rule("  a: {F: x, 'F.F|contains': a, 'G|re': a+, 'G|gt': 3}\n  k: [x]\n  condition: a or k");
        let matcher = matcher(&rule);
        let mut scratch = Scratch::default();
        let mut out = Vec::new();
        for event in [text.clone(), format!("{{\"F\": {text}}}"), format!("{{\"F\": \"{text}\"}}")] {
            let result = matcher.matches(&event, &mut scratch, None, &mut out);
            // What is JSON is read.
            if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&event).is_ok() {
                prop_assert!(result.is_ok(), "{}", event);
            }
        }
    }

    #[test]
    fn patterns_mean_what_their_expressions_mean(pattern in "[ab*?]{0,6}", value in "[abAB]{0,7}") {
        let mut expression = String::from("(?is)^");
        for c in pattern.chars() {
            expression.push_str(match c { '*' => ".*", '?' => ".", 'a' => "a", _ => "b" });
        }
        expression.push('$');
        let expected = regex::Regex::new(&expression).unwrap().is_match(&value);
        let matcher = matcher(&rule(&format!("  a: {{F: '{pattern}'}}\n  condition: a")));
        let mut out = Vec::new();
        let event = format!("{{\"F\": \"{value}\"}}");
        matcher.matches(&event, &mut Scratch::default(), None, &mut out).unwrap();
        prop_assert_eq!(!out.is_empty(), expected, "{} on {}", pattern, value);
    }

    #[test]
    fn rules_match_together_what_they_match_alone(
        rules in prop::collection::vec(("[FGH]", "(\\|contains|\\|startswith|\\|endswith|\\|re|)", "[ab]{1,3}", "(not a|a and not b|a or b|a and b|1 of them)", "[FGH]", "[ab1]{1,2}"), 1..12),
        events in prop::collection::vec(prop::collection::vec(("[FGH]", "[abAB1]{0,5}"), 0..4), 1..6),
    ) {
        let rules: Vec<String> = rules
            .iter()
            .map(|(f, modifier, v, condition, g, w)| {
                rule(&format!("  a: {{'{f}{modifier}': '{v}'}}\n  b: {{{g}: '{w}'}}\n  condition: {condition}"))
            })
            .collect();
        let (collection, _) = atalaya_sigma::parse_files(rules.iter().map(String::as_str));
        let together = Matcher::new(&collection).unwrap();
        let mut scratch = Scratch::default();
        for fields in &events {
            let pairs: Vec<String> = fields.iter().map(|(f, v)| format!("\"{f}\": \"{v}\"")).collect();
            let event = format!("{{{}}}", pairs.join(", "));
            let mut found = Vec::new();
            together.matches(&event, &mut scratch, None, &mut found).unwrap();
            let mut expected = Vec::new();
            for (index, rule) in rules.iter().enumerate() {
                let mut out = Vec::new();
                matcher(rule).matches(&event, &mut Scratch::default(), None, &mut out).unwrap();
                if !out.is_empty() {
                    expected.push(u32::try_from(index).unwrap());
                }
            }
            prop_assert_eq!(found, expected, "{}", event);
        }
    }
}

#[test]
fn a_rule_that_would_grow_without_end_is_refused() {
    let values: Vec<String> = (0..5_000).map(|n| format!("v{n}")).collect();
    let condition = vec!["a"; 3_000].join(" or ");
    let text = rule(&format!(
        "  a: {{F: [{}]}}\n  condition: {condition}",
        values.join(", ")
    ));
    let errors = atalaya_sigma::parse(&text).unwrap_err();
    assert!(errors[0].message.contains("too long"), "{errors:?}");
}

#[test]
fn an_expression_that_becomes_too_large_is_refused() {
    let text = rule(
        r"  a: {F|re: '((\w{500}){500}){500}'}
  condition: a",
    );
    let errors = atalaya_sigma::parse(&text).unwrap_err();
    assert!(errors[0].message.contains("too large"), "{errors:?}");
}

fn rule(detection: &str) -> String {
    format!("title: t\nlogsource: {{product: x}}\ndetection:\n{detection}\n")
}

fn matcher(rule: &str) -> Matcher {
    let collection = atalaya_sigma::parse(rule).unwrap_or_else(|e| panic!("{rule}\n{e:?}"));
    Matcher::new(&collection).unwrap()
}

const COUNTED: &str = "title: base\nname: base\nlogsource: {product: x}\ndetection:\n  a: {A: x}\n  condition: a\n---\n\
title: many\ncorrelation:\n  type: event_count\n  rules: [base]\n  group-by: [U]\n  timespan: 1m\n  condition: {gte: 3}\n";

fn counted(limits: Limits) -> Engine {
    Engine::new(&atalaya_sigma::parse(COUNTED).unwrap(), limits).unwrap()
}

fn feed(engine: &mut Engine, second: u64, user: &str) -> usize {
    let event = format!(
        "{{\"A\": \"x\", \"U\": \"{user}\", \"timestamp\": {}}}",
        1_770_000_000 + second
    );
    let mut out = Vec::new();
    engine.process(&event, second, None, &mut out).unwrap();
    out.len()
}

#[test]
fn groups_are_bounded_and_what_is_forgotten_is_counted() {
    let limits = Limits {
        keys_max: 1_000,
        ..Limits::default()
    };
    let mut engine = counted(limits);
    for user in 0..3_000 {
        feed(&mut engine, 0, &format!("u{user}"));
    }
    assert_eq!(engine.keys(), 1_000);
    assert_eq!(engine.counts().evicted_keys, 2_000);
    // The busiest are kept.
    assert_eq!(feed(&mut engine, 1, "u2999"), 0);
    assert_eq!(feed(&mut engine, 2, "u2999"), 1);
    assert_eq!(feed(&mut engine, 2, "u0"), 0);
}

#[test]
fn events_that_come_late_are_put_where_they_belong() {
    let mut engine = counted(Limits::default());
    assert_eq!(feed(&mut engine, 100, "u"), 0);
    assert_eq!(feed(&mut engine, 50, "u"), 0);
    // The third lies between: now the window that ends at 100 holds three.
    assert_eq!(feed(&mut engine, 70, "u"), 1);
    // Later than the tolerance.
    assert_eq!(feed(&mut engine, 1_000, "u"), 0);
    assert_eq!(feed(&mut engine, 100, "u"), 0);
    assert_eq!(engine.counts().late_events, 1);
}

#[test]
fn a_stream_goes_on_after_a_restart_and_a_reload() {
    let mut engine = counted(Limits::default());
    feed(&mut engine, 0, "u");
    feed(&mut engine, 1, "u");
    let bytes = engine.snapshot();
    let mut next = counted(Limits::default());
    assert_eq!(next.restore(&bytes), Ok(1));
    assert_eq!(feed(&mut next, 2, "u"), 1);
    // Other rules beside it, in another order: the count goes on.
    let more = format!(
        "title: other\nlogsource: {{product: x}}\ndetection:\n  a: {{B: y}}\n  condition: a\n---\n{COUNTED}"
    );
    engine
        .reload(&atalaya_sigma::parse(&more).unwrap())
        .unwrap();
    assert_eq!(feed(&mut engine, 2, "u"), 1);
    // Another meaning begins anew.
    let changed = COUNTED.replace("timespan: 1m", "timespan: 2m");
    next.reload(&atalaya_sigma::parse(&changed).unwrap())
        .unwrap();
    assert_eq!(next.keys(), 0);
    for cut in 0..bytes.len() {
        assert!(next.restore(&bytes[..cut]).is_err(), "{cut}");
    }
}
