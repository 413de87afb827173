//! How an answer is cut into frames, each of which holds one JSON document, and how a frame whose
//! document was changed is written again.
//!
//! The splitter takes bytes as they come and gives whole frames: their bytes as they were, so that
//! what is not changed passes exactly, and the document inside. What is kept is one frame, and
//! that is bounded. Left out: what the documents say.

mod aws;
mod events;
mod values;

pub(crate) use aws::{message as aws_message, wrap as aws_wrap};

/// How an answer's bytes are cut into documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One JSON document.
    #[default]
    Whole,
    /// Server-sent events (WHATWG HTML, section 9.2).
    Events,
    /// JSON documents, one a line.
    Lines,
    /// The elements of one JSON array, as they come.
    Array,
    /// Amazon's binary event stream (`application/vnd.amazon.eventstream`).
    AwsEvents,
    /// Readable text that is no JSON.
    Text,
    /// Bytes that nobody here can read.
    Opaque,
}

impl Framing {
    /// Every framing of a stream.
    pub const STREAMS: [Self; 4] = [Self::Events, Self::Lines, Self::Array, Self::AwsEvents];

    /// The framing that a content type announces.
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or("").trim();
        let essence = essence.to_ascii_lowercase();
        match essence.as_str() {
            "text/event-stream" => Self::Events,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonl"
            | "application/x-jsonlines" => Self::Lines,
            "application/vnd.amazon.eventstream" => Self::AwsEvents,
            "application/json" => Self::Whole,
            other if other.ends_with("+json") => Self::Whole,
            "application/xml" | "application/javascript" => Self::Text,
            other if other.starts_with("text/") => Self::Text,
            _ => Self::Opaque,
        }
    }

    /// Whether documents come one after the other.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(
            self,
            Self::Events | Self::Lines | Self::Array | Self::AwsEvents
        )
    }

    /// The content type of an answer made here.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
            Self::AwsEvents => "application/vnd.amazon.eventstream",
            Self::Text => "text/plain; charset=utf-8",
            _ => "application/json",
        }
    }

    /// The name in documents and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "JSON",
            Self::Events => "SSE",
            Self::Lines => "NDJSON",
            Self::Array => "JSON array",
            Self::AwsEvents => "AWS event stream",
            Self::Text => "text",
            Self::Opaque => "bytes",
        }
    }
}

/// A frame: its bytes as they came, and the document in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// All bytes of the frame.
    pub raw: Vec<u8>,
    /// The document; empty for a frame without one (a comment, a blank line).
    pub data: Vec<u8>,
    /// What kind of event it is, where the framing says so.
    pub event: String,
}

/// A stream that cannot be cut into frames. Carries no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame is longer than the limit.
    #[error("a frame of the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The bytes do not follow the framing.
    #[error("the answer's framing is broken")]
    Broken,
}

/// Cuts a stream into frames.
#[derive(Debug)]
pub struct Splitter {
    framing: Framing,
    frame_bytes_max: usize,
    kept: Vec<u8>,
    /// Bytes of `kept` that were searched for an end already.
    searched: usize,
    values: values::Progress,
}

impl Splitter {
    /// A splitter for a stream; frames may be that long.
    #[must_use]
    pub fn new(framing: Framing, frame_bytes_max: usize) -> Self {
        Self {
            framing,
            frame_bytes_max,
            kept: Vec::new(),
            searched: 0,
            values: values::Progress::default(),
        }
    }

    /// Takes bytes and gives the frames that are whole now.
    ///
    /// # Errors
    /// [`FrameError`]; the stream cannot be read on.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        self.kept.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some(end) = self.frame_end(at)? {
            frames.push(self.frame(at, end)?);
            at = end;
            self.searched = at;
        }
        self.kept.drain(..at);
        self.searched -= at.min(self.searched);
        if self.kept.len() > self.frame_bytes_max {
            return Err(FrameError::TooLong(self.frame_bytes_max));
        }
        Ok(frames)
    }

    /// What is left at the end of the stream, as a last frame.
    ///
    /// # Errors
    /// [`FrameError`] when it is no frame.
    pub fn finish(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.kept.is_empty() {
            return Ok(None);
        }
        if self.framing == Framing::AwsEvents {
            return Err(FrameError::Broken);
        }
        let end = self.kept.len();
        let frame = self.frame(0, end)?;
        self.kept.clear();
        self.searched = 0;
        Ok(Some(frame))
    }

    /// Bytes that wait for the end of their frame.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.kept.len()
    }

    fn frame_end(&mut self, at: usize) -> Result<Option<usize>, FrameError> {
        let from = self.searched.max(at);
        let found = match self.framing {
            Framing::Events => events::end(&self.kept, at, from),
            Framing::Lines => memchr::memchr(b'\n', &self.kept[from..]).map(|stop| from + stop + 1),
            Framing::Array => self.values.end(&self.kept, from),
            Framing::AwsEvents => {
                return aws::end(&self.kept[at..], self.frame_bytes_max)
                    .map(|length| length.map(|length| at + length));
            }
            Framing::Whole | Framing::Text | Framing::Opaque => None,
        };
        if found.is_none() {
            // A CR at the end may be half of an end of line.
            self.searched = self.kept.len().saturating_sub(3).max(at);
            if self.framing == Framing::Array {
                self.searched = self.kept.len();
            }
        }
        Ok(found)
    }

    fn frame(&self, start: usize, end: usize) -> Result<Frame, FrameError> {
        let raw = &self.kept[start..end];
        let (data, event) = match self.framing {
            Framing::Events => events::data(raw),
            Framing::AwsEvents => aws::data(raw)?,
            Framing::Array => (values::element(raw).to_vec(), String::new()),
            _ => (raw.trim_ascii().to_vec(), String::new()),
        };
        Ok(Frame {
            raw: raw.to_vec(),
            data,
            event,
        })
    }
}

/// A message of Amazon's event stream, of that event type.
#[must_use]
pub fn aws_event(event_type: &str, payload: &[u8]) -> Vec<u8> {
    aws::message(("event", event_type), payload)
}

/// Writes a frame again with another document; everything else of it stays.
#[must_use]
pub fn rewrite(framing: Framing, frame: &Frame, data: &[u8]) -> Vec<u8> {
    match framing {
        Framing::Events => events::rewrite(&frame.raw, data),
        Framing::AwsEvents => aws::rewrite(&frame.raw, data),
        _ => replace(&frame.raw, &frame.data, data),
    }
}

/// The document stands in the frame as it is.
fn replace(raw: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let Some(at) = memchr::memmem::find(raw, old) else {
        return new.to_vec();
    };
    let mut out = Vec::with_capacity(raw.len() + new.len());
    out.extend_from_slice(&raw[..at]);
    out.extend_from_slice(new);
    out.extend_from_slice(&raw[at + old.len()..]);
    out
}
