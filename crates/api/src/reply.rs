//! What an operation answers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;

use crate::problem::Problem;

/// The body of an answer: whole, or a stream of frames.
pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// An answer.
#[derive(Debug)]
pub struct Reply(Response<Body>);

impl Reply {
    /// JSON, status 200.
    ///
    /// # Errors
    /// If the value cannot be JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, Problem> {
        Self::json_with(StatusCode::OK, value)
    }

    /// JSON, status 201.
    ///
    /// # Errors
    /// If the value cannot be JSON.
    pub fn created(value: &impl Serialize) -> Result<Self, Problem> {
        Self::json_with(StatusCode::CREATED, value)
    }

    /// JSON.
    ///
    /// # Errors
    /// If the value cannot be JSON.
    pub fn json_with(status: StatusCode, value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(Problem::internal)?;
        Ok(Self::bytes(status, "application/json", body))
    }

    /// Any bytes.
    #[must_use]
    pub fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = Full::new(body.into())
            .map_err(|never| match never {})
            .boxed();
        Self::stream(status, content_type, body)
    }

    /// A stream of frames.
    #[must_use]
    pub fn stream(
        status: StatusCode,
        content_type: &'static str,
        body: BoxBody<Bytes, std::io::Error>,
    ) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
        headers.insert(
            "x-content-type-options",
            HeaderValue::from_static("nosniff"),
        );
        Self(response)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        self.0
    }
}
