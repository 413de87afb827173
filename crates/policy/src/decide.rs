//! From a verdict to an outcome.

use atalaya_model::{Constraints, Decision, Mode, ThreatCategory, Verdict, glob};

use crate::Policy;
use crate::document::{BlockAnswer, CategoryPolicy, RouteMatch, RoutePolicy};
use crate::rules::ApprovalRule;

/// What the policy may know of a call besides the verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallFacts<'a> {
    /// Protocol, e.g. `openai.chat`.
    pub protocol: &'a str,
    /// Path of the request.
    pub path: &'a str,
    /// Model that is asked for.
    pub model: &'a str,
    /// Upstream that would be called.
    pub upstream: &'a str,
}

/// Why a decision is what it is: the `ReasonCode` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonCode {
    /// Nothing spoke against the call.
    None,
    /// A finding reached a threshold.
    Threshold,
    /// Something could not be judged.
    Unjudged,
    /// A rule of the policy holds.
    PolicyRule,
    /// A tool may not be used, or not like this.
    Tool,
    /// What the conversation did before.
    Session,
}

impl ReasonCode {
    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Threshold => "threshold",
            Self::Unjudged => "unjudged",
            Self::PolicyRule => "policy_rule",
            Self::Tool => "tool",
            Self::Session => "session",
        }
    }
}

/// What is done, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'p> {
    /// What is done.
    pub decision: Decision,
    /// What enforcement would do.
    pub would_decision: Decision,
    /// Whether decisions are carried out.
    pub enforced: bool,
    /// Why.
    pub reason: ReasonCode,
    /// How the call is weakened if the decision is CONSTRAIN.
    pub constraints: Constraints,
    /// What the caller gets if the decision is BLOCK.
    pub on_block: &'p BlockAnswer,
    /// Id of the rule that decided, if it was one.
    pub rule: Option<&'p str>,
    /// A person may say yes to this rule; the decision then is the one beside it.
    pub approval: Option<(&'p str, &'p ApprovalRule, Decision)>,
}

impl Policy {
    /// Decides about a call.
    #[must_use]
    pub fn decide(&self, verdict: &Verdict, facts: &CallFacts<'_>) -> Outcome<'_> {
        let route = route_of(self, facts);
        let (by_findings, constraints) = self.judge_findings(verdict, route);
        let by_unjudged = verdict
            .unjudged
            .iter()
            .map(|unjudged| self.document().unjudged.least(unjudged.reason))
            .max()
            .unwrap_or_default();
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
        let decision = if enforced {
            would_decision
        } else {
            would_decision.min(Decision::Log)
        };
        Outcome {
            decision,
            would_decision,
            enforced,
            reason,
            constraints,
            on_block: route
                .and_then(|route| route.on_block.as_ref())
                .unwrap_or(&self.document().on_block),
            rule: None,
            approval: None,
        }
    }

    fn judge_findings(
        &self,
        verdict: &Verdict,
        route: Option<&RoutePolicy>,
    ) -> (Decision, Constraints) {
        let mut decision = Decision::Allow;
        let mut constraints = Constraints::default();
        for category in ThreatCategory::ALL {
            let worst = verdict
                .findings
                .iter()
                .filter(|f| f.category == *category)
                .map(|f| f.score)
                .max();
            let Some(score) = worst else { continue };
            let own = self.category(*category, route);
            let thresholds = own.map_or_else(
                || {
                    route
                        .and_then(|route| route.thresholds)
                        .unwrap_or(self.document().thresholds)
                },
                CategoryPolicy::thresholds,
            );
            let here = thresholds.decide(score);
            if here == Decision::Constrain {
                let more = own
                    .and_then(|own| own.constraints.as_ref())
                    .unwrap_or(&self.document().constrain);
                constraints.merge(more);
            }
            decision = decision.max(here);
        }
        (decision, constraints)
    }

    fn category<'p>(
        &'p self,
        category: ThreatCategory,
        route: Option<&'p RoutePolicy>,
    ) -> Option<&'p CategoryPolicy> {
        route
            .and_then(|route| route.categories.get(&category))
            .or_else(|| self.document().categories.get(&category))
    }
}

/// The deviation that holds for a call.
pub(crate) fn route_of<'p>(policy: &'p Policy, facts: &CallFacts<'_>) -> Option<&'p RoutePolicy> {
    policy
        .document()
        .routes
        .iter()
        .find(|route| covers(&route.matches, facts))
}

fn covers(matches: &RouteMatch, facts: &CallFacts<'_>) -> bool {
    let glob = |pattern: &Option<String>, text: &str| {
        pattern
            .as_deref()
            .is_none_or(|pattern| glob::matches(pattern, text))
    };
    glob(&matches.protocol, facts.protocol)
        && glob(&matches.model, facts.model)
        && glob(&matches.upstream, facts.upstream)
        && matches
            .path_prefix
            .as_deref()
            .is_none_or(|prefix| facts.path.starts_with(prefix))
}
