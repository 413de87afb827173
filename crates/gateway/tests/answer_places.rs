//! Where texts stand in answers besides the plain one: further choices, refusals, reasoning,
//! transcripts, citations, results of the provider's tools. A secret is masked in each of them, and
//! what nobody can read is said to be unread.

use std::sync::Arc;

use atalaya_wire::aws_event;
use serde_json::{Value, json};

use crate::bench::{Bench, CHAT, MESSAGES, setup};
use crate::upstream::Script;

const SECRET: &str = "AKIAIOSFODNN7EXAMPLQ";

fn request(path: &str) -> Value {
    let messages = json!([{"role": "user", "content": "hi"}]);
    match path {
        CHAT => json!({"model": "m", "stream": true, "messages": messages}),
        MESSAGES => json!({"model": "m", "max_tokens": 9, "stream": true, "messages": messages}),
        "/v1/responses" => json!({"model": "m", "input": "hi", "stream": true}),
        "/mcp" => {
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "f", "arguments": {}}})
        }
        "/a2a" => {
            json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": {"parts": []}}})
        }
        "/model/m/converse" => json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}),
        "/api/chat" => json!({"model": "m", "stream": false, "messages": messages}),
        _ => json!({"contents": [{"parts": [{"text": "hi"}]}]}),
    }
}

/// Path, place, whole answer.
#[expect(clippy::too_many_lines, reason = "a table")]
fn wholes() -> Vec<(&'static str, &'static str, Value)> {
    let said = format!("the key is {SECRET}, use it");
    let choice = |message: Value| json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}}, {"index": 1, "message": message}]});
    let block = |block: Value| json!({"type": "message", "content": [{"type": "text", "text": "fine"}, block]});
    let item = |item: Value| json!({"object": "response", "output": [item]});
    let part = |part: Value| json!({"candidates": [{"content": {"parts": [part]}}]});
    let rpc = |result: Value| json!({"jsonrpc": "2.0", "id": 1, "result": result});
    let google = "/v1beta/models/g:generateContent";
    vec![
        (CHAT, "a further choice", choice(json!({"content": said}))),
        (
            CHAT,
            "a refusal",
            choice(json!({"content": null, "refusal": said})),
        ),
        (
            CHAT,
            "reasoning",
            choice(json!({"content": "a", "reasoning_content": said})),
        ),
        (
            CHAT,
            "details of reasoning",
            choice(json!({"reasoning_details": [{"type": "reasoning.text", "text": said}]})),
        ),
        (
            CHAT,
            "a transcript",
            choice(json!({"audio": {"id": "a", "data": "AAAA", "transcript": said}})),
        ),
        (
            CHAT,
            "a citation",
            choice(
                json!({"content": "a", "annotations": [{"type": "url_citation", "url_citation": {"title": said, "url": "https://e.example"}}]}),
            ),
        ),
        (
            CHAT,
            "arguments",
            choice(
                json!({"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": json!({"x": said}).to_string()}}]}),
            ),
        ),
        (
            CHAT,
            "a member that nobody knows",
            choice(json!({"content": "a", "aside": {"b": [said]}})),
        ),
        (CHAT, "an error", json!({"error": {"message": said}})),
        (
            MESSAGES,
            "thinking",
            block(json!({"type": "thinking", "thinking": said, "signature": "x"})),
        ),
        (
            MESSAGES,
            "a citation",
            block(json!({"type": "text", "text": "a", "citations": [{"cited_text": said}]})),
        ),
        (
            MESSAGES,
            "a result of the provider's tools",
            block(json!({"type": "bash_code_execution_tool_result", "content": {"stdout": said}})),
        ),
        (
            MESSAGES,
            "a page that was fetched",
            block(
                json!({"type": "web_fetch_tool_result", "content": {"content": {"type": "document", "source": {"type": "text", "data": said}}}}),
            ),
        ),
        (
            MESSAGES,
            "input of a tool",
            block(json!({"type": "tool_use", "name": "f", "input": {"a": [said]}})),
        ),
        (
            "/v1/responses",
            "a summary",
            item(json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": said}]})),
        ),
        (
            "/v1/responses",
            "a refusal",
            item(json!({"type": "message", "content": [{"type": "refusal", "refusal": said}]})),
        ),
        (
            "/v1/responses",
            "an annotation",
            item(
                json!({"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": [{"title": said}]}]}),
            ),
        ),
        (
            "/v1/responses",
            "output of a server",
            item(json!({"type": "mcp_call", "name": "f", "output": said})),
        ),
        (
            "/v1/responses",
            "what was found in files",
            item(json!({"type": "file_search_call", "results": [{"text": said}]})),
        ),
        (
            "/v1/responses",
            "an item that nobody knows",
            item(json!({"type": "dream", "content": said})),
        ),
        (
            google,
            "a thought",
            part(json!({"text": said, "thought": true})),
        ),
        (
            google,
            "a call",
            part(json!({"functionCall": {"name": "f", "args": {"x": said}}})),
        ),
        (
            google,
            "output of code",
            part(json!({"codeExecutionResult": {"output": said}})),
        ),
        (
            "/model/m/converse",
            "reasoning",
            json!({"output": {"message": {"content": [{"reasoningContent": {"reasoningText": {"text": said}}}]}}}),
        ),
        (
            "/api/chat",
            "thinking",
            json!({"message": {"content": "a", "thinking": said}, "done": true}),
        ),
        (
            "/mcp",
            "a result",
            rpc(json!({"content": [{"type": "text", "text": said}]})),
        ),
        (
            "/mcp",
            "structured content",
            rpc(json!({"structuredContent": {"a": said}})),
        ),
        (
            "/mcp",
            "an error",
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": said}}),
        ),
        (
            "/a2a",
            "an artifact",
            rpc(
                json!({"kind": "task", "artifacts": [{"parts": [{"kind": "text", "text": said}]}]}),
            ),
        ),
        (
            "/a2a",
            "data",
            rpc(json!({"kind": "message", "parts": [{"kind": "data", "data": {"x": said}}]})),
        ),
    ]
}

