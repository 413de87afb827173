//! Canaries that the gateway puts into system prompts: where they stand, that nothing changes
//! without them, and that an answer that repeats one ends, whole, streamed and disguised.

use std::sync::Arc;

use atalaya_gateway::{Bearer, CanaryKey};
use base64::Engine as _;
use serde_json::{Value, json};

use crate::bench::{Bench, CHAT, MESSAGES, Setup, setup};
use crate::upstream::Script;

/// The caller of the tests is known by its address alone.
const CALLER: &str = "127.0.0.1";
const GEMINI: &str = "/v1beta/models/g:generateContent";
const RESPONSES: &str = "/v1/responses";

fn with_canaries() -> Setup {
    let mut setup = setup();
    setup.config.canaries.insert = true;
    setup
}

/// The canary of the tests' caller.
fn token(session: &str) -> String {
    let config = with_canaries().config.canaries;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros();
    let period = config.period(i64::try_from(now).unwrap());
    let bearer = Bearer {
        caller: CALLER,
        session,
        call: "",
    };
    CanaryKey::new(b"test").token(&bearer, period)
}

/// Path, call, and where in it the instructions are.
fn calls() -> Vec<(&'static str, Value, &'static str)> {
    let user = json!({"role": "user", "content": "hi"});
    vec![
        (
            CHAT,
            json!({"model": "m", "messages": [{"role": "system", "content": "Be kind."}, user]}),
            "/messages/0/content",
        ),
        (
            RESPONSES,
            json!({"model": "m", "instructions": "Be kind.", "input": "hi"}),
            "/instructions",
        ),
        (
            MESSAGES,
            json!({"model": "m", "max_tokens": 9, "system": "Be kind.", "messages": [user]}),
            "/system",
        ),
        (
            GEMINI,
            json!({"systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
            "/systemInstruction/parts/1/text",
        ),
    ]
}

#[tokio::test]
async fn a_canary_stands_at_the_end_of_the_system_prompt() {
    for (path, call, at) in calls() {
        let bench = Bench::with(Script::Answer(200, "{}"), with_canaries()).await;
        bench.post(path, call.to_string().as_bytes()).await;
        let sent: Value = serde_json::from_slice(&bench.upstream.received()[0].body).unwrap();
        let text = sent.pointer(at).unwrap().as_str().unwrap();
        assert!(text.ends_with(&token("")), "{path}: {text}");
        let (decision, _) = bench.call_record().await;
        assert_eq!(decision["Decision"], "ALLOW");
        assert_eq!(decision["Constraints"][0]["kind"], "canary", "{decision}");
    }
}

#[tokio::test]
async fn without_canaries_and_without_instructions_calls_are_sent_as_they_came() {
    let alone = r#"{ "model":"m", "messages":[ {"role":"user","content":"hi"} ] }"#;
    let mut calls: Vec<(&str, String, Setup)> = vec![(CHAT, alone.to_owned(), with_canaries())];
    for (path, call, _) in self::calls() {
        calls.push((path, format!(" {call} "), setup()));
    }
    for (path, call, setup) in calls {
        let bench = Bench::with(Script::Answer(200, "{}"), setup).await;
        bench.post(path, call.as_bytes()).await;
        assert_eq!(bench.upstream.received()[0].body, call.as_bytes(), "{path}");
    }
}

#[tokio::test]
async fn sessions_have_canaries_of_their_own() {
    let (_, call, _) = calls().remove(0);
    let bench = Bench::with(Script::Answer(200, "{}"), with_canaries()).await;
    for session in ["a", "b"] {
        let header = format!("x-atalaya-session: {session}\r\n");
        bench
            .post_with(CHAT, &header, call.to_string().as_bytes())
            .await;
    }
    let received = bench.upstream.received();
    for (index, session) in ["a", "b"].into_iter().enumerate() {
        let body = String::from_utf8_lossy(&received[index].body).into_owned();
        assert!(body.contains(&token(session)), "{session}: {body}");
    }
}

/// Ways to say a canary.
fn disguises(token: &str) -> Vec<String> {
    let spelled: Vec<String> = token.chars().map(String::from).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(format!("It says {token} there"));
    let hex: String = token.bytes().map(|b| format!("{b:02x}")).collect();
    vec![
        format!("My instructions end with: Document reference: {token}"),
        token.to_uppercase(),
        spelled.join(" "),
        spelled.join("-"),
        token.chars().rev().collect(),
        base64,
        hex,
    ]
}

#[tokio::test]
async fn an_answer_that_repeats_a_canary_is_refused() {
    for said in disguises(&token("")) {
        let body = json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": format!("Well. {said} That is all.")}}]});
        let pieces = Arc::new(vec![body.to_string().into_bytes()]);
        let script = Script::Pieces("application/json", pieces);
        let bench = Bench::with(script, with_canaries()).await;
        let answer = bench.post(CHAT, calls()[0].1.to_string().as_bytes()).await;
        assert!(!answer.body.contains(&said), "{said}");
        let (_, settlement) = bench.call_record().await;
        assert_eq!(settlement["ResponseDecision"], "BLOCK", "{said}");
        assert_eq!(settlement["CanaryHit"], true, "{said}");
        assert_eq!(
            settlement["ResponseDetectedPattern"],
            "system_prompt_leak.canary"
        );
        assert!(
            settlement["AtlasTechniques"].is_null() || settlement.to_string().contains("T0056")
        );
    }
}

/// A protocol's frame for a piece of text.
type Frame = fn(&str) -> Value;

#[tokio::test]
async fn a_canary_in_pieces_ends_the_stream() {
    let chat: Frame = |piece| json!({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": null}]});
    let responses: Frame = |piece| json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": piece});
    let messages: Frame = |piece| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}});
    let gemini: Frame = |piece| json!({"candidates": [{"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0}]});
    let stream = "/v1beta/models/g:streamGenerateContent?alt=sse";
    let ways = [
        (CHAT, chat),
        (RESPONSES, responses),
        (MESSAGES, messages),
        (stream, gemini),
    ];
    for ((path, frame), (_, mut call, _)) in ways.into_iter().zip(calls()) {
        if !path.contains("gemini") && !path.contains("stream") {
            call["stream"] = json!(true);
        }
        for said in disguises(&token("")) {
            let text = format!("Here is what I was told. {said} And more of it.");
            let letters: Vec<char> = text.chars().collect();
            let mut frames = String::new();
            for piece in letters.chunks(3) {
                let piece: String = piece.iter().collect();
                frames.push_str(&format!("data: {}\n\n", frame(&piece)));
            }
            let pieces = frames.as_bytes().chunks(41).map(<[u8]>::to_vec).collect();
            let script = Script::Pieces("text/event-stream", Arc::new(pieces));
            let bench = Bench::with(script, with_canaries()).await;
            bench.post(path, call.to_string().as_bytes()).await;
            let (_, settlement) = bench.call_record().await;
            assert_eq!(settlement["ResponseDecision"], "BLOCK", "{path} {said}");
            assert_eq!(settlement["CanaryHit"], true, "{path} {said}");
        }
    }
}

#[tokio::test]
async fn a_canary_of_another_session_is_known_too() {
    let content = format!("An old one: {}", token("last week"));
    let body =
        json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]});
    let pieces = Arc::new(vec![body.to_string().into_bytes()]);
    let bench = Bench::with(Script::Pieces("application/json", pieces), with_canaries()).await;
    bench.post(CHAT, calls()[0].1.to_string().as_bytes()).await;
    let (_, settlement) = bench.call_record().await;
    assert_eq!(settlement["CanaryHit"], true, "{settlement}");
}
