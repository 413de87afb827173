//! What a wire protocol has to know: how to read a call, weaken it, refuse it, fail it, and read
//! its answer. Adding one is a folder in `protocols/` and a line in its list.

use atalaya_model::{Constraints, Redaction};

use crate::answer::{Answer, ErrorContext, RefusalContext, StopContext};
use crate::call::{ParseLimits, ParsedAnswer, ParsedCall, WireError};
use crate::coverage::Coverage;
use crate::framing::Framing;
use crate::reader::ResponseReader;

/// What a protocol may need of a request's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestHead<'h> {
    /// Method.
    pub method: &'h str,
    /// Path without the query string.
    pub path: &'h str,
    /// Query string without the question mark.
    pub query: &'h str,
    /// `content-type`.
    pub content_type: &'h str,
}

/// One thing that CONSTRAIN did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedConstraint {
    /// `max_output_tokens`, `temperature`, `safety_message`, `redact` or `drop_tools`.
    pub kind: &'static str,
    /// How many times.
    pub count: u32,
}

/// One wire protocol and operation.
pub trait Protocol: Send + Sync {
    /// Name in logs and configuration, e.g. `openai.chat`.
    fn name(&self) -> &'static str;

    /// Whether a request belongs to this protocol. Paths are matched at their end, so that a
    /// prefix can name an upstream (`/ollama/v1/chat/completions`).
    fn matches(&self, method: &str, path: &str) -> bool;

    /// Reads a call.
    ///
    /// # Errors
    /// When the body is no call of this protocol.
    fn parse<'a>(
        &self,
        head: &RequestHead<'_>,
        body: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedCall<'a>, WireError>;

    /// Whether a path that nobody else knows may be given to this protocol by a route of the
    /// configuration that names it: protocols whose paths everybody chooses.
    fn is_claimable(&self) -> bool {
        false
    }

    /// The framing of an answer to a call; `asked` is what the call asked for.
    fn framing(&self, content_type: &str, _asked: Framing) -> Framing {
        Framing::of(content_type)
    }

    /// Reads a whole answer, or the document of one frame of a stream.
    ///
    /// # Errors
    /// When it is no answer of this protocol.
    fn parse_answer<'a>(
        &self,
        data: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedAnswer<'a>, WireError>;

    /// Data of a frame that is no JSON and says that the stream has ended.
    fn end_marker(&self) -> &'static [u8] {
        b""
    }

    /// Writes an answer, or a frame's document, with spans replaced; valid afterwards.
    ///
    /// # Errors
    /// [`WireError::Edit`] when the result would not parse.
    fn redact_answer(
        &self,
        data: &[u8],
        answer: &ParsedAnswer<'_>,
        redactions: &[Redaction],
    ) -> Result<Vec<u8>, WireError> {
        crate::edit::redact_answer(data, answer, redactions)
    }

    /// Writes the weakened call: byte edits, everything else untouched, valid afterwards.
    ///
    /// # Errors
    /// [`WireError::Edit`] when the result would not parse: the caller must refuse the call.
    fn constrain(
        &self,
        body: &[u8],
        call: &ParsedCall<'_>,
        constraints: &Constraints,
        redactions: &[Redaction],
    ) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError>;

    /// Writes the call with a sentence at the end of its own instructions; `None` if it has none, or
    /// none that can take one.
    ///
    /// # Errors
    /// If the body is no JSON, or [`WireError::Edit`] when the result would not parse.
    fn instruct(&self, _body: &[u8], _sentence: &str) -> Result<Option<Vec<u8>>, WireError> {
        Ok(None)
    }

    /// A refusal that the official SDKs take for an answer (status 200).
    fn refusal(&self, context: &RefusalContext<'_>) -> Answer;

    /// A failure in the protocol's own shape.
    fn error(&self, context: &ErrorContext<'_>) -> Answer;

    /// The bytes that end a stream after a failure, once its head has been sent.
    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8>;

    /// The bytes that end a stream which the policy stopped, in a form that the official SDKs
    /// take for an end.
    fn stream_stop(&self, context: &StopContext<'_>) -> Vec<u8>;

    /// A reader for the answer to a call.
    fn response_reader(&self, framing: Framing) -> Box<dyn ResponseReader>;

    /// What of the protocol is looked at, for the coverage matrix; tests hold it to the cases.
    fn coverage(&self) -> Coverage;
}
