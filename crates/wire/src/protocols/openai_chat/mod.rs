//! OpenAI chat completions: `POST …/v1/chat/completions`.
//!
//! Source: OpenAI API reference, "Create chat completion"; the same shape is spoken by vLLM,
//! Ollama, Azure OpenAI and many others, so unknown members are expected and forwarded.

pub(crate) mod answers;
mod constrain;
pub(crate) mod facts;
pub(crate) mod parse;

use atalaya_model::{Constraints, Redaction};

use crate::answer::{Answer, ErrorContext, RefusalContext};
use crate::call::{ParseLimits, ParsedCall, WireError};
use crate::protocol::{AppliedConstraint, Protocol};
use crate::reader::{EventReader, ResponseReader, WholeReader};
use crate::weaken::Order;

/// The protocol.
pub(crate) struct OpenAiChat;

impl Protocol for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai.chat"
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        method == "POST" && path.ends_with("/chat/completions")
    }

    fn parse<'a>(&self, body: &'a [u8], limits: &ParseLimits) -> Result<ParsedCall<'a>, WireError> {
        parse::parse(body, limits)
    }

    fn constrain(
        &self,
        body: &[u8],
        call: &ParsedCall<'_>,
        constraints: &Constraints,
        redactions: &[Redaction],
    ) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
        constrain::constrain(Order {
            body,
            call,
            constraints,
            redactions,
        })
    }

    fn refusal(&self, context: &RefusalContext<'_>) -> Answer {
        answers::refusal(context)
    }

    fn error(&self, context: &ErrorContext<'_>) -> Answer {
        answers::error(context)
    }

    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8> {
        answers::stream_error(context)
    }

    fn response_reader(&self, stream: bool) -> Box<dyn ResponseReader> {
        if stream {
            Box::new(EventReader::new(facts::OpenAiFacts))
        } else {
            Box::new(WholeReader::new(facts::OpenAiFacts))
        }
    }
}
