//! Anthropic's other operations on messages: `POST …/v1/messages/count_tokens` and
//! `…/v1/messages/batches` with what is below it.
//!
//! Source: Anthropic API reference, "Count Message tokens", "Message Batches". The calls in a
//! batch are whole calls: each is read as one. Counting is no use of the model, but what is
//! counted is sent to the provider all the same.

use atalaya_model::SegmentKind::{self, Response, User};

use super::anthropic_messages::{answers, parse};
use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext};
use crate::call::{ParseLimits, ParsedAnswer, ParsedCall, WireError};
use crate::collect::{Collector, Path, elements, root_object};
use crate::coverage::Coverage;
use crate::facts::{TableFacts, Tell};
use crate::framing::Framing;
use crate::json;
use crate::protocol::{AppliedConstraint, Protocol, RequestHead};
use crate::reader::{ResponseReader, reader};
use crate::rules::{Is, Of, Table, read, rule};
use crate::weaken::{Order, Shape, weaken};
use atalaya_model::{Constraints, Redaction};

/// Results of a batch, one a line.
const ANSWER: Table = Table::of(
    Response,
    &[
        rule("result/message/content", Is::Text(Of::Kind(Response))),
        rule("result/error", Is::Text(Of::Kind(Response))),
    ],
);

const FACTS: TableFacts = TableFacts {
    table: &[
        ("input_tokens", Tell::Input),
        ("id", Tell::Id),
        ("error/type", Tell::Error),
    ],
    end_marker: b"",
};

/// Both operations.
pub(crate) struct AnthropicBatches {
    pub(crate) name: &'static str,
    pub(crate) is_batch: bool,
}

impl Protocol for AnthropicBatches {
    fn name(&self) -> &'static str {
        self.name
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        if !self.is_batch {
            return method == "POST" && path.ends_with("/v1/messages/count_tokens");
        }
        matches!(method, "GET" | "POST" | "DELETE")
            && (path.ends_with("/v1/messages/batches") || path.contains("/v1/messages/batches/"))
    }

    fn parse<'a>(
        &self,
        head: &RequestHead<'_>,
        body: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedCall<'a>, WireError> {
        if !self.is_batch {
            return parse::parse(body, limits);
        }
        if body.is_empty() && !(head.method == "POST" && head.path.ends_with("/batches")) {
            return Ok(ParsedCall::default());
        }
        let document = json::parse(body, limits.json)?;
        let root = root_object(&document)?;
        let mut collector = Collector::new(limits);
        let path = Path::Root;
        let Some(requests) = root.get("requests") else {
            return Err(WireError::Missing { path: "/requests" });
        };
        let path = path.key("requests");
        for (index, request) in elements(&path, requests)? {
            let path = path.index(index);
            for member in request.children() {
                let key = member.key();
                let path = path.key(&key);
                if key == "params" {
                    parse::call(&mut collector, &path, member)?;
                } else {
                    collector.label(SegmentKind::User, &path, member)?;
                }
            }
        }
        for member in root.children() {
            let key = member.key();
            if key != "requests" {
                collector.label(SegmentKind::User, &Path::Root.key(&key), member)?;
            }
        }
        // The answers of a batch are no stream of this call.
        collector.call.stream = false;
        Ok(collector.call)
    }

    fn parse_answer<'a>(
        &self,
        data: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedAnswer<'a>, WireError> {
        Ok(read(&ANSWER, data, limits)?.answer())
    }

    fn constrain(
        &self,
        body: &[u8],
        call: &ParsedCall<'_>,
        constraints: &Constraints,
        redactions: &[Redaction],
    ) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
        if body.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let order = Order {
            body,
            call,
            constraints,
            redactions,
        };
        weaken(order, |_| Shape::NONE, |_, _| Ok(()))
    }

    fn refusal(&self, context: &RefusalContext<'_>) -> Answer {
        let kind = ErrorKind::Blocked;
        answers::error(&ErrorContext::new(context.decision_id, kind, context.text))
    }

    fn error(&self, context: &ErrorContext<'_>) -> Answer {
        answers::error(context)
    }

    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8> {
        answers::stream_error(context)
    }

    fn stream_stop(&self, context: &StopContext<'_>) -> Vec<u8> {
        answers::stream_error(&ErrorContext::new(
            context.decision_id,
            ErrorKind::Blocked,
            context.text,
        ))
    }

    fn response_reader(&self, framing: Framing) -> Box<dyn ResponseReader> {
        reader(framing, FACTS)
    }

    fn coverage(&self) -> Coverage {
        let mut request = parse::KINDS.to_vec();
        if !request.contains(&User) {
            request.push(User);
        }
        Coverage {
            request,
            answer: ANSWER.kinds(),
            request_unjudged: parse::BLIND.to_vec(),
            answer_unjudged: Vec::new(),
            streams: if self.is_batch {
                vec![Framing::Lines]
            } else {
                Vec::new()
            },
        }
    }
}

/// Counting.
pub(crate) const COUNT_TOKENS: AnthropicBatches = AnthropicBatches {
    name: "anthropic.count_tokens",
    is_batch: false,
};

/// Batches.
pub(crate) const BATCHES: AnthropicBatches = AnthropicBatches {
    name: "anthropic.batches",
    is_batch: true,
};
