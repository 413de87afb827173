//! The judged middle of a call beyond its verdict: what the conversation did before, what the
//! policy's rules say, and what the door says of what was read. The same for calls that are
//! forwarded, that are only evaluated, and that were observed elsewhere.

use atalaya_access::glob_matches;
use atalaya_model::{Constraints, Decision, Finding, Verdict};
use atalaya_policy::{CallContext, CallFacts, Outcome as PolicyOutcome, ToolAction};
use atalaya_wire::ParsedCall;

use crate::approve::ApprovalNeeded;
use crate::arrival::Arrival;
use crate::config::Price;
use crate::door::{Denied, Inside, Ruling};
use crate::judge::Judge;
use crate::record;
use crate::session::{Thread, Turn, View};

/// What is decided about a call, and why.
pub(crate) struct Assessment<'p> {
    pub(crate) outcome: PolicyOutcome<'p>,
    pub(crate) ruling: Ruling,
    pub(crate) fingerprints: Vec<String>,
    pub(crate) view: View,
    /// A person may let the call pass.
    pub(crate) approval: Option<ApprovalNeeded>,
    /// `UserId`.
    pub(crate) user: String,
    /// `SessionId`.
    pub(crate) session: String,
}

/// What a call is, where its body does not say.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'s> {
    pub(crate) facts: CallFacts<'s>,
    pub(crate) route: &'s str,
    pub(crate) actions: &'s [ToolAction],
    /// SHA-256 of the body, hexadecimal; empty if there is none.
    pub(crate) content_sha256: &'s str,
    /// The conversation that it goes on from, if that is known.
    pub(crate) thread: Option<Thread>,
}

impl<'w> Judge<'w> {
    /// Decides about a call that was read and inspected.
    pub(crate) fn assess(
        &self,
        arrival: &Arrival,
        call: &ParsedCall<'_>,
        verdict: &Verdict,
        subject: &Subject<'_>,
    ) -> Assessment<'w> {
        let user = record::user(arrival, Some(call));
        let own_session = call.session.as_deref().unwrap_or("");
        let session = if arrival.session.is_empty() {
            own_session
        } else {
            &arrival.session
        };
        let fingerprints = self.fingerprints.of(&verdict.findings, &call.segments);
        // What is known to be harmless is no evidence against the conversation either.
        let pairs = verdict.findings.iter().zip(&fingerprints);
        let counted: Vec<Finding> = pairs
            .filter(|(_, fingerprint)| !self.policy.allows(fingerprint, &user, arrival.at))
            .map(|(finding, _)| finding.clone())
            .collect();
        let turn = Turn {
            caller: &user,
            session,
            thread: subject.thread,
            segments: &call.segments,
            findings: &counted,
            now: arrival.at,
        };
        let view = self
            .sessions
            .observe(&turn, &self.policy.document().sessions);
        let tools: Vec<&str> = call.tools.iter().map(AsRef::as_ref).collect();
        let address = arrival.address.to_string();
        let context = CallContext {
            route: subject.route,
            caller: &user,
            team: &arrival.team,
            agent: &arrival.agent,
            key: &arrival.key_id,
            address: &address,
            session,
            stream: call.stream,
            max_tokens: call.max_tokens.unwrap_or(0),
            // What is executed is judged as such, not as an offer.
            tools: if subject.actions.is_empty() {
                &tools
            } else {
                &[]
            },
            actions: subject.actions,
            fingerprints: &fingerprints,
            now: arrival.at,
            session_score: view.score,
            is_tainted: view.is_tainted,
        };
        let mut outcome = self.policy.decide_call(verdict, &subject.facts, &context);
        let inside = Inside {
            route: subject.route,
            model: subject.facts.model,
            user: &user,
            session,
            tools: &tools,
            content_sha256: subject.content_sha256,
        };
        let ruling = self.rule(arrival, &inside, &mut outcome);
        let approval = self.approval(&mut outcome, &ruling, &inside, subject.actions);
        Assessment {
            outcome,
            ruling,
            fingerprints,
            view,
            approval,
            session: session.to_owned(),
            user: user.into_owned(),
        }
    }

    /// A person's yes replaces the rule that asked for it; without one, the call waits.
    fn approval(
        &self,
        outcome: &mut PolicyOutcome<'_>,
        ruling: &Ruling,
        inside: &Inside<'_>,
        actions: &[ToolAction],
    ) -> Option<ApprovalNeeded> {
        let (rule, asked, otherwise) = outcome.approval?;
        if ruling.denied.is_some() || outcome.rule != Some(rule) {
            return None;
        }
        if self.approved == Some(rule) {
            outcome.decision = otherwise;
            outcome.would_decision = otherwise;
            return None;
        }
        Some(ApprovalNeeded {
            rule: rule.to_owned(),
            is_held: asked.style == atalaya_policy::ApprovalStyle::Hold,
            timeout_s: asked.timeout_s,
            default_approve: asked.default_approve,
            tools: actions.iter().map(|action| action.name.clone()).collect(),
            caller: inside.user.to_owned(),
            session: inside.session.to_owned(),
            model: inside.model.to_owned(),
        })
    }

    /// What the door says of a call that was read; it is stricter than any policy, also in shadow.
    pub(crate) fn rule(
        &self,
        arrival: &Arrival,
        inside: &Inside<'_>,
        outcome: &mut PolicyOutcome<'_>,
    ) -> Ruling {
        let mut ruling = self.entry.rule(arrival, inside);
        if ruling.denied.is_none()
            && self.entry.is_cost_limited
            && price(self.prices, inside.model).is_none()
        {
            ruling.denied = Some(Denied::without_price());
        }
        if ruling.denied.is_some() {
            outcome.decision = Decision::Block;
            outcome.would_decision = Decision::Block;
            outcome.enforced = true;
        } else if !ruling.constraints.is_empty() {
            if outcome.decision < Decision::Constrain {
                // Constraints that a shadowed policy would have set are not carried out with it.
                outcome.constraints = Constraints::default();
            }
            outcome.constraints.merge(&ruling.constraints);
            outcome.decision = outcome.decision.max(Decision::Constrain);
            outcome.would_decision = outcome.would_decision.max(Decision::Constrain);
        }
        ruling
    }
}

/// What a model costs, if that is known.
pub(crate) fn price<'p>(prices: &'p [Price], model: &str) -> Option<&'p Price> {
    prices
        .iter()
        .find(|price| glob_matches(&price.model, model))
}
