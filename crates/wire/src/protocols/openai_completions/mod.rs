//! OpenAI legacy completions: `POST …/v1/completions`.
//!
//! Source: OpenAI API reference, "Create completion". A prompt may be text, a list of texts, or
//! token ids; the last cannot be read here and are `Unjudged`.

use atalaya_model::{Constraints, Redaction, SegmentKind};
use serde_json::{Value as Json, json};

use super::openai_chat::answers;
use super::openai_chat::facts::OpenAiFacts;
use super::openai_chat::parse::switch;
use crate::answer::{Answer, ErrorContext, RefusalContext};
use crate::call::{ParseLimits, ParsedCall, WireError};
use crate::collect::{Collector, Path, root_object};
use crate::json;
use crate::protocol::{AppliedConstraint, Protocol};
use crate::reader::{EventReader, ResponseReader, WholeReader};
use crate::weaken::{Order, Shape, weaken};

const SHAPE: Shape = Shape {
    settings: None,
    output_tokens: &["max_tokens"],
    temperature: Some("temperature"),
    is_temperature_fixed: false,
    tools: &[],
};

/// The protocol.
pub(crate) struct OpenAiCompletions;

impl Protocol for OpenAiCompletions {
    fn name(&self) -> &'static str {
        "openai.completions"
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        method == "POST" && path.ends_with("/completions") && !path.ends_with("/chat/completions")
    }

    fn parse<'a>(&self, body: &'a [u8], limits: &ParseLimits) -> Result<ParsedCall<'a>, WireError> {
        let document = json::parse(body, limits.json)?;
        let root = root_object(&document)?;
        let mut collector = Collector::new(limits);
        let mut has_prompt = false;
        for member in root.children() {
            let key = member.key();
            let path = Path::Root.key(&key);
            match key.as_ref() {
                "prompt" | "suffix" => {
                    has_prompt |= key == "prompt";
                    collector.text_or_tokens(SegmentKind::User, &path, member)?;
                }
                _ => switch(&mut collector, &path, (key.as_ref(), member))?,
            }
        }
        if !has_prompt {
            return Err(WireError::Missing { path: "/prompt" });
        }
        collector.call.message_count = 1;
        collector.call.user_turns = 1;
        Ok(collector.call)
    }

    /// There is no place for a safety message in a text that is to be continued.
    fn constrain(
        &self,
        body: &[u8],
        call: &ParsedCall<'_>,
        constraints: &Constraints,
        redactions: &[Redaction],
    ) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
        let order = Order {
            body,
            call,
            constraints,
            redactions,
        };
        weaken(order, |_| SHAPE, |_, _| Ok(()))
    }

    fn refusal(&self, context: &RefusalContext<'_>) -> Answer {
        let part = |text: &str, finish: Json| {
            json!({
                "id": format!("cmpl-{}", context.decision_id), "object": "text_completion",
                "created": context.created_s, "model": context.model,
                "choices": [
                    {"index": 0, "text": text, "logprobs": null, "finish_reason": finish}]
            })
        };
        if context.stream {
            let text = part(context.text, Json::Null);
            let end = part("", json!("content_filter"));
            return Answer::event_stream(format!(
                "data: {text}\n\ndata: {end}\n\ndata: [DONE]\n\n"
            ));
        }
        let mut whole = part(context.text, json!("content_filter"));
        whole["usage"] = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
        Answer::json(200, &whole)
    }

    fn error(&self, context: &ErrorContext<'_>) -> Answer {
        answers::error(context)
    }

    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8> {
        answers::stream_error(context)
    }

    fn response_reader(&self, stream: bool) -> Box<dyn ResponseReader> {
        if stream {
            Box::new(EventReader::new(OpenAiFacts))
        } else {
            Box::new(WholeReader::new(OpenAiFacts))
        }
    }
}
