//! The life of a call, as a straight line:
//! accept → receive → judge → record → forward or refuse → relay → settle.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use atalaya_access::Permit;
use atalaya_inspect::Scratch;
use atalaya_model::UnjudgedReason;
use atalaya_policy::UnknownRoute;
use atalaya_wire::{
    Answer, ErrorContext, ErrorKind, ParseLimits, Protocol, RefusalContext, Settled, generic_error,
    json::JsonLimits, protocols,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};

use crate::account::Account;
use crate::answer::Report;
use crate::approve::{self, APPROVAL_HEADER};
use crate::arrival::{Arrival, hex};
use crate::assess::ApprovalNeeded;
use crate::config::OnLogFailure;
use crate::door::{Denied, Entry, enter};
use crate::evaluate;
use crate::judge::{Fault, Judge, Judged, Next, Refusal};
use crate::observed;
use crate::ports::Recorder;
use crate::rate_headers::{add_remaining, add_retry_after};
use crate::receive::{Received, receive};
use crate::record::{Ending, Outcome};
use crate::relay::{GatewayBody, Settlement};
use crate::send::send;
use crate::session::Conversation;
use crate::shared::Shared;
use crate::upstream::UpstreamError;
use crate::worker::{Peer, Worker};

/// Header that names the decision on every answer.
pub const DECISION_HEADER: &str = "x-atalaya-decision-id";

/// Handles one request from head to head; the body of the answer settles the call.
pub(crate) async fn call<R: Recorder>(
    worker: Rc<Worker<R>>,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<GatewayBody<R>> {
    let (mut head, body) = request.into_parts();
    let shared = Arc::clone(&worker.shared);
    let mut arrival = Arrival::new(shared.world.as_ref(), peer.address, &head);
    let protocol = protocols::find(head.method.as_str(), head.uri.path())
        .or_else(|| shared.routes.claimed(head.uri.path()));
    let permit = shared.admit();
    let certificate = peer.certificate.as_deref();
    let entered = match permit {
        Some(_) => enter(
            &shared.door,
            &shared.config,
            &mut head,
            &mut arrival,
            certificate,
        ),
        None => Err(Denied::overloaded()),
    };
    let (entry, limits, received) = match entered {
        Ok((entry, limits)) => {
            let received = receive(&head, body, &shared.config).await;
            (entry, Some(limits), received)
        }
        Err(denied) => (Entry::default(), None, refused(denied)),
    };
    let (entry, ready) = (Arc::new(entry), Instant::now());
    if is_export(&arrival)
        && let Received::Body(body) = &received
    {
        return observe(&worker, &arrival, &entry, body).await;
    }
    let token = head.headers.remove(APPROVAL_HEADER);
    let token = token.and_then(|token| token.to_str().ok().map(str::to_owned));
    let asked = (protocol, &entry, token);
    let judged = judge_and_ask(&worker, &arrival, asked, received).await;
    let mut end = End::new(&arrival, protocol, &shared);
    end.begin(&shared, limits, &judged);
    let next = record(&shared, judged).await;
    let added_us = micros(ready.elapsed());
    shared.metrics.added_latency(added_us);
    end.settlement.gateway_us = added_us;
    match (next, permit) {
        (Next::Forward(forward), Some(permit)) => send(&worker, &head, end, forward, permit).await,
        (Next::Refuse(refusal), _) => end.refuse(&refusal),
        (Next::Answer { status, body }, _) => end.answer(status, &body),
        (
            Next::Fail {
                kind,
                message,
                exceeded,
            },
            _,
        ) => {
            let mut response = end.fail(kind, &message, Outcome::Rejected, None);
            if let Some(exceeded) = exceeded {
                add_retry_after(response.headers_mut(), &exceeded);
            }
            response
        }
        (Next::Forward(_), None) => {
            let message = "the gateway is overloaded";
            end.fail(ErrorKind::Overloaded, message, Outcome::Rejected, None)
        }
    }
}

/// Whether a request is for the gateway itself.
fn is_own(arrival: &Arrival) -> bool {
    arrival.method == "POST" && arrival.path == evaluate::PATH
}

fn is_export(arrival: &Arrival) -> bool {
    arrival.method == "POST" && arrival.path == observed::PATH
}

/// Takes in spans of calls that were made elsewhere: each is a decision of its own, the export
/// itself is none.
async fn observe<R: Recorder>(
    worker: &Rc<Worker<R>>,
    arrival: &Arrival,
    entry: &Entry,
    body: &Bytes,
) -> Response<GatewayBody<R>> {
    let shared = &worker.shared;
    let policy = shared.policy();
    let judged = {
        let mut scratch = worker.scratch.borrow_mut();
        let new_id = || shared.world.new_id().hyphenated().to_string();
        judge_with(shared, &policy, entry, None).observe(arrival, body, new_id, &mut scratch)
    };
    let observed = match judged {
        Ok(observed) => observed,
        Err(error) => {
            let context = ErrorContext::new(&arrival.id, ErrorKind::Malformed, "");
            let message = error.to_string();
            let answer = generic_error(&ErrorContext {
                message: &message,
                ..context
            });
            return whole(answer.status, answer.content_type, Bytes::from(answer.body));
        }
    };
    for (record, settlement, decision) in observed.records {
        shared.metrics.decided(decision);
        if let Err(error) = shared.recorder.append(record).await {
            tracing::error!(%error, "an observed call could not be logged");
            shared.metrics.log_failures.fetch_add(1, Relaxed);
            // The exporter keeps its spans and comes again.
            return whole(
                503,
                "text/plain",
                Bytes::from_static(b"the log is not available"),
            );
        }
        shared.recorder.append_detached(settlement);
    }
    if observed.rejected > 0 {
        tracing::warn!(spans = observed.rejected, "an export has too many spans");
    }
    let (content_type, body) = observed.answer;
    whole(200, content_type, body)
}

fn whole<R: Recorder>(
    status: u16,
    content_type: &'static str,
    body: Bytes,
) -> Response<GatewayBody<R>> {
    let mut response = Response::new(GatewayBody::Whole(Some(body)));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert("content-type", value);
    response
}

/// A request that is not let in.
fn refused(denied: Denied) -> Received {
    let (fault, message) = denied.into_fault();
    Received::Refused(fault, message)
}

/// Makes the decision durable; what cannot be logged goes no further, unless so configured.
async fn record<R: Recorder>(shared: &Shared<R>, judged: Judged) -> Next {
    shared.metrics.decided(judged.decision);
    if judged.is_unjudged {
        shared.metrics.unjudged.fetch_add(1, Relaxed);
    }
    let Err(error) = shared.recorder.append(judged.record).await else {
        return judged.next;
    };
    tracing::error!(%error, "a decision could not be made durable");
    shared.metrics.log_failures.fetch_add(1, Relaxed);
    if shared.config.on_log_failure == OnLogFailure::Pass {
        shared.metrics.unlogged.fetch_add(1, Relaxed);
        return judged.next;
    }
    Next::Fail {
        kind: ErrorKind::LogUnavailable,
        message: "the decision log is not available; the call was not made".to_owned(),
        exceeded: None,
    }
}

type Asked<'a> = (
    Option<&'static dyn Protocol>,
    &'a Arc<Entry>,
    Option<String>,
);

