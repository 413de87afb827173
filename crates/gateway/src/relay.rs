//! The answer on its way back: frame by frame, read for facts, settled at its end.
//!
//! A frame is passed on as it came; the caller's slowness is the upstream's (backpressure), since
//! the next frame is asked for only when the last one is out. However the answer ends, exactly
//! one settlement is written: at its end, at a failure, or when the caller drops it.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use atalaya_wire::{ErrorContext, ErrorKind, Framing, Protocol, ResponseReader, Settled};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::time::Sleep;

use crate::account::Account;
use crate::answer::{Report, StreamGuard};
use crate::approve::{Held, hold};
use crate::arrival::hex;
use crate::metrics::Metrics;
use crate::ports::Recorder;
use crate::record::{Ending, Outcome, SettledBy, settlement};
use crate::session::Conversation;
use crate::shared::CallPermit;
use crate::upstream::{Pool, Sender};
use crate::worker::Worker;

/// The body of an answer: made here, or relayed.
pub(crate) enum GatewayBody<R: Recorder> {
    /// Made here.
    Whole(Option<Bytes>),
    /// Made here for gRPC, where the outcome follows the body.
    Grpc(Option<Bytes>, Option<HeaderMap>),
    /// Relayed.
    Relay(Box<Relay<R>>),
}

/// Writes how a call ended, exactly once: by [`Settlement::write`], or, when the caller goes away
/// before that, when it is dropped.
pub(crate) struct Settlement<R: Recorder> {
    decision_id: String,
    recorder: R,
    metrics: Arc<Metrics>,
    pub(crate) gateway_us: u64,
    /// What the call is charged, if anybody counts.
    pub(crate) account: Option<Account>,
    /// The conversation, to be tainted by what comes back.
    pub(crate) conversation: Option<Conversation>,
    /// Which upstream was called last.
    pub(crate) upstream: String,
    /// How often the call was sent.
    pub(crate) attempts: u32,
    is_written: bool,
}

impl<R: Recorder> Settlement<R> {
    pub(crate) fn new(decision_id: String, recorder: R, metrics: Arc<Metrics>) -> Self {
        Self {
            decision_id,
            recorder,
            metrics,
            gateway_us: 0,
            account: None,
            conversation: None,
            upstream: String::new(),
            attempts: 0,
            is_written: false,
        }
    }

    pub(crate) fn write(&mut self, ending: &Ending) {
        self.is_written = true;
        self.metrics
            .response_bytes
            .fetch_add(ending.response_bytes, Relaxed);
        let account = self.account.take();
        let cost =
            account.and_then(|account| account.settle(&ending.settled, ending.response_bytes));
        if let (Some(conversation), Some(report)) = (self.conversation.take(), &ending.report) {
            conversation.note(&report.findings);
            if ending.outcome == Outcome::Answered {
                let id = ending.settled.response_id.as_deref();
                conversation.answered(id.unwrap_or(""), report.unjudged.is_empty());
            }
        }
        let by = SettledBy {
            cost_usd: cost,
            upstream: &self.upstream,
            attempts: self.attempts,
        };
        self.recorder
            .append_detached(settlement(&self.decision_id, ending, &by));
    }
}

impl<R: Recorder> Drop for Settlement<R> {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        self.metrics.client_aborts.fetch_add(1, Relaxed);
        self.write(&Ending {
            outcome: Outcome::ClientAborted,
            upstream_status: None,
            response_status: None,
            error_class: "",
            response_bytes: 0,
            upstream_ms: None,
            first_byte_ms: None,
            gateway_us: self.gateway_us,
            settled: Settled::default(),
            report: None,
        });
    }
}

/// Whether a stream of server-sent events stands between two events: after a blank line, or at
/// its beginning (WHATWG HTML, section 9.2.6; lines end in LF or CRLF).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineEnds {
    bytes: u64,
    newlines: u8,
}

impl LineEnds {
    fn feed(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        let is_end = |byte: &&u8| **byte == b'\n' || **byte == b'\r';
        let ends = data.iter().rev().take_while(is_end);
        let (mut newlines, mut length) = (0_u8, 0);
        for byte in ends {
            length += 1;
            newlines = newlines.saturating_add(u8::from(*byte == b'\n'));
        }
        let before = if length == data.len() {
            self.newlines
        } else {
            0
        };
        self.newlines = newlines.saturating_add(before);
    }

    const fn is_between_events(self) -> bool {
        self.bytes == 0 || self.newlines >= 2
    }
}

