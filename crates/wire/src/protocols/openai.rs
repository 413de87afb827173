//! What the operations of OpenAI's API have in common: their errors, and which path is theirs.
//! Not a protocol itself.

use super::openai_chat::answers;
use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext};
use crate::facts::Tell;
use crate::spec::Voice;

/// Of operations that cannot say no in an answer: a refusal is an error.
pub(crate) const ERRORS: Voice = Voice {
    refusal,
    error: answers::error,
    stream_error: answers::stream_error,
    stop,
};

fn refusal(context: &RefusalContext<'_>) -> Answer {
    answers::error(&ErrorContext::new(
        context.decision_id,
        ErrorKind::Blocked,
        context.text,
    ))
}

fn stop(context: &StopContext<'_>) -> Vec<u8> {
    answers::stream_error(&ErrorContext::new(
        context.decision_id,
        ErrorKind::Blocked,
        context.text,
    ))
}

/// Usage, model and error, as most of the operations have them.
pub(crate) const FACTS: &[(&str, Tell)] = &[
    ("id", Tell::Id),
    ("model", Tell::Model),
    ("usage/prompt_tokens", Tell::Input),
    ("usage/input_tokens", Tell::Input),
    ("usage/completion_tokens", Tell::Output),
    ("usage/output_tokens", Tell::Output),
    ("error/type", Tell::Error),
    ("error/code", Tell::Error),
];

/// Whether a path is `…/v1/<name>`, where a prefix may name an upstream.
pub(crate) fn is(path: &str, name: &str) -> bool {
    path.strip_suffix(name)
        .is_some_and(|before| before.ends_with('/'))
}

/// Whether a path is `…/v1/<name>` or below it.
pub(crate) fn is_below(path: &str, name: &str) -> bool {
    is(path, name) || {
        let folder = format!("/v1/{name}/");
        path.contains(&folder)
    }
}
