//! A call as every protocol sees it after parsing.

use std::borrow::Cow;

use atalaya_model::{Segment, Span, Unjudged};

use crate::collect::{is_embedded, is_plain};
use crate::framing::Framing;
use crate::json::{JsonError, JsonLimits, SourceOffsets, unescape};

/// Limits of parsing.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// Limits of the JSON document.
    pub json: JsonLimits,
    /// Most segments in one call; more make the call malformed.
    pub segments_max: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            json: JsonLimits::default(),
            segments_max: 100_000,
        }
    }
}

/// Why a body is no call of its protocol. Never carries content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The body is not acceptable JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A member has the wrong type.
    #[error("`{path}` must be {expected}")]
    Type {
        /// JSON Pointer.
        path: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A required member is missing.
    #[error("`{path}` is missing")]
    Missing {
        /// JSON Pointer.
        path: &'static str,
    },
    /// A body that is no JSON does not follow its form.
    #[error("{0}")]
    Form(&'static str),
    /// More segments than the limit.
    #[error("more than {0} pieces of text")]
    TooManySegments(usize),
    /// An edit did not give a valid body: a defect of ours, never forwarded.
    #[error("the constrained body is not valid")]
    Edit,
}

/// A call, normalised: what detectors, policy and log need, borrowed from the body.
#[derive(Debug, Default)]
pub struct ParsedCall<'a> {
    /// Model that is asked for.
    pub model: Option<Cow<'a, str>>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Output token limit.
    pub max_tokens: Option<u64>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Number of answers.
    pub candidate_count: Option<u64>,
    /// Whether log-probabilities are asked for.
    pub logprobs: Option<bool>,
    /// The protocol's own user field.
    pub user: Option<Cow<'a, str>>,
    /// The protocol's own conversation field.
    pub session: Option<Cow<'a, str>>,
    /// Id of the answer that the call goes on from, where the provider keeps the conversation.
    pub previous: Option<Cow<'a, str>>,
    /// Names of the tools that are offered.
    pub tools: Vec<Cow<'a, str>>,
    /// Number of messages.
    pub message_count: u32,
    /// Number of user messages.
    pub user_turns: u32,
    /// Every piece of text, in reading order.
    pub segments: Vec<Segment<'a>>,
    /// Everything that no detector can look at.
    pub unjudged: Vec<Unjudged>,
    /// How the caller expects a stream to be framed, when it asks for one.
    pub framing: Framing,
    /// Id of the request, as JSON, in protocols that have one (JSON-RPC).
    pub reply_to: Option<Cow<'a, str>>,
    /// Method or operation within the protocol, e.g. `tools/call`.
    pub operation: Option<Cow<'a, str>>,
    /// Texts of this call are pieces, or its facts were read from a frame of a stream.
    pub(crate) notes: Notes,
}

/// What editing has to know of a document besides its segments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The document is no JSON: what stands in it needs no escapes.
    pub(crate) is_plain: bool,
    /// Values that repeat a text in pieces; they go when the text is changed.
    pub(crate) echoes: Vec<Span>,
}

/// A segment of a streamed answer that is a piece of a longer text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Index of the segment.
    pub segment: usize,
    /// Which text it is a piece of: the same in every frame.
    pub channel: String,
    /// The whole text is JSON: what is replaced must leave it valid.
    pub is_json: bool,
}

/// An answer, or the document of one frame of it.
#[derive(Debug, Default)]
pub struct ParsedAnswer<'a> {
    /// Its texts and what cannot be looked at.
    pub call: ParsedCall<'a>,
    /// Which of the segments are pieces.
    pub deltas: Vec<Delta>,
}

/// Maps a byte span of a segment's decoded text to the bytes of the body that encode it, widened
/// to whole characters.
#[must_use]
pub fn body_span(body: &[u8], segment: &Segment<'_>, span: Span) -> Span {
    let Some(raw) = body
        .get(segment.body.start..segment.body.end)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
    else {
        return segment.body;
    };
    let mut span = Span::new(span.start.min(span.end), span.end);
    match (is_embedded(segment), is_plain(segment)) {
        (true, false) => {
            // Escaped twice: as JSON, and as the string that holds that JSON.
            span = SourceOffsets::new(&unescape(raw)).span(span);
            span = SourceOffsets::new(raw).span(span);
        }
        (false, false) | (true, true) => span = SourceOffsets::new(raw).span(span),
        (false, true) => span = Span::new(span.start.min(raw.len()), span.end.min(raw.len())),
    }
    Span::new(
        segment.body.start + span.start,
        segment.body.start + span.end,
    )
}
