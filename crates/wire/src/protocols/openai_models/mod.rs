//! Models: `GET …/v1/models` and `GET …/v1/models/{id}`, of OpenAI, Anthropic and others.
//!
//! Source: OpenAI API reference, "List models". A request carries no text, so there is nothing to
//! judge; it is logged, because listing models is how many a probe begins.

use atalaya_model::SegmentKind;

use super::openai;
use crate::facts::Tell;
use crate::rules::Table;
use crate::spec::{Body, Spec, spec};

const NOTHING: Table = Table::of(SegmentKind::User, &[]);
const ANSWER: Table = Table::of(SegmentKind::Response, &[]);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    body: Body::Empty,
    facts: &[("error/type", Tell::Error)],
    ..spec(
        "openai.models",
        matches,
        (&NOTHING, &ANSWER),
        openai::ERRORS,
    )
};

fn matches(method: &str, path: &str) -> bool {
    method == "GET" && (path.ends_with("/v1/models") || path.contains("/v1/models/"))
}
