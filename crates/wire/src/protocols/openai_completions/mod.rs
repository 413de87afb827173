//! OpenAI legacy completions: `POST …/v1/completions`.
//!
//! Source: OpenAI API reference, "Create completion". A prompt may be text, a list of texts, or
//! token ids; the last cannot be read here and are `Unjudged`. There is no place for a safety
//! message in a text that is to be continued.

use atalaya_model::SegmentKind::{Response, User};
use serde_json::{Value as Json, json};

use super::openai;
use super::openai_chat::answers;
use crate::answer::{Answer, RefusalContext, StopContext};
use crate::facts::Tell;
use crate::framing::Framing;
use crate::rules::{Fact, Is, Of, Table, rule};
use crate::spec::{Spec, Voice, spec};
use crate::weaken::Shape;

const REQUEST: Table = Table {
    required: Some("/prompt"),
    ..Table::of(
        User,
        &[
            rule("prompt", Is::Tokens(Of::Kind(User))),
            rule("suffix", Is::Tokens(Of::Kind(User))),
            rule("model", Is::Fact(Fact::Model)),
            rule("stream", Is::Fact(Fact::Stream)),
            rule("max_tokens", Is::Fact(Fact::MaxTokens)),
            rule("max_completion_tokens", Is::Fact(Fact::MaxTokens)),
            rule("temperature", Is::Fact(Fact::Temperature)),
            rule("n", Is::Fact(Fact::Candidates)),
            rule("logprobs", Is::Fact(Fact::LogProbs)),
            rule("user", Is::Fact(Fact::User)),
        ],
    )
};

const ANSWER: Table = Table::of(
    Response,
    &[
        rule("choices/#/text", Is::Delta(Of::Kind(Response))),
        rule("choices/#/logprobs", Is::Echo),
    ],
);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    shape: Shape {
        output_tokens: &["max_tokens"],
        temperature: Some("temperature"),
        ..Shape::NONE
    },
    facts: &[
        ("id", Tell::Id),
        ("model", Tell::Model),
        ("choices/#/finish_reason", Tell::Finish),
        ("usage/prompt_tokens", Tell::Input),
        ("usage/completion_tokens", Tell::Output),
        ("error/type", Tell::Error),
        ("error/code", Tell::Error),
    ],
    end_marker: b"[DONE]",
    streams: &[Framing::Events],
    finish: |_, call| {
        call.message_count = 1;
        call.user_turns = 1;
    },
    ..spec("openai.completions", matches, (&REQUEST, &ANSWER), VOICE)
};

const VOICE: Voice = Voice {
    refusal,
    stop,
    ..openai::ERRORS
};

fn matches(method: &str, path: &str) -> bool {
    method == "POST" && path.ends_with("/completions") && !path.ends_with("/chat/completions")
}

fn refusal(context: &RefusalContext<'_>) -> Answer {
    let id = format!("cmpl-{}", context.decision_id);
    let part =
        |text: &str, finish: Json| part((&id, context.model), context.created_s, text, &finish);
    if context.stream {
        let text = part(context.text, Json::Null);
        let end = part("", json!("content_filter"));
        return Answer::event_stream(format!("data: {text}\n\ndata: {end}\n\ndata: [DONE]\n\n"));
    }
    let mut whole = part(context.text, json!("content_filter"));
    whole["usage"] = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    Answer::json(200, &whole)
}

fn part((id, model): (&str, &str), created_s: i64, text: &str, finish: &Json) -> Json {
    json!({
        "id": id, "object": "text_completion", "created": created_s, "model": model,
        "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}]
    })
}

fn stop(context: &StopContext<'_>) -> Vec<u8> {
    let (id, model) = answers::identity(context, "cmpl");
    let end = part(
        (&id, &model),
        context.created_s,
        "",
        &json!("content_filter"),
    );
    format!("data: {end}\n\ndata: [DONE]\n\n").into_bytes()
}
