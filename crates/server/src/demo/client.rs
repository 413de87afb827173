//! The demo's callers: real HTTP calls in the two real protocols.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::script::TextRole;

const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Which protocol a call is made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `POST /v1/chat/completions`.
    OpenAi,
    /// `POST /v1/messages`.
    Anthropic,
}

/// One call to make.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a str,
    pub(crate) text: &'a str,
    pub(crate) role: TextRole,
    pub(crate) dialect: Dialect,
    pub(crate) stream: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) decision_id: String,
    pub(crate) body: Bytes,
}

/// One connection to the gateway, used call after call.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

/// A call that could not be made or answered.
pub(crate) type ClientError = Box<dyn std::error::Error + Send + Sync>;

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When the gateway cannot be reached.
    pub(crate) async fn connect(gateway: SocketAddr) -> Result<Self, ClientError> {
        let stream = TcpStream::connect(gateway).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // The sender sees the failure; nothing more to do here.
            let _ = connection.await;
        });
        Ok(Self { sender })
    }

    /// Makes one call and reads the whole answer.
    ///
    /// # Errors
    /// When the connection fails or the answer has no decision id.
    pub(crate) async fn send(&mut self, call: &Call<'_>) -> Result<Answer, ClientError> {
        let (path, body) = match call.dialect {
            Dialect::OpenAi => ("/v1/chat/completions", openai_body(call)),
            Dialect::Anthropic => ("/v1/messages", anthropic_body(call)),
        };
        let request = Request::post(path)
            .header("host", "gateway.demo")
            .header("content-type", "application/json")
            .header(
                "authorization",
                format!("Bearer demo-key-of-{}", call.caller),
            )
            .header("user-agent", "atalaya-demo")
            .body(Full::new(Bytes::from(body.to_string())))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let decision_id = response
            .headers()
            .get("x-atalaya-decision-id")
            .and_then(|value| value.to_str().ok())
            .ok_or("an answer without x-atalaya-decision-id")?
            .to_owned();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await?
            .to_bytes();
        Ok(Answer {
            status,
            decision_id,
            body,
        })
    }
}

fn openai_body(call: &Call<'_>) -> Value {
    let system = json!({"role": "system", "content": "You are the assistant of a web shop."});
    let messages = match call.role {
        TextRole::User => json!([system, {"role": "user", "content": call.text}]),
        TextRole::Document | TextRole::ToolOutput => json!([
            system,
            {"role": "user", "content": "What is new in this case?"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1",
                "type": "function",
                "function": {"name": "read_case", "arguments": "{\"case\": 8812}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": call.text},
        ]),
    };
    json!({
        "model": "demo-chat", "messages": messages, "stream": call.stream, "max_tokens": 400,
        "user": call.caller,
    })
}

fn anthropic_body(call: &Call<'_>) -> Value {
    let content = match call.role {
        TextRole::User => json!([{"type": "text", "text": call.text}]),
        TextRole::Document => json!([
            {"type": "document",
             "source": {"type": "text", "media_type": "text/plain", "data": call.text}},
            {"type": "text", "text": "Please summarise this document."},
        ]),
        TextRole::ToolOutput => json!([
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": call.text},
        ]),
    };
    let mut messages = vec![];
    if call.role == TextRole::ToolOutput {
        messages.push(json!({"role": "user", "content": "What is new in this case?"}));
        messages.push(json!({"role": "assistant", "content": [
            {"type": "tool_use", "id": "toolu_1", "name": "read_case", "input": {"case": 8812}}]}));
    }
    messages.push(json!({"role": "user", "content": content}));
    json!({
        "model": "demo-claude", "max_tokens": 400, "stream": call.stream,
        "system": "You are the assistant of a web shop.", "messages": messages,
        "metadata": {"user_id": call.caller},
    })
}
