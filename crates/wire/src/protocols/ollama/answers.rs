//! Refusals and errors in Ollama's shape.

use serde_json::{Value, json};

use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext};
use crate::framing::Framing;
use crate::spec::Voice;

pub(super) const ERRORS: Voice = Voice {
    refusal: refused_as_error,
    error,
    stream_error,
    stop: |context| last_line(context, "response"),
};

pub(super) const CHAT: Voice = Voice {
    refusal: |context| refusal(context, "message"),
    stop: |context| last_line(context, "message"),
    ..ERRORS
};

pub(super) const GENERATE: Voice = Voice {
    refusal: |context| refusal(context, "response"),
    ..ERRORS
};

fn line(model: &str, created_s: i64, (member, text): (&str, &str), is_done: bool) -> Value {
    let text = if member == "message" {
        json!({"role": "assistant", "content": text})
    } else {
        json!(text)
    };
    let mut line = json!({"model": model, "created_at": rfc3339(created_s), "done": is_done});
    line[member] = text;
    if is_done {
        line["done_reason"] = "stop".into();
        for count in ["prompt_eval_count", "eval_count"] {
            line[count] = 0.into();
        }
    }
    line
}

fn rfc3339(created_s: i64) -> String {
    let mut out = String::new();
    atalaya_model::Timestamp(created_s * 1_000_000).write_rfc3339(&mut out);
    out
}

fn refusal(context: &RefusalContext<'_>, member: &str) -> Answer {
    let (model, created_s) = (context.model, context.created_s);
    if !context.stream {
        return Answer::json(200, &line(model, created_s, (member, context.text), true));
    }
    let text = line(model, created_s, (member, context.text), false);
    let end = line(model, created_s, (member, ""), true);
    Answer::stream(Framing::Lines, format!("{text}\n{end}\n").into_bytes())
}

fn last_line(context: &StopContext<'_>, member: &str) -> Vec<u8> {
    format!(
        "{}\n",
        line(context.model, context.created_s, (member, ""), true)
    )
    .into_bytes()
}

fn refused_as_error(context: &RefusalContext<'_>) -> Answer {
    error(&ErrorContext::new(
        context.decision_id,
        ErrorKind::Blocked,
        context.text,
    ))
}

fn body(context: &ErrorContext<'_>) -> Value {
    json!({"error": context.message, "code": context.kind.as_str(),
        "decision_id": context.decision_id})
}

fn error(context: &ErrorContext<'_>) -> Answer {
    Answer::json(context.kind.status(), &body(context))
}

fn stream_error(context: &ErrorContext<'_>) -> Vec<u8> {
    format!("{}\n", body(context)).into_bytes()
}
