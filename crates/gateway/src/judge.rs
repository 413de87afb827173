//! The judged middle of a call: parse, inspect, decide, weaken. No IO, no waiting, so that it can
//! run in place for ordinary bodies and on a thread of its own for very long ones.

mod fault;
mod next;
mod redact;

use std::sync::Arc;
use std::time::Instant;

use atalaya_access::RateExceeded;
use atalaya_inspect::{Inspector, Scratch, simhash};
use atalaya_model::{Decision, Segment, SegmentKind, Unjudged, UnjudgedReason, Verdict};
use atalaya_policy::{CallFacts, Outcome as PolicyOutcome, Policy};
use atalaya_wire::{ErrorKind, Framing, PREVIOUS, ParseLimits, ParsedCall, Protocol};
use bytes::Bytes;
use sha2::{Digest, Sha256};

pub(crate) use self::fault::Fault;
use self::fault::{malformed, no_route};
use self::next::{Inserted, JudgedCall, forward};
use self::redact::redacted;
pub(crate) use self::redact::redactions;
use crate::actions;
use crate::answer::{Asked, AskedBy};
use crate::approve::ApprovalNeeded;
use crate::arrival::{Arrival, hex};
use crate::assess::{Assessment, Subject, price};
use crate::canary::{Bearer, Canaries};
use crate::config::{Price, PromptText};
use crate::door::{Entry, Inside, Ruling};
use crate::fingerprint::Fingerprints;
use crate::record::{self, CallRow, DecisionFacts, NodeFacts};
use crate::route::{Destination, Routes};
use crate::row::push_string;
use crate::seams;
use crate::session::{Sessions, Thread};

/// The protocol in which a call may go on from an answer that the provider keeps.
const KEEPS_CONVERSATIONS: &str = "openai.responses";

/// Everything that judging needs, borrowed from the worker.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'w> {
    pub(crate) inspector: &'w Inspector,
    pub(crate) policy: &'w Policy,
    pub(crate) routes: &'w Routes,
    pub(crate) node: &'w NodeFacts,
    pub(crate) prompt_text: PromptText,
    pub(crate) parse_limits: ParseLimits,
    pub(crate) entry: &'w Arc<Entry>,
    pub(crate) prices: &'w [Price],
    pub(crate) sessions: &'w Sessions,
    pub(crate) fingerprints: &'w Fingerprints,
    pub(crate) canaries: Option<&'w Canaries>,
    /// Rule that a person said yes to.
    pub(crate) approved: Option<&'w str>,
}

/// What is to happen with a call, and the record that says so.
pub(crate) struct Judged {
    pub(crate) record: Vec<u8>,
    pub(crate) decision: Decision,
    pub(crate) next: Next,
    pub(crate) is_unjudged: bool,
    /// Length of the body.
    pub(crate) bytes: u64,
    /// A person may let it pass.
    pub(crate) approval: Option<ApprovalNeeded>,
    /// Key of its conversation, 0 if none.
    pub(crate) session: u64,
    /// Who may go on from its answer, where the provider keeps the conversation; else empty.
    pub(crate) keeper: String,
}

/// What is to happen with a call.
pub(crate) enum Next {
    /// Forward it.
    Forward(Forward),
    /// Answer it with a refusal.
    Refuse(Refusal),
    /// Answer it with this JSON.
    Answer { status: u16, body: Bytes },
    /// Answer it with an error.
    Fail {
        kind: ErrorKind,
        message: String,
        exceeded: Option<RateExceeded>,
    },
}

impl Next {
    /// What was decided, if that can be carried out.
    const fn decision(&self, decided: Decision) -> Decision {
        match self {
            Self::Forward(_) => decided,
            // Also what could not be weakened.
            _ => Decision::Block,
        }
    }

    /// With what the model costs.
    fn priced(mut self, price: Option<&Price>) -> Self {
        if let Self::Forward(forward) = &mut self {
            forward.price = price.cloned();
        }
        self
    }
}

