//! Calls that do not pass through: asked about, or told of afterwards.

use serde_json::{Value, json};

use crate::bench::{ANSWER, ATTACK, Answer, Bench, setup};
use crate::callers::key;
use crate::upstream::Script;

async fn evaluate(bench: &Bench, body: &Value) -> Answer {
    bench
        .post("/v1/evaluate", body.to_string().as_bytes())
        .await
}

#[tokio::test]
async fn a_text_a_tool_and_a_whole_call_get_a_decision_and_a_record() {
    let mut setup = setup();
    setup.policy = "version: 1\nid: p\nrevision: '1'\ntools: {deny: [shell]}\n";
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let chat = json!({"model": "m-1", "messages": [{"role": "user", "content": ATTACK}]});
    for (body, decision, reason) in [
        (json!({"text": "hello"}), "ALLOW", "none"),
        (
            json!({"text": ATTACK, "session": "s"}),
            "BLOCK",
            "threshold",
        ),
        (
            json!({"texts": [{"role": "tool_result", "text": ATTACK}]}),
            "BLOCK",
            "threshold",
        ),
        (
            json!({"tool": {"name": "shell", "arguments": {"command": "ls"}}}),
            "BLOCK",
            "tool",
        ),
        (
            json!({"tool": {"name": "read", "arguments": {"path": "a"}}}),
            "ALLOW",
            "none",
        ),
        (
            json!({"call": chat, "path": "/v1/chat/completions"}),
            "BLOCK",
            "threshold",
        ),
    ] {
        let answer = evaluate(&bench, &body).await;
        assert_eq!(answer.status, 200, "{body} {answer:?}");
        let answer = answer.json();
        assert_eq!(answer["decision"], decision, "{body} {answer}");
        assert_eq!(answer["reason"], reason, "{body} {answer}");
        assert!(
            !answer.to_string().contains("Ignore all"),
            "no text comes back"
        );
    }
    let records = bench.records(12).await;
    let decided: Vec<&Value> = records
        .iter()
        .filter(|r| r.get("Decision").is_some())
        .collect();
    assert_eq!((records.len(), decided.len()), (12, 6));
    assert_eq!(decided[1]["Protocol"], "atalaya.evaluate");
    assert_eq!(decided[1]["SessionId"], "s");
    assert_eq!(decided[5]["Protocol"], "openai.chat");
    assert!(
        records
            .iter()
            .any(|record| record["Outcome"] == "evaluated")
    );
    assert!(bench.upstream.received().is_empty());
}

#[tokio::test]
async fn what_cannot_be_evaluated_is_refused_and_logged() {
    let bench = Bench::start(Script::Answer(200, ANSWER)).await;
    for body in [
        json!({}),
        json!({"text": "a", "texts": [{"role": "user", "text": "b"}]}),
        json!({"txt": "a"}),
        json!({"call": {"model": "m"}, "path": "/nowhere"}),
        json!({"call": {"messages": 7}}),
    ] {
        assert_eq!(evaluate(&bench, &body).await.status, 400, "{body}");
    }
    let records = bench.records(10).await;
    assert_eq!(
        records.iter().filter(|r| r["Decision"] == "BLOCK").count(),
        5
    );
}

#[tokio::test]
async fn evaluating_needs_a_key_where_calling_does() {
    let (key, _) = key("key_1", "ana");
    let setup = setup();
    setup.access.replace(atalaya_access::Snapshot::new(
        vec![key],
        Vec::new(),
        Vec::new(),
    ));
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    assert_eq!(
        evaluate(&bench, &json!({"text": "hello"})).await.status,
        401
    );
    let told = bench.post("/v1/traces", br#"{"resourceSpans":[]}"#).await;
    assert_eq!(told.status, 401);
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what json! makes is handed over where it is written"
)]
fn attribute(key: &str, value: Value) -> Value {
    json!({"key": key, "value": value})
}

fn text(key: &str, value: &str) -> Value {
    attribute(key, json!({"stringValue": value}))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what json! makes is handed over where it is written"
)]
fn export(attributes: Vec<Value>, events: Value) -> String {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "0AF7651916CD43DD8448EB211C80319C", "spanId": "b7ad6b7169203331",
            "startTimeUnixNano": "1000000000", "endTimeUnixNano": "1250000000",
            "attributes": attributes, "events": events},
        {"traceId": "00", "spanId": "01", "attributes": [text("http.method", "GET")]}]}]}]})
    .to_string()
}

