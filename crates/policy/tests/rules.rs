//! Rules, allowlist, tools and conversations, as an operator writes them.

#![allow(
    clippy::panic,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

use atalaya_model::{Decision, Finding, SegmentKind, Span, ThreatCategory, Timestamp, Verdict};
use atalaya_policy::{CallContext, CallFacts, Outcome, Policy, ToolAction};
use serde_json::json;

const HEAD: &str = "version: 1\nid: own\nrevision: '1'\n";

fn policy(rest: &str) -> Policy {
    Policy::parse(&format!("{HEAD}{rest}")).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn found(category: ThreatCategory, score: u8) -> Verdict {
    Verdict {
        score,
        findings: vec![Finding {
            category,
            score,
            rule: "test.rule".into(),
            segment: 0,
            kind: SegmentKind::User,
            span: Span::new(0, 1),
            atlas: std::borrow::Cow::Borrowed(&[]),
        }],
        ..Verdict::default()
    }
}

fn decide<'p>(policy: &'p Policy, verdict: &Verdict, call: &CallContext<'_>) -> Outcome<'p> {
    let facts = CallFacts {
        protocol: "openai.chat",
        model: "gpt-5",
        ..CallFacts::default()
    };
    policy.decide_call(verdict, &facts, call)
}

/// 2026-11-27T03:30:00Z, a Friday.
const NIGHT: Timestamp = Timestamp(1_795_750_200_000_000);

#[test]
fn rules_hold_by_match_and_condition_and_say_which() {
    for (rule, expected) in [
        ("match: {model: 'gpt-*'}", Decision::Block),
        ("match: {model: 'claude-*'}", Decision::Allow),
        ("match: {caller: ana, team: red}", Decision::Block),
        ("match: {caller: eva}", Decision::Allow),
        ("match: {tool: 'send_*'}", Decision::Block),
        ("match: {category: secret}", Decision::Allow),
        (
            "when: 'call.caller == \"ana\" && call.tools.exists(t, t.startsWith(\"send\"))'",
            Decision::Block,
        ),
        (
            "when: 'time.hour < 6 && time.weekday == 5'",
            Decision::Block,
        ),
        ("when: 'time.hour >= 6'", Decision::Allow),
        ("when: 'findings.size() > 0'", Decision::Allow),
        (
            "when: 'session.score >= 40 && !session.tainted'",
            Decision::Block,
        ),
        (
            "when: 'call.model.matches(\"^gpt-[0-9]$\")'",
            Decision::Block,
        ),
    ] {
        let text = format!("rules:\n  - id: r1\n    decision: BLOCK\n    {rule}\n");
        let policy = policy(&text);
        let call = CallContext {
            caller: "ana",
            team: "red",
            tools: &["send_mail"],
            now: NIGHT,
            session_score: 45,
            ..CallContext::default()
        };
        let outcome = decide(&policy, &Verdict::default(), &call);
        assert_eq!(outcome.decision, expected, "{rule}");
        assert_eq!(
            outcome.rule.is_some(),
            expected == Decision::Block,
            "{rule}"
        );
    }
}

#[test]
fn a_shadowed_rule_only_says_what_it_would_do() {
    let policy = policy(
        "rules:\n  - {id: r1, decision: BLOCK, mode: shadow}\n  - {id: r2, decision: CONSTRAIN}\n",
    );
    let outcome = decide(&policy, &Verdict::default(), &CallContext::default());
    assert_eq!(outcome.decision, Decision::Constrain);
    assert_eq!(outcome.would_decision, Decision::Block);
    assert_eq!(outcome.rule, Some("r1"));
}

#[test]
fn mistakes_in_conditions_are_found_when_the_file_is_read() {
    for (when, expected) in [
        ("call.caler == \"x\"", "caler"),
        ("nobody == 1", "nobody"),
        ("call.caller", "true or false"),
        ("call.caller ==", "r1"),
    ] {
        let text = format!("{HEAD}rules:\n  - id: r1\n    decision: LOG\n    when: '{when}'\n");
        let problems = Policy::parse(&text).unwrap_err();
        let message = format!("{problems:?}");
        assert!(message.contains(expected), "{when}: {message}");
    }
    for text in [
        "rules: [{id: a, decision: LOG}, {id: a, decision: LOG}]",
        "allowlist: [{fingerprint: x, expires: soon, author: a, reason: b}]",
        "allowlist: [{fingerprint: x, expires: 2026-01-01, author: '', reason: b}]",
        "sessions: {thresholds: {log: 90, block: 10}}",
    ] {
        assert!(Policy::parse(&format!("{HEAD}{text}\n")).is_err(), "{text}");
    }
}

#[test]
fn an_allowed_finding_counts_until_its_end_and_for_its_callers_only() {
    let policy = policy(
        "allowlist:\n  - {fingerprint: f1, expires: 2026-12-01, author: ana, reason: known text, caller: 'bot-*'}\n",
    );
    let fingerprints = ["f1".to_owned()];
    let verdict = found(ThreatCategory::PromptInjection, 95);
    for (caller, now, expected) in [
        ("bot-1", NIGHT, Decision::Allow),
        ("eva", NIGHT, Decision::Block),
        (
            "bot-1",
            Timestamp(NIGHT.0 + 30 * 86_400_000_000),
            Decision::Block,
        ),
    ] {
        let call = CallContext {
            caller,
            now,
            fingerprints: &fingerprints,
            ..CallContext::default()
        };
        assert_eq!(
            decide(&policy, &verdict, &call).decision,
            expected,
            "{caller}"
        );
    }
    let other = ["f2".to_owned()];
    let call = CallContext {
        caller: "bot-1",
        now: NIGHT,
        fingerprints: &other,
        ..CallContext::default()
    };
    assert_eq!(decide(&policy, &verdict, &call).decision, Decision::Block);
}

#[test]
fn tools_are_allowed_denied_and_checked_by_their_arguments() {
    let policy = policy(
        "tools:\n  allow: ['read_*', send_mail, pay]\n  deny: [read_secrets]\n  rules:\n    - {id: t1, tool: send_mail, when: '!arguments.to.endsWith(\"@example.com\")'}\n    - {id: t2, tool: pay, decision: BLOCK, approval: {style: hold, timeout_s: 5}}\n",
    );
    let action = |name: &str, arguments: serde_json::Value| ToolAction {
        name: name.into(),
        arguments,
    };
    for (offered, executed, expected, rule) in [
        (&["read_file"][..], None, Decision::Allow, None),
        (
            &["read_file", "read_secrets"],
            None,
            Decision::Block,
            Some("tools"),
        ),
        (&["exec"], None, Decision::Block, Some("tools")),
        (&["send_mail"], None, Decision::Allow, None),
        (&["pay"], None, Decision::Allow, None),
        (
            &[],
            Some(action("send_mail", json!({"to": "a@example.com"}))),
            Decision::Allow,
            None,
        ),
        (
            &[],
            Some(action("send_mail", json!({"to": "a@evil.test"}))),
            Decision::Block,
            Some("t1"),
        ),
        (
            &[],
            Some(action("send_mail", json!({"cc": "a@example.com"}))),
            Decision::Block,
            Some("t1"),
        ),
        (
            &[],
            Some(action("send_mail", json!(null))),
            Decision::Block,
            Some("t1"),
        ),
        (
            &[],
            Some(action("pay", json!({}))),
            Decision::Block,
            Some("t2"),
        ),
    ] {
        let actions: Vec<ToolAction> = executed.into_iter().collect();
        let call = CallContext {
            tools: offered,
            actions: &actions,
            ..CallContext::default()
        };
        let outcome = decide(&policy, &Verdict::default(), &call);
        assert_eq!(
            (outcome.decision, outcome.rule),
            (expected, rule),
            "{offered:?} {actions:?}"
        );
        let approved = outcome.approval.map(|(_, _, otherwise)| otherwise);
        assert_eq!(approved, (rule == Some("t2")).then_some(Decision::Allow));
    }
}

#[test]
fn conversations_add_up_and_tainted_ones_lose_the_tools_that_reach_out() {
    let policy = Policy::builtin();
    for (score, expected) in [
        (49, Decision::Allow),
        (50, Decision::Log),
        (80, Decision::Constrain),
        (95, Decision::Block),
    ] {
        let call = CallContext {
            session_score: score,
            ..CallContext::default()
        };
        assert_eq!(
            decide(&policy, &Verdict::default(), &call).decision,
            expected,
            "{score}"
        );
    }
    let send = [ToolAction {
        name: "Send_Email".into(),
        arguments: json!({}),
    }];
    for (tools, actions, expected) in [
        (&["read_file"][..], &[][..], Decision::Allow),
        (&["read_file", "send_email"], &[], Decision::Constrain),
        (&[], &send[..], Decision::Block),
    ] {
        let call = CallContext {
            tools,
            actions,
            is_tainted: true,
            ..CallContext::default()
        };
        let outcome = decide(&policy, &Verdict::default(), &call);
        assert_eq!(outcome.decision, expected, "{tools:?}");
        assert_eq!(
            outcome.constraints.drop_tools,
            expected == Decision::Constrain
        );
    }
}
