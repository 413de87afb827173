//! What of a protocol is looked at: the source of the coverage matrix in the documentation.

use atalaya_model::SegmentKind;

use crate::framing::Framing;

/// What of a protocol is looked at, and what can be done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Kinds of segments in requests.
    pub request: Vec<SegmentKind>,
    /// Kinds of segments in answers.
    pub answer: Vec<SegmentKind>,
    /// What is said to be `Unjudged` in requests.
    pub request_unjudged: Vec<&'static str>,
    /// What is said to be `Unjudged` in answers.
    pub answer_unjudged: Vec<&'static str>,
    /// Framings of streams that can be stopped and masked.
    pub streams: Vec<Framing>,
}
