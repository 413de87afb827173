//! Errors, one enum per family of operations, and what a damaged record looks like.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a record was not appended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk is full or broken. The journal keeps trying and recovers by itself.
    #[error("the journal cannot be written: {0}")]
    Unwritable(Arc<str>),
    /// The queue is full: the disk is slower than the calls that arrive.
    #[error("the journal's queue is full")]
    Overloaded,
    /// The record is larger than `payload_bytes_max`.
    #[error("the record has {bytes} bytes, more than the {bytes_max} allowed")]
    TooLarge {
        /// Size of the record.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The journal is shutting down.
    #[error("the journal is closed")]
    Closed,
}

/// Why a fire-and-forget record was not taken. The record is given back: it is not lost.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotQueued {
    /// The record.
    pub payload: Vec<u8>,
    /// Why.
    pub error: AppendError,
}

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error("the journal in {dir} is in use by another process{}", holder.as_deref().map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The journal's folder.
        dir: PathBuf,
        /// Process id that the holder left in the lock file, if readable.
        holder: Option<String>,
    },
    /// A record is damaged elsewhere than at the torn end. Nothing was changed.
    #[error("the journal in {dir} is damaged: {bad}")]
    Corrupt {
        /// The journal's folder.
        dir: PathBuf,
        /// Where and how.
        bad: BadRecord,
    },
    /// A file could not be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A record is damaged.
    #[error("{0}")]
    Corrupt(BadRecord),
    /// The record was removed with its segment, or never existed.
    #[error("record {seq} is not in the journal; its oldest record is {oldest}")]
    Gone {
        /// The record asked for.
        seq: u64,
        /// The oldest there is.
        oldest: u64,
    },
    /// A file could not be read.
    #[error("reading {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ReadError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// The first record that does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} in {segment} at byte {offset}: {reason}")]
pub struct BadRecord {
    /// Number the record should have.
    pub seq: u64,
    /// File name of its segment.
    pub segment: String,
    /// Byte at which its frame (or the segment's header) starts.
    pub offset: u64,
    /// What is wrong.
    pub reason: BadReason,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReason {
    /// The segment does not start with the magic bytes.
    #[error("not a journal segment")]
    SegmentMagic,
    /// The segment was written by another version.
    #[error("segment has format version {0}, which this program does not know")]
    SegmentVersion(u32),
    /// The segment's header does not match its checksum.
    #[error("checksum of the segment header does not match")]
    SegmentChecksum,
    /// The segment ends inside its header, and is not the last one.
    #[error("segment header is cut off")]
    SegmentCutOff,
    /// The segment belongs to another journal.
    #[error("segment belongs to another journal")]
    ForeignChain,
    /// The segment does not start where the one before ended, or not where its name says.
    #[error(
        "segment starts at record {found}, expected {expected}: a segment is missing or renamed"
    )]
    SegmentGap {
        /// Where it should start.
        expected: u64,
        /// Where it starts.
        found: u64,
    },
    /// The segment's header names another predecessor than the record before it.
    #[error("segment is not chained to the record before it")]
    SegmentChain,
    /// The frame's header does not match its checksum.
    #[error("checksum of the record header does not match")]
    HeaderChecksum,
    /// The record has another number than its place says.
    #[error("record says it is number {found}")]
    Sequence {
        /// What it says.
        found: u64,
    },
    /// The payload does not match its checksum.
    #[error("checksum of the payload does not match")]
    PayloadChecksum,
    /// The record's hash does not continue the chain: it, or a record before it, was changed.
    #[error("hash does not continue the chain")]
    Chain,
    /// The record is cut off, and is not the last one of the journal.
    #[error("record is cut off")]
    CutOff,
}
