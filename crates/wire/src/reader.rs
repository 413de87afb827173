//! Reading the answer as it passes: who answered, why it ended, what it cost.
//!
//! The answer itself is never kept. A stream is cut into events with a bounded buffer; an event
//! longer than the buffer is skipped, and said so. A whole answer is kept up to a limit, because
//! its facts stand at the end.

use crate::json::{self, JsonLimits, Value};

/// Longest event of a stream, and longest whole answer, that is read for facts. Longer ones are
/// relayed all the same.
pub const FACT_BYTES_MAX: usize = 4 << 20;

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
    /// Part of the answer was too long to be read.
    pub truncated: bool,
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

/// How a protocol takes facts from a JSON value of its answer.
pub(crate) trait Facts: Send {
    /// A whole answer's body.
    fn whole(&mut self, root: Value<'_, '_>, settled: &mut Settled);
    /// One event's data.
    fn event(&mut self, root: Value<'_, '_>, settled: &mut Settled);
    /// Whether an event can say anything; spares most deltas the parsing.
    fn is_interesting(&self, data: &[u8]) -> bool;
    /// Whether this data ends the stream.
    fn is_end(&self, data: &[u8]) -> bool;
}

/// Reader of a whole answer.
pub(crate) struct WholeReader<F> {
    facts: F,
    buffer: Vec<u8>,
    truncated: bool,
}

impl<F> WholeReader<F> {
    pub(crate) fn new(facts: F) -> Self {
        Self {
            facts,
            buffer: Vec::new(),
            truncated: false,
        }
    }
}

impl<F: Facts> ResponseReader for WholeReader<F> {
    fn feed(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > FACT_BYTES_MAX {
            self.truncated = true;
            self.buffer = Vec::new();
        }
        if !self.truncated {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn finish(mut self: Box<Self>) -> Settled {
        let mut settled = Settled {
            truncated: self.truncated,
            ..Settled::default()
        };
        if let Ok(document) = json::parse(&self.buffer, JsonLimits::default()) {
            self.facts.whole(document.root(), &mut settled);
            settled.complete = true;
        }
        settled
    }

    fn ended(&self) -> bool {
        false
    }
}

/// Reader of a stream of server-sent events (WHATWG HTML, section 9.2).
pub(crate) struct EventReader<F> {
    facts: F,
    /// The unfinished line.
    line: Vec<u8>,
    /// `data` of the unfinished event.
    data: Vec<u8>,
    skip_line: bool,
    last_was_cr: bool,
    settled: Settled,
}

impl<F: Facts> EventReader<F> {
    pub(crate) fn new(facts: F) -> Self {
        Self {
            facts,
            line: Vec::new(),
            data: Vec::new(),
            skip_line: false,
            last_was_cr: false,
            settled: Settled::default(),
        }
    }

    fn line_ended(&mut self, tail: &[u8]) {
        if self.skip_line {
            self.skip_line = false;
            self.line.clear();
            return;
        }
        if self.line.is_empty() {
            self.take_line(tail);
        } else {
            self.line.extend_from_slice(tail);
            let line = std::mem::take(&mut self.line);
            self.take_line(&line);
            self.line = line;
            self.line.clear();
        }
    }

    fn take_line(&mut self, line: &[u8]) {
        if line.is_empty() {
            self.dispatch();
            return;
        }
        let Some(value) = line.strip_prefix(b"data:") else {
            return;
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if self.data.is_empty() {
            // The usual case, one line of data: looked at where it lies.
            if self.facts.is_end(value) {
                self.settled.complete = true;
                return;
            }
            if !self.facts.is_interesting(value) {
                return;
            }
        } else {
            self.data.push(b'\n');
        }
        if self.data.len() + value.len() > FACT_BYTES_MAX {
            self.settled.truncated = true;
            self.data.clear();
        } else {
            self.data.extend_from_slice(value);
        }
    }

    fn dispatch(&mut self) {
        if self.data.is_empty() {
            return;
        }
        if let Ok(document) = json::parse(&self.data, JsonLimits::default()) {
            self.facts.event(document.root(), &mut self.settled);
        }
        self.data.clear();
    }
}

impl<F: Facts> ResponseReader for EventReader<F> {
    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.last_was_cr && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        if !bytes.is_empty() {
            self.last_was_cr = false;
        }
        while let Some(stop) = memchr::memchr2(b'\n', b'\r', rest) {
            self.line_ended(&rest[..stop]);
            let is_cr = rest[stop] == b'\r';
            rest = &rest[stop + 1..];
            if is_cr && rest.is_empty() {
                self.last_was_cr = true;
            } else if is_cr && rest.first() == Some(&b'\n') {
                rest = &rest[1..];
            }
        }
        if self.line.len() + rest.len() > FACT_BYTES_MAX {
            self.settled.truncated = true;
            self.skip_line = true;
            self.line.clear();
        } else if !self.skip_line {
            self.line.extend_from_slice(rest);
        }
    }

    fn finish(mut self: Box<Self>) -> Settled {
        self.dispatch();
        self.settled
    }

    fn ended(&self) -> bool {
        self.settled.complete
    }
}

/// A short string fact; anything long is no fact.
pub(crate) fn fact(value: Option<Value<'_, '_>>) -> Option<String> {
    const FACT_CHARS_MAX: usize = 200;
    let text = value?.as_str()?;
    (text.len() <= FACT_CHARS_MAX).then(|| text.into_owned())
}

/// Remembers a tool's name once.
pub(crate) fn add_tool(settled: &mut Settled, name: Option<String>) {
    const TOOL_NAMES_MAX: usize = 64;
    if let Some(name) = name
        && settled.tool_names.len() < TOOL_NAMES_MAX
        && !settled.tool_names.contains(&name)
    {
        settled.tool_names.push(name);
    }
}
