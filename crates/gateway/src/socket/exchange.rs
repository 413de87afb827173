//! One response in the making on a web socket: its events are looked at as those of a stream are, and
//! what becomes of it is settled once.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atalaya_wire::{FrameError, Framing, Protocol, ResponseReader, Settled, Splitter};

use crate::answer::{Asked, StreamGuard, Watch};
use crate::arrival::Arrival;
use crate::judging::parse_limits;
use crate::ports::Recorder;
use crate::record::{Ending, Outcome};
use crate::relay::{Settlement, millis};
use crate::shared::CallPermit;
use crate::worker::Worker;

/// A response in the making.
pub(super) struct Exchange<R: Recorder> {
    settlement: Settlement<R>,
    guard: Option<StreamGuard>,
    reader: Option<Box<dyn ResponseReader>>,
    /// Cuts what the guard lets through into messages again.
    outgoing: Splitter,
    asked_at: Instant,
    last_event: Instant,
    first_byte_ms: Option<f64>,
    bytes: u64,
    is_ended: bool,
    is_settled: bool,
    _permit: CallPermit,
}

/// What of an event goes on to the caller.
#[derive(Default)]
pub(super) struct Passed {
    pub(super) messages: Vec<Vec<u8>>,
    /// The response is over, for the provider too.
    pub(super) is_ended: bool,
}

impl<R: Recorder> Exchange<R> {
    pub(super) fn new(
        worker: &Rc<Worker<R>>,
        arrival: &Arrival,
        (protocol, asked): (&'static dyn Protocol, Asked),
        (settlement, permit): (Settlement<R>, CallPermit),
    ) -> Self {
        let shared = &worker.shared;
        let policy = shared.policy();
        let response = &policy.document().response;
        let (is_watched, bytes_max) = (response.inspect, response.body_bytes_max);
        let watch = Watch {
            protocol,
            inspector: Arc::clone(&shared.inspector),
            parse_limits: parse_limits(shared),
            decision_id: arrival.id.clone(),
            created_s: arrival.at.0 / 1_000_000,
            upstream: settlement.upstream.clone(),
            path: arrival.path.clone(),
            asked,
            policy,
        };
        let now = Instant::now();
        Self {
            settlement,
            guard: is_watched.then(|| StreamGuard::new(watch, Framing::Events)),
            reader: Some(protocol.response_reader(Framing::Events)),
            outgoing: Splitter::new(Framing::Events, bytes_max),
            asked_at: now,
            last_event: now,
            first_byte_ms: None,
            bytes: 0,
            is_ended: false,
            is_settled: false,
            _permit: permit,
        }
    }

    /// When held text is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.guard.as_ref().and_then(StreamGuard::due)
    }

    /// When the provider is too late.
    pub(super) fn deadline(&self, idle: Duration, total: Duration) -> Instant {
        (self.last_event + idle).min(self.asked_at + total)
    }

    /// Takes an event of the provider's.
    ///
    /// # Errors
    /// If what may go on is no message any more: nothing of it goes on.
    pub(super) fn event(&mut self, worker: &Worker<R>, text: &str) -> Result<Passed, FrameError> {
        self.last_event = Instant::now();
        self.first_byte_ms
            .get_or_insert_with(|| millis(self.asked_at.elapsed()));
        self.bytes += u64::try_from(text.len()).unwrap_or(0);
        let event = as_event(text);
        if let Some(reader) = &mut self.reader {
            reader.feed(&event);
        }
        self.is_ended |= is_end(text, worker);
        if self.is_settled {
            // The policy has ended it: what still comes is not for the caller.
            return self.passed(&[]);
        }
        let mut scratch = worker.scratch.borrow_mut();
        let Some(guard) = &mut self.guard else {
            return self.passed(&event);
        };
        let mut out = guard.feed(&event, &mut scratch);
        if self.is_ended && !guard.is_stopped() {
            out.extend(guard.finish(&mut scratch));
            if guard.waits().is_some() {
                // Nobody can be asked while a socket waits.
                out.extend(guard.decided(false));
            }
        }
        self.passed(&out)
    }

    /// What has been held long enough.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub(super) fn tick(&mut self, worker: &Worker<R>) -> Result<Passed, FrameError> {
        let mut scratch = worker.scratch.borrow_mut();
        let out = self
            .guard
            .as_mut()
            .map(|guard| guard.tick(&mut scratch))
            .unwrap_or_default();
        self.passed(&out)
    }

    fn passed(&mut self, out: &[u8]) -> Result<Passed, FrameError> {
        let frames = self.outgoing.feed(out)?;
        let is_stopped = self.guard.as_ref().is_some_and(StreamGuard::is_stopped);
        if is_stopped {
            self.settle(Outcome::AnswerRefused, "blocked");
        } else if self.is_ended {
            self.settle(Outcome::Answered, "");
        }
        Ok(Passed {
            messages: frames
                .into_iter()
                .map(|frame| frame.data)
                .filter(|data| !data.is_empty())
                .collect(),
            is_ended: self.is_ended,
        })
    }

    /// Writes how it ended, once.
    pub(super) fn settle(&mut self, outcome: Outcome, error_class: &'static str) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let settled = self
            .reader
            .take()
            .map_or_else(Settled::default, ResponseReader::finish);
        let gateway_us = self.settlement.gateway_us;
        self.settlement.write(&Ending {
            outcome,
            upstream_status: Some(101),
            response_status: Some(101),
            error_class,
            response_bytes: self.bytes,
            upstream_ms: Some(millis(self.asked_at.elapsed())),
            first_byte_ms: self.first_byte_ms,
            gateway_us,
            settled,
            report: self.guard.as_ref().map(|guard| guard.report.clone()),
        });
    }
}

/// A message as a server-sent event with the same document.
pub(super) fn as_event(text: &str) -> Vec<u8> {
    let mut event = Vec::with_capacity(text.len() + 16);
    for line in text.split(['\n', '\r']) {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line.as_bytes());
        event.push(b'\n');
    }
    event.push(b'\n');
    event
}

/// Whether nothing follows an event: the response is over, or there will be none.
fn is_end<R: Recorder>(text: &str, worker: &Worker<R>) -> bool {
    const ENDS: [&str; 4] = [
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
    ];
    let limits = parse_limits(&worker.shared).json;
    let document = atalaya_wire::json::parse(text.as_bytes(), limits);
    document.is_ok_and(|document| {
        let kind = document.root().get_str("type");
        kind.is_some_and(|kind| ENDS.contains(&kind.as_ref()))
    })
}
