//! What the policy's decisions mean for a call.

use serde_json::{Value, json};

use crate::bench::{ANSWER, ATTACK, Bench, CHAT, MESSAGES, chat, setup};
use crate::upstream::Script;
use atalaya_gateway::config::PromptText;

const ERROR_STYLE: &str =
    "version: 1\nid: e\nrevision: \"1\"\non_block: {style: error, text: \"No.\"}\n";
const SHADOW: &str = "version: 1\nid: s\nrevision: \"1\"\nmode: shadow\n";
const CONSTRAIN_ALL: &str = "version: 1
id: c
revision: \"1\"
thresholds: {log: 1, constrain: 20}
constrain:
  max_output_tokens: 100
  temperature_max: 0.1
  safety_message: Be careful.
  redact: [secret, personal_data]
  drop_tools: true
";

#[tokio::test]
async fn a_blocked_call_gets_a_refusal_in_its_own_protocol_and_never_reaches_the_model() {
    let cases: [(&str, Value, &str, &str); 4] = [
        (
            CHAT,
            json!({"model": "m", "messages": [{"role": "user", "content": ATTACK}]}),
            "/choices/0/finish_reason",
            "content_filter",
        ),
        (
            MESSAGES,
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": ATTACK}]}),
            "/stop_reason",
            "refusal",
        ),
        (
            CHAT,
            json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": ATTACK}]}),
            "",
            "content_filter",
        ),
        (
            MESSAGES,
            json!({"model": "m", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": ATTACK}]}),
            "",
            "refusal",
        ),
    ];
    for (path, body, pointer, expected) in cases {
        let bench = Bench::start(Script::Answer(200, ANSWER)).await;
        let answer = bench.post(path, body.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200, "{body}");
        if pointer.is_empty() {
            assert!(answer.head.contains("text/event-stream"));
            assert!(answer.body.contains(expected), "{}", answer.body);
        } else {
            assert_eq!(answer.json().pointer(pointer).unwrap(), expected);
        }
        assert!(bench.upstream.received().is_empty(), "{body}");
        let (decision, settlement) = bench.call_record().await;
        assert_eq!(decision["DecisionId"], answer.decision_id());
        assert_eq!(
            (&decision["Decision"], &decision["Enforced"]),
            (&json!("BLOCK"), &json!(true))
        );
        assert_eq!(decision["ThreatDetection"], "prompt_injection");
        assert!(decision["ThreatScore"].as_u64().unwrap() >= 80);
        assert!(
            decision["Atlas"].to_string().contains("AML.T0051"),
            "{decision}"
        );
        assert_eq!(settlement["Outcome"], "refused");
    }
}

#[tokio::test]
async fn findings_point_into_the_body_and_never_repeat_it() {
    let bench = Bench::start(Script::Answer(200, ANSWER)).await;
    let body = String::from_utf8(chat(&format!("My dear, \u{e9}\u{1f600} {ATTACK}"))).unwrap();
    bench.post(CHAT, body.as_bytes()).await;
    let (decision, _) = bench.call_record().await;
    let finding = &decision["Findings"][0];
    let at = |key: &str| usize::try_from(finding[key].as_u64().unwrap()).unwrap();
    let found = &body[at("start")..at("end")];
    assert!(ATTACK.contains(found) && found.len() > 10, "{found:?}");
    assert!(
        !decision.to_string().contains("gnore all previous"),
        "{decision}"
    );
    assert!(decision.get("PromptText").is_none());
}

#[tokio::test]
async fn text_is_stored_only_as_configured() {
    let secret = "my key is AKIAIOSFODNN7EXAMPLQ ok";
    for (prompt_text, has_text, has_secret) in [
        (PromptText::Off, false, false),
        (PromptText::Redacted, true, false),
        (PromptText::Full, true, true),
    ] {
        let mut setup = setup();
        setup.config.prompt_text = prompt_text;
        let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
        bench.post(CHAT, &chat(secret)).await;
        let (decision, _) = bench.call_record().await;
        let text = decision["PromptText"].as_str().unwrap_or("");
        assert_eq!(!text.is_empty(), has_text, "{prompt_text:?}");
        assert_eq!(text.contains("AKIAIOSFODNN7EXAMPLQ"), has_secret, "{text}");
    }
}

#[tokio::test]
async fn an_error_instead_of_a_refusal() {
    for path in [CHAT, MESSAGES] {
        let mut setup = setup();
        setup.policy = ERROR_STYLE;
        let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
        let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": ATTACK}]});
        let answer = bench.post(path, body.to_string().as_bytes()).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["message"], "No.");
        assert!(bench.upstream.received().is_empty());
    }
}

#[tokio::test]
async fn shadow_only_says_what_would_have_happened() {
    let mut setup = setup();
    setup.policy = SHADOW;
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let body = chat(ATTACK);
    let answer = bench.post(CHAT, &body).await;
    assert_eq!(answer.body, ANSWER);
    assert_eq!(bench.upstream.received()[0].body, body);
    let (decision, _) = bench.call_record().await;
    assert_eq!(decision["WouldDecision"], "BLOCK");
    assert_eq!(decision["Enforced"], false);
    assert_ne!(decision["Decision"], "BLOCK");
}

#[tokio::test]
async fn constrain_really_constrains_and_the_body_stays_json() {
    let mut setup = setup();
    setup.policy = CONSTRAIN_ALL;
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let body = json!({
        "model": "m", "max_tokens": 4000, "temperature": 1.5, "keep": [1, {"a": null}],
        "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto",
        "messages": [{"role": "user", "content": "Pay with \"4539 1488 0343 6467\", please"}]});
    let answer = bench.post(CHAT, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200);
    let received = bench.upstream.received();
    let weaker: Value = serde_json::from_slice(&received[0].body).unwrap();
    assert_eq!(weaker["max_tokens"], 100);
    assert_eq!(weaker["temperature"], 0.1);
    assert_eq!(weaker["messages"][0]["role"], "system");
    assert_eq!(weaker["messages"][0]["content"], "Be careful.");
    let said = weaker["messages"][1]["content"].as_str().unwrap();
    assert!(
        said.contains("REDACTED") && !said.contains("4539"),
        "{said}"
    );
    assert!(weaker.get("tools").is_none() && weaker.get("tool_choice").is_none());
    assert_eq!(weaker["keep"], body["keep"]);
    let (decision, _) = bench.call_record().await;
    assert_eq!(decision["Decision"], "CONSTRAIN");
    let kinds = decision["Constraints"].to_string();
    for kind in [
        "max_output_tokens",
        "temperature",
        "safety_message",
        "redact",
        "drop_tools",
    ] {
        assert!(kinds.contains(kind), "{kinds}");
    }
}

#[tokio::test]
async fn every_place_that_a_model_reads_is_judged() {
    let places = [
        (
            CHAT,
            json!([{"role": "tool", "tool_call_id": "c", "content": ATTACK}]),
        ),
        (
            CHAT,
            json!([{"role": "user", "content": [{"type": "text", "text": ATTACK}]}]),
        ),
        (
            CHAT,
            json!([{"role": "user", "content": "hi", "name": ATTACK}]),
        ),
        (
            MESSAGES,
            json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": ATTACK}]}]}]),
        ),
        (
            MESSAGES,
            json!([{"role": "user", "content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": ATTACK}}]}]),
        ),
    ];
    for (path, messages) in places {
        let bench = Bench::start(Script::Answer(200, ANSWER)).await;
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
        bench.post(path, body.to_string().as_bytes()).await;
        assert!(bench.upstream.received().is_empty(), "{messages}");
        assert_eq!(bench.call_record().await.0["Decision"], "BLOCK");
    }
}
