//! Facts in OpenAI's answers: completions and chat completions, whole and streamed.

use memchr::memmem;

use crate::json::scan::Scalar;
use crate::reader::{Facts, Settled};

pub(crate) struct OpenAiFacts;

impl Facts for OpenAiFacts {
    fn scalar(&mut self, path: &str, value: Scalar<'_>, settled: &mut Settled) {
        let last = |text: Option<String>, slot: &mut Option<String>| {
            if text.is_some() {
                *slot = text;
            }
        };
        match path {
            "id" => last(value.text(), &mut settled.response_id),
            "model" => last(value.text(), &mut settled.response_model),
            "choices/#/finish_reason" => last(value.text(), &mut settled.finish_reason),
            "error/type" | "error/code" if settled.error_type.is_none() => {
                settled.error_type = value.text();
            }
            _ => match path.strip_prefix("usage/") {
                Some(count) => usage(count, value, settled),
                None if is_tool_name(path) => {
                    if let Some(name) = value.text() {
                        settled.add_tool(name);
                    }
                }
                None => {}
            },
        }
    }

    fn is_interesting(&self, data: &[u8]) -> bool {
        /// The first event names model and id, so the first ones are always read.
        const MARKS: [&[u8]; 3] = [b"\"role\"", b"\"tool_calls\"", b"\"usage\":{"];
        // A plain delta says `"finish_reason":null` and has no usage, tools or error. What a
        // delta quotes inside its text has escaped quotes and does not match.
        let is_plain = memmem::find(data, b"\"finish_reason\":null").is_some();
        !is_plain || MARKS.iter().any(|mark| memmem::find(data, mark).is_some())
    }

    fn end_marker(&self) -> &'static [u8] {
        b"[DONE]"
    }
}

fn is_tool_name(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("choices/#/") else {
        return false;
    };
    let call = rest
        .strip_prefix("delta/")
        .or_else(|| rest.strip_prefix("message/"));
    matches!(
        call,
        Some("tool_calls/#/function/name" | "tool_calls/#/custom/name" | "function_call/name")
    )
}

fn usage(count: &str, value: Scalar<'_>, settled: &mut Settled) {
    let slot = match count {
        "prompt_tokens" => &mut settled.input_tokens,
        "completion_tokens" => &mut settled.output_tokens,
        "prompt_tokens_details/cached_tokens" => &mut settled.cached_tokens,
        "completion_tokens_details/reasoning_tokens" => &mut settled.reasoning_tokens,
        _ => return,
    };
    *slot = value.count().or(*slot);
}
