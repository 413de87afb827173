//! A Sigma correlation on the stream of decisions: the node is killed in the middle, and the alert
//! is raised as the last call comes, not by a schedule.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const BIN: &str = env!("CARGO_BIN_EXE_atalaya");
/// Longest wait for something that takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);
const RULE: &str = "title: A call of a user
id: call
name: call
logsource: {product: ai_gateway, service: decision}
detection:
  s: {user|startswith: walker, model: m}
  condition: s
tags: [atlas.aml.t0040]
---
title: Three calls of a user
id: three-calls
correlation:
  type: event_count
  rules: [call]
  group-by: [user]
  timespan: 1h
  condition: {gte: 3}
tags: [atlas.aml.t0040]
level: high
";

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A model that answers everything with the same words.
fn model() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(&stream));
        }
    });
    port
}

fn answer(mut stream: &TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let body = json!({
        "id": "c1", "object": "chat.completion", "model": "m", "created": 1,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Lima."}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    })
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes());
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn serve(config: &Path, port: u16) -> Killed {
    let child = Command::new(BIN)
        .args(["serve", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let node = Killed(child);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PATIENCE, "the node did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    node
}

fn http(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn call(port: u16, user: &str) {
    let body = json!({"model": "m", "user": user, "messages": [{"role": "user", "content": "What is the capital of Peru?"}]}).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = http(port, &(head + &body));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn figure(port: u16, name: &str) -> Option<u64> {
    let text = http(
        port,
        "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")))?;
    line.split(' ').nth(1)?.trim().parse().ok()
}

fn alerts(config: &Path) -> Vec<Value> {
    let output = Command::new(BIN)
        .args(["alerts", "list", "--format", "ndjson", "--config"])
        .arg(config)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_correlation_survives_a_kill_and_raises_its_alert_on_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let rules: PathBuf = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("three.yml"), RULE).unwrap();
    let (gateway, admin) = (free_port(), free_port());
    let config = folder.path().join("atalaya.yml");
    // The schedule comes too late for what is asked here.
    let text = format!(
        "version: 1\ndata_dir: {}\ngateway:\n  listen: ['127.0.0.1:{gateway}']\n  upstreams:\n    m: {{base_url: 'http://127.0.0.1:{}'}}\n  routes: [{{upstream: m}}]\nadmin: {{listen: '127.0.0.1:{admin}'}}\nrules: {{builtin: false, folders: ['{}'], every_s: 3600}}\n",
        folder.path().join("data").display(),
        model(),
        rules.display()
    );
    std::fs::write(&config, text).unwrap();
    let node = serve(&config, gateway);
    call(gateway, "walker-1");
    call(gateway, "walker-1");
    call(gateway, "someone");
    until("two calls are counted", || {
        figure(admin, "atalaya_sigma_stream_matched_rows_total") == Some(2)
    });
    assert_eq!(figure(admin, "atalaya_sigma_correlation_keys"), Some(1));
    assert!(alerts(&config).is_empty());
    drop(node);

    let _node = serve(&config, gateway);
    call(gateway, "walker-1");
    until("the alert is raised", || !alerts(&config).is_empty());
    let found = alerts(&config);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["rule_id"], "three-calls");
    assert_eq!(found[0]["count"], 3);
    assert_eq!(
        figure(admin, "atalaya_sigma_correlation_keys_evicted_total"),
        Some(0)
    );
}
