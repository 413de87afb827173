//! Forwarding: to the route's upstream, or to the next of its failover list.
//!
//! A call is sent again only where that is safe: when no connection came about, or when the
//! upstream itself said that it did not take the call (429, 503). A call that may have reached a
//! model is never repeated: it would be paid for, and its tools would act, twice. An upstream that
//! keeps failing is left alone by its circuit breaker.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use atalaya_wire::ErrorKind;
use http::Response;
use http::request::Parts;

use crate::back::{self, Way};
use crate::end::End;
use crate::forward::upstream_request;
use crate::judge::Forward;
use crate::ports::Recorder;
use crate::record::Outcome;
use crate::relay::{GatewayBody, millis};
use crate::shared::CallPermit;
use crate::upstream::{Answered, Pool, UpstreamError};
use crate::worker::Worker;

/// What came of one try.
enum Tried {
    Answered(Answered),
    /// The call was not taken; another upstream may be tried.
    NotTaken(Option<Answered>, Option<UpstreamError>),
    /// The call may have been taken.
    Failed(UpstreamError),
    /// The request cannot be written for this upstream.
    Unwritable,
}

/// Sends a call to its upstream and relays the answer.
pub(crate) async fn send<R: Recorder>(
    worker: &Rc<Worker<R>>,
    head: &Parts,
    mut end: End<'_, R>,
    mut forward: Forward,
    permit: CallPermit,
) -> Response<GatewayBody<R>> {
    if let Some(account) = &mut end.settlement.account {
        account.price = forward.price.take();
        account.is_forwarded = true;
    }
    let asked = forward.asked.clone();
    end.reply_to.clone_from(&asked.reply_to);
    let forwarded = Instant::now();
    let candidates: Vec<usize> = std::iter::once(forward.target)
        .chain(forward.failover.iter().copied())
        .collect();
    let way = move |pool| Way {
        pool,
        forwarded,
        asked,
        permit,
    };
    let mut last = (None, None);
    for target in candidates {
        let pool = Rc::clone(&worker.pools[target]);
        let now_us = worker.shared.world.now().0;
        if !pool
            .target
            .breaker
            .admits(&worker.shared.config.resilience, now_us)
        {
            continue;
        }
        end.settlement.attempts += 1;
        end.upstream.clone_from(&pool.target.name);
        end.settlement.upstream.clone_from(&pool.target.name);
        match attempt(worker, head, &pool, &forward).await {
            Tried::Answered(answered) => {
                return back::answer(worker, end, answered, way(pool)).await;
            }
            Tried::NotTaken(answered, error) => {
                last = (answered.map(|answered| (pool, answered)), error);
            }
            Tried::Failed(error) => {
                not_charged(&mut end);
                return end.upstream_failed(&error, millis(forwarded.elapsed()));
            }
            Tried::Unwritable => {
                not_charged(&mut end);
                let message = "the request cannot be forwarded as it is";
                return end.fail(ErrorKind::Malformed, message, Outcome::Rejected, None);
            }
        }
    }
    match last {
        // The last upstream's own words: they say when to come back.
        (Some((pool, answered)), _) => back::answer(worker, end, answered, way(pool)).await,
        (None, Some(error)) => {
            not_charged(&mut end);
            end.upstream_failed(&error, millis(forwarded.elapsed()))
        }
        (None, None) => {
            not_charged(&mut end);
            let message = "every upstream of this route has failed lately; try again later";
            end.fail(
                ErrorKind::Overloaded,
                message,
                Outcome::UpstreamFailed,
                None,
            )
        }
    }
}

fn not_charged<R: Recorder>(end: &mut End<'_, R>) {
    if let Some(account) = &mut end.settlement.account {
        account.is_forwarded = false;
    }
}

async fn attempt<R: Recorder>(
    worker: &Rc<Worker<R>>,
    head: &Parts,
    pool: &Rc<Pool>,
    forward: &Forward,
) -> Tried {
    let Ok(request) = upstream_request(head, &pool.target, forward, worker.shared.world.now())
    else {
        return Tried::Unwritable;
    };
    let shared = &worker.shared;
    let breaker = &pool.target.breaker;
    let first_byte = Duration::from_millis(shared.config.timeouts.first_byte_ms);
    let answered = tokio::time::timeout(first_byte, pool.send(request)).await;
    match answered.unwrap_or(Err(UpstreamError::Timeout)) {
        Ok(answered) => {
            let status = answered.response.status().as_u16();
            if matches!(status, 500..=599) {
                note_failure(worker, pool);
            } else {
                breaker.succeeded();
            }
            if matches!(status, 429 | 503) {
                Tried::NotTaken(Some(answered), None)
            } else {
                Tried::Answered(answered)
            }
        }
        Err(error) => {
            tracing::warn!(%error, upstream = pool.target.name, "upstream failed");
            shared.metrics.upstream_failures.fetch_add(1, Relaxed);
            note_failure(worker, pool);
            if error.is_unsent() {
                Tried::NotTaken(None, Some(error))
            } else {
                Tried::Failed(error)
            }
        }
    }
}

fn note_failure<R: Recorder>(worker: &Rc<Worker<R>>, pool: &Rc<Pool>) {
    let shared = &worker.shared;
    let opened = pool
        .target
        .breaker
        .failed(&shared.config.resilience, shared.world.now().0);
    if opened {
        tracing::warn!(
            upstream = pool.target.name,
            "an upstream is left alone for a while"
        );
        shared.metrics.breakers_opened.fetch_add(1, Relaxed);
    }
}
