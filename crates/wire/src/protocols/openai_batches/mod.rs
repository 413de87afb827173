//! OpenAI batches: `…/v1/batches`, `…/v1/batches/{id}`, `…/v1/batches/{id}/cancel`.
//!
//! Source: OpenAI API reference, "Batch". A batch names a file that the provider reads by itself:
//! the file was judged when it was uploaded, but which file it is nobody here can check, so the
//! name is `Unjudged`.

use atalaya_model::SegmentKind::{Response, User};

use super::openai;
use crate::rules::{Is, Of, Table, rule};
use crate::spec::{Spec, spec};

const REQUEST: Table = Table::of(
    User,
    &[
        rule("input_file_id", Is::Opaque("input_file_id")),
        rule("metadata", Is::Text(Of::Kind(User))),
    ],
);

const ANSWER: Table = Table::of(Response, &[rule("errors", Is::Text(Of::Kind(Response)))]);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    facts: openai::FACTS,
    ..spec(
        "openai.batches",
        matches,
        (&REQUEST, &ANSWER),
        openai::ERRORS,
    )
};

fn matches(method: &str, path: &str) -> bool {
    // Anthropic's batches of messages are another protocol.
    matches!(method, "GET" | "POST")
        && openai::is_below(path, "batches")
        && !path.contains("/messages/")
}
