//! The demo's model: a scripted server that speaks the real protocols.
//!
//! It answers every call with a fixed sentence, whole or as a stream, so that what the caller
//! gets can be told apart from a refusal. Loopback only; it exists inside `atalaya demo`.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What the model says to everybody.
pub(crate) const SENTENCE: &str = "Certainly. Here is what I found for you.";
const BODY_BYTES_MAX: usize = 1 << 20;

/// Starts the server on a free loopback port.
///
/// # Errors
/// When no port can be bound.
pub(crate) async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A connection that ends early is the caller's affair.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    });
    Ok(address)
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let path = request.uri().path().to_owned();
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX)
        .collect()
        .await?
        .to_bytes();
    let call: serde_json::Value = serde_json::from_slice(&body)?;
    let stream = call["stream"].as_bool().unwrap_or(false);
    let model = call["model"].as_str().unwrap_or("scripted");
    let text = match (path.as_str(), stream) {
        ("/v1/chat/completions", false) => openai_whole(model),
        ("/v1/chat/completions", true) => openai_stream(model),
        ("/v1/messages", false) => anthropic_whole(model),
        ("/v1/messages", true) => anthropic_stream(model),
        _ => {
            let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let content_type = if stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    Ok(Response::builder()
        .header("content-type", content_type)
        .body(Full::new(Bytes::from(text)))?)
}

fn openai_whole(model: &str) -> String {
    serde_json::json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": SENTENCE}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
    })
    .to_string()
}

fn openai_stream(model: &str) -> String {
    let chunk = |delta: serde_json::Value, finish: serde_json::Value| {
        serde_json::json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
        })
    };
    let mut out = String::new();
    let mut event = |value: serde_json::Value| {
        out.push_str("data: ");
        out.push_str(&value.to_string());
        out.push_str("\n\n");
    };
    event(chunk(
        serde_json::json!({"role": "assistant", "content": ""}),
        serde_json::Value::Null,
    ));
    for word in SENTENCE.split_inclusive(' ') {
        event(chunk(
            serde_json::json!({"content": word}),
            serde_json::Value::Null,
        ));
    }
    event(chunk(serde_json::json!({}), serde_json::json!("stop")));
    out.push_str("data: [DONE]\n\n");
    out
}

fn anthropic_whole(model: &str) -> String {
    serde_json::json!({
        "id": "msg_demo", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": SENTENCE}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 20, "output_tokens": 9}
    })
    .to_string()
}

fn anthropic_stream(model: &str) -> String {
    let mut out = String::new();
    let mut event = |name: &str, value: serde_json::Value| {
        out.push_str("event: ");
        out.push_str(name);
        out.push_str("\ndata: ");
        out.push_str(&value.to_string());
        out.push_str("\n\n");
    };
    event(
        "message_start",
        serde_json::json!({"type": "message_start", "message": {
            "id": "msg_demo", "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 20, "output_tokens": 1}}}),
    );
    event(
        "content_block_start",
        serde_json::json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
    );
    for word in SENTENCE.split_inclusive(' ') {
        event(
            "content_block_delta",
            serde_json::json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": word}}),
        );
    }
    event(
        "content_block_stop",
        serde_json::json!({"type": "content_block_stop", "index": 0}),
    );
    event(
        "message_delta",
        serde_json::json!({"type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": 9}}),
    );
    event("message_stop", serde_json::json!({"type": "message_stop"}));
    out
}
