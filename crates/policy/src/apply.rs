//! What rules, tools and sessions add to the opinion of the thresholds.

use atalaya_model::{Constraints, Decision, Finding, Mode, Timestamp, Verdict, glob};

use crate::Policy;
use crate::context::CallContext;
use crate::decide::{CallFacts, Outcome, ReasonCode};
use crate::expression::{Bindings, Expression};
use crate::rules::{Rule, RuleMatch, ToolRule};

/// Rule id of the lists of tools.
const TOOL_LIST: &str = "tools";
/// Rule id of the session's score.
const SESSION_SCORE: &str = "sessions.thresholds";
/// Rule id of taint.
const TAINT: &str = "sessions.taint";

/// One more opinion.
struct Opinion<'p> {
    rule: &'p str,
    reason: ReasonCode,
    mode: Mode,
    decision: Decision,
    constraints: Constraints,
}

impl Policy {
    /// Decides about a call with everything that is known of it.
    #[must_use]
    pub fn decide_call(
        &self,
        verdict: &Verdict,
        facts: &CallFacts<'_>,
        call: &CallContext<'_>,
    ) -> Outcome<'_> {
        let filtered = self.without_allowed(verdict, call);
        let verdict = filtered.as_ref().unwrap_or(verdict);
        let mut outcome = self.decide(verdict, facts);
        let bindings = Bindings {
            verdict: Some(verdict),
            facts: *facts,
            call: *call,
            ..Bindings::default()
        };
        for (rule, when) in self.rules() {
            if covers(&rule.matches, verdict, facts, call) && holds(when, &bindings) {
                if rule.mode == Mode::Enforce && rule.decision == Decision::Block {
                    outcome.on_block = rule.on_block.as_ref().unwrap_or(outcome.on_block);
                }
                Self::take(&mut outcome, &self.opinion(rule));
            }
        }
        self.apply_tools(&mut outcome, &bindings);
        self.apply_session(&mut outcome, call);
        outcome
    }

    /// Decides about tools that a model asks for in its answer. What cannot be taken out of the
    /// answer is blocked where a request would be weakened.
    #[must_use]
    pub fn decide_tools(&self, facts: &CallFacts<'_>, call: &CallContext<'_>) -> Outcome<'_> {
        let mut outcome = self.decide(&Verdict::default(), facts);
        let bindings = Bindings {
            facts: *facts,
            call: *call,
            ..Bindings::default()
        };
        self.apply_tools(&mut outcome, &bindings);
        self.apply_taint(&mut outcome, call);
        let strict = |decision| match decision {
            Decision::Constrain => Decision::Block,
            other => other,
        };
        outcome.decision = strict(outcome.decision);
        outcome.would_decision = strict(outcome.would_decision);
        outcome
    }

    /// Whether anything is said about tools that a model asks for.
    #[must_use]
    pub fn governs_tools(&self, is_tainted: bool) -> bool {
        let document = self.document();
        let tools = &document.tools;
        let is_listed = !tools.allow.is_empty() || !tools.deny.is_empty();
        is_listed
            || !tools.rules.is_empty()
            || is_tainted && !document.sessions.taint.outward_tools.is_empty()
    }

    /// Whether what is said about a tool depends on what it is called with, or on a person.
    #[must_use]
    pub fn waits_for_arguments(&self, tool: &str) -> bool {
        let mut rules = self.document().tools.rules.iter();
        rules.any(|rule| {
            (rule.when.is_some() || rule.approval.is_some()) && glob::matches(&rule.tool, tool)
        })
    }

    /// Whether a finding is known to be harmless now, for this caller.
    #[must_use]
    pub fn allows(&self, fingerprint: &str, caller: &str, now: Timestamp) -> bool {
        self.document().allowlist.iter().any(|allowed| {
            let pattern = allowed.caller.as_deref();
            allowed.fingerprint == fingerprint
                && allowed.end().is_some_and(|end| now < end)
                && pattern.is_none_or(|pattern| glob::matches(pattern, caller))
        })
    }

    /// The verdict without what is allowed; `None` if nothing is.
    fn without_allowed(&self, verdict: &Verdict, call: &CallContext<'_>) -> Option<Verdict> {
        let allowlist = &self.document().allowlist;
        if allowlist.is_empty() || call.fingerprints.is_empty() {
            return None;
        }
        let is_allowed = |fingerprint: &str| self.allows(fingerprint, call.caller, call.now);
        if !call
            .fingerprints
            .iter()
            .any(|fingerprint| is_allowed(fingerprint))
        {
            return None;
        }
        let pairs = verdict.findings.iter().zip(call.fingerprints);
        let kept: Vec<Finding> = pairs
            .filter(|(_, fingerprint)| !is_allowed(fingerprint))
            .map(|(finding, _)| finding.clone())
            .chain(
                verdict
                    .findings
                    .iter()
                    .skip(call.fingerprints.len())
                    .cloned(),
            )
            .collect();
        Some(Verdict {
            score: kept.iter().map(|finding| finding.score).max().unwrap_or(0),
            findings: kept,
            ..verdict.clone()
        })
    }

    fn opinion<'p>(&'p self, rule: &'p Rule) -> Opinion<'p> {
        let constraints = rule
            .constraints
            .as_ref()
            .unwrap_or(&self.document().constrain);
        Opinion {
            rule: &rule.id,
            reason: ReasonCode::PolicyRule,
            mode: rule.mode,
            decision: rule.decision,
            constraints: constraints.clone(),
        }
    }

    fn take<'p>(outcome: &mut Outcome<'p>, opinion: &Opinion<'p>) {
        if opinion.decision > outcome.would_decision {
            outcome.would_decision = opinion.decision;
            outcome.reason = opinion.reason;
            outcome.rule = Some(opinion.rule);
        }
        let is_enforced = outcome.enforced && opinion.mode == Mode::Enforce;
        let decision = if is_enforced {
            opinion.decision
        } else {
            opinion.decision.min(Decision::Log)
        };
        if is_enforced && decision == Decision::Constrain {
            outcome.constraints.merge(&opinion.constraints);
        }
        outcome.decision = outcome.decision.max(decision);
    }

    fn apply_tools<'p>(&'p self, outcome: &mut Outcome<'p>, bindings: &Bindings<'_>) {
        let policy = &self.document().tools;
        let call = bindings.call;
        let executed = call.actions.iter().map(|action| action.name.as_str());
        let listed = |name: &str| {
            let is_in = |list: &[String]| list.iter().any(|pattern| glob::matches(pattern, name));
            is_in(&policy.deny) || !policy.allow.is_empty() && !is_in(&policy.allow)
        };
        if call.tools.iter().copied().chain(executed).any(listed) {
            let decision = policy.decision.unwrap_or(Decision::Block);
            Self::take(outcome, &tool_opinion(TOOL_LIST, Mode::Enforce, decision));
        }
        for (rule, when) in self.tool_rules() {
            let is_executed = call.actions.iter().any(|action| {
                let arguments = Bindings {
                    tool: &action.name,
                    arguments: Some(&action.arguments),
                    ..*bindings
                };
                glob::matches(&rule.tool, &action.name) && holds(when, &arguments)
            });
            if is_executed {
                self.take_tool_rule(outcome, rule);
                continue;
            }
            let is_offered = call
                .tools
                .iter()
                .any(|tool| glob::matches(&rule.tool, tool));
            if is_offered && when.is_none() && rule.approval.is_none() {
                Self::take(outcome, &tool_opinion(&rule.id, rule.mode, rule.decision));
            }
        }
    }

    fn take_tool_rule<'p>(&'p self, outcome: &mut Outcome<'p>, rule: &'p ToolRule) {
        let before = outcome.decision;
        Self::take(outcome, &tool_opinion(&rule.id, rule.mode, rule.decision));
        if let Some(approval) = &rule.approval
            && rule.mode == Mode::Enforce
            && outcome.enforced
        {
            // A person may say yes to this rule, not to what others hold against the call.
            outcome.approval = Some((&rule.id, approval, before));
        }
    }

    fn apply_session<'p>(&'p self, outcome: &mut Outcome<'p>, call: &CallContext<'_>) {
        let policy = &self.document().sessions;
        let by_score = policy.thresholds.decide(call.session_score);
        if by_score > Decision::Allow {
            Self::take(
                outcome,
                &Opinion {
                    rule: SESSION_SCORE,
                    reason: ReasonCode::Session,
                    mode: Mode::Enforce,
                    decision: by_score,
                    constraints: self.document().constrain.clone(),
                },
            );
        }
        self.apply_taint(outcome, call);
    }

    fn apply_taint<'p>(&'p self, outcome: &mut Outcome<'p>, call: &CallContext<'_>) {
        let policy = &self.document().sessions;
        if !call.is_tainted {
            return;
        }
        let executed = call.actions.iter().map(|action| action.name.as_str());
        let is_outward = |name: &str| {
            let name = name.to_ascii_lowercase();
            policy
                .taint
                .outward_tools
                .iter()
                .any(|pattern| glob::matches(pattern, &name))
        };
        let reaches_out = call.tools.iter().copied().chain(executed).any(is_outward);
        if reaches_out {
            // A tool that is executed cannot be taken out of the call that executes it.
            let decision = match policy.taint.decision {
                Decision::Constrain if !call.actions.is_empty() => Decision::Block,
                other => other,
            };
            Self::take(
                outcome,
                &Opinion {
                    reason: ReasonCode::Session,
                    ..tool_opinion(TAINT, Mode::Enforce, decision)
                },
            );
        }
    }
}

