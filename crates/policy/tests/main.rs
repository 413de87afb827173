//! The policy as an operator sees it: files in, decisions out.

use atalaya_model::{
    Decision, Finding, SegmentKind, Span, ThreatCategory, Unjudged, UnjudgedReason, Verdict,
};
use atalaya_policy::{CallFacts, Policy, ReasonCode};

fn verdict(findings: &[(ThreatCategory, u8)]) -> Verdict {
    Verdict {
        score: findings.iter().map(|(_, score)| *score).max().unwrap_or(0),
        findings: findings
            .iter()
            .map(|(category, score)| Finding {
                category: *category,
                score: *score,
                rule: "test".into(),
                segment: 0,
                kind: SegmentKind::User,
                span: Span::new(0, 1),
                atlas: std::borrow::Cow::Borrowed(&[]),
            })
            .collect(),
        ..Verdict::default()
    }
}

#[test]
fn the_builtin_policy_acts_by_category_and_score() {
    use ThreatCategory::{Jailbreak, PersonalData, PromptInjection, Secret};
    let policy = Policy::builtin();
    assert_eq!(policy.id(), "builtin");
    for (findings, expected) in [
        (&[][..], Decision::Allow),
        (&[(PromptInjection, 29)], Decision::Allow),
        (&[(PromptInjection, 30)], Decision::Log),
        (&[(PromptInjection, 60)], Decision::Constrain),
        (&[(Jailbreak, 80)], Decision::Block),
        (&[(Secret, 100)], Decision::Constrain),
        (&[(PersonalData, 30)], Decision::Log),
        (&[(Secret, 60), (Jailbreak, 90)], Decision::Block),
    ] {
        let outcome = policy.decide(&verdict(findings), &CallFacts::default());
        assert_eq!(outcome.decision, expected, "{findings:?}");
    }
}

#[test]
fn a_secret_is_redacted_and_nothing_else_is_taken_from_the_call() {
    let policy = Policy::builtin();
    let outcome = policy.decide(
        &verdict(&[(ThreatCategory::Secret, 90)]),
        &CallFacts::default(),
    );
    assert_eq!(outcome.constraints.redact, [ThreatCategory::Secret]);
    assert!(!outcome.constraints.drop_tools && outcome.constraints.max_output_tokens.is_none());
}

#[test]
fn shadow_mode_forwards_and_says_what_would_have_happened() {
    let policy = Policy::parse("{version: 1, id: p, revision: '1', mode: shadow}").unwrap();
    let outcome = policy.decide(
        &verdict(&[(ThreatCategory::Jailbreak, 95)]),
        &CallFacts::default(),
    );
    assert_eq!(
        (outcome.decision, outcome.would_decision),
        (Decision::Log, Decision::Block)
    );
    assert!(!outcome.enforced);
}

#[test]
fn what_could_not_be_judged_is_never_just_allowed() {
    let policy = Policy::builtin();
    for (reason, expected) in [
        (UnjudgedReason::Media, Decision::Log),
        (UnjudgedReason::TooLarge, Decision::Block),
    ] {
        let verdict = Verdict {
            unjudged: vec![Unjudged {
                path: String::new(),
                reason,
                what: None,
                bytes: None,
            }],
            ..Verdict::default()
        };
        let outcome = policy.decide(&verdict, &CallFacts::default());
        assert_eq!(outcome.decision, expected, "{reason:?}");
        assert_eq!(outcome.reason, ReasonCode::Unjudged);
    }
}

#[test]
fn a_route_can_deviate() {
    let text = "
version: 1
id: p
revision: '1'
routes:
  - match: { model: 'lab-*' }
    mode: shadow
  - match: { path_prefix: /internal }
    thresholds: { log: 10, constrain: 20, block: 30 }
";
    let policy = Policy::parse(text).unwrap();
    let verdict = verdict(&[(ThreatCategory::Jailbreak, 35)]);
    for (facts, expected) in [
        (
            CallFacts {
                model: "lab-7",
                ..CallFacts::default()
            },
            Decision::Log,
        ),
        (
            CallFacts {
                path: "/internal/v1",
                ..CallFacts::default()
            },
            Decision::Block,
        ),
        (CallFacts::default(), Decision::Log),
    ] {
        assert_eq!(
            policy.decide(&verdict, &facts).decision,
            expected,
            "{facts:?}"
        );
    }
}

#[test]
fn mistakes_are_told_with_place_and_remedy() {
    for (text, code, help) in [
        (
            "version: 1\nid: p\nrevision: '1'\nmdoe: shadow\n",
            "YAML002",
            "did you mean `mode`?",
        ),
        (
            "version: 2\nid: p\nrevision: '1'\n",
            "POL001",
            "reads version 1",
        ),
        (
            "version: 1\nid: p\nrevision: '1'\nthresholds: {log: 90, constrain: 60, block: 80}\n",
            "POL001",
            "log <= constrain",
        ),
        ("version: 1\nrevision: '1'\n", "YAML004", "add `id:`"),
    ] {
        let diagnostics = Policy::parse(text).unwrap_err();
        assert_eq!(diagnostics[0].code, code, "{diagnostics:?}");
        let said = diagnostics[0].help.clone().unwrap_or_default();
        assert!(said.contains(help), "{said}");
    }
}
