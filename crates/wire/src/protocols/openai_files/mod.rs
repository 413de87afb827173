//! OpenAI files: `…/v1/files`, `…/v1/files/{id}`, `…/v1/files/{id}/content`.
//!
//! Source: OpenAI API reference, "Files". What a file holds is read where it is text (JSON lines
//! as what their documents say); anything else is `Unjudged` with its type and size.

use atalaya_model::SegmentKind::{Document, Response, User};

use super::openai;
use crate::framing::Framing;
use crate::rules::{Is, Of, Table, rule};
use crate::spec::{Body, Spec, spec};

const REQUEST: Table = Table::of(User, &[rule("file", Is::Text(Of::Kind(Document)))]);
/// Also the content of a file, which is whatever was put there: each line of a batch's results.
const ANSWER: Table = Table::of(
    Response,
    &[
        rule("response/body", Is::Text(Of::Kind(Response))),
        rule("body", Is::Text(Of::Kind(Response))),
        rule("messages", Is::Text(Of::Kind(Response))),
    ],
);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    body: Body::JsonOrForm,
    facts: openai::FACTS,
    framing: |content_type, _| match Framing::of(content_type) {
        Framing::Lines => Framing::Text,
        other => other,
    },
    ..spec("openai.files", matches, (&REQUEST, &ANSWER), openai::ERRORS)
};

fn matches(method: &str, path: &str) -> bool {
    matches!(method, "GET" | "POST" | "DELETE") && openai::is_below(path, "files")
}
