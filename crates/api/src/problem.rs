//! What went wrong, for programs and people (RFC 9457).

use atalaya_control::ControlError;
use atalaya_model::Diagnostic;
use http::StatusCode;
use serde_json::{Value, json};

use crate::reply::Reply;

/// An operation that failed. Never holds text of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable name of the kind of problem.
    pub code: &'static str,
    /// What is wrong with this very request, and the remedy.
    pub detail: String,
    /// Single mistakes: `{code, message, help, start, end}`.
    pub errors: Vec<Value>,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// The request is wrong.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// It was done or decided before.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// The node cannot do it now; `detail` goes to the log, not to the client.
    #[must_use]
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        tracing::error!(%detail, "an operation of the API failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the node could not do it; its log says why",
        )
    }

    /// Mistakes in something that a person wrote.
    #[must_use]
    pub fn diagnostics(detail: impl Into<String>, diagnostics: &[Diagnostic]) -> Self {
        let errors = diagnostics.iter().map(|diagnostic| {
            json!({"code": diagnostic.code, "message": diagnostic.message,
                "help": diagnostic.help, "start": diagnostic.span.start,
                "end": diagnostic.span.end})
        });
        Self {
            errors: errors.collect(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_document", detail)
        }
    }

    pub(crate) fn into_reply(self) -> Reply {
        let mut body = json!({
            "type": format!("urn:atalaya:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            body["errors"] = Value::Array(self.errors);
        }
        let mut reply = Reply::bytes(self.status, "application/problem+json", body.to_string());
        if self.status == StatusCode::UNAUTHORIZED {
            reply = reply.header("www-authenticate", "Bearer");
        }
        reply
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NotFound { .. } => Self::not_found(error.to_string()),
            ControlError::Invalid { .. } => Self::invalid(error.to_string()),
            ControlError::Conflict(why) => Self::conflict(why),
            ControlError::Policy {
                ref diagnostics, ..
            } => Self::diagnostics(error.to_string(), diagnostics),
            ControlError::Store(_) | ControlError::Random(_) => Self::internal(error),
        }
    }
}
