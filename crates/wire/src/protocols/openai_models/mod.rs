//! OpenAI models: `GET …/v1/models` and `GET …/v1/models/{id}`.
//!
//! Source: OpenAI API reference, "List models". Carries no text, so there is nothing to judge;
//! it is logged, because listing models is how many a probe begins.

use atalaya_model::{Constraints, Redaction};

use super::openai_chat::answers;
use super::openai_chat::facts::OpenAiFacts;
use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext};
use crate::call::{ParseLimits, ParsedCall, WireError};
use crate::protocol::{AppliedConstraint, Protocol};
use crate::reader::{ResponseReader, WholeReader};

/// The protocol.
pub(crate) struct OpenAiModels;

impl Protocol for OpenAiModels {
    fn name(&self) -> &'static str {
        "openai.models"
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        method == "GET" && (path.ends_with("/v1/models") || path.contains("/v1/models/"))
    }

    fn parse<'a>(&self, body: &'a [u8], _: &ParseLimits) -> Result<ParsedCall<'a>, WireError> {
        if body.is_empty() {
            Ok(ParsedCall::default())
        } else {
            // A body where none belongs is not carried past the detectors.
            Err(WireError::Type {
                path: String::new(),
                expected: "empty: this request has no body",
            })
        }
    }

    fn constrain(
        &self,
        body: &[u8],
        _: &ParsedCall<'_>,
        _: &Constraints,
        _: &[Redaction],
    ) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
        Ok((body.to_vec(), Vec::new()))
    }

    fn refusal(&self, context: &RefusalContext<'_>) -> Answer {
        answers::error(&ErrorContext {
            decision_id: context.decision_id,
            kind: ErrorKind::Blocked,
            message: context.text,
        })
    }

    fn error(&self, context: &ErrorContext<'_>) -> Answer {
        answers::error(context)
    }

    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8> {
        answers::stream_error(context)
    }

    fn response_reader(&self, _stream: bool) -> Box<dyn ResponseReader> {
        Box::new(WholeReader::new(OpenAiFacts))
    }
}
