//! Calls that pass: the same bytes there, the same bytes back.

use std::time::Duration;

use crate::bench::{ANSWER, Bench, CHAT, chat, setup};
use crate::upstream::Script;

#[tokio::test]
async fn a_call_and_its_answer_pass_byte_for_byte() {
    let bench = Bench::start(Script::Answer(200, ANSWER)).await;
    let body = "{ \"model\":\"m-1\",\n\t\"x_vendor\": {\"deep\":[1,2.50,null]}, \"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9llo \u{1f600}\"}] }";
    let headers = "authorization: Bearer k\r\nx-custom: kept\r\n";
    let answer = bench.post_with(CHAT, headers, body.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ANSWER));
    assert!(
        answer.head.contains("x-request-id: up-1"),
        "{}",
        answer.head
    );
    let received = bench.upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(String::from_utf8_lossy(&received[0].body), body);
    assert!(
        received[0].head.contains("authorization: bearer k"),
        "{}",
        received[0].head
    );
    assert!(received[0].head.contains("x-custom: kept"));
    let (decision, settlement) = bench.call_record().await;
    assert_eq!(decision["Decision"], "ALLOW");
    assert_eq!(decision["DecisionId"], answer.decision_id());
    assert_eq!(decision["ModelName"], "m-1");
    assert_eq!(settlement["Outcome"], "answered");
    assert_eq!(settlement["ResponseModel"], "m-2");
    assert_eq!(settlement["InputTokens"], 3);
    assert_eq!(settlement["ResponseBytes"], ANSWER.len());
}

#[tokio::test]
async fn a_stream_is_relayed_as_it_comes() {
    let pieces = &[
        "data: {\"a\":1}\n\n",
        "data: {\"b\":2}\n\n",
        "data: [DONE]\n\n",
    ];
    let bench = Bench::start(Script::Stream(pieces)).await;
    let body = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let answer = bench.post(CHAT, body).await;
    assert_eq!(answer.body, pieces.concat());
    assert!(answer.is_complete);
    let (first, last) = (answer.pieces[0], answer.pieces[answer.pieces.len() - 1]);
    assert!(
        last - first >= Duration::from_millis(40),
        "all at once: {:?}",
        answer.pieces
    );
    let (decision, settlement) = bench.call_record().await;
    assert_eq!(decision["Stream"], true);
    assert_eq!(settlement["Outcome"], "answered");
}

#[tokio::test]
async fn an_upstreams_error_is_the_callers() {
    let error = r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#;
    let bench = Bench::start(Script::Answer(429, error)).await;
    let answer = bench.post(CHAT, &chat("hi")).await;
    assert_eq!((answer.status, answer.body.as_str()), (429, error));
    let (_, settlement) = bench.call_record().await;
    assert_eq!(settlement["UpstreamStatus"], 429);
    assert_eq!(settlement["ErrorClass"], "rate_limit_error");
}

#[tokio::test]
async fn an_unknown_route_passes_only_if_the_policy_says_so() {
    let bench = Bench::start(Script::Answer(200, "{}")).await;
    let answer = bench.post("/v1/unheard/of", b"{}").await;
    assert_eq!(answer.status, 404);
    assert!(bench.upstream.received().is_empty());
    assert_eq!(bench.call_record().await.0["Decision"], "BLOCK");

    let mut setup = setup();
    setup.policy = "version: 1\nid: open\nrevision: \"1\"\nunknown_route: pass\n";
    let bench = Bench::with(Script::Answer(200, "{}"), setup).await;
    let answer = bench.post("/v1/unheard/of", b"{\"x\":1}").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    assert_eq!(bench.upstream.received()[0].body, b"{\"x\":1}");
    let (decision, _) = bench.call_record().await;
    assert_eq!(
        decision["Unjudged"][0]["reason"], "unknown_route",
        "{decision}"
    );
}

#[tokio::test]
async fn a_drain_lets_calls_end() {
    let pieces = &["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"];
    let bench = Bench::start(Script::Stream(pieces)).await;
    let address = bench.gateway.addresses()[0];
    let body = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let Bench {
        upstream,
        log,
        gateway,
    } = bench;
    let drain = async {
        while upstream.received().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::task::spawn_blocking(move || gateway.drain())
            .await
            .unwrap();
    };
    let call = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: g\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, ()) = tokio::join!(call, drain);
    assert!(
        answer.contains("data: 3") && answer.ends_with("0\r\n\r\n"),
        "{answer}"
    );
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    drop(log);
}
