//! What a caller gets instead of the model's answer.

use serde_json::json;

use crate::framing::Framing;

/// A whole HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `content-type`.
    pub content_type: &'static str,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn event_stream(body: String) -> Self {
        Self::stream(Framing::Events, body.into_bytes())
    }

    pub(crate) const fn stream(framing: Framing, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type: framing.content_type(),
            body,
        }
    }
}

/// Facts for a refusal.
#[derive(Clone, Copy, Debug)]
pub struct RefusalContext<'a> {
    /// Decision id; part of the answer's id, so that a caller can quote it.
    pub decision_id: &'a str,
    /// Model that was asked for.
    pub model: &'a str,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What the caller is told.
    pub text: &'a str,
    /// Seconds since the Unix epoch.
    pub created_s: i64,
    /// The framing that the caller expects.
    pub framing: Framing,
    /// Id of the request that is answered, as JSON, in protocols that have one (JSON-RPC).
    pub reply_to: &'a str,
}

/// Facts for the end of a stream that the policy stopped.
#[derive(Clone, Copy, Debug)]
pub struct StopContext<'a> {
    /// Decision id.
    pub decision_id: &'a str,
    /// Model that was asked for.
    pub model: &'a str,
    /// What the caller is told.
    pub text: &'a str,
    /// Seconds since the Unix epoch.
    pub created_s: i64,
    /// Framing of the stream.
    pub framing: Framing,
    /// Id of the request that is answered, as JSON.
    pub reply_to: &'a str,
    /// Document of the first frame that was sent; empty if none.
    pub first: &'a [u8],
    /// Documents of the last frames that were sent, oldest first.
    pub last: &'a [Vec<u8>],
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The policy blocked it and is configured to say so with an error.
    Blocked,
    /// The body is no call of the protocol.
    Malformed,
    /// The body's encoding or type is not supported.
    UnsupportedMedia,
    /// The body is longer than the limit.
    TooLarge,
    /// The caller is not known.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// There is no such route.
    NotFound,
    /// The method is not allowed on this route.
    MethodNotAllowed,
    /// The caller was too slow in sending.
    RequestTimeout,
    /// The caller sends too much.
    RateLimited,
    /// The upstream could not be reached, or broke off.
    UpstreamUnreachable,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The gateway has too much to do.
    Overloaded,
    /// The decision could not be made durable.
    LogUnavailable,
    /// A defect of the gateway.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Blocked,
        Self::Malformed,
        Self::UnsupportedMedia,
        Self::TooLarge,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::RateLimited,
        Self::UpstreamUnreachable,
        Self::UpstreamTimeout,
        Self::Overloaded,
        Self::LogUnavailable,
        Self::Internal,
    ];

    /// HTTP status (RFC 9110).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Blocked | Self::Malformed => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::UpstreamUnreachable => 502,
            Self::Overloaded | Self::LogUnavailable => 503,
            Self::UpstreamTimeout => 504,
        }
    }

    /// Name in the log's `ErrorClass` column and in error bodies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "content_blocked",
            Self::Malformed => "malformed",
            Self::UnsupportedMedia => "unsupported_media",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::RateLimited => "rate_limited",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Overloaded => "overloaded",
            Self::LogUnavailable => "log_unavailable",
            Self::Internal => "internal",
        }
    }
}

/// Facts for a failure.
#[derive(Clone, Copy, Debug)]
pub struct ErrorContext<'a> {
    /// Decision id.
    pub decision_id: &'a str,
    /// Why.
    pub kind: ErrorKind,
    /// What the caller is told; never holds text of the call.
    pub message: &'a str,
    /// Id of the request that is answered, as JSON, in protocols that have one (JSON-RPC).
    pub reply_to: &'a str,
    /// Framing of the answer.
    pub framing: Framing,
}

impl<'a> ErrorContext<'a> {
    /// An error that answers a request without an id, whole.
    #[must_use]
    pub const fn new(decision_id: &'a str, kind: ErrorKind, message: &'a str) -> Self {
        Self {
            decision_id,
            kind,
            message,
            reply_to: "",
            framing: Framing::Whole,
        }
    }
}

/// The error body for requests whose protocol is not known.
#[must_use]
pub fn generic_error(context: &ErrorContext<'_>) -> Answer {
    Answer::json(
        context.kind.status(),
        &json!({"error": {
            "message": context.message, "type": context.kind.as_str(),
            "code": context.kind.as_str(), "decision_id": context.decision_id}}),
    )
}
