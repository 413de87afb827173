//! Answers that came to the application by another way: held against what the policy says of answers
//! and of the tools in them.

use atalaya_inspect::Scratch;
use atalaya_model::{Constraints, Decision, Redaction, Verdict};
use atalaya_policy::{CallContext, CallFacts, ResponseOutcome, ToolAction};
use atalaya_wire::{ParsedAnswer, Protocol, tool_calls};
use bytes::Bytes;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::{Answer, ONE_OF, PolicyView, Request, findings};
use crate::answer::{leaks_of, read_arguments};
use crate::arrival::{Arrival, hex};
use crate::judge::{Judge, Judged};
use crate::record::{self, CallRow, DecisionFacts};
use crate::session::{Turn, View};

/// Name in the log's `RouteName` column.
const ROUTE: &str = "evaluate";

/// What was decided about an answer.
struct Decided<'p> {
    outcome: ResponseOutcome<'p>,
    rule: Option<&'p str>,
    reason: &'static str,
    view: View,
    fingerprints: Vec<String>,
}

impl Judge<'_> {
    /// Judges an answer.
    pub(super) fn evaluate_answer(
        &self,
        arrival: &Arrival,
        body: &Bytes,
        (request, answer): (&Request<'_>, &RawValue),
        scratch: &mut Scratch,
    ) -> Judged {
        let is_alone = request.text.is_none()
            && request.texts.is_empty()
            && request.tool.is_none()
            && request.call.is_none();
        if !is_alone {
            return self.not_evaluated(arrival, body, ONE_OF.to_owned());
        }
        let (path, protocol) = match request.spoken() {
            Ok(spoken) => spoken,
            Err(why) => return self.not_evaluated(arrival, body, why),
        };
        let data = answer.get().as_bytes();
        let mut parsed = match protocol.parse_answer(data, &self.parse_limits) {
            Ok(parsed) => parsed,
            Err(error) => return self.not_evaluated(arrival, body, error.to_string()),
        };
        let call = &mut parsed.call;
        call.model = call
            .model
            .take()
            .or(request.model.as_deref().map(Into::into));
        call.user = request.user.as_deref().map(Into::into);
        call.session = request.session.as_deref().map(Into::into);
        let mut verdict = self.inspector.inspect(&parsed.call.segments, scratch);
        leaks_of(&parsed.call.segments, self.policy, &mut verdict);
        verdict
            .unjudged
            .extend(parsed.call.unjudged.iter().cloned());
        let facts = CallFacts {
            protocol: protocol.name(),
            path,
            model: parsed.call.model.as_deref().unwrap_or(""),
            upstream: "",
        };
        let decided = self.decide_answer(arrival, (&parsed, data), &verdict, &facts);
        self.evaluated_answer(arrival, (protocol, &parsed, data), &verdict, &decided)
    }

    fn decide_answer(
        &self,
        arrival: &Arrival,
        (parsed, data): (&ParsedAnswer<'_>, &[u8]),
        verdict: &Verdict,
        facts: &CallFacts<'_>,
    ) -> Decided<'_> {
        let call = &parsed.call;
        let user = record::user(arrival, Some(call));
        let own_session = call.session.as_deref().unwrap_or("");
        let session = if arrival.session.is_empty() {
            own_session
        } else {
            &arrival.session
        };
        let turn = Turn {
            caller: &user,
            session,
            thread: None,
            segments: &call.segments,
            findings: &verdict.findings,
            now: arrival.at,
        };
        let view = self
            .sessions
            .observe(&turn, &self.policy.document().sessions);
        let mut outcome = self.policy.decide_response(verdict, facts);
        let mut reason = outcome.reason.as_str();
        let mut rule = None;
        let actions: Vec<ToolAction> = tool_calls(data, self.parse_limits.json)
            .into_iter()
            .filter_map(|piece| Some((piece.name?, piece.arguments)))
            .flat_map(|(name, arguments)| read_arguments(&name, &arguments))
            .collect();
        if !actions.is_empty() {
            let address = arrival.address.to_string();
            let context = CallContext {
                route: ROUTE,
                caller: &user,
                team: &arrival.team,
                agent: &arrival.agent,
                key: &arrival.key_id,
                address: &address,
                session,
                actions: &actions,
                now: arrival.at,
                session_score: view.score,
                is_tainted: view.is_tainted,
                ..CallContext::default()
            };
            let by_tools = self.policy.decide_tools(facts, &context);
            if by_tools.would_decision > outcome.would_decision {
                rule = by_tools.rule;
                reason = by_tools.reason.as_str();
            }
            outcome.decision = outcome.decision.max(by_tools.decision);
            outcome.would_decision = outcome.would_decision.max(by_tools.would_decision);
        }
        Decided {
            outcome,
            rule,
            reason,
            view,
            fingerprints: self.fingerprints.of(&verdict.findings, &call.segments),
        }
    }

    fn evaluated_answer(
        &self,
        arrival: &Arrival,
        (protocol, parsed, data): (&'static dyn Protocol, &ParsedAnswer<'_>, &[u8]),
        verdict: &Verdict,
        decided: &Decided<'_>,
    ) -> Judged {
        let outcome = &decided.outcome;
        let facts = DecisionFacts {
            decision: outcome.decision,
            would_decision: outcome.would_decision,
            enforced: outcome.enforced,
            reason: decided.reason,
            enforcement: "",
            rule: decided.rule.unwrap_or(""),
            policy_id: self.policy.id(),
            policy_version: self.policy.version(),
            policy_hash: self.policy.hash(),
        };
        let content_sha256 = hex(&Sha256::digest(data));
        let row = CallRow {
            protocol: protocol.name(),
            route: ROUTE,
            body: data,
            content_sha256: &content_sha256,
            fingerprints: &decided.fingerprints,
            view: decided.view,
            is_answer: true,
            ..CallRow::default()
        };
        let constraints = Constraints {
            redact: outcome.redact.clone(),
            ..Constraints::default()
        };
        let answer = Answer {
            decision_id: &arrival.id,
            decision: outcome.decision,
            would_decision: outcome.would_decision,
            enforced: outcome.enforced,
            reason: decided.reason,
            rule: decided.rule,
            threat_score: verdict.score,
            threat_detection: verdict.detection.map_or("", |category| category.as_str()),
            session_score: decided.view.score,
            session_tainted: decided.view.is_tainted,
            findings: findings(&parsed.call, verdict, &decided.fingerprints),
            unjudged: &verdict.unjudged,
            constraints: &constraints,
            edited: edited((protocol, parsed, data), verdict, outcome),
            policy: PolicyView {
                id: self.policy.id(),
                version: self.policy.version(),
                hash: self.policy.hash(),
            },
            ruleset_hash: &self.node.ruleset_hash,
        };
        let called = (Some(&parsed.call), &row);
        let record = record::decision(self.node, arrival, &facts, verdict, called);
        answer.judged(record, data, decided.view)
    }
}

/// The answer with what was found replaced.
fn edited(
    (protocol, parsed, data): (&dyn Protocol, &ParsedAnswer<'_>, &[u8]),
    verdict: &Verdict,
    outcome: &ResponseOutcome<'_>,
) -> Option<Box<RawValue>> {
    if outcome.decision != Decision::Constrain {
        return None;
    }
    let redactions: Vec<Redaction> = crate::judge::redactions(verdict, &outcome.redact);
    let masked = protocol.redact_answer(data, parsed, &redactions).ok()?;
    RawValue::from_string(String::from_utf8(masked).ok()?).ok()
}
