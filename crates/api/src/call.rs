//! One request to the API, read.

use atalaya_control::AdminIdentity;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A request whose route and caller are known.
#[derive(Debug)]
pub struct Call {
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) headers: http::HeaderMap,
    pub(crate) identity: Option<AdminIdentity>,
}

impl Call {
    /// A parameter of the path, e.g. `id` of `/v1/keys/{id}`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A number of the query.
    ///
    /// # Errors
    /// If it is none.
    pub fn number(&self, name: &str, default: u32, max: u32) -> Result<u32, Problem> {
        let Some(text) = self.query(name) else {
            return Ok(default);
        };
        match text.parse::<u32>() {
            Ok(number) if number <= max => Ok(number),
            _ => Err(Problem::invalid(format!(
                "`{name}` must be a number up to {max}"
            ))),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none of that shape, with the place.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Problem::invalid(format!("the body: {error}")))
    }

    /// The body as JSON; nothing at all stands for the default.
    ///
    /// # Errors
    /// If it is none of that shape, with the place.
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        self.json()
    }

    /// The body as it came.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// A header's value, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Who asks: the author of what is done.
    #[must_use]
    pub fn author(&self) -> &str {
        self.identity
            .as_ref()
            .map_or("anonymous", |identity| &identity.name)
    }
}
