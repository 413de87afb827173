//! Reading the answer as it passes: who answered, why it ended, what it cost.
//!
//! Nothing of the answer is kept: bytes go through a scanner that tells scalars on known paths,
//! whole answers and events of any size alike, however they are split. Most deltas of a stream
//! say nothing new and are ruled out by a substring test before any scanning. Left out: judging
//! the answer's text.

use crate::framing::{Framing, Splitter};
use crate::json::scan::{Scalar, Scanner, Sink};

/// What is known when an answer has ended. `None` where the provider did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Model that answered.
    pub response_model: Option<String>,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// Why the model stopped.
    pub finish_reason: Option<String>,
    /// Input tokens.
    pub input_tokens: Option<u64>,
    /// Output tokens.
    pub output_tokens: Option<u64>,
    /// Input tokens read from the provider's cache.
    pub cached_tokens: Option<u64>,
    /// Reasoning tokens.
    pub reasoning_tokens: Option<u64>,
    /// Tools that the model called.
    pub tool_names: Vec<String>,
    /// The provider's error type.
    pub error_type: Option<String>,
    /// Whether the answer came to its proper end.
    pub complete: bool,
}

impl Settled {
    /// Remembers a tool's name once.
    pub(crate) fn add_tool(&mut self, name: String) {
        const TOOL_NAMES_MAX: usize = 64;
        if self.tool_names.len() < TOOL_NAMES_MAX && !self.tool_names.contains(&name) {
            self.tool_names.push(name);
        }
    }
}

/// Reads an answer incrementally.
pub trait ResponseReader: Send {
    /// The next bytes of the answer.
    fn feed(&mut self, bytes: &[u8]);
    /// What is known at its end.
    fn finish(self: Box<Self>) -> Settled;
    /// Whether the protocol's own end marker has been seen (always false for whole answers).
    fn ended(&self) -> bool;
}

/// How a protocol takes facts from its answers: whole bodies and events give paths alike.
pub(crate) trait Facts: Send {
    /// A scalar on a path such as `choices/#/finish_reason`.
    fn scalar(&mut self, path: &str, value: Scalar<'_>, settled: &mut Settled);

    /// A container on a path has ended; the empty path is a whole body or event.
    fn closed(&mut self, _path: &str, _settled: &mut Settled) {}

    /// Whether the data of an event can say anything; spares most deltas the scanning.
    fn is_interesting(&self, _data: &[u8]) -> bool {
        true
    }

    /// Data that ends a stream and is no JSON.
    fn end_marker(&self) -> &'static [u8] {
        b""
    }
}

struct Hearing<'f, F> {
    facts: &'f mut F,
    settled: &'f mut Settled,
}

impl<F: Facts> Sink for Hearing<'_, F> {
    fn scalar(&mut self, path: &str, value: Scalar<'_>) {
        self.facts.scalar(path, value, self.settled);
    }

    fn closed(&mut self, path: &str) {
        self.facts.closed(path, self.settled);
    }
}

/// Reader of a whole answer.
pub(crate) struct WholeReader<F> {
    facts: F,
    scanner: Scanner,
    settled: Settled,
}

impl<F> WholeReader<F> {
    pub(crate) fn new(facts: F) -> Self {
        Self {
            facts,
            scanner: Scanner::new(),
            settled: Settled::default(),
        }
    }
}

impl<F: Facts> ResponseReader for WholeReader<F> {
    fn feed(&mut self, bytes: &[u8]) {
        let Self {
            facts,
            scanner,
            settled,
        } = self;
        scanner.feed(bytes, &mut Hearing { facts, settled });
    }

    fn finish(mut self: Box<Self>) -> Settled {
        self.settled.complete = self.scanner.is_done();
        self.settled
    }

    fn ended(&self) -> bool {
        false
    }
}

/// Reader of JSON documents that come one a line.
pub(crate) struct LinesReader<F> {
    inner: WholeReader<F>,
}

impl<F: Facts> LinesReader<F> {
    pub(crate) fn new(facts: F) -> Self {
        Self {
            inner: WholeReader::new(facts),
        }
    }
}

impl<F: Facts> ResponseReader for LinesReader<F> {
    fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.inner.feed(piece);
            // Within a document a line feed stands between values only.
            if piece.ends_with(b"\n") && self.inner.scanner.is_done() {
                self.inner.scanner.reset();
            }
        }
    }

    fn finish(self: Box<Self>) -> Settled {
        self.inner.settled
    }

    fn ended(&self) -> bool {
        self.inner.settled.complete
    }
}

/// Reader of a stream of Amazon's binary events: their payloads are documents.
pub(crate) struct AwsReader<F> {
    inner: WholeReader<F>,
    splitter: Splitter,
    is_broken: bool,
}

impl<F: Facts> AwsReader<F> {
    pub(crate) fn new(facts: F) -> Self {
        /// Longest message that is read for facts.
        const MESSAGE_BYTES_MAX: usize = 16 << 20;
        Self {
            inner: WholeReader::new(facts),
            splitter: Splitter::new(Framing::AwsEvents, MESSAGE_BYTES_MAX),
            is_broken: false,
        }
    }
}

