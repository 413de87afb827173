//! What stands where in the answer to a chat completion, whole and streamed.

use atalaya_model::SegmentKind::{Reasoning, Response, ToolCall};

use crate::rules::{Is, Of, Table, rule};

const TEXT: Is = Is::Text(Of::Kind(Response));
const THOUGHT: Is = Is::Text(Of::Kind(Reasoning));
const CALL: Is = Is::Json(Of::Kind(ToolCall));
const PIECE: Is = Is::Delta(Of::Kind(Response));
const THOUGHT_PIECE: Is = Is::Delta(Of::Kind(Reasoning));
const CALL_PIECE: Is = Is::DeltaJson(Of::Kind(ToolCall));

pub(crate) const ANSWER: Table = Table::of(
    Response,
    &[
        rule("choices/#/message/content", TEXT),
        rule("choices/#/message/refusal", TEXT),
        rule("choices/#/message/reasoning", THOUGHT),
        rule("choices/#/message/reasoning_content", THOUGHT),
        rule("choices/#/message/reasoning_details", THOUGHT),
        rule("choices/#/message/tool_calls/#/function/arguments", CALL),
        rule("choices/#/message/tool_calls/#/custom/input", CALL),
        rule("choices/#/message/function_call/arguments", CALL),
        rule("choices/#/message/audio/data", Is::Opaque("audio")),
        rule("choices/#/message/images", Is::Media("image")),
        rule("choices/#/delta/content", PIECE),
        rule("choices/#/delta/refusal", PIECE),
        rule("choices/#/delta/reasoning", THOUGHT_PIECE),
        rule("choices/#/delta/reasoning_content", THOUGHT_PIECE),
        rule(
            "choices/#/delta/tool_calls/#/function/arguments",
            CALL_PIECE,
        ),
        rule("choices/#/delta/tool_calls/#/custom/input", CALL_PIECE),
        rule("choices/#/delta/function_call/arguments", CALL_PIECE),
        rule("choices/#/delta/audio/data", Is::Opaque("audio")),
        rule("choices/#/delta/audio/transcript", PIECE),
        rule("choices/#/delta/images", Is::Media("image")),
        rule("choices/#/logprobs", Is::Echo),
    ],
);
