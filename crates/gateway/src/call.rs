//! The life of a call, as a straight line:
//! accept → receive → judge → record → forward or refuse → relay → settle.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use atalaya_inspect::Scratch;
use atalaya_model::UnjudgedReason;
use atalaya_policy::UnknownRoute;
use atalaya_wire::{
    Answer, ErrorContext, ErrorKind, ParseLimits, Protocol, RefusalContext, Settled, generic_error,
    json::JsonLimits, protocols,
};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;

use crate::account::Account;
use crate::answer::Report;
use crate::arrival::Arrival;
use crate::back::{self, Way};
use crate::config::OnLogFailure;
use crate::door::{Denied, Entry, enter};
use crate::forward::upstream_request;
use crate::judge::{Fault, Forward, Judge, Judged, Next, Refusal};
use crate::ports::Recorder;
use crate::rate_headers::{add_remaining, add_retry_after};
use crate::receive::{Received, receive};
use crate::record::{Ending, Outcome};
use crate::relay::{GatewayBody, Settlement, millis};
use crate::shared::{CallPermit, Shared};
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
    let judged = judge(&worker, &arrival, (protocol, &entry), received).await;
    let mut end = End::new(&arrival, protocol, &shared);
    end.settlement.account = limits.map(|permit| Account {
        permit,
        price: None,
        input_estimate: judged.bytes / 4,
        is_forwarded: false,
        world: Arc::clone(&shared.world),
    });
    let next = record(&shared, judged).await;
    let added_us = micros(ready.elapsed());
    shared.metrics.added_latency(added_us);
    end.settlement.gateway_us = added_us;
    match (next, permit) {
        (Next::Forward(forward), Some(permit)) => send(&worker, &head, end, forward, permit).await,
        (Next::Refuse(refusal), _) => end.refuse(&refusal),
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

async fn judge<R: Recorder>(
    worker: &Rc<Worker<R>>,
    arrival: &Arrival,
    (protocol, entry): (Option<&'static dyn Protocol>, &Arc<Entry>),
    received: Received,
) -> Judged {
    let shared = &worker.shared;
    let policy = shared.policy();
    let body = match received {
        Received::Body(body) => body,
        Received::Refused(fault, message) => {
            let judge = judge_with(shared, &policy, entry);
            return judge.refuse_request(arrival, protocol, &[], fault.saying(message));
        }
    };
    shared
        .metrics
        .request_bytes
        .fetch_add(u64::try_from(body.len()).unwrap_or(0), Relaxed);
    let Some(protocol) = protocol else {
        let judge = judge_with(shared, &policy, entry);
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
        return judge_with(shared, &policy, entry).judge(arrival, protocol, &body, &mut scratch);
    }
    let (shared, policy, arrived) = (Arc::clone(shared), Arc::clone(&policy), arrival.clone());
    let entered = Arc::clone(entry);
    let judged = tokio::task::spawn_blocking(move || {
        judge_with(&shared, &policy, &entered).judge(
            &arrived,
            protocol,
            &body,
            &mut Scratch::default(),
        )
    });
    judged.await.unwrap_or_else(|_| {
        let fault = Fault::new(
            ErrorKind::Internal,
            "internal",
            Some(UnjudgedReason::LimitReached),
        );
        let policy = worker.shared.policy();
        let refused = fault.saying("the call could not be judged");
        judge_with(&worker.shared, &policy, entry).refuse_request(
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
) -> Judge<'s> {
    Judge {
        inspector: &shared.inspector,
        policy,
        routes: &shared.routes,
        node: &shared.node,
        prompt_text: shared.config.prompt_text,
        entry,
        prices: &shared.config.callers.prices,
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

/// Sends a call to its upstream and relays the answer.
async fn send<R: Recorder>(
    worker: &Rc<Worker<R>>,
    head: &Parts,
    mut end: End<'_, R>,
    mut forward: Forward,
    permit: CallPermit,
) -> Response<GatewayBody<R>> {
    if let Some(account) = &mut end.settlement.account {
        account.price = forward.price.take();
    }
    let pool = Rc::clone(&worker.pools[forward.target]);
    let asked = forward.asked.clone();
    end.reply_to.clone_from(&asked.reply_to);
    end.upstream.clone_from(&pool.target.name);
    let Ok(request) = upstream_request(head, &pool.target, forward) else {
        let message = "the request cannot be forwarded as it is";
        return end.fail(ErrorKind::Malformed, message, Outcome::Rejected, None);
    };
    if let Some(account) = &mut end.settlement.account {
        account.is_forwarded = true;
    }
    let forwarded = Instant::now();
    let first_byte = Duration::from_millis(worker.shared.config.timeouts.first_byte_ms);
    let answered = tokio::time::timeout(first_byte, pool.send(request)).await;
    match answered.unwrap_or(Err(UpstreamError::Timeout)) {
        Ok(answered) => {
            let way = Way {
                pool,
                forwarded,
                asked,
                permit,
            };
            back::answer(worker, end, answered, way).await
        }
        Err(error) => {
            if let Some(account) = &mut end.settlement.account {
                account.is_forwarded = false;
            }
            tracing::warn!(%error, upstream = pool.target.name, "upstream failed");
            let failures = &worker.shared.metrics.upstream_failures;
            failures.fetch_add(1, Relaxed);
            end.upstream_failed(&error, millis(forwarded.elapsed()))
        }
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

    fn upstream_failed(self, error: &UpstreamError, waited_ms: f64) -> Response<GatewayBody<R>> {
        let (kind, message, outcome) = match error {
            UpstreamError::Timeout => (
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
