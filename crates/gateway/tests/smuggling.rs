//! Requests that two servers could cut in different ways, several on one connection: what reaches the
//! model is what was judged, request for request, and what is hidden in another one never does.

use serde_json::Value;

use crate::bench::{ANSWER, ATTACK, Bench, CHAT, setup};
use crate::upstream::Script;

/// What a smuggler hides behind another request.
fn hidden() -> String {
    let body = format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"{ATTACK}\"}}]}}");
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-hidden: 1\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn pairs() -> Vec<(&'static str, String)> {
    let good = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    let hidden = hidden();
    let length = good.len();
    let chunk = format!("{length:x}\r\n{good}\r\n0\r\n\r\n");
    let behind = format!("{good}{hidden}");
    let pair = |name, rest: String| {
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
        (name, head + &rest)
    };
    vec![
        pair(
            "CL.TE",
            format!(
                "content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{hidden}",
                chunk.len() + hidden.len()
            ),
        ),
        pair(
            "TE.CL",
            format!("transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n{chunk}{hidden}"),
        ),
        pair(
            "TE.TE, hidden by case",
            format!("transfer-encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n{chunk}{hidden}"),
        ),
        pair(
            "TE.TE, hidden by a tab",
            format!(
                "transfer-encoding:\tchunked\r\ncontent-length: {length}\r\n\r\n{chunk}{hidden}"
            ),
        ),
        pair(
            "TE with a list",
            format!("transfer-encoding: chunked, identity\r\n\r\n{chunk}{hidden}"),
        ),
        pair(
            "TE twice",
            format!(
                "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{hidden}"
            ),
        ),
        pair(
            "TE with a vertical tab",
            format!("transfer-encoding: \x0bchunked\r\ncontent-length: {length}\r\n\r\n{behind}"),
        ),
        pair(
            "two lengths that differ",
            format!(
                "content-length: {length}\r\ncontent-length: {}\r\n\r\n{behind}",
                behind.len()
            ),
        ),
        pair(
            "two lengths in one",
            format!("content-length: {length}, {}\r\n\r\n{behind}", behind.len()),
        ),
        pair(
            "two lengths that agree",
            format!("content-length: {length}\r\ncontent-length: {length}\r\n\r\n{behind}"),
        ),
        pair(
            "a length with a sign",
            format!("content-length: +{length}\r\n\r\n{behind}"),
        ),
        pair(
            "a length in hexadecimal",
            format!("content-length: 0x{length:x}\r\n\r\n{behind}"),
        ),
        pair(
            "a length with a blank before its colon",
            format!("content-length : {length}\r\n\r\n{behind}"),
        ),
        pair(
            "a folded header",
            format!("x-a: b\r\n content-length: 0\r\ncontent-length: {length}\r\n\r\n{behind}"),
        ),
        pair(
            "a folded length",
            format!("content-length:\r\n {length}\r\n\r\n{behind}"),
        ),
        pair(
            "a bare LF in the head",
            format!("x-a: b\ncontent-length: {length}\r\n\r\n{behind}"),
        ),
        pair(
            "a bare CR in the head",
            format!("x-a: b\rcontent-length: 0\r\ncontent-length: {length}\r\n\r\n{behind}"),
        ),
        pair(
            "a NUL in a header",
            format!("x-a: b\0\r\ncontent-length: {length}\r\n\r\n{behind}"),
        ),
        pair(
            "a chunk that is longer than it says",
            format!(
                "transfer-encoding: chunked\r\n\r\n{:x}\r\n{good}\r\n0\r\n\r\n{hidden}",
                length - 1
            ),
        ),
        pair(
            "a chunk with a sign",
            format!("transfer-encoding: chunked\r\n\r\n+{chunk}{hidden}"),
        ),
        pair(
            "a chunk with 0x",
            format!("transfer-encoding: chunked\r\n\r\n0x{chunk}{hidden}"),
        ),
        pair(
            "a chunk of bare LF",
            format!(
                "transfer-encoding: chunked\r\n\r\n{}{hidden}",
                chunk.replace("\r\n", "\n")
            ),
        ),
        pair(
            "a chunk that hides a line in its extension",
            format!(
                "transfer-encoding: chunked\r\n\r\n{length:x};a=\"\n0\n\n\"\r\n{good}\r\n0\r\n\r\n{hidden}"
            ),
        ),
        pair(
            "an endless size of a chunk",
            format!(
                "transfer-encoding: chunked\r\n\r\n{}\r\n{behind}",
                "0".repeat(100_000) + "1"
            ),
        ),
        (
            "GET with a body",
            format!(
                "GET /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{hidden}",
                hidden.len()
            ),
        ),
        (
            "HTTP/1.0 with chunks",
            format!(
                "POST {CHAT} HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{hidden}"
            ),
        ),
        ("HTTP/0.9", format!("POST {CHAT}\r\n\r\n{hidden}")),
        (
            "a blank line first",
            format!(
                "\r\nPOST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{behind}"
            ),
        ),
        (
            "blanks in the request line",
            format!(
                "POST  {CHAT}  HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{behind}"
            ),
        ),
        (
            "two hosts",
            format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\nhost: y\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{behind}"
            ),
        ),
    ]
}

#[tokio::test]
async fn what_reaches_the_model_is_what_was_judged_request_for_request() {
    let mut broken = Vec::new();
    for (name, request) in pairs() {
        let bench = Bench::with(Script::Answer(200, ANSWER), setup()).await;
        let answer = bench.raw(request.as_bytes()).await;
        let received = bench.upstream.received();
        let records = bench.records(0).await;
        let allowed = records
            .iter()
            .filter(|one| one.get("Decision").is_some_and(|said| said != "BLOCK"))
            .count();
        // Either nobody was asked, or there is a decision for each that was; the hidden request is
        // one of its own, judged and blocked, or none at all.
        let has_leaked = received.iter().any(|call| {
            call.head.contains("x-hidden")
                || String::from_utf8_lossy(&call.body).contains("Ignore all")
        });
        if has_leaked || received.len() != allowed {
            broken.push(format!(
                "{name}: {} reached the model, {allowed} were let through, status {}",
                received.len(),
                answer.status
            ));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test]
async fn of_two_requests_in_a_row_each_has_its_own_decision() {
    let bench = Bench::with(Script::Answer(200, ANSWER), setup()).await;
    let good = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    let first = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{good}",
        good.len()
    );
    bench.raw(format!("{first}{}", hidden()).as_bytes()).await;
    let records = bench.records(4).await;
    let decisions: Vec<&Value> = records
        .iter()
        .filter_map(|one| one.get("Decision"))
        .collect();
    assert_eq!(decisions, ["ALLOW", "BLOCK"]);
    assert_eq!(bench.upstream.received().len(), 1);
}
