//! Malformed requests, many per protocol, made from good ones by a seeded generator: none makes the
//! gateway panic or hang, each has exactly one decision and one settlement. `ATALAYA_ADVERSARY=N`
//! makes N per protocol (10,000 for a thorough run), the default is small.

use serde_json::{Value, json};

use crate::bench::{Bench, setup};
use crate::upstream::Script;

const DEFAULT_COUNT: usize = 25;

/// How many of each are made.
pub(crate) fn count() -> usize {
    let wanted = std::env::var("ATALAYA_ADVERSARY").ok();
    wanted
        .and_then(|count| count.parse().ok())
        .unwrap_or(DEFAULT_COUNT)
}

/// A small generator (xorshift64*), so that a failure can be repeated.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let roll = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(roll).unwrap() % below.max(1)
    }
}

fn good() -> Vec<(&'static str, Value)> {
    let messages =
        json!([{"role": "user", "content": [{"type": "text", "text": "h\u{f6}i \u{1f600}"}]}]);
    vec![
        (
            "/v1/chat/completions",
            json!({"model": "m", "stream": true, "messages": messages, "tools": [{"type": "function", "function": {"name": "f"}}]}),
        ),
        (
            "/v1/completions",
            json!({"model": "m", "prompt": ["a", "b"]}),
        ),
        (
            "/v1/responses",
            json!({"model": "m", "input": [{"role": "user", "content": "hi"}, {"type": "function_call", "arguments": "{\"a\":1}"}]}),
        ),
        ("/v1/embeddings", json!({"model": "m", "input": ["a"]})),
        ("/v1/images/generations", json!({"prompt": "a cat"})),
        ("/v1/moderations", json!({"input": ["a"]})),
        ("/v1/audio/speech", json!({"input": "a b"})),
        ("/v1/files", json!({"file": "x"})),
        ("/v1/batches", json!({"input_file_id": "f"})),
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "system": "s", "messages": messages}),
        ),
        ("/v1/messages/count_tokens", json!({"messages": messages})),
        (
            "/v1/messages/batches",
            json!({"requests": [{"params": {"messages": messages}}]}),
        ),
        (
            "/v1beta/models/g:streamGenerateContent",
            json!({"contents": [{"role": "user", "parts": [{"text": "a"}]}]}),
        ),
        (
            "/model/m/converse-stream",
            json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]}),
        ),
        (
            "/model/m/invoke",
            json!({"anthropic_version": "v", "messages": messages}),
        ),
        (
            "/api/chat",
            json!({"messages": [{"role": "user", "content": "a"}]}),
        ),
        ("/api/generate", json!({"prompt": "a"})),
        ("/api/embed", json!({"input": "a"})),
        (
            "/mcp",
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "f", "arguments": {"a": "b"}}}),
        ),
        (
            "/a2a",
            json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": {"parts": [{"kind": "text", "text": "a"}]}}}),
        ),
    ]
}

/// Breaks a body in one of the ways in which bodies are broken.
pub(crate) fn broken(good: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut body = good.to_vec();
    for _ in 0..=dice.roll(3) {
        if body.is_empty() {
            return body;
        }
        let at = dice.roll(body.len());
        match dice.roll(10) {
            0 => body[at] = u8::try_from(dice.roll(256)).unwrap(),
            1 => body.truncate(at),
            2 => body.insert(at, b'"'),
            3 => drop(body.splice(at..at, [0xff, 0xc3, 0x28])),
            4 => drop(body.splice(at..at, b"\r\ndata: x\r\n\r\n".iter().copied())),
            5 => {
                let copy = body[..at].to_vec();
                body.extend(copy);
            }
            6 => drop(body.splice(at..at, "[".repeat(dice.roll(3_000)).bytes())),
            7 => drop(body.splice(at..at, "\"\\ud800\",".bytes())),
            8 => drop(body.remove(at)),
            _ => drop(body.splice(at..at, "A".repeat(dice.roll(20_000)).bytes())),
        }
    }
    body
}

#[tokio::test]
async fn every_malformed_request_is_decided_once_and_nothing_breaks() {
    let count = count();
    let mut config = setup();
    config.config.limits.json_depth_max = 96;
    let bench = Bench::with(Script::Answer(200, "{}"), config).await;
    let mut dice = Dice(0x5eed_cafe);
    let mut sent = 0;
    for (path, good) in good() {
        let good = good.to_string();
        for round in 0..count {
            let body = broken(good.as_bytes(), &mut dice);
            let headers = match dice.roll(8) {
                0 => "content-type: multipart/form-data; boundary=x\r\n",
                1 => "content-type: text/plain; charset=utf-16\r\n",
                _ => "",
            };
            let answer = bench.post_with(path, headers, &body).await;
            assert!(answer.status >= 200, "{path} round {round}: {answer:?}");
            sent += 1;
        }
    }
    let records = bench.records(2 * sent).await;
    let decisions = records
        .iter()
        .filter(|record| record.get("Decision").is_some())
        .count();
    let settled = records
        .iter()
        .filter(|record| record.get("$settles").is_some())
        .count();
    assert_eq!((decisions, settled), (sent, sent));
    for record in &records {
        assert_ne!(record["ErrorClass"], "internal", "{record}");
    }
}
