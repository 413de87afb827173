//! What a detector saw, what it could not see, and the summary of both.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{SegmentKind, Span, ThreatCategory};

/// One thing a detector saw. Never carries the text that matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub category: ThreatCategory,
    /// How sure and how bad, 0-100, higher is worse.
    pub score: u8,
    /// Id of the pattern or model that fired, e.g. `prompt_injection.override.ignore_previous`.
    pub rule: Cow<'static, str>,
    /// Index of the segment in the call, in the order in which `wire` lists them.
    pub segment: u32,
    /// Kind of that segment.
    pub kind: SegmentKind,
    /// Byte span in the segment's decoded text.
    pub span: Span,
    /// ATLAS technique ids.
    pub atlas: Cow<'static, [Cow<'static, str>]>,
}

/// Why something was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnjudgedReason {
    /// A route that no protocol module understands.
    UnknownRoute,
    /// A content type or block that no protocol module understands.
    UnknownContent,
    /// Image, audio, video or another binary medium.
    Media,
    /// The protocol hides it from everybody but the provider (encrypted reasoning, file ids).
    Opaque,
    /// Longer than the inspection limit.
    TooLarge,
    /// A detector gave up: its time or depth limit was reached.
    LimitReached,
    /// The bytes could not be parsed.
    Malformed,
    /// A transfer encoding that is not decoded.
    Encoded,
}

impl UnjudgedReason {
    /// The name used in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownRoute => "unknown_route",
            Self::UnknownContent => "unknown_content",
            Self::Media => "media",
            Self::Opaque => "opaque",
            Self::TooLarge => "too_large",
            Self::LimitReached => "limit_reached",
            Self::Malformed => "malformed",
            Self::Encoded => "encoded",
        }
    }
}

/// A part of a call that no detector saw: said aloud instead of passed silently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unjudged {
    /// JSON Pointer of the part, or empty for the whole body.
    pub path: String,
    /// Why.
    pub reason: UnjudgedReason,
    /// Media type or block type, when known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub what: Option<String>,
    /// Size in bytes, when known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
}

/// The assessment of a whole call (or of one text).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// `ThreatScore`, 0-100.
    pub score: u8,
    /// `ThreatDetection`: the category that weighed most; `None` when nothing was found.
    pub detection: Option<ThreatCategory>,
    /// `DetectedPattern`: the rule id that weighed most.
    pub pattern: Option<Cow<'static, str>>,
    /// Everything that was seen, worst first, bounded by the inspection limits.
    pub findings: Vec<Finding>,
    /// Everything that was not looked at.
    pub unjudged: Vec<Unjudged>,
    /// Number of segments that detectors looked at.
    pub judged: u32,
    /// Normalisation tricks that were undone, e.g. `zero_width`, `base64`; each once.
    pub norm_flags: Vec<&'static str>,
    /// Kinds of secrets found, e.g. `aws_access_key`; each once; never the secret.
    pub secret_types: Vec<Cow<'static, str>>,
}