fn tool_opinion(rule: &str, mode: Mode, decision: Decision) -> Opinion<'_> {
    Opinion {
        rule,
        reason: ReasonCode::Tool,
        mode,
        decision,
        constraints: Constraints {
            drop_tools: true,
            ..Constraints::default()
        },
    }
}

fn holds(when: Option<&Expression>, bindings: &Bindings<'_>) -> bool {
    when.is_none_or(|expression| expression.holds(bindings))
}

fn covers(
    matches: &RuleMatch,
    verdict: &Verdict,
    facts: &CallFacts<'_>,
    call: &CallContext<'_>,
) -> bool {
    let is = |pattern: &Option<String>, text: &str| {
        pattern
            .as_deref()
            .is_none_or(|pattern| glob::matches(pattern, text))
    };
    let executed = call.actions.iter().map(|action| action.name.as_str());
    let mut tools = call.tools.iter().copied().chain(executed);
    is(&matches.protocol, facts.protocol)
        && is(&matches.model, facts.model)
        && is(&matches.upstream, facts.upstream)
        && is(&matches.route, call.route)
        && is(&matches.caller, call.caller)
        && is(&matches.team, call.team)
        && is(&matches.agent, call.agent)
        && matches
            .path_prefix
            .as_deref()
            .is_none_or(|prefix| facts.path.starts_with(prefix))
        && matches
            .tool
            .as_deref()
            .is_none_or(|tool| tools.any(|name| glob::matches(tool, name)))
        && matches.category.is_none_or(|category| {
            verdict
                .findings
                .iter()
                .any(|finding| finding.category == category)
        })
}