/// An answer that is being relayed.
pub(crate) struct Relay<R: Recorder> {
    pub(crate) settlement: Settlement<R>,
    pub(crate) inner: Incoming,
    pub(crate) reader: Option<Box<dyn ResponseReader>>,
    pub(crate) protocol: Option<&'static dyn Protocol>,
    pub(crate) framing: Framing,
    pub(crate) reply_to: String,
    pub(crate) connection: Option<(Rc<Pool>, Sender)>,
    pub(crate) status: u16,
    pub(crate) forwarded: Instant,
    pub(crate) first_byte_ms: Option<f64>,
    pub(crate) bytes: u64,
    pub(crate) line_ends: LineEnds,
    pub(crate) idle_timeout: Duration,
    pub(crate) deadline: Instant,
    pub(crate) timer: Pin<Box<Sleep>>,
    pub(crate) last_frame: Instant,
    pub(crate) is_settled: bool,
    /// Looks at the answer; nothing if the policy does not want it.
    pub(crate) guard: Option<StreamGuard>,
    pub(crate) hold_timer: Option<Pin<Box<Sleep>>>,
    /// A person is asked about the answer's tools; the rest waits.
    pub(crate) approval: Option<Held>,
    /// What was not looked at, when there is no guard.
    pub(crate) report: Option<Report>,
    pub(crate) worker: Rc<Worker<R>>,
    pub(crate) _permit: CallPermit,
}

impl<R: Recorder> Body for GatewayBody<R> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Grpc(bytes, trailers) => Poll::Ready(match bytes.take() {
                Some(bytes) => Some(Ok(Frame::data(bytes))),
                None => trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            }),
            Self::Relay(relay) => relay.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Grpc(bytes, trailers) => bytes.is_none() && trailers.is_none(),
            Self::Relay(relay) => relay.is_settled,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(0))
            }
            Self::Grpc(..) => SizeHint::default(),
            Self::Relay(relay) if relay.guard.is_some() => SizeHint::default(),
            Self::Relay(relay) => relay.inner.size_hint(),
        }
    }
}

