//! Exports of spans (`POST /v1/traces`): calls that were made elsewhere, judged and logged here.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use atalaya_wire::{ErrorContext, ErrorKind, generic_error};
use bytes::Bytes;
use http::{HeaderValue, Response};

use crate::arrival::Arrival;
use crate::door::Entry;
use crate::judging::judge_with;
use crate::observed;
use crate::ports::Recorder;
use crate::relay::GatewayBody;
use crate::worker::Worker;

pub(crate) fn is_export(arrival: &Arrival) -> bool {
    arrival.method == "POST" && arrival.path == observed::PATH
}

/// Takes in spans of calls that were made elsewhere: each is a decision of its own, the export
/// itself is none.
pub(crate) async fn observe<R: Recorder>(
    worker: &Rc<Worker<R>>,
    arrival: &Arrival,
    entry: &Arc<Entry>,
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
