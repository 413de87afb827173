//! What holds for the model's answer: whether and how it is looked at, and what is done about what
//! is found in it. On an answer CONSTRAIN means that the finding is replaced; what cannot be
//! replaced safely is blocked.

use std::collections::BTreeMap;

use atalaya_model::{Decision, Mode, ThreatCategory, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Policy;
use crate::decide::{CallFacts, ReasonCode, route_of};
use crate::document::{BlockAnswer, CategoryPolicy, RoutePolicy, Thresholds};

/// When a streamed answer is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Streaming {
    /// As it comes, with its last bytes held back.
    #[default]
    Window,
    /// When all of it has been looked at.
    Buffer,
}

/// What holds for answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResponsePolicy {
    /// Whether answers are looked at.
    pub inspect: bool,
    /// When a streamed answer is passed on.
    pub streaming: Streaming,
    /// Window: bytes of text that are held back, so that what is split over frames is seen whole.
    pub hold_bytes: usize,
    /// Window: bytes of text, sent already, that are looked at again together with what follows.
    pub overlap_bytes: usize,
    /// Window: after this time, milliseconds, what is held back is sent up to its last word.
    pub hold_ms: u64,
    /// Longest answer that is kept to be looked at whole, bytes; a longer one is `too_large`.
    pub body_bytes_max: usize,
    /// Longest frame of a stream, bytes.
    pub frame_bytes_max: usize,
    /// Scores from which a category without an entry is acted on; those of requests by default.
    pub thresholds: Option<Thresholds>,
    /// Categories in place of those of requests.
    #[schemars(with = "BTreeMap<String, CategoryPolicy>")]
    pub categories: BTreeMap<ThreatCategory, CategoryPolicy>,
    /// Texts that stand in a system prompt for this only: an answer that has one leaks it.
    pub canaries: Vec<String>,
    /// So many words of the system prompt in a row are a leak; 0 turns it off.
    pub prompt_overlap_words: usize,
}

impl Default for ResponsePolicy {
    fn default() -> Self {
        Self {
            inspect: true,
            streaming: Streaming::default(),
            hold_bytes: 256,
            overlap_bytes: 1_024,
            hold_ms: 200,
            body_bytes_max: 16 << 20,
            frame_bytes_max: 4 << 20,
            thresholds: None,
            categories: BTreeMap::new(),
            canaries: Vec::new(),
            prompt_overlap_words: 20,
        }
    }
}

/// What is done with an answer, or with a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseOutcome<'p> {
    /// What is done.
    pub decision: Decision,
    /// What enforcement would do.
    pub would_decision: Decision,
    /// Whether decisions are carried out.
    pub enforced: bool,
    /// Why.
    pub reason: ReasonCode,
    /// Categories whose findings are replaced.
    pub redact: Vec<ThreatCategory>,
    /// What the caller gets if the decision is BLOCK.
    pub on_block: &'p BlockAnswer,
}

impl Policy {
    /// Decides about an answer, or about a part of it.
    #[must_use]
    pub fn decide_response(&self, verdict: &Verdict, facts: &CallFacts<'_>) -> ResponseOutcome<'_> {
        let route = route_of(self, facts);
        let mut by_findings = Decision::Allow;
        let mut redact = Vec::new();
        for category in ThreatCategory::ALL {
            let worst = verdict
                .findings
                .iter()
                .filter(|finding| finding.category == *category)
                .map(|finding| finding.score)
                .max();
            let Some(score) = worst else { continue };
            let here = self.response_thresholds(*category, route).decide(score);
            if here == Decision::Constrain {
                redact.push(*category);
            }
            by_findings = by_findings.max(here);
        }
        let by_unjudged = verdict
            .unjudged
            .iter()
            .map(|unjudged| self.document().unjudged.least(unjudged.reason))
            .max()
            .unwrap_or_default();
        // What was not seen cannot be replaced.
        let by_unjudged = match by_unjudged {
            Decision::Constrain => Decision::Block,
            other => other,
        };
        let would_decision = by_findings.max(by_unjudged);
        let reason = if would_decision == Decision::Allow {
            ReasonCode::None
        } else if by_findings >= by_unjudged {
            ReasonCode::Threshold
        } else {
            ReasonCode::Unjudged
        };
        let mode = route
            .and_then(|route| route.mode)
            .unwrap_or(self.document().mode);
        let enforced = mode == Mode::Enforce;
        ResponseOutcome {
            decision: if enforced {
                would_decision
            } else {
                would_decision.min(Decision::Log)
            },
            would_decision,
            enforced,
            reason,
            redact: if enforced { redact } else { Vec::new() },
            on_block: route
                .and_then(|route| route.on_block.as_ref())
                .unwrap_or(&self.document().on_block),
        }
    }

    fn response_thresholds(
        &self,
        category: ThreatCategory,
        route: Option<&RoutePolicy>,
    ) -> Thresholds {
        let document = self.document();
        let own = route
            .and_then(|route| route.categories.get(&category))
            .or_else(|| document.response.categories.get(&category))
            .or_else(|| document.categories.get(&category));
        own.map_or_else(
            || {
                route
                    .and_then(|route| route.thresholds)
                    .or(document.response.thresholds)
                    .unwrap_or(document.thresholds)
            },
            CategoryPolicy::thresholds,
        )
    }
}
