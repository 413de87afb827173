//! Facts in Anthropic's answers.

use memchr::memmem;

use crate::json::Value;
use crate::reader::{Facts, Settled, add_tool, fact};

pub(super) struct AnthropicFacts;

impl Facts for AnthropicFacts {
    fn whole(&mut self, root: Value<'_, '_>, settled: &mut Settled) {
        message(root, settled);
        error(root, settled);
    }

    fn event(&mut self, root: Value<'_, '_>, settled: &mut Settled) {
        match root.get_str("type").unwrap_or_default().as_ref() {
            "message_start" => {
                if let Some(start) = root.get("message") {
                    message(start, settled);
                }
            }
            "content_block_start" => {
                if let Some(block) = root.get("content_block") {
                    tool(block, settled);
                }
            }
            "message_delta" => {
                if let Some(delta) = root.get("delta") {
                    settled.finish_reason = fact(delta.get("stop_reason"));
                }
                if let Some(counts) = root.get("usage") {
                    usage(counts, settled);
                }
            }
            "message_stop" => settled.complete = true,
            "error" => error(root, settled),
            _ => {}
        }
    }

    fn is_interesting(&self, data: &[u8]) -> bool {
        memmem::find(data, b"content_block_delta").is_none()
            || memmem::find(&data[..data.len().min(64)], b"content_block_delta").is_none()
    }

    fn is_end(&self, _data: &[u8]) -> bool {
        false
    }
}

fn message(message: Value<'_, '_>, settled: &mut Settled) {
    settled.response_id = fact(message.get("id"));
    settled.response_model = fact(message.get("model"));
    settled.finish_reason = fact(message.get("stop_reason"));
    for block in message.get("content").iter().flat_map(Value::children) {
        tool(block, settled);
    }
    if let Some(counts) = message.get("usage") {
        usage(counts, settled);
    }
}

fn tool(block: Value<'_, '_>, settled: &mut Settled) {
    let block_type = block.get_str("type").unwrap_or_default();
    if block_type.ends_with("tool_use") {
        add_tool(settled, fact(block.get("name")));
    }
}

fn usage(usage: Value<'_, '_>, settled: &mut Settled) {
    let count = |name: &str| usage.get(name).and_then(|value| value.as_u64());
    settled.input_tokens = count("input_tokens").or(settled.input_tokens);
    settled.output_tokens = count("output_tokens").or(settled.output_tokens);
    settled.cached_tokens = count("cache_read_input_tokens").or(settled.cached_tokens);
}

fn error(root: Value<'_, '_>, settled: &mut Settled) {
    if let Some(error) = root.get("error") {
        settled.error_type = fact(error.get("type"));
    }
}
