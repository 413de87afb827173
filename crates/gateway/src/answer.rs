//! The model's answer, looked at before the caller gets it: whole, or streamed with its last bytes
//! held back.
//!
//! An answer that nothing was found in passes as the same bytes. What is found is replaced at its
//! place, in a way that leaves the documents valid, or the answer ends with a refusal in its own
//! protocol. What could not be looked at is said to be `Unjudged`, and the policy decides about it.
//!
//! Trade-off: a window sees a pattern that fits into what is held back and looked at again; the
//! policy can have the whole answer kept instead. Left out: what the caller does with it.

mod canaries;
mod channel;
mod leak;
mod report;
mod stream;
mod tools;
mod whole;

use std::sync::Arc;

use atalaya_inspect::Inspector;
use atalaya_model::{Decision, Finding, Redaction, Unjudged, UnjudgedReason, Verdict};
use atalaya_policy::{CallFacts, Policy, ResponseOutcome};
use atalaya_wire::{Framing, ParseLimits, Protocol, RefusalContext, StopContext};

pub(crate) use canaries::Needles;
pub(crate) use leak::PromptMarks;
pub(crate) use report::Report;
pub(crate) use stream::StreamGuard;
pub(crate) use tools::{AskedBy, read_arguments};
pub(crate) use whole::{Whole, judge_text, judge_whole, leaks_of, refused};

/// Everything that looking at one answer needs.
pub(crate) struct Watch {
    pub(crate) protocol: &'static dyn Protocol,
    pub(crate) inspector: Arc<Inspector>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) parse_limits: ParseLimits,
    pub(crate) decision_id: String,
    pub(crate) created_s: i64,
    pub(crate) upstream: String,
    pub(crate) path: String,
    pub(crate) asked: Asked,
}

/// What was asked for, as far as the answer is held against it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Model.
    pub(crate) model: String,
    /// Framing of a stream, if one was asked for.
    pub(crate) framing: Framing,
    /// Id of the request, as JSON.
    pub(crate) reply_to: String,
    /// Marks of the instructions, by which they are known again.
    pub(crate) marks: PromptMarks,
    /// Words in them that must not come back.
    pub(crate) canaries: Arc<Needles>,
    /// Who asked; nothing for what no protocol understands.
    pub(crate) by: Option<Arc<AskedBy>>,
}

impl Watch {
    /// What the policy says of a part of the answer.
    fn decide(&self, verdict: &Verdict) -> ResponseOutcome<'_> {
        self.policy.decide_response(
            verdict,
            &CallFacts {
                protocol: self.protocol.name(),
                path: &self.path,
                model: &self.asked.model,
                upstream: &self.upstream,
            },
        )
    }

    /// The report about an answer that nobody can look at, and whether it is blocked.
    pub(crate) fn unseen(&self, reason: UnjudgedReason, what: &str) -> (Report, bool) {
        let verdict = Verdict {
            unjudged: vec![Unjudged {
                bytes: None,
                ..unjudged(reason, what, 0)
            }],
            ..Verdict::default()
        };
        let outcome = self.decide(&verdict);
        let mut report = Report::default();
        report.add(&verdict, &outcome);
        (report, outcome.decision == Decision::Block)
    }

    /// The answer that takes the place of one of which nothing was sent yet.
    fn refusal(&self, framing: Framing, text: &str) -> atalaya_wire::Answer {
        self.protocol.refusal(&RefusalContext {
            decision_id: &self.decision_id,
            model: &self.asked.model,
            stream: framing.is_stream(),
            text,
            created_s: self.created_s,
            framing,
            reply_to: &self.asked.reply_to,
        })
    }

    fn stop_context<'c>(
        &'c self,
        framing: Framing,
        text: &'c str,
        (first, last): (&'c [u8], &'c [Vec<u8>]),
    ) -> StopContext<'c> {
        StopContext {
            decision_id: &self.decision_id,
            model: &self.asked.model,
            text,
            created_s: self.created_s,
            framing,
            reply_to: &self.asked.reply_to,
            first,
            last,
        }
    }
}

/// What stands in the place of a finding.
fn replacement(finding: &Finding) -> String {
    format!("[REDACTED:{}]", finding.category)
}

/// The findings of an outcome that are replaced.
fn redactions(verdict: &Verdict, outcome: &ResponseOutcome<'_>) -> Vec<Redaction> {
    verdict
        .findings
        .iter()
        .filter(|finding| outcome.redact.contains(&finding.category))
        .map(|finding| Redaction {
            segment: finding.segment,
            span: finding.span,
            replacement: replacement(finding),
        })
        .collect()
}

fn unjudged(reason: UnjudgedReason, what: &str, bytes: usize) -> Unjudged {
    let is_name = what.len() <= 64
        && what
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/.+-_".contains(&byte));
    Unjudged {
        path: String::new(),
        reason,
        what: (is_name && !what.is_empty()).then(|| what.to_owned()),
        bytes: u64::try_from(bytes).ok(),
    }
}
