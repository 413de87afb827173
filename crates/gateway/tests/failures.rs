//! Bad requests, bad upstreams, a bad disk: each gets the protocol's own error and exactly one
//! decision, and nothing reaches a model unjudged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atalaya_gateway::config::OnLogFailure;
use tokio::io::AsyncWriteExt as _;

use crate::bench::{ANSWER, Bench, CHAT, MESSAGES, chat, setup};
use crate::upstream::{Script, Upstream};

#[tokio::test]
async fn unacceptable_requests() {
    let deep = format!(
        "{{\"messages\":[],\"x\":{}{}}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    let long = chat(&"x".repeat(70 << 10));
    let cases: [(&str, &str, &str, &[u8], u16); 12] = [
        ("no JSON", CHAT, "", b"hello", 400),
        ("empty", CHAT, "", b"", 400),
        ("cut", CHAT, "", b"{\"messages\":[", 400),
        (
            "duplicate keys",
            CHAT,
            "",
            b"{\"messages\":[],\"messages\":[]}",
            400,
        ),
        (
            "escaped duplicate keys",
            CHAT,
            "",
            b"{\"messages\":[],\"m\\u0065ssages\":[]}",
            400,
        ),
        (
            "invalid UTF-8",
            CHAT,
            "",
            b"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}",
            400,
        ),
        (
            "wrong types",
            CHAT,
            "",
            b"{\"model\":7,\"messages\":\"hi\"}",
            400,
        ),
        ("deep", CHAT, "", deep.as_bytes(), 400),
        ("too long", CHAT, "", &long, 413),
        ("too long for Anthropic", MESSAGES, "", &long, 413),
        ("gzip", CHAT, "content-encoding: gzip\r\n", b"\x1f\x8b", 415),
        (
            "no messages for Anthropic",
            MESSAGES,
            "",
            b"{\"model\":\"m\"}",
            400,
        ),
    ];
    for (name, path, headers, body, status) in cases {
        let bench = Bench::start(Script::Answer(200, ANSWER)).await;
        let answer = bench.post_with(path, headers, body).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let error = answer.json();
        assert!(error["error"]["message"].is_string(), "{name}: {error}");
        assert_eq!(
            path == MESSAGES,
            error["type"] == "error",
            "{name}: {error}"
        );
        let (decision, settlement) = bench.call_record().await;
        assert_eq!(decision["Decision"], "BLOCK", "{name}");
        assert_eq!(decision["DecisionId"], answer.decision_id(), "{name}");
        assert_eq!(settlement["Outcome"], "rejected", "{name}");
        assert!(bench.upstream.received().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_slow_body_times_out() {
    let bench = Bench::start(Script::Answer(200, ANSWER)).await;
    let answer = bench
        .raw(format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\ncontent-length: 100\r\n\r\n{{").as_bytes())
        .await;
    assert_eq!(answer.status, 408, "{answer:?}");
    assert_eq!(bench.call_record().await.0["Decision"], "BLOCK");
    assert!(bench.upstream.received().is_empty());
}

#[tokio::test]
async fn a_caller_that_goes_away_is_settled() {
    let bench = Bench::start(Script::Silent).await;
    let mut stream = tokio::net::TcpStream::connect(bench.gateway.addresses()[0])
        .await
        .unwrap();
    let body = chat("hi");
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: g\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    while bench.upstream.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(stream);
    assert_eq!(bench.call_record().await.1["Outcome"], "client_aborted");
}

#[tokio::test]
async fn upstreams_that_fail_before_their_answer() {
    for (script, status, outcome) in [
        (Script::Reset, 502, "upstream_failed"),
        (Script::Silent, 504, "timed_out"),
    ] {
        for path in [CHAT, MESSAGES] {
            let bench = Bench::start(script.clone()).await;
            let body =
                br#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
            let answer = bench.post(path, body).await;
            assert_eq!(answer.status, status, "{script:?}: {answer:?}");
            assert!(answer.json()["error"]["message"].is_string());
            let (decision, settlement) = bench.call_record().await;
            assert_eq!(decision["Decision"], "ALLOW");
            assert_eq!(settlement["Outcome"], outcome);
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let unused = Upstream::start(Script::Silent).await;
    let bench = Bench::between(unused, format!("http://{nobody}"), setup());
    let answer = bench.post(CHAT, &chat("hi")).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(bench.call_record().await.1["Outcome"], "upstream_failed");
}

/// A stream that breaks off never looks complete.
#[tokio::test]
async fn streams_that_break() {
    const BETWEEN: &[&str] = &["data: {\"a\":1}\n\n"];
    const WITHIN: &[&str] = &["data: {\"a\":1}\n\n", "data: {\"b\""];
    let cases = [
        (Script::Cut(BETWEEN), "upstream_cut", true),
        // Half an event is never sent, so that the end can be told after it as well.
        (Script::Cut(WITHIN), "upstream_cut", true),
        (Script::Stall(BETWEEN), "timed_out", true),
        (Script::Stall(WITHIN), "timed_out", true),
    ];
    for (script, outcome, is_told) in cases {
        let bench = Bench::start(script.clone()).await;
        let body = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
        let answer = bench.post(CHAT, body).await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.body.starts_with("data: {\"a\":1}\n\n"),
            "{script:?}: {answer:?}"
        );
        assert!(!answer.body.contains("[DONE]"));
        assert_eq!(
            answer.body.contains("\"error\""),
            is_told,
            "{script:?}: {answer:?}"
        );
        assert_eq!(answer.is_complete, is_told, "{script:?}: {answer:?}");
        assert_eq!(bench.call_record().await.1["Outcome"], outcome);
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_calls_until_it_can() {
    let bench = Bench::start(Script::Answer(200, ANSWER)).await;
    bench.log.is_broken.store(true, Ordering::SeqCst);
    let answer = bench.post(CHAT, &chat("hi")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after"), "{}", answer.head);
    assert!(bench.upstream.received().is_empty());
    bench.log.is_broken.store(false, Ordering::SeqCst);
    assert_eq!(bench.post(CHAT, &chat("hi")).await.status, 200);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_lets_calls_pass_if_so_configured() {
    let mut setup = setup();
    setup.config.on_log_failure = OnLogFailure::Pass;
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    bench.log.is_broken.store(true, Ordering::SeqCst);
    assert_eq!(bench.post(CHAT, &chat("hi")).await.status, 200);
    let metrics = bench.gateway.metrics().render();
    assert!(
        metrics.contains("atalaya_unlogged_calls_total 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn more_calls_than_allowed_are_told_to_come_back() {
    let mut setup = setup();
    setup.config.limits.calls_max = 0;
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let answer = bench.post(CHAT, &chat("hi")).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after"));
    assert_eq!(bench.call_record().await.0["Decision"], "BLOCK");
}