impl<F: Facts> ResponseReader for AwsReader<F> {
    fn feed(&mut self, bytes: &[u8]) {
        if self.is_broken {
            return;
        }
        let Ok(frames) = self.splitter.feed(bytes) else {
            self.is_broken = true;
            return;
        };
        for frame in frames {
            self.inner.feed(&frame.data);
            self.inner.scanner.reset();
        }
    }

    fn finish(self: Box<Self>) -> Settled {
        self.inner.settled
    }

    fn ended(&self) -> bool {
        self.inner.settled.complete
    }
}

/// Reader of an answer that says nothing of itself.
pub(crate) struct SilentReader;

impl ResponseReader for SilentReader {
    fn feed(&mut self, _: &[u8]) {}

    fn finish(self: Box<Self>) -> Settled {
        Settled::default()
    }

    fn ended(&self) -> bool {
        false
    }
}

/// The reader of a framing.
pub(crate) fn reader<F: Facts + 'static>(framing: Framing, facts: F) -> Box<dyn ResponseReader> {
    match framing {
        Framing::Whole | Framing::Array => Box::new(WholeReader::new(facts)),
        Framing::Events => Box::new(EventReader::new(facts)),
        Framing::Lines => Box::new(LinesReader::new(facts)),
        Framing::AwsEvents => Box::new(AwsReader::new(facts)),
        Framing::Text | Framing::Opaque => Box::new(SilentReader),
    }
}

/// Where in a line of an event stream the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// That many bytes of `data:` have been seen.
    Field(usize),
    /// Behind the colon, where one space is no data.
    Colon,
    /// In data.
    Data,
    /// In a line that says nothing to us.
    Skip,
}

/// Reader of a stream of server-sent events (WHATWG HTML, section 9.2).
pub(crate) struct EventReader<F> {
    facts: F,
    scanner: Scanner,
    settled: Settled,
    place: Place,
    last_was_cr: bool,
    /// The event has had data.
    has_data: bool,
    /// The first bytes of the event's data, enough for an end marker.
    head: Vec<u8>,
}

/// Longest end marker of any protocol, with room for spaces around it.
const HEAD_BYTES_MAX: usize = 16;
const FIELD: &[u8] = b"data:";

impl<F: Facts> EventReader<F> {
    pub(crate) fn new(facts: F) -> Self {
        Self {
            facts,
            scanner: Scanner::new(),
            settled: Settled::default(),
            place: Place::Field(0),
            last_was_cr: false,
            has_data: false,
            head: Vec::new(),
        }
    }

    /// Takes bytes of one line, without its end; returns nothing, changes the place.
    fn within_line(&mut self, line: &[u8], is_whole: bool) {
        let mut rest = line;
        while let (Place::Field(seen), Some(byte)) = (self.place, rest.first()) {
            if *byte != FIELD[seen] {
                self.place = Place::Skip;
                return;
            }
            rest = &rest[1..];
            self.place = if seen + 1 == FIELD.len() {
                Place::Colon
            } else {
                Place::Field(seen + 1)
            };
        }
        if self.place == Place::Colon && !rest.is_empty() {
            rest = rest.strip_prefix(b" ").unwrap_or(rest);
            self.place = Place::Data;
        }
        if self.place == Place::Data {
            self.take_data(rest, is_whole);
        }
    }

    fn take_data(&mut self, data: &[u8], is_whole: bool) {
        // The usual case, all data in one piece: looked at where it lies.
        if is_whole && !self.has_data && !self.facts.is_interesting(data) {
            return;
        }
        self.has_data = true;
        let room = HEAD_BYTES_MAX - self.head.len();
        self.head.extend_from_slice(&data[..data.len().min(room)]);
        let Self {
            facts,
            scanner,
            settled,
            ..
        } = self;
        scanner.feed(data, &mut Hearing { facts, settled });
    }

    fn line_ended(&mut self) {
        if self.place == Place::Field(0) {
            self.event_ended();
        }
        self.place = Place::Field(0);
    }

    fn event_ended(&mut self) {
        if !self.has_data {
            return;
        }
        let marker = self.facts.end_marker();
        if !marker.is_empty() && self.head.trim_ascii() == marker {
            self.settled.complete = true;
        }
        self.scanner.reset();
        self.head.clear();
        self.has_data = false;
    }
}

impl<F: Facts> ResponseReader for EventReader<F> {
    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.last_was_cr && !rest.is_empty() {
            self.last_was_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(stop) = memchr::memchr2(b'\n', b'\r', rest) {
            let is_whole = self.place == Place::Field(0);
            self.within_line(&rest[..stop], is_whole);
            self.line_ended();
            let is_cr = rest[stop] == b'\r';
            rest = &rest[stop + 1..];
            if is_cr {
                self.last_was_cr = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
        }
        self.within_line(rest, false);
    }

    fn finish(mut self: Box<Self>) -> Settled {
        self.event_ended();
        self.settled
    }

    fn ended(&self) -> bool {
        self.settled.complete
    }
}