impl<R: Recorder> Relay<R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        loop {
            if self.is_settled {
                return Poll::Ready(None);
            }
            if let Some(approval) = &mut self.approval {
                let Poll::Ready(is_approved) = approval.as_mut().poll(cx) else {
                    return Poll::Pending;
                };
                return Poll::Ready(self.decided(is_approved).map(Ok));
            }
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.note(&frame);
                    // With a known length the last frame is the end: hyper will not ask again.
                    let is_end = self.inner.is_end_stream();
                    let Some(frame) = self.watched(frame, is_end) else {
                        continue;
                    };
                    if is_end && !self.is_settled && !self.asks() {
                        self.ended();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(None) => {
                    let rest = self.rest();
                    if !self.is_settled {
                        if self.asks() {
                            let Some(rest) = rest else { continue };
                            return Poll::Ready(Some(Ok(rest)));
                        }
                        self.ended();
                    }
                    return Poll::Ready(rest.map(Ok));
                }
                Poll::Ready(Some(Err(error))) => {
                    let outcome = Outcome::UpstreamCut;
                    return self.broken(outcome, ErrorKind::UpstreamUnreachable, error.to_string());
                }
                Poll::Pending => match self.poll_hold(cx) {
                    Poll::Ready(frame) => return Poll::Ready(Some(Ok(frame))),
                    Poll::Pending => return self.poll_timer(cx),
                },
            }
        }
    }

    /// Whether a person is asked before the rest is sent.
    fn asks(&mut self) -> bool {
        let Some(needed) = self.guard.as_ref().and_then(StreamGuard::waits) else {
            return false;
        };
        let id = &self.settlement.decision_id;
        let approvals = self.worker.shared.approvals.clone();
        let content_sha256 = hex(&Sha256::digest(id.as_bytes()));
        self.approval = Some(hold(approvals, needed, id, content_sha256));
        true
    }

    /// The rest of the answer, or its end, when a person has decided.
    fn decided(&mut self, is_approved: bool) -> Option<Frame<Bytes>> {
        self.approval = None;
        let out = self.guard.as_mut()?.decided(is_approved);
        self.stopped();
        if !self.is_settled {
            self.ended();
        }
        (!out.is_empty()).then(|| Frame::data(Bytes::from(out)))
    }

    /// What of a frame goes on; nothing if all of it is held.
    fn watched(&mut self, frame: Frame<Bytes>, is_end: bool) -> Option<Frame<Bytes>> {
        let Some(guard) = &mut self.guard else {
            return Some(frame);
        };
        let data = frame.data_ref()?;
        let mut scratch = self.worker.scratch.borrow_mut();
        let mut out = guard.feed(data, &mut scratch);
        if is_end && !guard.is_stopped() {
            out.extend(guard.finish(&mut scratch));
        }
        drop(scratch);
        self.stopped();
        // An empty last frame still has to be told as the end.
        (!out.is_empty() || is_end).then(|| Frame::data(Bytes::from(out)))
    }

    /// What was held until the end.
    fn rest(&mut self) -> Option<Frame<Bytes>> {
        let guard = self.guard.as_mut()?;
        let out = guard.finish(&mut self.worker.scratch.borrow_mut());
        self.stopped();
        (!out.is_empty()).then(|| Frame::data(Bytes::from(out)))
    }

    /// Ends the call when the policy has ended the answer.
    fn stopped(&mut self) {
        if self.is_settled || !self.guard.as_ref().is_some_and(StreamGuard::is_stopped) {
            return;
        }
        // The rest of the upstream's answer is of no use: the connection goes with it.
        self.connection = None;
        self.settle(Outcome::AnswerRefused, ErrorKind::Blocked.as_str());
    }

    /// What has been held long enough.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<Frame<Bytes>> {
        let Some(due) = self.guard.as_ref().and_then(StreamGuard::due) else {
            return Poll::Pending;
        };
        let timer = self
            .hold_timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into())));
        if timer.deadline() != due.into() {
            timer.as_mut().reset(due.into());
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let Some(guard) = self.guard.as_mut() else {
            return Poll::Pending;
        };
        let out = guard.tick(&mut self.worker.scratch.borrow_mut());
        self.stopped();
        if out.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Frame::data(Bytes::from(out)))
    }

    fn note(&mut self, frame: &Frame<Bytes>) {
        self.last_frame = Instant::now();
        let Some(data) = frame.data_ref() else { return };
        if self.first_byte_ms.is_none() {
            self.first_byte_ms = Some(millis(self.last_frame.duration_since(self.forwarded)));
        }
        self.bytes += u64::try_from(data.len()).unwrap_or(0);
        self.line_ends.feed(data);
        if let Some(reader) = &mut self.reader {
            reader.feed(data);
        }
    }

    /// The timer is moved only when it fires: frames do not pay for it.
    fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        loop {
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            let due = (self.last_frame + self.idle_timeout).min(self.deadline);
            if now >= due {
                let message = "the upstream stalled".to_owned();
                return self.broken(Outcome::TimedOut, ErrorKind::UpstreamTimeout, message);
            }
            self.timer.as_mut().reset(due.into());
        }
    }

    fn ended(&mut self) {
        let outcome = Outcome::Answered;
        if let Some((pool, sender)) = self.connection.take() {
            pool.give_back(sender);
        }
        self.settle(outcome, "");
    }

    /// Ends a broken answer: a stream between two events in its protocol's own way, anything else
    /// by cutting off. In the middle of an event, more text would complete what must not be read.
    fn broken(
        &mut self,
        outcome: Outcome,
        kind: ErrorKind,
        why: String,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.connection = None;
        let mut sent = Vec::new();
        let is_guarded = self.guard.is_some();
        if let Some(guard) = &mut self.guard {
            sent = guard.cut(&mut self.worker.scratch.borrow_mut());
        }
        self.stopped();
        if self.is_settled {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(sent)))));
        }
        self.settlement
            .metrics
            .upstream_failures
            .fetch_add(1, Relaxed);
        let decision_id = self.settlement.decision_id.clone();
        self.settle(outcome, kind.as_str());
        let Some(protocol) = self
            .protocol
            .filter(|_| self.framing.is_stream())
            // Frames that were looked at are sent whole.
            .filter(|_| {
                is_guarded
                    || (self.framing == Framing::Events && self.line_ends.is_between_events())
            })
        else {
            return Poll::Ready(Some(Err(std::io::Error::other(why))));
        };
        let context = ErrorContext {
            reply_to: &self.reply_to,
            framing: self.framing,
            ..ErrorContext::new(&decision_id, kind, "the model's answer broke off")
        };
        sent.extend(protocol.stream_error(&context));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(sent)))))
    }

    fn settle(&mut self, outcome: Outcome, error_class: &'static str) {
        self.is_settled = true;
        let settled = self
            .reader
            .take()
            .map_or_else(Settled::default, ResponseReader::finish);
        self.settlement.write(&Ending {
            outcome,
            upstream_status: Some(self.status),
            response_status: Some(self.status),
            error_class,
            response_bytes: self.bytes,
            upstream_ms: Some(millis(self.forwarded.elapsed())),
            first_byte_ms: self.first_byte_ms,
            gateway_us: self.settlement.gateway_us,
            settled,
            report: self
                .guard
                .as_ref()
                .map(|guard| guard.report.clone())
                .or_else(|| self.report.take()),
        });
    }
}

impl<R: Recorder> Drop for Relay<R> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.settlement.metrics.client_aborts.fetch_add(1, Relaxed);
            self.settle(Outcome::ClientAborted, "");
        }
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
