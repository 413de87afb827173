//! A protocol that is said by tables: where its calls go, what stands where, in which voice it
//! answers. What tables cannot say, a protocol says in a function of its own.

use atalaya_model::{Constraints, Redaction};

use crate::answer::{Answer, ErrorContext, RefusalContext, StopContext};
use crate::call::{ParseLimits, ParsedAnswer, ParsedCall, WireError};
use crate::coverage::Coverage;
use crate::edit::Edits;
use crate::facts::{TableFacts, Tell};
use crate::form;
use crate::framing::Framing;
use crate::instruct::{Instructions, instruct};
use crate::protocol::{AppliedConstraint, Protocol, RequestHead};
use crate::reader::{ResponseReader, reader};
use crate::rules::{Table, read, read_request};
use crate::weaken::{Order, Shape, Weakening, weaken};

/// How a protocol speaks when the model does not.
#[derive(Clone, Copy)]
pub(crate) struct Voice {
    pub(crate) refusal: fn(&RefusalContext<'_>) -> Answer,
    pub(crate) error: fn(&ErrorContext<'_>) -> Answer,
    pub(crate) stream_error: fn(&ErrorContext<'_>) -> Vec<u8>,
    pub(crate) stop: fn(&StopContext<'_>) -> Vec<u8>,
}

/// What a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// A JSON document.
    Json,
    /// JSON, or `multipart/form-data`.
    JsonOrForm,
    /// Nothing; a body where none belongs is refused.
    Empty,
}

/// A protocol by its tables.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) matches: fn(&str, &str) -> bool,
    pub(crate) is_claimable: bool,
    pub(crate) body: Body,
    pub(crate) request: &'static Table,
    /// What only the request's head says, and what only the whole call shows.
    pub(crate) finish: fn(&RequestHead<'_>, &mut ParsedCall<'_>),
    pub(crate) shape: Shape,
    pub(crate) extra: fn(&mut Weakening<'_, '_>, &Constraints) -> Result<(), WireError>,
    /// Where the application's instructions stand.
    pub(crate) instructions: Instructions,
    pub(crate) answer: &'static Table,
    pub(crate) facts: &'static [(&'static str, Tell)],
    pub(crate) end_marker: &'static [u8],
    pub(crate) streams: &'static [Framing],
    pub(crate) framing: fn(&str, Framing) -> Framing,
    pub(crate) voice: Voice,
}

/// A protocol about which nothing is said yet but its tables.
pub(crate) const fn spec(
    name: &'static str,
    matches: fn(&str, &str) -> bool,
    (request, answer): (&'static Table, &'static Table),
    voice: Voice,
) -> Spec {
    Spec {
        name,
        matches,
        is_claimable: false,
        body: Body::Json,
        request,
        finish: |_, _| {},
        shape: Shape::NONE,
        extra: |_, _| Ok(()),
        instructions: Instructions::Nowhere,
        answer,
        facts: &[],
        end_marker: b"",
        streams: &[],
        framing: |content_type, _| Framing::of(content_type),
        voice,
    }
}

impl Protocol for Spec {
    fn name(&self) -> &'static str {
        self.name
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        (self.matches)(method, path)
    }

    fn is_claimable(&self) -> bool {
        self.is_claimable
    }

    fn parse<'a>(
        &self,
        head: &RequestHead<'_>,
        body: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedCall<'a>, WireError> {
        let mut call = if self.body == Body::Empty || has_no_body(head, body) {
            if !body.is_empty() {
                // A body where none belongs is not carried past the detectors.
                return Err(WireError::Type {
                    path: String::new(),
                    expected: "empty: this request has no body",
                });
            }
            ParsedCall::default()
        } else if self.body == Body::JsonOrForm && form::is_form(head.content_type) {
            form::read(self.request, head.content_type, body, limits)?
        } else {
            read_request(self.request, body, limits)?.call
        };
        if call.stream && call.framing == Framing::Whole {
            call.framing = self.streams.first().copied().unwrap_or(Framing::Events);
        }
        (self.finish)(head, &mut call);
        Ok(call)
    }

    fn framing(&self, content_type: &str, asked: Framing) -> Framing {
        (self.framing)(content_type, asked)
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
        if call.notes.is_plain {
            return redact_plain(body, call, redactions);
        }
        let order = Order {
            body,
            call,
            constraints,
            redactions,
        };
        weaken(order, |_| self.shape, self.extra)
    }

    fn instruct(&self, body: &[u8], sentence: &str) -> Result<Option<Vec<u8>>, WireError> {
        if self.instructions == Instructions::Nowhere {
            return Ok(None);
        }
        instruct(self.instructions, body, sentence)
    }

    fn refusal(&self, context: &RefusalContext<'_>) -> Answer {
        (self.voice.refusal)(context)
    }

    fn error(&self, context: &ErrorContext<'_>) -> Answer {
        (self.voice.error)(context)
    }

    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8> {
        (self.voice.stream_error)(context)
    }

    fn stream_stop(&self, context: &StopContext<'_>) -> Vec<u8> {
        (self.voice.stop)(context)
    }

    fn parse_answer<'a>(
        &self,
        data: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedAnswer<'a>, WireError> {
        Ok(read(self.answer, data, limits)?.answer())
    }

    fn end_marker(&self) -> &'static [u8] {
        self.end_marker
    }

    fn response_reader(&self, framing: Framing) -> Box<dyn ResponseReader> {
        reader(
            framing,
            TableFacts {
                table: self.facts,
                end_marker: self.end_marker,
            },
        )
    }

    fn coverage(&self) -> Coverage {
        let request = if self.body == Body::Empty {
            Vec::new()
        } else {
            self.request.kinds()
        };
        Coverage {
            request,
            answer: self.answer.kinds(),
            request_unjudged: self.request.blind(),
            answer_unjudged: self.answer.blind(),
            streams: self.streams.to_vec(),
        }
    }
}

/// `GET` and `DELETE` bring nothing along.
fn has_no_body(head: &RequestHead<'_>, body: &[u8]) -> bool {
    matches!(head.method, "GET" | "DELETE" | "HEAD") || (body.is_empty() && head.method != "POST")
}

/// In a form there is nothing to clamp that is known here: only texts are replaced.
fn redact_plain(
    body: &[u8],
    call: &ParsedCall<'_>,
    redactions: &[Redaction],
) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
    let mut edits = Edits::default();
    let count = edits.redact(body, call, redactions);
    let applied = if count == 0 {
        Vec::new()
    } else {
        vec![AppliedConstraint {
            kind: "redact",
            count,
        }]
    };
    Ok((edits.apply_plain(body)?, applied))
}
