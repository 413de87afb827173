//! How a call ends: with an answer of ours, or with what the settlement says of the relayed one.

use std::sync::Arc;

use atalaya_access::Permit;
use atalaya_wire::{
    Answer, ErrorContext, ErrorKind, Protocol, RefusalContext, Settled, generic_error,
};
use bytes::Bytes;
use http::{HeaderValue, Response};

use crate::account::Account;
use crate::answer::Report;
use crate::arrival::Arrival;
use crate::judge::{Judged, Refusal};
use crate::ports::Recorder;
use crate::rate_headers::add_remaining;
use crate::record::{Ending, Outcome};
use crate::relay::{GatewayBody, Settlement};
use crate::session::Conversation;
use crate::shared::Shared;
use crate::upstream::UpstreamError;

/// Header that names the decision on every answer.
pub const DECISION_HEADER: &str = "x-atalaya-decision-id";

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
    pub(crate) fn new(
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
    pub(crate) fn begin(&mut self, shared: &Shared<R>, limits: Option<Permit>, judged: &Judged) {
        self.settlement.account = limits.map(|permit| Account {
            permit,
            price: None,
            input_estimate: judged.bytes / 4,
            is_forwarded: false,
            world: Arc::clone(&shared.world),
        });
        if judged.session != 0 || !judged.keeper.is_empty() {
            let key = match judged.session {
                0 => shared.sessions.fresh(&self.arrival.id),
                key => key,
            };
            self.settlement.conversation = Some(Conversation {
                sessions: Arc::clone(&shared.sessions),
                key,
                caller: judged.keeper.clone(),
                is_whole: !judged.is_unjudged,
                from_score: shared.policy().document().sessions.taint.from_score,
                now: self.arrival.at,
            });
        }
    }

    pub(crate) fn refuse(mut self, refusal: &Refusal) -> Response<GatewayBody<R>> {
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
    pub(crate) fn answer(self, status: u16, body: &Bytes) -> Response<GatewayBody<R>> {
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
