//! Who or what is stopped, isolated, slowed down or weakened, from the next call on.

use atalaya_access::{Effect, Enforcement, RateLimit, Snapshot, Subject, SubjectKind};
use atalaya_model::{Constraints, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::bench::{ANSWER, ATTACK, Bench, CHAT, chat, setup};
use crate::callers::key;
use crate::upstream::Script;

fn enforcement(kind: SubjectKind, value: &str, effect: Effect) -> Enforcement {
    Enforcement {
        id: format!("enf-{}", kind.as_str()),
        subject: Subject {
            kind,
            value: value.into(),
        },
        effect,
        reason: "test".into(),
        author: "test".into(),
        created_at: Timestamp::now(),
        expires_at: None,
        lifted_at: None,
        lifted_by: None,
        case_id: None,
    }
}

const CALL: &str = r#"{"model":"m-1","user":"uma","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"send_mail","parameters":{}}}]}"#;

/// The answer's status and the decision.
async fn ask(enforcements: Vec<Enforcement>, body: &[u8]) -> (u16, Value, usize) {
    let (mut key, secret) = key("key_1", "ana");
    key.team = "red".into();
    key.agent = "crawler".into();
    let setup = setup();
    setup
        .access
        .replace(Snapshot::new(vec![key], enforcements, Vec::new()));
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let headers = format!("x-atalaya-key: {secret}\r\nx-atalaya-session: s-1\r\n");
    let answer = bench.post_with(CHAT, &headers, body).await;
    let (decision, _) = bench.call_record().await;
    (answer.status, decision, bench.upstream.received().len())
}

#[tokio::test]
async fn every_kind_of_subject_can_be_blocked() {
    let input = Sha256::digest(CALL.as_bytes())
        .iter()
        .fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
    for (kind, value) in [
        (SubjectKind::Input, input.as_str()),
        (SubjectKind::Caller, "ana"),
        (SubjectKind::Team, "red"),
        (SubjectKind::Key, "key_1"),
        (SubjectKind::Session, "s-1"),
        (SubjectKind::Address, "127.0.0.0/8"),
        (SubjectKind::Agent, "crawler"),
        (SubjectKind::Tool, "send_*"),
        (SubjectKind::Model, "m-1"),
    ] {
        let stopped = enforcement(kind, value, Effect::Block);
        let id = stopped.id.clone();
        let (status, decision, forwarded) = ask(vec![stopped], CALL.as_bytes()).await;
        assert_eq!((status, forwarded), (403, 0), "{value} {decision}");
        assert_eq!(decision["Decision"], "BLOCK", "{value}");
        assert_eq!(decision["ReasonCode"], "enforcement");
        assert_eq!(decision["EnforcementId"], id);
        let other = enforcement(kind, "somebody-else", Effect::Block);
        let (status, ..) = ask(vec![other], CALL.as_bytes()).await;
        assert_eq!(status, 200, "{value}");
    }
}

#[tokio::test]
async fn what_has_ended_does_not_hold() {
    let mut expired = enforcement(SubjectKind::Caller, "ana", Effect::Block);
    expired.expires_at = Some(Timestamp(1));
    let mut lifted = enforcement(SubjectKind::Key, "key_1", Effect::Block);
    lifted.lifted_at = Some(Timestamp(1));
    assert_eq!(ask(vec![expired, lifted], CALL.as_bytes()).await.0, 200);
}

#[tokio::test]
async fn a_quarantined_caller_is_judged_and_logged_and_goes_nowhere() {
    let isolated = enforcement(SubjectKind::Caller, "ana", Effect::Quarantine);
    let (status, decision, forwarded) = ask(vec![isolated], &chat(ATTACK)).await;
    assert_eq!((status, forwarded), (403, 0));
    assert_eq!(decision["ReasonCode"], "quarantine");
    assert!(
        decision["ThreatScore"].as_u64().unwrap() >= 80,
        "{decision}"
    );
    assert!(decision["Findings"].is_array());
}

#[tokio::test]
async fn a_constrained_caller_is_weakened_also_without_a_finding() {
    let constraints = Constraints {
        max_output_tokens: Some(16),
        drop_tools: true,
        ..Constraints::default()
    };
    let weakened = enforcement(
        SubjectKind::Session,
        "s-1",
        Effect::Constrain { constraints },
    );
    let (status, decision, forwarded) = ask(vec![weakened], CALL.as_bytes()).await;
    assert_eq!((status, forwarded), (200, 1));
    assert_eq!(decision["Decision"], "CONSTRAIN");
    assert_eq!(decision["ReasonCode"], "enforcement");
    let kinds: Vec<&str> = decision["Constraints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["max_output_tokens", "drop_tools"]);
}

#[tokio::test]
async fn an_enforced_rate_holds_from_the_next_call_and_ends_with_the_enforcement() {
    let setup = setup();
    let access = std::sync::Arc::clone(&setup.access);
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let ask = async || bench.post(CHAT, CALL.as_bytes()).await.status;
    assert_eq!(ask().await, 200);
    for (kind, value) in [
        (SubjectKind::Address, "127.0.0.1"),
        (SubjectKind::Model, "m-*"),
    ] {
        let rate = Effect::RateLimit(RateLimit {
            requests_per_minute: 2,
        });
        let slowed = enforcement(kind, value, rate);
        access.replace(Snapshot::new(Vec::new(), vec![slowed], Vec::new()));
        assert_eq!(
            [ask().await, ask().await, ask().await],
            [200, 200, 429],
            "{value}"
        );
    }
    access.replace(Snapshot::default());
    assert_eq!(ask().await, 200);
}

#[tokio::test]
async fn the_protocols_own_user_can_be_stopped_where_nobody_authenticates() {
    let setup = setup();
    let stopped = enforcement(SubjectKind::Caller, "uma", Effect::Block);
    setup
        .access
        .replace(Snapshot::new(Vec::new(), vec![stopped], Vec::new()));
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    assert_eq!(bench.post(CHAT, CALL.as_bytes()).await.status, 403);
    assert_eq!(
        bench
            .post(
                CHAT,
                json!({"model": "m-1", "messages": []})
                    .to_string()
                    .as_bytes()
            )
            .await
            .status,
        200
    );
}