#[tokio::test]
async fn a_secret_is_masked_wherever_it_stands_in_an_answer() {
    for (path, place, body) in wholes() {
        let at = format!("{path} {place}");
        let (bench, answer) = answered(path, &body).await;
        assert_eq!(answer.status, 200, "{at}: {answer:?}");
        let masked = body.to_string().replace(SECRET, "[REDACTED:secret]");
        let masked: Value = serde_json::from_str(&masked).unwrap();
        assert_eq!(answer.json(), masked, "{at}");
        assert_eq!(
            bench.call_record().await.1["ResponseDecision"],
            "CONSTRAIN",
            "{at}"
        );
    }
}

#[tokio::test]
async fn a_secret_is_masked_in_every_choice_and_kind_of_text_of_a_stream() {
    let delta = |index: usize, delta: Value| json!({"choices": [{"index": index, "delta": delta, "finish_reason": null}]});
    type Frame<'a> = &'a dyn Fn(&str) -> Value;
    let further = |piece: &str| delta(1, json!({"content": piece}));
    let refusal = |piece: &str| delta(0, json!({"refusal": piece}));
    let thought = |piece: &str| delta(0, json!({"reasoning_content": piece}));
    let spoken = |piece: &str| delta(0, json!({"audio": {"transcript": piece}}));
    let frames: [(&str, Frame<'_>); 4] = [
        ("a further choice", &further),
        ("a refusal", &refusal),
        ("reasoning", &thought),
        ("a transcript", &spoken),
    ];
    for (place, frame) in frames {
        let text = format!("the key is {SECRET}, use it.");
        let mut events = String::new();
        for piece in text.as_bytes().chunks(4) {
            // Another text comes in between, all the time.
            let other = delta(0, json!({"content": "fine "}));
            let piece = frame(std::str::from_utf8(piece).unwrap());
            events.push_str(&format!("data: {other}\n\ndata: {piece}\n\n"));
        }
        events.push_str("data: [DONE]\n\n");
        let script = Script::Pieces("text/event-stream", Arc::new(vec![events.into_bytes()]));
        let bench = Bench::with(script, setup()).await;
        let answer = bench.post(CHAT, request(CHAT).to_string().as_bytes()).await;
        assert!(
            answer.body.contains("[REDACTED:secret]"),
            "{place}: {}",
            answer.body
        );
        for piece in ["IOSF", "ODNN7", "PLQ"] {
            assert!(!answer.body.contains(piece), "{place}: {}", answer.body);
        }
        assert_eq!(bench.call_record().await.1["ResponseMasked"], 1, "{place}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_in_an_answer_is_said() {
    for (path, what, body) in [
        (
            CHAT,
            "audio",
            json!({"choices": [{"message": {"audio": {"data": "AAAA"}}}]}),
        ),
        (
            CHAT,
            "image",
            json!({"choices": [{"message": {"images": [{"image_url": {"url": "data:image/png;base64,AAAA"}}]}}]}),
        ),
        (
            MESSAGES,
            "redacted_thinking",
            json!({"content": [{"type": "redacted_thinking", "data": "AAAA"}]}),
        ),
        (
            MESSAGES,
            "encrypted_content",
            json!({"content": [{"type": "web_search_tool_result", "content": [{"title": "a", "encrypted_content": "RU5D"}]}]}),
        ),
        (
            MESSAGES,
            "container_upload",
            json!({"content": [{"type": "container_upload", "file_id": "f"}]}),
        ),
        (
            "/v1/responses",
            "encrypted_content",
            json!({"output": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}]}),
        ),
        (
            "/v1/responses",
            "dream",
            json!({"output": [{"type": "dream"}]}),
        ),
        (
            "/mcp",
            "blob",
            json!({"jsonrpc": "2.0", "id": 1, "result": {"contents": [{"uri": "a:b", "blob": "AAAA"}]}}),
        ),
        (
            "/a2a",
            "file",
            json!({"jsonrpc": "2.0", "id": 1, "result": {"parts": [{"kind": "file", "file": {"uri": "https://e.example/a"}}]}}),
        ),
    ] {
        let (bench, answer) = answered(path, &body).await;
        assert_eq!(answer.status, 200, "{path} {what}");
        let (_, settled) = bench.call_record().await;
        let unjudged = settled["ResponseUnjudged"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert!(
            unjudged.iter().any(|part| part["what"] == what),
            "{path} {what}: {settled}"
        );
        assert_ne!(settled["ResponseDecision"], "ALLOW", "{path} {what}");
    }
}

/// A message of Amazon's whose checksum is wrong is passed by no reader: nothing of it goes on.
#[tokio::test]
async fn a_binary_event_with_a_wrong_checksum_ends_the_stream() {
    let good = aws_event(
        "contentBlockDelta",
        json!({"contentBlockIndex": 0, "delta": {"text": "fine"}})
            .to_string()
            .as_bytes(),
    );
    let bad = aws_event(
        "contentBlockDelta",
        json!({"contentBlockIndex": 0, "delta": {"text": "hidden"}})
            .to_string()
            .as_bytes(),
    );
    for at in [3, 9, 20, bad.len() - 1] {
        let mut broken = bad.clone();
        broken[at] ^= 1;
        let script = Script::Pieces(
            "application/vnd.amazon.eventstream",
            Arc::new(vec![good.clone(), broken, good.clone()]),
        );
        let bench = Bench::with(script, setup()).await;
        let answer = bench
            .post(
                "/model/m/converse-stream",
                request("/model/m/converse").to_string().as_bytes(),
            )
            .await;
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("hidden"), "{at}: {}", answer.body);
        let (_, settled) = bench.call_record().await;
        assert_eq!(settled["ResponseDecision"], "BLOCK", "{at} {settled}");
        assert_eq!(
            settled["ResponseUnjudged"][0]["reason"], "malformed",
            "{at} {settled}"
        );
    }
}

/// What a caller gets of an answer that comes whole.
async fn answered(path: &str, body: &Value) -> (Bench, crate::bench::Answer) {
    let pieces = Arc::new(vec![body.to_string().into_bytes()]);
    let bench = Bench::with(Script::Pieces("application/json", pieces), setup()).await;
    let answer = bench.post(path, request(path).to_string().as_bytes()).await;
    (bench, answer)
}
