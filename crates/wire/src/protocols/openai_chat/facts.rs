//! Facts in OpenAI's answers.

use memchr::memmem;

use crate::json::Value;
use crate::reader::{Facts, Settled, add_tool, fact};

pub(super) struct OpenAiFacts;

impl Facts for OpenAiFacts {
    fn whole(&mut self, root: Value<'_, '_>, settled: &mut Settled) {
        common(root, settled);
        for choice in root.get("choices").iter().flat_map(Value::children) {
            settled.finish_reason =
                fact(choice.get("finish_reason")).or(settled.finish_reason.take());
            if let Some(message) = choice.get("message") {
                tool_calls(message, settled);
            }
        }
    }

    fn event(&mut self, root: Value<'_, '_>, settled: &mut Settled) {
        common(root, settled);
        for choice in root.get("choices").iter().flat_map(Value::children) {
            settled.finish_reason =
                fact(choice.get("finish_reason")).or(settled.finish_reason.take());
            if let Some(delta) = choice.get("delta") {
                tool_calls(delta, settled);
            }
        }
    }

    fn is_interesting(&self, data: &[u8]) -> bool {
        // A plain delta says `"finish_reason":null` and has no usage, tools or error. What a
        // delta quotes inside its text has escaped quotes and does not match.
        let plain = memmem::find(data, b"\"finish_reason\":null").is_some()
            || memmem::find(data, b"\"finish_reason\": null").is_some();
        !plain
            || memmem::find(data, b"\"role\"").is_some()
            || memmem::find(data, b"\"tool_calls\"").is_some()
            || memmem::find(data, b"\"usage\":{").is_some()
            || memmem::find(data, b"\"usage\": {").is_some()
    }

    fn is_end(&self, data: &[u8]) -> bool {
        data.trim_ascii() == b"[DONE]"
    }
}

fn common(root: Value<'_, '_>, settled: &mut Settled) {
    for member in root.children() {
        match member.key().as_ref() {
            "id" => settled.response_id = fact(Some(member)).or(settled.response_id.take()),
            "model" => {
                settled.response_model = fact(Some(member)).or(settled.response_model.take());
            }
            "usage" => usage(member, settled),
            "error" => {
                settled.error_type = fact(member.get("type")).or_else(|| fact(member.get("code")));
            }
            _ => {}
        }
    }
}

fn usage(usage: Value<'_, '_>, settled: &mut Settled) {
    let count = |value: Option<Value<'_, '_>>| value.and_then(|value| value.as_u64());
    settled.input_tokens = count(usage.get("prompt_tokens")).or(settled.input_tokens);
    settled.output_tokens = count(usage.get("completion_tokens")).or(settled.output_tokens);
    if let Some(details) = usage.get("prompt_tokens_details") {
        settled.cached_tokens = count(details.get("cached_tokens"));
    }
    if let Some(details) = usage.get("completion_tokens_details") {
        settled.reasoning_tokens = count(details.get("reasoning_tokens"));
    }
}

fn tool_calls(message: Value<'_, '_>, settled: &mut Settled) {
    for call in message.get("tool_calls").iter().flat_map(Value::children) {
        add_tool(
            settled,
            call.get("function")
                .and_then(|function| fact(function.get("name"))),
        );
    }
}
