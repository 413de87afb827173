//! What a decision means for a call: what is sent, how it was weakened, and what its answer is held
//! against.

use std::sync::Arc;

use atalaya_model::{Decision, Verdict};
use atalaya_policy::{Outcome as PolicyOutcome, ResponsePolicy};
use atalaya_wire::{AppliedConstraint, Framing, ParsedCall, Protocol};
use bytes::Bytes;

use super::{Forward, Next, Refusal, redactions};
use crate::answer::{Asked, AskedBy, Needles, PromptMarks};
use crate::canary::CanaryKey;
use crate::door::Denied;
use crate::route::Destination;

/// A canary for a call.
pub(super) struct Inserted<'j> {
    pub(super) key: &'j CanaryKey,
    pub(super) token: String,
    pub(super) sentence: String,
}

/// A call with everything that is known about it.
pub(super) struct JudgedCall<'j> {
    pub(super) protocol: &'static dyn Protocol,
    pub(super) body: &'j Bytes,
    pub(super) call: &'j ParsedCall<'j>,
    pub(super) verdict: &'j Verdict,
    pub(super) outcome: &'j PolicyOutcome<'j>,
    pub(super) denied: Option<&'j Denied>,
    /// What holds for the answer.
    pub(super) response: &'j ResponsePolicy,
    /// What is put into the instructions, if anything is.
    pub(super) canary: Option<Inserted<'j>>,
    /// Who asked.
    pub(super) by: Arc<AskedBy>,
}

impl JudgedCall<'_> {
    /// What the decision means for this call, and how it was weakened.
    pub(super) fn next(&self, to: &Destination<'_>) -> (Next, Vec<AppliedConstraint>) {
        if let Some(denied) = self.denied {
            return (denied.next(), Vec::new());
        }
        let (body, mut applied) = match self.outcome.decision {
            Decision::Allow | Decision::Log => (self.body.clone(), Vec::new()),
            Decision::Block => return (self.refusal(), Vec::new()),
            Decision::Constrain => match self.weaken() {
                Ok((weaker, applied)) => (Bytes::from(weaker), applied),
                // What cannot be weakened safely is not forwarded at all.
                Err(_) => return (self.refusal(), Vec::new()),
            },
        };
        let mut canaries = if self.response.inspect {
            Needles::of(&self.response.canaries)
        } else {
            Needles::default()
        };
        let body = self.marked(body, &mut canaries, &mut applied);
        let is_modified = body != *self.body;
        let forward = forward(to, body, is_modified, self.asked(canaries));
        (forward, applied)
    }

    /// The body with a canary, if it is to have one and can take it.
    fn marked(
        &self,
        body: Bytes,
        canaries: &mut Needles,
        applied: &mut Vec<AppliedConstraint>,
    ) -> Bytes {
        let Some(inserted) = &self.canary else {
            return body;
        };
        let Ok(Some(marked)) = self.protocol.instruct(&body, &inserted.sentence) else {
            return body;
        };
        canaries.inserted(&inserted.token, inserted.key);
        applied.push(AppliedConstraint {
            kind: "canary",
            count: 1,
        });
        Bytes::from(marked)
    }

    /// What the answer is held against.
    fn asked(&self, canaries: Needles) -> Asked {
        Asked {
            model: self.call.model.as_deref().unwrap_or("").to_owned(),
            canaries: Arc::new(canaries),
            marks: if self.response.inspect {
                PromptMarks::of(&self.call.segments)
            } else {
                PromptMarks::default()
            },
            framing: asked_framing(self.call),
            reply_to: self.call.reply_to.as_deref().unwrap_or("").to_owned(),
            by: Some(Arc::clone(&self.by)),
        }
    }

    fn refusal(&self) -> Next {
        let on_block = self.outcome.on_block;
        Next::Refuse(Refusal {
            model: self.call.model.as_deref().unwrap_or("").to_owned(),
            stream: self.call.stream,
            text: on_block.text.clone(),
            as_error: on_block.style == atalaya_policy::BlockStyle::Error,
            framing: self.call.framing,
            reply_to: self.call.reply_to.as_deref().unwrap_or("").to_owned(),
        })
    }

    fn weaken(&self) -> Result<(Vec<u8>, Vec<AppliedConstraint>), atalaya_wire::WireError> {
        let constraints = &self.outcome.constraints;
        let redactions = redactions(self.verdict, &constraints.redact);
        self.protocol
            .constrain(self.body, self.call, constraints, &redactions)
    }
}

/// What a stream looks like that a call asks for.
fn asked_framing(call: &ParsedCall<'_>) -> Framing {
    match (call.stream, call.framing) {
        (true, Framing::Whole) => Framing::Events,
        (_, framing) => framing,
    }
}

pub(super) fn forward(to: &Destination<'_>, body: Bytes, is_modified: bool, asked: Asked) -> Next {
    Next::Forward(Forward {
        target: to.target,
        failover: to.failover.to_vec(),
        path_prefix: to.path_prefix.to_owned(),
        body,
        is_modified,
        asked,
        price: None,
    })
}
