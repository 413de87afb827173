//! Who judges a call: on the worker itself, or for very long bodies on a thread of its own; and a
//! person, where the policy wants one.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use atalaya_inspect::Scratch;
use atalaya_model::UnjudgedReason;
use atalaya_policy::UnknownRoute;
use atalaya_wire::{ErrorKind, ParseLimits, Protocol, json::JsonLimits};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::approve::{self, ApprovalNeeded};
use crate::arrival::{Arrival, hex};
use crate::door::{Denied, Entry};
use crate::evaluate;
use crate::judge::{Fault, Judge, Judged, Next};
use crate::ports::Recorder;
use crate::receive::Received;
use crate::shared::Shared;
use crate::worker::Worker;

/// Whether a request is for the gateway itself.
fn is_own(arrival: &Arrival) -> bool {
    arrival.method == "POST" && arrival.path == evaluate::PATH
}

pub(crate) type Asked<'a> = (
    Option<&'static dyn Protocol>,
    &'a Arc<Entry>,
    Option<String>,
);

/// Judges a call, and lets a person decide where the policy wants one.
pub(crate) async fn judge_and_ask<R: Recorder>(
    worker: &Rc<Worker<R>>,
    arrival: &Arrival,
    (protocol, entry, token): Asked<'_>,
    received: Received,
) -> Judged {
    let shared = &worker.shared;
    let body = match received {
        Received::Body(body) => body,
        Received::Refused(fault, message) => {
            let policy = shared.policy();
            let judge = judge_with(shared, &policy, entry, None);
            return judge.refuse_request(arrival, protocol, &[], fault.saying(message));
        }
    };
    let judged = judge(worker, arrival, (protocol, entry, None), body.clone()).await;
    let Some(needed) = judged.approval.clone() else {
        return judged;
    };
    match approved(shared, arrival, &needed, (&body, token)).await {
        Approved::Yes => {
            let rule = Some(needed.rule);
            judge(worker, arrival, (protocol, entry, rule), body).await
        }
        Approved::No(next) => Judged {
            next: next.unwrap_or(judged.next),
            ..judged
        },
    }
}

#[expect(clippy::large_enum_variant, reason = "one of them lives for a moment")]
enum Approved {
    Yes,
    /// With another answer than the refusal, if there is one.
    No(Option<Next>),
}

async fn approved<R: Recorder>(
    shared: &Shared<R>,
    arrival: &Arrival,
    needed: &ApprovalNeeded,
    (body, token): (&Bytes, Option<String>),
) -> Approved {
    let Some(approvals) = &shared.approvals else {
        return Approved::No(None);
    };
    let refuse = |message: String| {
        Approved::No(Some(Next::Fail {
            kind: ErrorKind::Forbidden,
            message,
            exceeded: None,
        }))
    };
    let content_sha256 = hex(&Sha256::digest(body));
    if let Some(token) = token {
        let caller = needed.caller.clone();
        return match approvals.redeem(token, content_sha256, caller).await {
            Ok(()) => Approved::Yes,
            Err(why) => refuse(why),
        };
    }
    let request = approve::request(needed, &arrival.id, content_sha256.clone());
    let ticket = match approvals.ask(request).await {
        Ok(ticket) => ticket,
        Err(why) => return refuse(why),
    };
    if !needed.is_held {
        return Approved::No(Some(approve::accepted(&ticket, &arrival.id)));
    }
    match approvals.wait(ticket.id).await {
        Ok(true) => {
            let caller = needed.caller.clone();
            match approvals.redeem(ticket.token, content_sha256, caller).await {
                Ok(()) => Approved::Yes,
                Err(why) => refuse(why),
            }
        }
        Ok(false) => Approved::No(None),
        Err(why) => refuse(why),
    }
}

async fn judge<R: Recorder>(
    worker: &Rc<Worker<R>>,
    arrival: &Arrival,
    (protocol, entry, approved): Asked<'_>,
    body: Bytes,
) -> Judged {
    let shared = &worker.shared;
    let policy = shared.policy();
    let rule = approved.as_deref();
    shared
        .metrics
        .request_bytes
        .fetch_add(u64::try_from(body.len()).unwrap_or(0), Relaxed);
    if is_own(arrival) {
        let mut scratch = worker.scratch.borrow_mut();
        let judge = judge_with(shared, &policy, entry, rule);
        return judge.evaluate(arrival, &body, &mut scratch);
    }
    let Some(protocol) = protocol else {
        let judge = judge_with(shared, &policy, entry, rule);
        if policy.document().unknown_route == UnknownRoute::Pass {
            return judge.pass_unjudged(arrival, &body);
        }
        let fault = Fault::new(
            ErrorKind::NotFound,
            "unknown_route",
            Some(UnjudgedReason::UnknownRoute),
        );
        let message = "this gateway does not know that route and refuses what it cannot judge";
        return judge.refuse_request(arrival, None, &body, fault.saying(message));
    };
    if body.len() <= shared.config.limits.inline_inspect_bytes_max {
        let mut scratch = worker.scratch.borrow_mut();
        return judge_with(shared, &policy, entry, rule).judge(
            arrival,
            protocol,
            &body,
            &mut scratch,
        );
    }
    let Ok(place) = shared.large_inspections.try_acquire() else {
        let (fault, message) = Denied::overloaded().into_fault();
        let judge = judge_with(shared, &policy, entry, None);
        return judge.refuse_request(arrival, Some(protocol), &[], fault.saying(message));
    };
    let (shared, policy, arrived) = (Arc::clone(shared), Arc::clone(&policy), arrival.clone());
    let entered = Arc::clone(entry);
    let judged = tokio::task::spawn_blocking(move || {
        judge_with(&shared, &policy, &entered, approved.as_deref()).judge(
            &arrived,
            protocol,
            &body,
            &mut Scratch::default(),
        )
    });
    let judged = judged.await;
    drop(place);
    judged.unwrap_or_else(|_| {
        let fault = Fault::new(
            ErrorKind::Internal,
            "internal",
            Some(UnjudgedReason::LimitReached),
        );
        let policy = worker.shared.policy();
        let refused = fault.saying("the call could not be judged");
        judge_with(&worker.shared, &policy, entry, None).refuse_request(
            arrival,
            Some(protocol),
            &[],
            refused,
        )
    })
}

pub(crate) fn judge_with<'s, R: Recorder>(
    shared: &'s Shared<R>,
    policy: &'s atalaya_policy::Policy,
    entry: &'s Arc<Entry>,
    approved: Option<&'s str>,
) -> Judge<'s> {
    Judge {
        inspector: &shared.inspector,
        policy,
        routes: &shared.routes,
        node: &shared.node,
        prompt_text: shared.config.prompt_text,
        entry,
        prices: &shared.config.callers.prices,
        sessions: &shared.sessions,
        fingerprints: &shared.fingerprints,
        canaries: shared.canaries.as_ref(),
        approved,
        parse_limits: parse_limits(shared),
    }
}

pub(crate) fn parse_limits<R: Recorder>(shared: &Shared<R>) -> ParseLimits {
    ParseLimits {
        json: JsonLimits {
            depth_max: shared.config.limits.json_depth_max,
            ..JsonLimits::default()
        },
        ..ParseLimits::default()
    }
}