/// A call on its way to an upstream.
pub(crate) struct Forward {
    /// Which upstream.
    pub(crate) target: usize,
    /// Which others may be tried.
    pub(crate) failover: Vec<usize>,
    /// What is cut off from the beginning of the path.
    pub(crate) path_prefix: String,
    /// The body to send.
    pub(crate) body: Bytes,
    /// Whether it is another than the caller's.
    pub(crate) is_modified: bool,
    /// What was asked for, for the way back.
    pub(crate) asked: Asked,
    /// What the model costs, if that is known.
    pub(crate) price: Option<Price>,
}

/// The answer to a call that is blocked.
pub(crate) struct Refusal {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) text: String,
    pub(crate) as_error: bool,
    pub(crate) framing: Framing,
    pub(crate) reply_to: String,
}

impl Judge<'_> {
    /// Judges a body that belongs to a protocol.
    pub(crate) fn judge(
        &self,
        arrival: &Arrival,
        protocol: &'static dyn Protocol,
        body: &Bytes,
        scratch: &mut Scratch,
    ) -> Judged {
        let started = Instant::now();
        let call = match protocol.parse(&arrival.head(), body, &self.parse_limits) {
            Ok(call) => call,
            Err(error) => {
                let fault = malformed(error.to_string());
                return self.refuse_request(arrival, Some(protocol), body, fault);
            }
        };
        let mut verdict = self.inspect(protocol.name(), &call, scratch);
        let thread = self.thread(arrival, &call, &mut verdict);
        let model = call.model.as_deref().unwrap_or("");
        let Some(destination) = self.routes.find(protocol.name(), &arrival.path, model) else {
            return self.refuse_request(arrival, Some(protocol), body, no_route(None));
        };
        let target = &self.routes.targets[destination.target];
        let facts = CallFacts {
            protocol: protocol.name(),
            path: &arrival.path,
            model,
            upstream: &target.name,
        };
        let content_sha256 = hex(&Sha256::digest(body));
        let actions = actions::of_call(&call, body);
        let subject = Subject {
            facts,
            route: destination.name,
            actions: &actions,
            content_sha256: &content_sha256,
            thread,
        };
        let assessment = self.assess(arrival, &call, &verdict, &subject);
        let (outcome, ruling) = (&assessment.outcome, &assessment.ruling);
        let judged = JudgedCall {
            protocol,
            body,
            call: &call,
            verdict: &verdict,
            outcome,
            denied: ruling.denied.as_ref(),
            response: &self.policy.document().response,
            canary: self.canary(arrival, &assessment),
            by: self.asked_by(arrival, &call, destination.name, &assessment),
        };
        let read = (started, content_sha256.as_str());
        self.conclude(arrival, &judged, &destination, read, &assessment)
    }

    /// Carries the decision into a record and into what happens next.
    fn conclude(
        &self,
        arrival: &Arrival,
        judged: &JudgedCall<'_>,
        destination: &Destination<'_>,
        (started, content_sha256): (Instant, &str),
        assessment: &Assessment<'_>,
    ) -> Judged {
        let (call, verdict, body) = (judged.call, judged.verdict, judged.body);
        let model = call.model.as_deref().unwrap_or("");
        let target = &self.routes.targets[destination.target];
        let (outcome, ruling) = (&assessment.outcome, &assessment.ruling);
        let (next, constraints) = judged.next(destination);
        let next = next.priced(price(self.prices, model));
        let prompt = self.prompt_text(call, verdict);
        let row = CallRow {
            protocol: judged.protocol.name(),
            upstream: &target.name,
            provider: &target.provider,
            route: destination.name,
            body,
            content_sha256,
            simhash: last_user_text(&call.segments).map(simhash),
            eval_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            constraints: &constraints,
            prompt_text: prompt.as_deref(),
            fingerprints: &assessment.fingerprints,
            view: assessment.view,
            is_answer: false,
        };
        let decision = next.decision(outcome.decision);
        let facts = self.facts_with(decision, outcome, ruling);
        Judged {
            record: record::decision(self.node, arrival, &facts, verdict, (Some(call), &row)),
            decision,
            next,
            is_unjudged: !verdict.unjudged.is_empty(),
            bytes: length(body),
            approval: assessment.approval.clone(),
            session: assessment.view.key,
            keeper: keeper(judged.protocol, &assessment.user),
        }
    }

    /// The conversation that a call goes on from, if its last answer passed here: then what was said
    /// before was seen, and nothing of it is `Unjudged`.
    fn thread(
        &self,
        arrival: &Arrival,
        call: &ParsedCall<'_>,
        verdict: &mut Verdict,
    ) -> Option<Thread> {
        let previous = call.previous.as_deref()?;
        let user = record::user(arrival, Some(call));
        let thread = self.sessions.thread(&user, previous)?;
        if thread.is_whole {
            verdict
                .unjudged
                .retain(|part| part.what.as_deref() != Some(PREVIOUS));
        }
        Some(thread)
    }

    /// The canary of a call, where they are wanted and answers are looked at.
    fn canary(&self, arrival: &Arrival, assessment: &Assessment<'_>) -> Option<Inserted<'_>> {
        let canaries = self
            .canaries
            .filter(|_| self.policy.document().response.inspect)?;
        let bearer = Bearer {
            caller: &assessment.user,
            session: &assessment.session,
            call: &arrival.id,
        };
        let (token, sentence) = canaries.for_call(bearer, arrival.at.0);
        Some(Inserted {
            key: &canaries.key,
            token,
            sentence,
        })
    }

    /// Who asks, for rules about what comes back.
    fn asked_by(
        &self,
        arrival: &Arrival,
        call: &ParsedCall<'_>,
        route: &str,
        assessment: &Assessment<'_>,
    ) -> Arc<AskedBy> {
        Arc::new(AskedBy {
            entry: Arc::clone(self.entry),
            route: route.to_owned(),
            user: assessment.user.clone(),
            team: arrival.team.clone(),
            agent: arrival.agent.clone(),
            key: arrival.key_id.clone(),
            address: arrival.address.to_string(),
            session: assessment.session.clone(),
            stream: call.stream,
            max_tokens: call.max_tokens.unwrap_or(0),
            at: arrival.at,
            session_score: assessment.view.score,
            is_tainted: assessment.view.is_tainted,
        })
    }

    /// Judges a request whose route no protocol understands and that the policy lets pass.
    pub(crate) fn pass_unjudged(&self, arrival: &Arrival, body: &Bytes) -> Judged {
        let verdict = Verdict {
            unjudged: vec![whole(UnjudgedReason::UnknownRoute, body)],
            ..Verdict::default()
        };
        let Some(destination) = self.routes.find("", &arrival.path, "") else {
            let refused = no_route(Some(UnjudgedReason::UnknownRoute));
            return self.refuse_request(arrival, None, body, refused);
        };
        let target = &self.routes.targets[destination.target];
        let facts = CallFacts {
            path: &arrival.path,
            upstream: &target.name,
            ..CallFacts::default()
        };
        let mut outcome = self.policy.decide(&verdict, &facts);
        let inside = Inside {
            route: destination.name,
            model: "",
            user: &record::user(arrival, None),
            session: &arrival.session,
            tools: &[],
            content_sha256: &hex(&Sha256::digest(body)),
        };
        let ruling = self.rule(arrival, &inside, &mut outcome);
        let row = CallRow {
            upstream: &target.name,
            provider: &target.provider,
            route: destination.name,
            body,
            ..CallRow::default()
        };
        let facts = DecisionFacts {
            enforcement: ruling.enforcement(),
            reason: ruling.reason().unwrap_or(outcome.reason.as_str()),
            ..self.facts(outcome.decision, &outcome)
        };
        let record = record::decision(self.node, arrival, &facts, &verdict, (None, &row));
        let next = if let Some(denied) = &ruling.denied {
            denied.next()
        } else if outcome.decision == Decision::Block {
            Next::Fail {
                kind: ErrorKind::Blocked,
                message: outcome.on_block.text.clone(),
                exceeded: None,
            }
        } else {
            forward(&destination, body.clone(), false, Asked::default())
        };
        Judged {
            record,
            decision: outcome.decision,
            next,
            is_unjudged: true,
            bytes: length(body),
            approval: None,
            session: 0,
            keeper: String::new(),
        }
    }

    /// A request that is not acceptable: a decision of its own, and never forwarded.
    pub(crate) fn refuse_request(
        &self,
        arrival: &Arrival,
        protocol: Option<&'static dyn Protocol>,
        body: &[u8],
        (fault, message): (Fault, String),
    ) -> Judged {
        let unjudged: Vec<Unjudged> = fault
            .unjudged
            .iter()
            .map(|reason| whole(*reason, body))
            .collect();
        let verdict = Verdict {
            unjudged,
            ..Verdict::default()
        };
        let facts = DecisionFacts {
            decision: Decision::Block,
            would_decision: Decision::Block,
            enforced: true,
            reason: fault.reason,
            enforcement: &fault.enforcement,
            rule: "",
            policy_id: self.policy.id(),
            policy_version: self.policy.version(),
            policy_hash: self.policy.hash(),
        };
        let row = CallRow {
            protocol: protocol.map_or("", |p| p.name()),
            body,
            ..CallRow::default()
        };
        let record = record::decision(self.node, arrival, &facts, &verdict, (None, &row));
        Judged {
            record,
            decision: Decision::Block,
            next: Next::Fail {
                kind: fault.kind,
                message,
                exceeded: fault.exceeded,
            },
            is_unjudged: fault.unjudged.is_some(),
            bytes: length(body),
            approval: None,
            session: 0,
            keeper: String::new(),
        }
    }

    /// What detectors see of a call, also across the seams of its texts.
    pub(crate) fn inspect(
        &self,
        protocol: &str,
        call: &ParsedCall<'_>,
        scratch: &mut Scratch,
    ) -> Verdict {
        let mut verdict = self.inspector.inspect(&call.segments, scratch);
        let looking = (self.inspector, scratch);
        seams::inspect(protocol, &call.segments, looking, &mut verdict);
        verdict.unjudged.extend(call.unjudged.iter().cloned());
        verdict
    }

    /// The same, with what the door said.
    fn facts_with<'f>(
        &'f self,
        decision: Decision,
        outcome: &PolicyOutcome<'f>,
        ruling: &'f Ruling,
    ) -> DecisionFacts<'f> {
        DecisionFacts {
            enforcement: ruling.enforcement(),
            reason: ruling.reason().unwrap_or(outcome.reason.as_str()),
            ..self.facts(decision, outcome)
        }
    }

    pub(crate) fn facts<'f>(
        &'f self,
        decision: Decision,
        outcome: &PolicyOutcome<'f>,
    ) -> DecisionFacts<'f> {
        let reason = outcome.reason.as_str();
        DecisionFacts {
            decision,
            would_decision: outcome.would_decision,
            enforced: outcome.enforced,
            reason,
            enforcement: "",
            rule: outcome.rule.unwrap_or(""),
            policy_id: self.policy.id(),
            policy_version: self.policy.version(),
            policy_hash: self.policy.hash(),
        }
    }

    /// The inspected text as JSON, if the configuration wants it.
    fn prompt_text(&self, call: &ParsedCall<'_>, verdict: &Verdict) -> Option<String> {
        if self.prompt_text == PromptText::Off {
            return None;
        }
        let mut out = String::from("[");
        for (index, segment) in call.segments.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str("{\"role\":\"");
            out.push_str(segment.kind.as_str());
            out.push_str("\",\"path\":");
            push_string(&mut out, &segment.path);
            out.push_str(",\"text\":");
            if self.prompt_text == PromptText::Full {
                push_string(&mut out, &segment.text);
            } else {
                push_string(&mut out, &redacted(index, segment, verdict));
            }
            out.push('}');
        }
        out.push(']');
        Some(out)
    }
}

/// Who may go on from the answer.
fn keeper(protocol: &dyn Protocol, user: &str) -> String {
    if protocol.name() == KEEPS_CONVERSATIONS {
        user.to_owned()
    } else {
        String::new()
    }
}

fn length(body: &[u8]) -> u64 {
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}

fn whole(reason: UnjudgedReason, body: &[u8]) -> Unjudged {
    Unjudged {
        path: String::new(),
        reason,
        what: None,
        bytes: u64::try_from(body.len()).ok(),
    }
}

pub(crate) fn last_user_text<'s>(segments: &'s [Segment<'_>]) -> Option<&'s str> {
    segments
        .iter()
        .rev()
        .find(|segment| segment.kind == SegmentKind::User)
        .map(|segment| segment.text.as_ref())
}
