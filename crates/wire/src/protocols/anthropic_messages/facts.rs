//! Facts in Anthropic's answers, whole and streamed.

use memchr::memmem;

use crate::json::scan::Scalar;
use crate::reader::{Facts, Settled};

/// Remembers what of a block or event has been read, since members come in any order.
#[derive(Default)]
pub(crate) struct AnthropicFacts {
    block_is_tool: bool,
    block_name: Option<String>,
    event_type: Option<String>,
}

impl Facts for AnthropicFacts {
    fn scalar(&mut self, path: &str, value: Scalar<'_>, settled: &mut Settled) {
        // `message_start` wraps the message; a whole answer is the message.
        let inner = path.strip_prefix("message/").unwrap_or(path);
        match inner {
            "type" if path == "type" => self.event_type = value.text(),
            "id" => settled.response_id = value.text(),
            "model" => settled.response_model = value.text(),
            "stop_reason" | "delta/stop_reason" => {
                settled.finish_reason = value.text().or(settled.finish_reason.take());
            }
            "error/type" => settled.error_type = value.text(),
            "content/#/type" | "content_block/type" => {
                self.block_is_tool =
                    matches!(value, Scalar::Text(kind) if kind.ends_with("tool_use"));
            }
            "content/#/name" | "content_block/name" => self.block_name = value.text(),
            _ => {
                if let Some(count) = inner.strip_prefix("usage/") {
                    usage(count, value, settled);
                }
            }
        }
    }

    fn closed(&mut self, path: &str, settled: &mut Settled) {
        match path {
            "content/#" | "content_block" => {
                let name = self.block_name.take();
                if let Some(name) = name.filter(|_| self.block_is_tool) {
                    settled.add_tool(name);
                }
                self.block_is_tool = false;
            }
            "" => {
                settled.complete |= self.event_type.take().as_deref() == Some("message_stop");
            }
            _ => {}
        }
    }

    fn is_interesting(&self, data: &[u8]) -> bool {
        /// The event's type stands at its beginning.
        const HEAD_BYTES: usize = 64;
        let head = &data[..data.len().min(HEAD_BYTES)];
        memmem::find(head, b"\"content_block_delta\"").is_none()
    }
}

fn usage(count: &str, value: Scalar<'_>, settled: &mut Settled) {
    let slot = match count {
        "input_tokens" => &mut settled.input_tokens,
        "output_tokens" => &mut settled.output_tokens,
        "cache_read_input_tokens" => &mut settled.cached_tokens,
        _ => return,
    };
    *slot = value.count().or(*slot);
}
