//! Requests that are wrong in one way or another, made from one good request per protocol.

use std::rc::Rc;

/// A small generator (xorshift64*).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let roll = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(roll).unwrap_or(0) % below.max(1)
    }
}

/// A protocol and a good request of it.
pub(super) struct Protocol {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    body: &'static str,
}

const fn of(name: &'static str, path: &'static str, body: &'static str) -> Protocol {
    Protocol {
        name,
        method: "POST",
        path,
        body,
    }
}

const fn get(name: &'static str, path: &'static str) -> Protocol {
    Protocol {
        name,
        method: "GET",
        path,
        body: "",
    }
}

/// Every protocol of the gateway.
pub(super) const PROTOCOLS: &[Protocol] = &[
    of(
        "openai.chat",
        "/v1/chat/completions",
        r#"{"model":"m","stream":true,"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"höi 😀"}]},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}"#,
    ),
    of(
        "openai.responses",
        "/v1/responses",
        r#"{"model":"m","input":[{"role":"user","content":"hi"},{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"},{"type":"function_call_output","call_id":"c","output":"r"}],"instructions":"s","previous_response_id":"resp_1"}"#,
    ),
    get("openai.responses_stored", "/v1/responses/resp_1"),
    of(
        "openai.completions",
        "/v1/completions",
        r#"{"model":"m","prompt":["a","b"],"suffix":"c"}"#,
    ),
    of(
        "openai.embeddings",
        "/v1/embeddings",
        r#"{"model":"m","input":["a",[1,2,3]]}"#,
    ),
    of(
        "openai.images",
        "/v1/images/generations",
        r#"{"model":"m","prompt":"a cat"}"#,
    ),
    of(
        "openai.audio",
        "/v1/audio/speech",
        r#"{"model":"m","voice":"v","input":"a b"}"#,
    ),
    of(
        "openai.moderations",
        "/v1/moderations",
        r#"{"input":["a",{"type":"text","text":"b"}]}"#,
    ),
    get("openai.models", "/v1/models"),
    of(
        "openai.files",
        "/v1/files",
        r#"{"file":"x","purpose":"batch"}"#,
    ),
    of(
        "openai.batches",
        "/v1/batches",
        r#"{"input_file_id":"f","endpoint":"/v1/chat/completions","completion_window":"24h"}"#,
    ),
    of(
        "anthropic.messages",
        "/v1/messages",
        r#"{"model":"m","max_tokens":9,"stream":true,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"x"},{"type":"tool_use","id":"t","name":"f","input":{"a":"b"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]}]}"#,
    ),
    of(
        "anthropic.count_tokens",
        "/v1/messages/count_tokens",
        r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#,
    ),
    of(
        "anthropic.batches",
        "/v1/messages/batches",
        r#"{"requests":[{"custom_id":"a","params":{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"}]}}]}"#,
    ),
    of(
        "gemini.generate",
        "/v1beta/models/g:streamGenerateContent",
        r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"a"},{"functionCall":{"name":"f","args":{"a":"b"}}}]}],"generationConfig":{"maxOutputTokens":9}}"#,
    ),
    of(
        "bedrock.converse",
        "/model/m/converse-stream",
        r#"{"system":[{"text":"s"}],"messages":[{"role":"user","content":[{"text":"a"},{"toolResult":{"toolUseId":"t","content":[{"json":{"a":"b"}}]}}]}],"inferenceConfig":{"maxTokens":9}}"#,
    ),
    of(
        "bedrock.invoke",
        "/model/anthropic.m/invoke",
        r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"a"}]}"#,
    ),
    of(
        "ollama.chat",
        "/api/chat",
        r#"{"model":"m","messages":[{"role":"user","content":"a","images":["AAAA"]}]}"#,
    ),
    of(
        "ollama.generate",
        "/api/generate",
        r#"{"model":"m","prompt":"a","system":"s","context":[1,2]}"#,
    ),
    of(
        "ollama.embed",
        "/api/embed",
        r#"{"model":"m","input":["a"]}"#,
    ),
    of("ollama.show", "/api/show", r#"{"model":"m"}"#),
    get("ollama.list", "/api/tags"),
    of(
        "mcp",
        "/mcp",
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"f","arguments":{"a":"b"}}},{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"r"}]}}]"#,
    ),
    of(
        "a2a",
        "/a2a",
        r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"role":"user","parts":[{"kind":"text","text":"a"}]}}}"#,
    ),
    get("a2a.cards", "/.well-known/agent-card.json"),
    of(
        "atalaya.evaluate",
        "/v1/evaluate",
        r#"{"texts":[{"role":"user","text":"a"}],"session":"s"}"#,
    ),
];

impl Protocol {
    /// A request with nothing wrong in it.
    pub(super) fn good(&self) -> Vec<u8> {
        self.written("", self.body.as_bytes())
    }

