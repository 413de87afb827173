//! Verification of a journal from the outside: needs no lock, changes nothing, stops at the first
//! record that is not what was written.
//!
//! Can run beside the process that writes the journal: what that process is just adding looks
//! like a torn tail, which is reported as such and not as damage. What no journal can show by
//! itself is that its newest records were cut off cleanly; that needs a checkpoint kept elsewhere,
//! for which the report carries the last sequence number and hash.

use std::fs;
use std::path::Path;

use atalaya_model::Timestamp;
use uuid::Uuid;

use crate::cursor::{FrameCursor, Opened, Step, bad_segment};
use crate::error::{BadReason, BadRecord, ReadError};
use crate::frame::ChainHash;
use crate::segment::{self, SegmentFileName};

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Identity of the chain; `None` if there is no segment.
    pub chain_id: Option<Uuid>,
    /// Good records, counted up to the first bad one.
    pub records: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Number of the oldest record there is.
    pub first_seq: u64,
    /// The newest good record: number, time, hash.
    pub last: Option<(u64, Timestamp, ChainHash)>,
    /// The first bad record, if any.
    pub first_bad: Option<BadRecord>,
    /// An incomplete last frame: a crash, or a writer at work.
    pub torn_tail: Option<TornTail>,
}

impl VerifyReport {
    /// Whether every complete record is good.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// An incomplete last frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// File name of the segment.
    pub segment: String,
    /// Byte at which the incomplete frame starts.
    pub offset: u64,
    /// Bytes there are of it.
    pub bytes: u64,
    /// Number the record would have had.
    pub seq: u64,
}

/// Verifies every record of the journal in `dir`.
///
/// # Errors
/// If the folder or a file in it cannot be read. Damage is not an error: it is in the report.
pub fn verify(dir: &Path) -> Result<VerifyReport, ReadError> {
    let segments = segment::list(dir).map_err(ReadError::io(dir))?;
    scan(&segments, None)
}

/// Verifies `segments`, oldest first. `expected` is what the record before them is known to be.
pub(crate) fn scan(
    segments: &[SegmentFileName],
    expected: Option<(Uuid, u64, ChainHash)>,
) -> Result<VerifyReport, ReadError> {
    let mut report = VerifyReport::default();
    let mut expected = expected;
    for (index, file) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        let length = fs::metadata(&file.path)
            .map_err(ReadError::io(&file.path))?
            .len();
        report.segments += 1;
        report.bytes += length;
        let mut cursor = match FrameCursor::open(&file.path, file.first_seq, length)
            .map_err(ReadError::io(&file.path))?
        {
            Opened::Good(cursor) => cursor,
            Opened::Torn if is_last => {
                report.torn_tail = Some(torn(file, 0, length, file.first_seq));
                return Ok(report);
            }
            Opened::Torn => {
                let reason = BadReason::SegmentCutOff;
                report.first_bad = Some(bad_segment(&file.path, file.first_seq, reason));
                return Ok(report);
            }
            Opened::Bad(bad) => {
                report.first_bad = Some(bad);
                return Ok(report);
            }
        };
        if let Some(bad) =
            expected.and_then(|(chain, seq, hash)| cursor.continues(chain, seq, hash))
        {
            report.first_bad = Some(bad);
            return Ok(report);
        }
        if index == 0 {
            report.chain_id = Some(cursor.header.chain_id);
            report.first_seq = file.first_seq;
        }
        if !scan_segment(&mut cursor, length, is_last, &mut report)? {
            return Ok(report);
        }
        expected = Some((cursor.header.chain_id, cursor.seq(), cursor.previous()));
    }
    Ok(report)
}

/// Scans one segment; false when the scan ends here.
fn scan_segment(
    cursor: &mut FrameCursor,
    length: u64,
    is_last: bool,
    report: &mut VerifyReport,
) -> Result<bool, ReadError> {
    let path = cursor.path();
    loop {
        let (offset, seq) = (cursor.offset(), cursor.seq());
        match cursor.next(length).map_err(ReadError::io(&*path))? {
            Step::Record(header, _) => {
                report.records += 1;
                report.last = Some((header.seq, header.time, header.hash));
            }
            Step::End => return Ok(true),
            Step::Torn if is_last => {
                report.torn_tail = Some(TornTail {
                    segment: segment::name_of(&path),
                    offset,
                    bytes: length - offset,
                    seq,
                });
                return Ok(false);
            }
            Step::Torn => {
                report.first_bad = Some(BadRecord {
                    seq,
                    segment: segment::name_of(&path),
                    offset,
                    reason: BadReason::CutOff,
                });
                return Ok(false);
            }
            Step::Bad(bad) => {
                report.first_bad = Some(bad);
                return Ok(false);
            }
        }
    }
}

fn torn(file: &SegmentFileName, offset: u64, bytes: u64, seq: u64) -> TornTail {
    TornTail {
        segment: segment::name_of(&file.path),
        offset,
        bytes,
        seq,
    }
}
