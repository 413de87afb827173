//! Walks the frames of one segment, checking each: the one piece of code that recovery,
//! verification and readers share, so that they cannot disagree about what a good record is.
//!
//! Reads positionally through one reusable window; memory is bounded by the largest payload.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{BadReason, BadRecord};
use crate::frame::{ChainHash, FRAME_HEADER_BYTES, FrameHeader, array_at};
use crate::segment::{self, HeaderFault, SEGMENT_HEADER_BYTES, SegmentHeader};

/// How much is read at once when frames are small.
const WINDOW_BYTES: usize = 128 * 1024;

/// What stands at the cursor.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A good record.
    Record(FrameHeader, &'a [u8]),
    /// Exactly the end.
    End,
    /// The file ends inside a frame, or in zeros that were never overwritten by one.
    Torn,
    /// A damaged record.
    Bad(BadRecord),
}

/// A segment's header, or why there is none.
pub(crate) enum Opened {
    Good(FrameCursor),
    /// The file is shorter than a segment header.
    Torn,
    Bad(BadRecord),
}

/// Position in one segment.
pub(crate) struct FrameCursor {
    window: Window,
    pub(crate) header: SegmentHeader,
    offset: u64,
    seq: u64,
    previous: ChainHash,
    check_chain: bool,
}

impl FrameCursor {
    /// Opens a segment at its first frame. `limit` bounds what may be read of it.
    pub(crate) fn open(path: &Path, first_seq: u64, limit: u64) -> io::Result<Opened> {
        let mut window = Window::open(path)?;
        let Some(bytes) = window.at(0, SEGMENT_HEADER_BYTES, limit)? else {
            return Ok(Opened::Torn);
        };
        let reason = match SegmentHeader::decode(&array_at(bytes, 0)) {
            Ok(header) if header.first_seq != first_seq => BadReason::SegmentGap {
                expected: first_seq,
                found: header.first_seq,
            },
            Ok(header) => {
                return Ok(Opened::Good(Self {
                    window,
                    header,
                    offset: SEGMENT_HEADER_BYTES as u64,
                    seq: first_seq,
                    previous: header.previous_hash,
                    check_chain: true,
                }));
            }
            Err(HeaderFault::Magic) => BadReason::SegmentMagic,
            Err(HeaderFault::Version(version)) => BadReason::SegmentVersion(version),
            Err(HeaderFault::Checksum) => BadReason::SegmentChecksum,
        };
        Ok(Opened::Bad(bad_segment(path, first_seq, reason)))
    }

    /// Leaves the chain hash unchecked: readers that replay trust the CRCs, as they run in the
    /// process that verified the chain when it opened the journal.
    pub(crate) fn without_chain_check(mut self) -> Self {
        self.check_chain = false;
        self
    }

    /// Byte at which the next frame starts.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of the next record.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Hash of the record before the next one.
    pub(crate) fn previous(&self) -> ChainHash {
        self.previous
    }

    pub(crate) fn path(&self) -> Arc<Path> {
        Arc::clone(&self.window.path)
    }

    /// Checks that this segment continues the chain of another.
    pub(crate) fn continues(&self, chain_id: Uuid, seq: u64, hash: ChainHash) -> Option<BadRecord> {
        let reason = if self.header.chain_id != chain_id {
            BadReason::ForeignChain
        } else if self.header.first_seq != seq {
            BadReason::SegmentGap {
                expected: seq,
                found: self.header.first_seq,
            }
        } else if self.header.previous_hash != hash {
            BadReason::SegmentChain
        } else {
            return None;
        };
        Some(bad_segment(&self.path(), self.header.first_seq, reason))
    }

    /// The record at the cursor, which then moves behind it. Never looks past `limit`.
    pub(crate) fn next(&mut self, limit: u64) -> io::Result<Step<'_>> {
        let start = self.offset;
        if start >= limit {
            return Ok(Step::End);
        }
        let Some(bytes) = self.window.at(start, FRAME_HEADER_BYTES, limit)? else {
            return Ok(Step::Torn);
        };
        let Some(header) = FrameHeader::decode(&array_at(bytes, 0)) else {
            if self.window.zeros_until(start, limit)? {
                return Ok(Step::Torn);
            }
            return Ok(Step::Bad(self.bad(BadReason::HeaderChecksum)));
        };
        if header.seq != self.seq {
            return Ok(Step::Bad(
                self.bad(BadReason::Sequence { found: header.seq }),
            ));
        }
        let payload_bytes = header.payload_bytes as usize;
        let payload_at = start + FRAME_HEADER_BYTES as u64;
        // Compared against the file's length before anything is allocated.
        if payload_at + u64::from(header.payload_bytes) > limit {
            return Ok(Step::Torn);
        }
        let reason = match self.window.at(payload_at, payload_bytes, limit)? {
            None => return Ok(Step::Torn),
            Some(payload) if crc32c::crc32c(payload) != header.payload_crc => {
                Some(BadReason::PayloadChecksum)
            }
            Some(payload) if self.check_chain => {
                let hash = ChainHash::of(&self.previous, header.seq, header.time, payload);
                (hash != header.hash).then_some(BadReason::Chain)
            }
            Some(_) => None,
        };
        if let Some(reason) = reason {
            return Ok(Step::Bad(self.bad(reason)));
        }
        self.offset = payload_at + u64::from(header.payload_bytes);
        self.seq += 1;
        self.previous = header.hash;
        match self.window.at(payload_at, payload_bytes, limit)? {
            Some(payload) => Ok(Step::Record(header, payload)),
            None => Ok(Step::Torn),
        }
    }

    fn bad(&self, reason: BadReason) -> BadRecord {
        BadRecord {
            seq: self.seq,
            segment: segment::name_of(&self.path()),
            offset: self.offset,
            reason,
        }
    }
}

pub(crate) fn bad_segment(path: &Path, first_seq: u64, reason: BadReason) -> BadRecord {
    BadRecord {
        seq: first_seq,
        segment: segment::name_of(path),
        offset: 0,
        reason,
    }
}

/// A file seen through one buffer.
struct Window {
    path: Arc<Path>,
    file: File,
    buffer: Vec<u8>,
    start: u64,
}

impl Window {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            path: Arc::from(path),
            buffer: Vec::new(),
            start: 0,
        })
    }

    /// `length` bytes at `offset`, or `None` if they reach past `limit` or the end of the file.
    fn at(&mut self, offset: u64, length: usize, limit: u64) -> io::Result<Option<&[u8]>> {
        let end = offset + length as u64;
        if end > limit {
            return Ok(None);
        }
        let held = self.start + self.buffer.len() as u64;
        if offset < self.start || end > held {
            let room = usize::try_from(limit - offset).unwrap_or(usize::MAX);
            self.buffer.resize(length.max(WINDOW_BYTES).min(room), 0);
            let read = read_up_to(&self.file, &mut self.buffer, offset)?;
            self.buffer.truncate(read);
            self.buffer.shrink_to(length.max(WINDOW_BYTES));
            self.start = offset;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.buffer.get(from..from.saturating_add(length)))
    }

    /// Whether everything from `offset` to `limit` is zero: a file that grew, but was not written.
    fn zeros_until(&mut self, mut offset: u64, limit: u64) -> io::Result<bool> {
        while offset < limit {
            let length = usize::try_from(limit - offset)
                .unwrap_or(WINDOW_BYTES)
                .min(WINDOW_BYTES);
            match self.at(offset, length, limit)? {
                Some(bytes) if bytes.iter().all(|byte| *byte == 0) => offset += length as u64,
                Some(_) => return Ok(false),
                None => return Ok(true),
            }
        }
        Ok(true)
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