    /// A good request that a scripted stream answers.
    pub(super) fn scripted(&self, script: &str) -> Rc<[u8]> {
        let query = format!("?script={script}");
        self.written(&query, self.body.as_bytes()).into()
    }

    fn written(&self, query: &str, body: &[u8]) -> Vec<u8> {
        let mut out = format!(
            "{} {}{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.method,
            self.path,
            body.len()
        )
        .into_bytes();
        out.extend_from_slice(body);
        out
    }

    /// A request with something wrong in it.
    pub(super) fn request(&self, dice: &mut Dice) -> Rc<[u8]> {
        let body = if dice.roll(6) == 0 {
            hostile(dice)
        } else {
            broken(self.body.as_bytes(), dice)
        };
        let mut out = self.head(dice, &body);
        out.extend_from_slice(&body);
        if dice.roll(40) == 0 {
            // Whatever follows is a request of its own, or nothing.
            out.extend_from_slice(&self.good());
        }
        out.into()
    }

    fn head(&self, dice: &mut Dice, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let framing = match dice.roll(24) {
            0 => format!(
                "content-length: {length}\r\ncontent-length: {}\r\n",
                length + 1
            ),
            1 => format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
            2 => "transfer-encoding: chunked, identity\r\n".to_owned(),
            3 => "transfer-encoding: xchunked\r\n".to_owned(),
            4 => format!("transfer-encoding : chunked\r\ncontent-length: {length}\r\n"),
            5 => "content-length: -1\r\n".to_owned(),
            6 => format!("content-length: 0x{length:x}\r\n"),
            7 => "content-length: 18446744073709551616\r\n".to_owned(),
            8 => format!("content-length: {length}\r\n folded: yes\r\n"),
            _ => format!("content-length: {length}\r\n"),
        };
        let kind = match dice.roll(12) {
            0 => "content-type: multipart/form-data; boundary=x\r\n",
            1 => "content-type: application/json; charset=utf-16\r\n",
            2 => "content-type: application/json\r\ncontent-encoding: gzip\r\n",
            3 => "content-type: application/json\r\ncontent-encoding: identity, zstd\r\n",
            4 => "",
            5 => "content-type: application/json\r\nexpect: 100-continue\r\n",
            6 => "content-type: application/json\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
            _ => "content-type: application/json\r\n",
        };
        let path = match dice.roll(30) {
            0 => format!("{}/../..{}", self.path, self.path),
            1 => format!("/%2e%2e{}", self.path),
            2 => self.path.to_uppercase(),
            3 => format!("{}?{}", self.path, "a=b&".repeat(dice.roll(500))),
            4 => format!("{}%00", self.path),
            5 => format!("//{}", self.path),
            _ => self.path.to_owned(),
        };
        let method = match dice.roll(40) {
            0 => "PUT",
            1 => "HEAD",
            2 => "OPTIONS",
            3 => "BREW",
            _ => self.method,
        };
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{kind}{framing}\r\n")
            .into_bytes()
    }
}

/// Breaks a body in one of the ways in which bodies are broken.
fn broken(good: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut body = good.to_vec();
    for _ in 0..=dice.roll(3) {
        if body.is_empty() {
            return hostile(dice);
        }
        let at = dice.roll(body.len());
        match dice.roll(14) {
            0 => body[at] = u8::try_from(dice.roll(256)).unwrap_or(0),
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
            9 => drop(body.splice(at..at, "\"model\":\"x\",\"model\":\"y\",".bytes())),
            10 => drop(body.splice(at..at, "\\u0000\\uFFFE".bytes())),
            11 => drop(body.splice(at..at, "1e999999,-0,0.1e-400,".bytes())),
            12 => drop(body.splice(at..at, "\u{202e}\u{e0041}\u{200b}".bytes())),
            _ => drop(body.splice(at..at, "A".repeat(dice.roll(20_000)).bytes())),
        }
    }
    body
}

/// A body that has nothing to do with the protocol.
fn hostile(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(9) {
        0 => (0..dice.roll(4_000))
            .map(|_| u8::try_from(dice.roll(256)).unwrap_or(0))
            .collect(),
        1 => "{\"a\":".repeat(dice.roll(5_000)).into_bytes(),
        2 => format!("[{}1]", "1,".repeat(dice.roll(20_000))).into_bytes(),
        3 => format!(
            "{{\"messages\":[{}null]}}",
            "{\"role\":\"user\",\"content\":\"a\"},".repeat(dice.roll(2_000))
        )
        .into_bytes(),
        4 => "null".into(),
        5 => b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff".to_vec(),
        6 => "\"a string\"".into(),
        7 => format!(
            "--x\r\ncontent-disposition: form-data; name=\"{}\"\r\n\r\nv\r\n--x--\r\n",
            "n".repeat(dice.roll(9_000))
        )
        .into_bytes(),
        _ => Vec::new(),
    }
}
