//! What was found in an answer, for the record of how the call ended. No text of it.

use std::time::Duration;

use atalaya_model::{Decision, Finding, Unjudged, Verdict};
use atalaya_policy::ResponseOutcome;

use super::leak::CANARY_RULE;
use super::tools::ToolsOutcome;

/// Most findings in one report; the worst stay.
const FINDINGS_MAX: usize = 32;
/// Most unjudged parts in one report.
const UNJUDGED_MAX: usize = 16;

/// What was found in an answer, and what was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) decision: Decision,
    pub(crate) would_decision: Decision,
    pub(crate) findings: Vec<Finding>,
    pub(crate) unjudged: Vec<Unjudged>,
    /// Texts that detectors looked at.
    pub(crate) judged: u32,
    /// Findings that were replaced.
    pub(crate) masked: u32,
    pub(crate) canary: bool,
    /// Id of the rule about tools that decided, or empty.
    pub(crate) rule: String,
    /// Time spent on looking.
    pub(crate) eval: Duration,
    /// How long the first text was held back.
    pub(crate) added_ttft: Option<Duration>,
}

impl Report {
    /// Takes in what was seen of a part of the answer.
    pub(crate) fn add(&mut self, verdict: &Verdict, outcome: &ResponseOutcome<'_>) {
        self.decision = self.decision.max(outcome.decision);
        self.would_decision = self.would_decision.max(outcome.would_decision);
        self.judged = self.judged.saturating_add(verdict.judged);
        for finding in &verdict.findings {
            self.canary |= finding.rule == CANARY_RULE;
            // What stands in the overlap is seen more than once.
            let known = self
                .findings
                .iter_mut()
                .find(|known| known.rule == finding.rule && known.kind == finding.kind);
            match known {
                Some(known) => known.score = known.score.max(finding.score),
                None => self.findings.push(finding.clone()),
            }
        }
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.score));
        self.findings.truncate(FINDINGS_MAX);
        for part in &verdict.unjudged {
            if self.unjudged.len() < UNJUDGED_MAX && !self.unjudged.contains(part) {
                self.unjudged.push(part.clone());
            }
        }
    }

    /// Takes in what the tools of the answer decided.
    pub(crate) fn add_tools(&mut self, outcome: &ToolsOutcome) {
        if outcome.would_decision > self.would_decision || self.rule.is_empty() {
            self.rule.clone_from(&outcome.rule);
        }
        self.decision = self.decision.max(outcome.decision);
        self.would_decision = self.would_decision.max(outcome.would_decision);
    }

    /// A person said no, or nobody said anything.
    pub(crate) fn deny(&mut self, rule: &str) {
        rule.clone_into(&mut self.rule);
        self.decision = Decision::Block;
        self.would_decision = Decision::Block;
    }

    /// The answer's own `ThreatScore`.
    pub(crate) fn score(&self) -> u8 {
        self.findings.first().map_or(0, |finding| finding.score)
    }
}
