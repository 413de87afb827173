//! The life of a call, as a straight line:
//! accept → receive → judge → record → forward or refuse → relay → settle.

use std::net::SocketAddr;
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

use crate::arrival::Arrival;
use crate::config::OnLogFailure;
use crate::forward::{relay_head, upstream_request};
use crate::judge::{Fault, Judge, Judged, Next};
use crate::ports::Recorder;
use crate::receive::{Received, receive};
use crate::record::{Ending, Outcome};
use crate::relay::{GatewayBody, Relay, Settlement, millis};
use crate::shared::{CallPermit, Shared};
use crate::upstream::UpstreamError;
use crate::worker::Worker;

/// Header that names the decision on every answer.
pub const DECISION_HEADER: &str = "x-atalaya-decision-id";

/// Handles one request from head to head; the body of the answer settles the call.
pub(crate) async fn call<R: Recorder>(
    worker: Rc<Worker<R>>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<GatewayBody<R>> {
    let (head, body) = request.into_parts();
    let shared = Arc::clone(&worker.shared);
    let arrival = Arrival::new(shared.world.as_ref(), peer, &head);
    let protocol = protocols::find(head.method.as_str(), head.uri.path());
    let permit = shared.admit();
    let received = if permit.is_some() {
        receive(&head, body, &shared.config).await
    } else {
        let fault = Fault {
            kind: ErrorKind::Overloaded,
            reason: "limit",
            unjudged: None,
        };
        Received::Refused(
            fault,
            "the gateway has too many calls at once; try again".to_owned(),
        )
    };
    let ready = Instant::now();
    let judged = judge(&worker, &arrival, protocol, received).await;
    shared.metrics.decided(judged.decision);
    if judged.is_unjudged {
        shared.metrics.unjudged.fetch_add(1, Relaxed);
    }
    let is_recorded = shared.recorder.append(judged.record).await;
    let added_us = micros(ready.elapsed());
    shared.metrics.added_latency(added_us);
    let settlement = Settlement {
        decision_id: arrival.id.clone(),
        recorder: shared.recorder.clone(),
        metrics: Arc::clone(&shared.metrics),
        gateway_us: added_us,
    };
    let mut next = judged.next;
    if let Err(error) = is_recorded {
        tracing::error!(%error, "a decision could not be made durable");
        shared.metrics.log_failures.fetch_add(1, Relaxed);
        if shared.config.on_log_failure == OnLogFailure::Refuse {
            let message = "the decision log is not available; the call was not made".to_owned();
            next = Next::Fail {
                kind: ErrorKind::LogUnavailable,
                message,
            };
        } else {
            shared.metrics.unlogged.fetch_add(1, Relaxed);
        }
    }
    let end = End {
        arrival: &arrival,
        protocol,
        settlement,
    };
    match (next, permit) {
        (next @ Next::Forward { .. }, Some(permit)) => {
            forward(&worker, &head, end, next, permit).await
        }
        (
            Next::Refuse {
                model,
                stream,
                text,
                as_error,
            },
            _,
        ) => end.refuse(&RefusalFacts {
            model: &model,
            stream,
            text: &text,
            as_error,
        }),
        (Next::Fail { kind, message }, _) => end.fail(kind, &message, Outcome::Rejected, None),
        (Next::Forward { .. }, None) => end.fail(
            ErrorKind::Overloaded,
            "the gateway is overloaded",
            Outcome::Rejected,
            None,
        ),
    }
}

async fn judge<R: Recorder>(
    worker: &Rc<Worker<R>>,
    arrival: &Arrival,
    protocol: Option<&'static dyn Protocol>,
    received: Received,
) -> Judged {
    let shared = &worker.shared;
    let policy = shared.policy();
    let body = match received {
        Received::Body(body) => body,
        Received::Refused(fault, message) => {
            return judge_with(shared, &policy).refuse_request(
                arrival,
                protocol,
                &[],
                &fault,
                message,
            );
        }
    };
    shared
        .metrics
        .request_bytes
        .fetch_add(u64::try_from(body.len()).unwrap_or(0), Relaxed);
    let Some(protocol) = protocol else {
        let judge = judge_with(shared, &policy);
        if policy.document().unknown_route == UnknownRoute::Pass {
            return judge.pass_unjudged(arrival, body);
        }
        let fault = Fault {
            kind: ErrorKind::NotFound,
            reason: "unknown_route",
            unjudged: Some(UnjudgedReason::UnknownRoute),
        };
        let message = "this gateway does not know that route and refuses what it cannot judge";
        return judge.refuse_request(arrival, None, &body, &fault, message.to_owned());
    };
    if body.len() <= shared.config.limits.inline_inspect_bytes_max {
        let mut scratch = worker.scratch.borrow_mut();
        return judge_with(shared, &policy).judge(arrival, protocol, body, &mut scratch);
    }
    let (shared, policy, arrived) = (Arc::clone(shared), Arc::clone(&policy), arrival.clone());
    let judged = tokio::task::spawn_blocking(move || {
        judge_with(&shared, &policy).judge(&arrived, protocol, body, &mut Scratch::default())
    });
    judged.await.unwrap_or_else(|_| {
        let fault = Fault {
            kind: ErrorKind::Internal,
            reason: "internal",
            unjudged: Some(UnjudgedReason::LimitReached),
        };
        let policy = worker.shared.policy();
        let message = "the call could not be judged".to_owned();
        judge_with(&worker.shared, &policy).refuse_request(
            arrival,
            Some(protocol),
            &[],
            &fault,
            message,
        )
    })
}

fn judge_with<'s, R: Recorder>(
    shared: &'s Shared<R>,
    policy: &'s atalaya_policy::Policy,
) -> Judge<'s> {
    let depth_max = shared.config.limits.json_depth_max;
    Judge {
        inspector: &shared.inspector,
        policy,
        routes: &shared.routes,
        node: &shared.node,
        prompt_text: shared.config.prompt_text,
        parse_limits: ParseLimits {
            json: JsonLimits {
                depth_max,
                ..JsonLimits::default()
            },
            ..ParseLimits::default()
        },
    }
}

