//! AI wire protocols: bytes ⇄ normalised call, with byte offsets.
//!
//! [`protocols::find`] names the protocol of a route; the protocol reads the call into segments
//! that borrow from the body, weakens it by byte edits, refuses it in a form that the official
//! SDKs take for an answer, and reads the facts of the answer as it passes.
//!
//! Every string that a model could read is a segment, also in members that nobody knows yet;
//! what no detector can look at (media, encrypted reasoning, unknown blocks) is `Unjudged`.
//! Left out: HTTP, deciding, and translation between protocols.

mod answer;
mod call;
mod charset;
mod collect;
mod coverage;
mod edit;
mod facts;
mod form;
mod framing;
mod instruct;
pub mod json;
mod protocol;
pub mod protocols;
mod reader;
mod rules;
mod spec;
mod tool_calls;
mod weaken;

pub use answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext, generic_error};
pub use call::{Delta, ParseLimits, ParsedAnswer, ParsedCall, WireError, body_span};
pub use charset::is_utf8_by_charset;
pub use coverage::{Coverage, matrix};
pub use framing::{Frame, FrameError, Framing, Splitter, aws_event, rewrite};
pub use protocol::{AppliedConstraint, Protocol, RequestHead};
pub use reader::{ResponseReader, Settled};
pub use rules::PREVIOUS;
pub use tool_calls::{ToolCallPiece, tool_calls};