/// Judges a call, and lets a person decide where the policy wants one.
async fn judge_and_ask<R: Recorder>(
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

fn judge_with<'s, R: Recorder>(
    shared: &'s Shared<R>,
    policy: &'s atalaya_policy::Policy,
    entry: &'s Entry,
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

/// A call that ends here, without the model.
pub(crate) struct End<'a, R: Recorder> {
    pub(crate) arrival: &'a Arrival,
    pub(crate) protocol: Option<&'static dyn Protocol>,
    pub(crate) upstream: String,
    pub(crate) reply_to: String,
    pub(crate) report: Option<Report>,
    pub(crate) settlement: Settlement<R>,
}

impl<'a, R: Recorder> End<'a, R> {
    fn new(
        arrival: &'a Arrival,
        protocol: Option<&'static dyn Protocol>,
        shared: &Shared<R>,
    ) -> Self {
        Self {
            arrival,
            protocol,
            upstream: String::new(),
            reply_to: String::new(),
            report: None,
            settlement: Settlement::new(
                arrival.id.clone(),
                shared.recorder.clone(),
                Arc::clone(&shared.metrics),
            ),
        }
    }

    /// What the call is charged, and which conversation gets what comes back.
    fn begin(&mut self, shared: &Shared<R>, limits: Option<Permit>, judged: &Judged) {
        self.settlement.account = limits.map(|permit| Account {
            permit,
            price: None,
            input_estimate: judged.bytes / 4,
            is_forwarded: false,
            world: Arc::clone(&shared.world),
        });
        if judged.session != 0 {
            self.settlement.conversation = Some(Conversation {
                sessions: Arc::clone(&shared.sessions),
                key: judged.session,
                from_score: shared.policy().document().sessions.taint.from_score,
                now: self.arrival.at,
            });
        }
    }