async fn forward<R: Recorder>(
    worker: &Rc<Worker<R>>,
    head: &Parts,
    end: End<'_, R>,
    next: Next,
    permit: CallPermit,
) -> Response<GatewayBody<R>> {
    let Next::Forward {
        target,
        path_prefix,
        body,
        is_modified,
        stream,
    } = next
    else {
        return end.fail(
            ErrorKind::Internal,
            "nothing to forward",
            Outcome::Rejected,
            None,
        );
    };
    let pool = Rc::clone(&worker.pools[target]);
    let Ok(request) = upstream_request(head, &pool.target, &path_prefix, body, is_modified) else {
        let message = "the request cannot be forwarded as it is";
        return end.fail(ErrorKind::Malformed, message, Outcome::Rejected, None);
    };
    let timeouts = worker.shared.config.timeouts;
    let forwarded = Instant::now();
    let first_byte = Duration::from_millis(timeouts.first_byte_ms);
    let answered = match tokio::time::timeout(first_byte, pool.send(request)).await {
        Ok(answered) => answered,
        Err(_) => Err(UpstreamError::Timeout),
    };
    let answered = match answered {
        Ok(answered) => answered,
        Err(error) => {
            tracing::warn!(%error, upstream = pool.target.name, "upstream failed");
            worker
                .shared
                .metrics
                .upstream_failures
                .fetch_add(1, Relaxed);
            let waited = Some(millis(forwarded.elapsed()));
            return match error {
                UpstreamError::Timeout => {
                    let message = "the model did not answer in time";
                    end.fail(
                        ErrorKind::UpstreamTimeout,
                        message,
                        Outcome::TimedOut,
                        waited,
                    )
                }
                _ => {
                    let message = "the model could not be reached";
                    end.fail(
                        ErrorKind::UpstreamUnreachable,
                        message,
                        Outcome::UpstreamFailed,
                        waited,
                    )
                }
            };
        }
    };
    let (mut parts, incoming) = answered.response.into_parts();
    relay_head(&mut parts.headers);
    let is_event_stream = is_event_stream(&parts.headers);
    let is_readable = !parts.headers.contains_key("content-encoding");
    let reader = end
        .protocol
        .filter(|_| is_readable)
        .map(|protocol| protocol.response_reader(is_event_stream));
    set_decision(&mut parts.headers, &end.arrival.id);
    let idle_timeout = Duration::from_millis(timeouts.idle_ms);
    let relay = Relay {
        settlement: end.settlement,
        inner: incoming,
        reader,
        protocol: end.protocol,
        is_stream: stream && is_event_stream,
        connection: Some((pool, answered.sender)),
        status: parts.status.as_u16(),
        forwarded,
        first_byte_ms: None,
        bytes: 0,
        idle_timeout,
        deadline: forwarded + Duration::from_millis(timeouts.total_ms),
        timer: Box::pin(tokio::time::sleep(idle_timeout)),
        last_frame: Instant::now(),
        is_settled: false,
        _permit: permit,
    };
    Response::from_parts(parts, GatewayBody::Relay(Box::new(relay)))
}

