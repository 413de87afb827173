//! The life of a call, as a straight line:
//! accept → receive → judge → record → forward or refuse → relay → settle.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use atalaya_wire::{ErrorKind, protocols};
use http::{Request, Response};
use hyper::body::Incoming;

use crate::approve::APPROVAL_HEADER;
use crate::arrival::Arrival;
use crate::config::OnLogFailure;
use crate::door::{Denied, Entry, enter};
use crate::end::End;
use crate::export::{is_export, observe};
use crate::judge::{Judged, Next};
use crate::judging::judge_and_ask;
use crate::ports::Recorder;
use crate::rate_headers::add_retry_after;
use crate::receive::{Received, receive};
use crate::record::Outcome;
use crate::relay::GatewayBody;
use crate::send::send;
use crate::shared::Shared;
use crate::socket::{self, Opening};
use crate::worker::{Peer, Worker};

/// Handles one request from head to head; the body of the answer settles the call.
pub(crate) async fn call<R: Recorder>(
    worker: Rc<Worker<R>>,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<GatewayBody<R>> {
    let (mut head, body) = request.into_parts();
    let shared = Arc::clone(&worker.shared);
    let mut arrival = Arrival::new(shared.world.as_ref(), peer.address, &head);
    let opening = Opening::of(&mut head);
    let protocol = opening
        .as_ref()
        .map(|opening| opening.protocol)
        .or_else(|| protocols::find(head.method.as_str(), head.uri.path()))
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
        return observe(&worker, &arrival, (&entry, &head), body).await;
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
    let next = match (next, opening) {
        (Next::Forward(forward), Some(opening)) if permit.is_some() => {
            return socket::open(&worker, peer, &head, end, (forward, opening)).await;
        }
        (next, _) => next,
    };
    match (next, permit) {
        (Next::Forward(forward), Some(permit)) => send(&worker, &head, end, forward, permit).await,
        (next, _) => answered_here(end, next),
    }
}

/// The answer to a call that goes no further.
pub(crate) fn answered_here<R: Recorder>(end: End<'_, R>, next: Next) -> Response<GatewayBody<R>> {
    match next {
        Next::Refuse(refusal) => end.refuse(&refusal),
        Next::Answer { status, body } => end.answer(status, &body),
        Next::Fail {
            kind,
            message,
            exceeded,
        } => {
            let mut response = end.fail(kind, &message, Outcome::Rejected, None);
            if let Some(exceeded) = exceeded {
                add_retry_after(response.headers_mut(), &exceeded);
            }
            response
        }
        Next::Forward(_) => {
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
pub(crate) async fn record<R: Recorder>(shared: &Shared<R>, judged: Judged) -> Next {
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

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
