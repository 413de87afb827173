//! What a wire protocol has to know: how to read a call, weaken it, refuse it, fail it, and read
//! its answer. Adding one is a folder in `protocols/` and a line in its list.

use atalaya_model::{Constraints, Redaction};

use crate::answer::{Answer, ErrorContext, RefusalContext};
use crate::call::{ParseLimits, ParsedCall, WireError};
use crate::reader::ResponseReader;

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
    fn parse<'a>(&self, body: &'a [u8], limits: &ParseLimits) -> Result<ParsedCall<'a>, WireError>;

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

    /// A refusal that the official SDKs take for an answer (status 200).
    fn refusal(&self, context: &RefusalContext<'_>) -> Answer;

    /// A failure in the protocol's own shape.
    fn error(&self, context: &ErrorContext<'_>) -> Answer;

    /// The bytes that end a stream after a failure, once its head has been sent.
    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8>;

    /// A reader for the answer to a call.
    fn response_reader(&self, stream: bool) -> Box<dyn ResponseReader>;
}
