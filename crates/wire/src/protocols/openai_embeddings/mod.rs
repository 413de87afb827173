//! OpenAI embeddings: `POST …/v1/embeddings`.
//!
//! Source: OpenAI API reference, "Create embeddings". What is embedded is read later by a model:
//! poisoned documents enter a vector store here. Token ids cannot be read here and are
//! `Unjudged`. An embedding cannot say no: a refusal is an error.

use atalaya_model::{Constraints, Redaction, SegmentKind};

use super::openai_chat::answers;
use super::openai_chat::facts::OpenAiFacts;
use super::openai_chat::parse::switch;
use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext};
use crate::call::{ParseLimits, ParsedCall, WireError};
use crate::collect::{Collector, Path, root_object};
use crate::json;
use crate::protocol::{AppliedConstraint, Protocol};
use crate::reader::{ResponseReader, WholeReader};
use crate::weaken::{Order, Shape, weaken};

/// The protocol.
pub(crate) struct OpenAiEmbeddings;

impl Protocol for OpenAiEmbeddings {
    fn name(&self) -> &'static str {
        "openai.embeddings"
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        method == "POST" && path.ends_with("/embeddings")
    }

    fn parse<'a>(&self, body: &'a [u8], limits: &ParseLimits) -> Result<ParsedCall<'a>, WireError> {
        let document = json::parse(body, limits.json)?;
        let root = root_object(&document)?;
        let mut collector = Collector::new(limits);
        let mut has_input = false;
        for member in root.children() {
            let key = member.key();
            let path = Path::Root.key(&key);
            if key == "input" {
                has_input = true;
                collector.text_or_tokens(SegmentKind::Document, &path, member)?;
            } else {
                switch(&mut collector, &path, (key.as_ref(), member))?;
            }
        }
        if !has_input {
            return Err(WireError::Missing { path: "/input" });
        }
        collector.call.message_count = 1;
        Ok(collector.call)
    }

    /// Only redaction has a meaning here.
    fn constrain(
        &self,
        body: &[u8],
        call: &ParsedCall<'_>,
        constraints: &Constraints,
        redactions: &[Redaction],
    ) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
        let order = Order {
            body,
            call,
            constraints,
            redactions,
        };
        weaken(order, |_| Shape::default(), |_, _| Ok(()))
    }

    fn refusal(&self, context: &RefusalContext<'_>) -> Answer {
        answers::error(&ErrorContext {
            decision_id: context.decision_id,
            kind: ErrorKind::Blocked,
            message: context.text,
        })
    }

    fn error(&self, context: &ErrorContext<'_>) -> Answer {
        answers::error(context)
    }

    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8> {
        answers::stream_error(context)
    }

    fn response_reader(&self, _stream: bool) -> Box<dyn ResponseReader> {
        Box::new(WholeReader::new(OpenAiFacts))
    }
}