    fn refuse(mut self, refusal: &Refusal) -> Response<GatewayBody<R>> {
        self.reply_to.clone_from(&refusal.reply_to);
        let decision_id = &self.arrival.id;
        let Some(protocol) = self.protocol.filter(|_| !refusal.as_error) else {
            return self.fail(ErrorKind::Blocked, &refusal.text, Outcome::Refused, None);
        };
        let answer = protocol.refusal(&RefusalContext {
            decision_id,
            model: &refusal.model,
            stream: refusal.stream,
            text: &refusal.text,
            created_s: self.arrival.at.0 / 1_000_000,
            framing: refusal.framing,
            reply_to: &refusal.reply_to,
        });
        self.finish(answer, Outcome::Refused, "", None)
    }

    /// An answer of our own, in JSON.
    fn answer(self, status: u16, body: &Bytes) -> Response<GatewayBody<R>> {
        let answer = Answer {
            status,
            content_type: "application/json",
            body: body.to_vec(),
        };
        self.finish(answer, Outcome::Evaluated, "", None)
    }

    pub(crate) fn upstream_failed(
        self,
        error: &UpstreamError,
        waited_ms: f64,
    ) -> Response<GatewayBody<R>> {
        let (kind, message, outcome) = match error {
            error if error.is_timeout() => (
                ErrorKind::UpstreamTimeout,
                "the model did not answer in time",
                Outcome::TimedOut,
            ),
            _ => (
                ErrorKind::UpstreamUnreachable,
                "the model could not be reached",
                Outcome::UpstreamFailed,
            ),
        };
        self.fail(kind, message, outcome, Some(waited_ms))
    }

    pub(crate) fn fail(
        self,
        kind: ErrorKind,
        message: &str,
        outcome: Outcome,
        upstream_ms: Option<f64>,
    ) -> Response<GatewayBody<R>> {
        let context = ErrorContext {
            reply_to: &self.reply_to,
            ..ErrorContext::new(&self.arrival.id, kind, message)
        };
        let answer = self
            .protocol
            .map_or_else(|| generic_error(&context), |p| p.error(&context));
        let mut response = self.finish(answer, outcome, kind.as_str(), upstream_ms);
        if matches!(kind, ErrorKind::Overloaded | ErrorKind::LogUnavailable) {
            response
                .headers_mut()
                .insert("retry-after", HeaderValue::from_static("1"));
        }
        if ends_connection(kind) {
            // Part of the body is still on its way: the connection cannot be used again.
            response
                .headers_mut()
                .insert("connection", HeaderValue::from_static("close"));
        }
        response
    }

    /// What is left of the caller's limits.
    pub(crate) fn add_limits(&self, headers: &mut http::HeaderMap) {
        let Some(account) = &self.settlement.account else {
            return;
        };
        if !account.permit.is_unlimited() {
            let remaining = account.permit.remaining(self.arrival.at);
            let protocol = self.protocol.map_or("", |protocol| protocol.name());
            add_remaining(headers, protocol, &remaining, self.arrival.at);
        }
    }

    fn finish(
        mut self,
        answer: Answer,
        outcome: Outcome,
        error_class: &'static str,
        upstream_ms: Option<f64>,
    ) -> Response<GatewayBody<R>> {
        let gateway_us = self.settlement.gateway_us;
        let mut limits = http::HeaderMap::new();
        self.add_limits(&mut limits);
        self.settlement.write(&Ending {
            outcome,
            upstream_status: None,
            response_status: Some(answer.status),
            error_class,
            response_bytes: u64::try_from(answer.body.len()).unwrap_or(0),
            upstream_ms,
            first_byte_ms: None,
            gateway_us,
            settled: Settled::default(),
            report: self.report.take(),
        });
        self.response(answer, limits)
    }

    /// An answer that was made here.
    pub(crate) fn response(
        &self,
        answer: Answer,
        limits: http::HeaderMap,
    ) -> Response<GatewayBody<R>> {
        let mut response = Response::new(GatewayBody::Whole(Some(Bytes::from(answer.body))));
        *response.status_mut() = http::StatusCode::from_u16(answer.status)
            .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.extend(limits);
        headers.insert(
            "content-type",
            HeaderValue::from_static(answer.content_type),
        );
        set_decision(headers, &self.arrival.id);
        response
    }
}

/// Answers that are given before the body has been read to its end.
const fn ends_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::RequestTimeout
            | ErrorKind::TooLarge
            | ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::RateLimited
    )
}

pub(crate) fn set_decision(headers: &mut http::HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(DECISION_HEADER, value);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
