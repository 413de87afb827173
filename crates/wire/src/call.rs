//! A call as every protocol sees it after parsing.

use std::borrow::Cow;

use atalaya_model::{Segment, SegmentKind, Span, Unjudged, UnjudgedReason};

use crate::json::{Document, JsonError, JsonLimits, Kind, Value, decode_one};

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
}

/// Where a piece of the call stands; the JSON Pointer is built only when it is needed.
pub(crate) struct Collector<'a> {
    pub(crate) call: ParsedCall<'a>,
    segments_max: usize,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(limits: &ParseLimits) -> Self {
        let call = ParsedCall {
            segments: Vec::with_capacity(8),
            ..ParsedCall::default()
        };
        Self {
            call,
            segments_max: limits.segments_max,
        }
    }

    /// Adds a string as a segment; empty ones say nothing and are left out.
    pub(crate) fn text(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        value: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        let Some(text) = value.as_str() else {
            return Ok(());
        };
        if text.is_empty() {
            return Ok(());
        }
        if self.call.segments.len() >= self.segments_max {
            return Err(WireError::TooManySegments(self.segments_max));
        }
        let path = Cow::Owned(path.pointer());
        self.call.segments.push(Segment {
            kind,
            path,
            body: value.span(),
            text,
        });
        Ok(())
    }

    /// Adds every string below a value, at any depth; the members' names too, since a model
    /// reads them as well.
    pub(crate) fn all_strings(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        value: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        match value.kind() {
            Kind::String => self.text(kind, path, value),
            Kind::Array => {
                for (index, child) in value.children().enumerate() {
                    self.all_strings(kind, &path.index(index), child)?;
                }
                Ok(())
            }
            Kind::Object => {
                for child in value.children() {
                    let key = child.key();
                    self.all_strings(kind, &path.key(&key), child)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn unjudged(
        &mut self,
        path: &Path<'_>,
        reason: UnjudgedReason,
        what: Option<&str>,
        value: Value<'_, 'a>,
    ) {
        self.call.unjudged.push(Unjudged {
            path: path.pointer(),
            reason,
            what: what.map(bounded_name),
            bytes: u64::try_from(value.outer_span().len()).ok(),
        });
    }
}

/// Names that callers choose are cut before they reach the log.
fn bounded_name(name: &str) -> String {
    const NAME_CHARS_MAX: usize = 64;
    name.chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARS_MAX)
        .collect()
}

/// A JSON Pointer (RFC 6901) under construction, on the stack.
pub(crate) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(crate) fn key(&'p self, key: &'p str) -> Path<'p> {
        Path::Key(self, key)
    }

    pub(crate) fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }

    pub(crate) fn pointer(&self) -> String {
        let mut out = String::with_capacity(32);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        use std::fmt::Write as _;
        match self {
            Self::Root => {}
            Self::Key(parent, key) => {
                parent.write(out);
                out.push('/');
                for c in key.chars() {
                    match c {
                        '~' => out.push_str("~0"),
                        '/' => out.push_str("~1"),
                        c => out.push(c),
                    }
                }
            }
            Self::Index(parent, index) => {
                parent.write(out);
                let _ = write!(out, "/{index}");
            }
        }
    }
}

/// The root object of a call.
pub(crate) fn root_object<'d, 'a>(document: &'d Document<'a>) -> Result<Value<'d, 'a>, WireError> {
    let root = document.root();
    if root.kind() == Kind::Object {
        Ok(root)
    } else {
        Err(WireError::Type {
            path: String::new(),
            expected: "an object",
        })
    }
}

/// Maps a byte span of a segment's decoded text to the bytes of the body that encode it.
#[must_use]
pub fn body_span(body: &[u8], segment: &Segment<'_>, span: Span) -> Span {
    let Some(raw) = body
        .get(segment.body.start..segment.body.end)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
    else {
        return segment.body;
    };
    if matches!(segment.text, Cow::Borrowed(_)) {
        let end = span.end.min(raw.len());
        let start = span.start.min(end);
        return Span::new(segment.body.start + start, segment.body.start + end);
    }
    let (mut decoded, mut at) = (0, 0);
    let (mut start, mut end) = (None, raw.len());
    while let Some((c, next)) = decode_one(raw, at) {
        if start.is_none() && decoded + c.len_utf8() > span.start {
            start = Some(at);
        }
        if decoded >= span.end {
            end = at;
            break;
        }
        decoded += c.len_utf8();
        at = next;
    }
    let start = start.unwrap_or(raw.len()).min(end);
    Span::new(segment.body.start + start, segment.body.start + end)
}
