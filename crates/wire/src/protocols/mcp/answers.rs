//! Refusals and errors in JSON-RPC: errors with the id of the request, so that the client knows
//! what they are about.

use serde_json::{Value, json};

use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext};
use crate::framing::Framing;
use crate::spec::Voice;

/// JSON-RPC, as MCP and A2A have it.
pub(crate) const VOICE: Voice = Voice {
    refusal,
    error,
    stream_error,
    stop,
};

/// Codes that JSON-RPC leaves to implementations (2.0 specification, section 5.1).
const BLOCKED: i64 = -32_001;
const FAILED: i64 = -32_000;
const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const INTERNAL: i64 = -32_603;

fn one(id: &Value, code: i64, (message, reason, decision_id): (&str, &str, &str)) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message,
        "data": {"reason": reason, "decision_id": decision_id}}})
}

/// An error for each request of the body.
fn errors(reply_to: &str, code: i64, what: (&str, &str, &str)) -> Value {
    let list: Vec<Value> = serde_json::from_str(&format!("[{reply_to}]")).unwrap_or_default();
    match list.len() {
        0 => one(&Value::Null, code, what),
        1 => one(&list[0], code, what),
        _ => list.iter().map(|id| one(id, code, what)).collect(),
    }
}

fn refusal(context: &RefusalContext<'_>) -> Answer {
    let what = (context.text, "content_blocked", context.decision_id);
    let body = errors(context.reply_to, BLOCKED, what);
    if context.framing == Framing::Events {
        return Answer::event_stream(format!("event: message\ndata: {body}\n\n"));
    }
    Answer::json(200, &body)
}

fn body(context: &ErrorContext<'_>) -> Value {
    let code = match context.kind {
        ErrorKind::Blocked => BLOCKED,
        ErrorKind::Malformed => PARSE_ERROR,
        ErrorKind::UnsupportedMedia | ErrorKind::TooLarge => INVALID_REQUEST,
        ErrorKind::Internal => INTERNAL,
        _ => FAILED,
    };
    let what = (context.message, context.kind.as_str(), context.decision_id);
    errors(context.reply_to, code, what)
}

fn error(context: &ErrorContext<'_>) -> Answer {
    Answer::json(context.kind.status(), &body(context))
}

fn stream_error(context: &ErrorContext<'_>) -> Vec<u8> {
    format!("event: message\ndata: {}\n\n", body(context)).into_bytes()
}

fn stop(context: &StopContext<'_>) -> Vec<u8> {
    let what = (context.text, "content_blocked", context.decision_id);
    let body = errors(context.reply_to, BLOCKED, what);
    format!("event: message\ndata: {body}\n\n").into_bytes()
}