#[tokio::test]
async fn spans_of_calls_elsewhere_are_judged_afterwards_and_not_enforced() {
    let input = json!([{"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hello"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t", "response": ATTACK}]}]);
    let current = export(
        vec![
            text("gen_ai.operation.name", "chat"),
            text("gen_ai.provider.name", "openai"),
            text("gen_ai.request.model", "gpt-5"),
            text("gen_ai.conversation.id", "conv-1"),
            text("gen_ai.input.messages", &input.to_string()),
            attribute("gen_ai.usage.input_tokens", json!({"intValue": "42"})),
            attribute(
                "gen_ai.response.finish_reasons",
                json!({"arrayValue": {"values": [{"stringValue": "stop"}]}}),
            ),
        ],
        json!([]),
    );
    let earlier = export(
        vec![
            text("gen_ai.system", "openai"),
            text("gen_ai.request.model", "gpt-5"),
        ],
        json!([{"name": "gen_ai.user.message", "attributes": [text("content", ATTACK)]}]),
    );
    let numbered = export(
        vec![
            text("gen_ai.system", "x"),
            text("gen_ai.prompt.0.role", "user"),
            text("gen_ai.prompt.0.content", ATTACK),
        ],
        json!([]),
    );
    let empty = export(vec![text("gen_ai.system", "x")], json!([]));
    for (body, would, role) in [
        (current, "BLOCK", "tool_result"),
        (earlier, "BLOCK", "user"),
        (numbered, "BLOCK", "user"),
        (empty, "LOG", ""),
    ] {
        let bench = Bench::start(Script::Answer(200, ANSWER)).await;
        let answer = bench.post("/v1/traces", body.as_bytes()).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "{}"),
            "{answer:?}"
        );
        let (decision, settled) = bench.call_record().await;
        assert_eq!(decision["Enforced"], false);
        assert_eq!(decision["Decision"], "LOG", "{decision}");
        assert_eq!(decision["WouldDecision"], would, "{decision}");
        assert_eq!(decision["SegmentRole"].as_str().unwrap_or(""), role);
        assert_eq!(decision["TraceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(decision["SpanId"], "b7ad6b7169203331");
        if role == "tool_result" {
            assert_eq!(decision["SessionId"], "conv-1");
            assert_eq!(decision["ModelName"], "gpt-5");
            assert_eq!(
                (
                    settled["InputTokens"].as_u64(),
                    settled["FinishReason"].as_str()
                ),
                (Some(42), Some("stop"))
            );
            assert_eq!(settled["UpstreamLatencyMs"], 250.0);
        }
    }
}

/// An export in protobuf: one span with gen_ai.system = "x" and the attack as gen_ai.prompt.
fn protobuf() -> Vec<u8> {
    // By field numbers.
    let field = |tag: u8, bytes: &[u8]| {
        let mut out = vec![tag << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend_from_slice(bytes);
        out
    };
    let pair = |key: &str, value: &str| {
        [
            field(1, key.as_bytes()),
            field(2, &field(1, value.as_bytes())),
        ]
        .concat()
    };
    let span = [
        field(1, &[0xab; 16]),
        field(2, &[0xcd; 8]),
        field(9, &pair("gen_ai.system", "x")),
        field(9, &pair("gen_ai.prompt", ATTACK)),
    ]
    .concat();
    field(1, &field(2, &field(2, &span)))
}

#[tokio::test]
async fn spans_come_as_protobuf_too_and_nonsense_is_refused() {
    let bench = Bench::start(Script::Answer(200, ANSWER)).await;
    let export = protobuf();
    let mut request = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        export.len()
    )
    .into_bytes();
    request.extend_from_slice(&export);
    let answer = bench.raw(&request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("application/x-protobuf"));
    let (decision, _) = bench.call_record().await;
    assert_eq!(decision["WouldDecision"], "BLOCK");
    assert_eq!(decision["TraceId"], "ab".repeat(16));
    for body in ["{}", "[]", "nonsense"] {
        assert_eq!(
            bench.post("/v1/traces", body.as_bytes()).await.status,
            400,
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_answer_is_evaluated_and_what_can_be_masked_comes_back_masked() {
    let mut setup = setup();
    setup.policy = "version: 1\nid: p\nrevision: '1'\ntools: {deny: [shell]}\ncategories: {secret: {constrain: 50, constraints: {redact: [secret]}}}\n";
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let answer = |message: Value| json!({"choices": [{"index": 0, "message": message}]});
    let secret = "the key is AKIAIOSFODNN7EXAMPLQ, use it";
    let mcp = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": ATTACK}]}});
    for (body, decision, edited) in [
        (
            json!({"answer": answer(json!({"content": "hello"}))}),
            "ALLOW",
            false,
        ),
        (
            json!({"answer": answer(json!({"content": secret}))}),
            "CONSTRAIN",
            true,
        ),
        (
            json!({"call": {"messages": [{"role": "user", "content": secret}]}}),
            "CONSTRAIN",
            true,
        ),
        (
            json!({"answer": answer(json!({"tool_calls": [{"function": {"name": "shell", "arguments": "{}"}}]}))}),
            "BLOCK",
            false,
        ),
        (json!({"answer": mcp, "path": "/mcp"}), "BLOCK", false),
    ] {
        let answer = evaluate(&bench, &body).await;
        assert_eq!(answer.status, 200, "{body} {answer:?}");
        let read = answer.json();
        assert_eq!(read["decision"], decision, "{body} {read}");
        assert_eq!(read["edited"].is_object(), edited, "{body} {read}");
        assert!(!answer.body.contains("AKIA"), "{read}");
        if edited {
            assert!(answer.body.contains("[REDACTED:secret]"), "{read}");
        }
    }
    let records = bench.records(10).await;
    let stages: Vec<&str> = records
        .iter()
        .filter_map(|record| record["Stage"].as_str())
        .collect();
    assert_eq!(
        stages,
        ["response", "response", "request", "response", "response"]
    );
    let both = json!({"answer": {}, "text": "a"});
    assert_eq!(evaluate(&bench, &both).await.status, 400);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut out, bytes).unwrap();
    out.finish().unwrap()
}

#[tokio::test]
async fn packed_exports_are_unpacked_within_the_limit() {
    let json = export(
        vec![
            text("gen_ai.system", "x"),
            text("gen_ai.prompt.0.content", ATTACK),
        ],
        json!([]),
    );
    let headers = "content-encoding: gzip\r\n";
    let bench = Bench::start(Script::Answer(200, ANSWER)).await;
    let answer = bench
        .post_with("/v1/traces", headers, &gzip(json.as_bytes()))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(bench.call_record().await.0["WouldDecision"], "BLOCK");
    // A small body that is large inside, half a body, and one that is packed twice or otherwise.
    let bomb = gzip(&vec![b' '; 10 << 20]);
    let half = gzip(json.as_bytes());
    let twice = gzip(&gzip(json.as_bytes()));
    for (headers, body, status) in [
        (headers, &bomb[..], 413),
        (headers, &half[..half.len() / 2], 400),
        (headers, &twice[..], 400),
        (headers, json.as_bytes(), 400),
        ("content-encoding: gzip, gzip\r\n", &twice[..], 415),
        (
            "content-encoding: gzip\r\ncontent-encoding: gzip\r\n",
            &twice[..],
            415,
        ),
        ("content-encoding: zstd\r\n", b"x", 415),
    ] {
        let answer = bench.post_with("/v1/traces", headers, body).await;
        assert_eq!(answer.status, status, "{headers} {answer:?}");
    }
}

#[tokio::test]
async fn spans_come_over_grpc_as_well() {
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let framed = |flag: u8, message: &[u8]| {
        let mut out = vec![flag];
        out.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        out.extend_from_slice(message);
        out
    };
    let export = protobuf();
    let mut short = framed(0, &export);
    short.pop();
    for (body, status, decisions) in [
        (framed(0, &export), "0", 1),
        (framed(1, &gzip(&export)), "0", 1),
        (framed(0, b""), "0", 0),
        (framed(0, b"nonsense"), "3", 0),
        (framed(1, b"nonsense"), "3", 0),
        (framed(7, &export), "3", 0),
        (short, "3", 0),
        (Vec::new(), "3", 0),
    ] {
        let bench = Bench::start(Script::Answer(200, ANSWER)).await;
        let stream = tokio::net::TcpStream::connect(bench.gateway.addresses()[0]).await;
        let io = TokioIo::new(stream.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::post(
            "http://gateway/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        )
        .header("content-type", "application/grpc+proto")
        .header("grpc-encoding", "gzip")
        .header("te", "trailers")
        .body(Full::new(bytes::Bytes::from(body)))
        .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let said = response.headers().get("grpc-status").cloned();
        let collected = response.into_body().collect().await.unwrap();
        let trailers = collected
            .trailers()
            .and_then(|all| all.get("grpc-status").cloned());
        assert_eq!(said.or(trailers).unwrap(), status);
        if status == "0" {
            assert_eq!(collected.to_bytes()[..], [0; 5]);
        }
        let records = bench.records(2 * decisions).await;
        assert_eq!(records.len(), 2 * decisions);
        if let Some(decision) = records.iter().find(|one| one.get("Decision").is_some()) {
            assert_eq!(decision["WouldDecision"], "BLOCK");
            assert_eq!(decision["TraceId"], "ab".repeat(16));
        }
    }
}
