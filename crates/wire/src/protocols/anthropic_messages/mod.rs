//! Anthropic Messages: `POST …/v1/messages`.
//!
//! Source: Anthropic API reference, "Messages" and "Streaming Messages".

pub(crate) mod answer;
pub(crate) mod answers;
pub(crate) mod constrain;
pub(crate) mod facts;
pub(crate) mod parse;

use atalaya_model::{Constraints, Redaction};

use crate::answer::{Answer, ErrorContext, RefusalContext, StopContext};
use crate::call::{ParseLimits, ParsedAnswer, ParsedCall, WireError};
use crate::coverage::Coverage;
use crate::framing::Framing;
use crate::instruct::{Instructions, Part, instruct};
use crate::protocol::{AppliedConstraint, Protocol, RequestHead};
use crate::reader::{ResponseReader, reader};
use crate::rules::read;
use crate::weaken::Order;

/// The protocol.
pub(crate) struct AnthropicMessages;

impl Protocol for AnthropicMessages {
    fn name(&self) -> &'static str {
        "anthropic.messages"
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        method == "POST" && path.ends_with("/v1/messages")
    }

    fn parse<'a>(
        &self,
        _: &RequestHead<'_>,
        body: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedCall<'a>, WireError> {
        parse::parse(body, limits)
    }

    fn parse_answer<'a>(
        &self,
        data: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedAnswer<'a>, WireError> {
        Ok(read(&answer::ANSWER, data, limits)?.answer())
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

    fn instruct(&self, body: &[u8], sentence: &str) -> Result<Option<Vec<u8>>, WireError> {
        let place = Instructions::Member("system", Part::Text);
        instruct(place, body, sentence)
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

    fn stream_stop(&self, context: &StopContext<'_>) -> Vec<u8> {
        answers::stop(context)
    }

    fn response_reader(&self, framing: Framing) -> Box<dyn ResponseReader> {
        reader(framing, facts::AnthropicFacts::default())
    }

    fn coverage(&self) -> Coverage {
        Coverage {
            request: parse::KINDS.to_vec(),
            answer: answer::ANSWER.kinds(),
            request_unjudged: parse::BLIND.to_vec(),
            answer_unjudged: answer::ANSWER.blind(),
            streams: vec![Framing::Events],
        }
    }
}