fn is_event_stream(headers: &http::HeaderMap) -> bool {
    headers
        .get("content-type")
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// A call that ends here, without the model.
struct End<'a, R: Recorder> {
    arrival: &'a Arrival,
    protocol: Option<&'static dyn Protocol>,
    settlement: Settlement<R>,
}

struct RefusalFacts<'a> {
    model: &'a str,
    stream: bool,
    text: &'a str,
    as_error: bool,
}

impl<R: Recorder> End<'_, R> {
    fn refuse(self, facts: &RefusalFacts<'_>) -> Response<GatewayBody<R>> {
        let decision_id = &self.arrival.id;
        let Some(protocol) = self.protocol.filter(|_| !facts.as_error) else {
            return self.fail(ErrorKind::Blocked, facts.text, Outcome::Refused, None);
        };
        let answer = protocol.refusal(&RefusalContext {
            decision_id,
            model: facts.model,
            stream: facts.stream,
            text: facts.text,
            created_s: self.arrival.at.0 / 1_000_000,
        });
        self.finish(answer, Outcome::Refused, "", None)
    }

    fn fail(
        self,
        kind: ErrorKind,
        message: &str,
        outcome: Outcome,
        upstream_ms: Option<f64>,
    ) -> Response<GatewayBody<R>> {
        let context = ErrorContext {
            decision_id: &self.arrival.id,
            kind,
            message,
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
        if matches!(kind, ErrorKind::RequestTimeout | ErrorKind::TooLarge) {
            // Part of the body is still on its way: the connection cannot be used again.
            response
                .headers_mut()
                .insert("connection", HeaderValue::from_static("close"));
        }
        response
    }

    fn finish(
        self,
        answer: Answer,
        outcome: Outcome,
        error_class: &'static str,
        upstream_ms: Option<f64>,
    ) -> Response<GatewayBody<R>> {
        self.settlement.write(&Ending {
            outcome,
            upstream_status: None,
            response_status: Some(answer.status),
            error_class,
            response_bytes: u64::try_from(answer.body.len()).unwrap_or(0),
            upstream_ms,
            first_byte_ms: None,
            gateway_us: self.settlement.gateway_us,
            settled: Settled::default(),
        });
        let mut response = Response::new(GatewayBody::Whole(Some(Bytes::from(answer.body))));
        *response.status_mut() = http::StatusCode::from_u16(answer.status)
            .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            "content-type",
            HeaderValue::from_static(answer.content_type),
        );
        set_decision(headers, &self.arrival.id);
        response
    }
}

fn set_decision(headers: &mut http::HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(DECISION_HEADER, value);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
