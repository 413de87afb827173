//! Opening what a process left behind, killed or not: lock, verify, cut the torn end, go on.
//!
//! Only one kind of damage is repaired, the incomplete last frame of the last segment, because
//! only that can come from a crash. Anything else means that records were changed after they were
//! written; that is reported with its place, and nothing is touched.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use atalaya_model::Timestamp;
use uuid::Uuid;

use crate::config::{JournalConfig, Ports};
use crate::cursor::{FrameCursor, Opened};
use crate::error::{OpenError, ReadError};
use crate::frame::ChainHash;
use crate::segment::{self, SEGMENT_HEADER_BYTES, SegmentFileName};
use crate::verify::{self, TornTail, VerifyReport};
use crate::writer::{self, End};

const LOCK_FILE: &str = "journal.lock";

/// What opening found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Identity of the chain.
    pub chain_id: Uuid,
    /// Whether the journal was made new.
    pub created: bool,
    /// Segments there are.
    pub segments: u64,
    /// Records verified completely, from `verified_from_seq` on.
    pub records_verified: u64,
    /// Number of the first record that was verified completely.
    pub verified_from_seq: u64,
    /// Number of the next record. Records before it were written by earlier processes.
    pub next_seq: u64,
    /// The torn tail that was cut away.
    pub torn_tail: Option<TornTail>,
}

/// Holds the folder for this process.
pub(crate) struct DirLock {
    _file: File,
}

pub(crate) fn lock(dir: &Path) -> Result<DirLock, OpenError> {
    fs::create_dir_all(dir).map_err(OpenError::io("creating", dir))?;
    let path = dir.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(OpenError::io("opening", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let readable = file.read_to_string(&mut holder).is_ok();
            return Err(OpenError::Locked {
                dir: dir.to_owned(),
                holder: (readable && !holder.trim().is_empty()).then(|| holder.trim().to_owned()),
            });
        }
        Err(TryLockError::Error(source)) => {
            return Err(OpenError::io("locking", &path)(source));
        }
    }
    // The pid only serves the message above; a full disk must not keep a journal from being read.
    let _ = file.set_len(0);
    let _ = file.write_all(std::process::id().to_string().as_bytes());
    Ok(DirLock { _file: file })
}

/// Verifies the journal and positions a writer at its end.
pub(crate) fn recover(
    config: &JournalConfig,
    ports: &Ports,
) -> Result<(End, RecoveryReport), OpenError> {
    let dir = &config.dir;
    let mut segments = segment::list(dir).map_err(OpenError::io("listing", dir))?;
    let torn_segment = drop_torn_segment(dir, &mut segments)?;
    if segments.is_empty() {
        return create(dir, ports, torn_segment);
    }
    let scanned = scan(config, &segments)?;
    if let Some(bad) = scanned.report.first_bad {
        return Err(OpenError::Corrupt {
            dir: dir.clone(),
            bad,
        });
    }
    let end = position(dir, ports, &segments, &scanned.report)?;
    let report = RecoveryReport {
        chain_id: end.chain_id,
        created: false,
        segments: segments.len() as u64,
        records_verified: scanned.report.records,
        verified_from_seq: scanned.from_seq,
        next_seq: end.next_seq,
        torn_tail: scanned.report.torn_tail.or(torn_segment),
    };
    Ok((end, report))
}

fn create(
    dir: &Path,
    ports: &Ports,
    torn_tail: Option<TornTail>,
) -> Result<(End, RecoveryReport), OpenError> {
    let end = writer::create_first(dir, ports, (ports.new_chain_id)())
        .map_err(OpenError::io("creating the first segment in", dir))?;
    let report = RecoveryReport {
        chain_id: end.chain_id,
        created: true,
        segments: 1,
        records_verified: 0,
        verified_from_seq: 0,
        next_seq: 0,
        torn_tail,
    };
    Ok((end, report))
}

/// A crash while a segment was begun leaves a file shorter than its header: it holds no record.
fn drop_torn_segment(
    dir: &Path,
    segments: &mut Vec<SegmentFileName>,
) -> Result<Option<TornTail>, OpenError> {
    let Some(last) = segments.last().cloned() else {
        return Ok(None);
    };
    let bytes = fs::metadata(&last.path)
        .map_err(OpenError::io("reading", &last.path))?
        .len();
    if bytes >= SEGMENT_HEADER_BYTES as u64 {
        return Ok(None);
    }
    fs::remove_file(&last.path).map_err(OpenError::io("removing", &last.path))?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(OpenError::io("syncing", dir))?;
    segments.pop();
    Ok(Some(TornTail {
        segment: segment::name_of(&last.path),
        offset: 0,
        bytes,
        seq: last.first_seq,
    }))
}

struct Scanned {
    report: VerifyReport,
    from_seq: u64,
}

/// Verifies the newest segments up to the configured size; of the older ones, their headers.
fn scan(config: &JournalConfig, segments: &[SegmentFileName]) -> Result<Scanned, OpenError> {
    let mut first = segments.len() - 1;
    let mut bytes = 0;
    for (index, file) in segments.iter().enumerate().rev() {
        bytes += fs::metadata(&file.path)
            .map_err(OpenError::io("reading", &file.path))?
            .len();
        if bytes > config.verify_at_open_bytes_max {
            break;
        }
        first = index;
    }
    let mut chain_id = None;
    for file in &segments[..first] {
        let length = SEGMENT_HEADER_BYTES as u64;
        let opened = FrameCursor::open(&file.path, file.first_seq, length)
            .map_err(OpenError::io("reading", &file.path))?;
        let bad = match opened {
            Opened::Good(cursor) => {
                let chain = *chain_id.get_or_insert(cursor.header.chain_id);
                cursor.continues(chain, file.first_seq, cursor.header.previous_hash)
            }
            Opened::Torn => Some(crate::cursor::bad_segment(
                &file.path,
                file.first_seq,
                crate::error::BadReason::SegmentCutOff,
            )),
            Opened::Bad(bad) => Some(bad),
        };
        if let Some(bad) = bad {
            return Err(OpenError::Corrupt {
                dir: config.dir.clone(),
                bad,
            });
        }
    }
    let report =
        verify::scan(&segments[first..], None).map_err(|error| read_error(config, error))?;
    Ok(Scanned {
        report,
        from_seq: segments[first].first_seq,
    })
}

fn read_error(config: &JournalConfig, error: ReadError) -> OpenError {
    match error {
        ReadError::Corrupt(bad) => OpenError::Corrupt {
            dir: config.dir.clone(),
            bad,
        },
        ReadError::Io { path, source } => OpenError::io("reading", path)(source),
        ReadError::Gone { .. } => {
            OpenError::io("reading", &config.dir)(std::io::ErrorKind::NotFound.into())
        }
    }
}

/// Cuts the torn tail and finds the place of the next record.
fn position(
    dir: &Path,
    ports: &Ports,
    segments: &[SegmentFileName],
    report: &VerifyReport,
) -> Result<End, OpenError> {
    let Some(last) = segments.last() else {
        return Err(OpenError::io("listing", dir)(
            std::io::ErrorKind::NotFound.into(),
        ));
    };
    let length = fs::metadata(&last.path)
        .map_err(OpenError::io("reading", &last.path))?
        .len();
    let good = report.torn_tail.as_ref().map_or(length, |torn| torn.offset);
    let mut file = ports
        .storage
        .open(&last.path)
        .map_err(OpenError::io("opening", &last.path))?;
    if good < length {
        file.truncate(good)
            .and_then(|()| file.sync_data())
            .map_err(OpenError::io("cutting the torn tail of", &last.path))?;
    }
    let (next_seq, time, hash) = match report.last {
        Some((seq, time, hash)) => (seq + 1, time, hash),
        None => empty_chain_end(last)?,
    };
    Ok(End {
        chain_id: report.chain_id.unwrap_or_default(),
        file,
        segment: last.first_seq,
        offset: good,
        next_seq,
        hash,
        time,
    })
}

/// The only verified segment holds no record yet: its header says what comes before.
fn empty_chain_end(last: &SegmentFileName) -> Result<(u64, Timestamp, ChainHash), OpenError> {
    let length = SEGMENT_HEADER_BYTES as u64;
    match FrameCursor::open(&last.path, last.first_seq, length)
        .map_err(OpenError::io("reading", &last.path))?
    {
        Opened::Good(cursor) => Ok((
            last.first_seq,
            cursor.header.created,
            cursor.header.previous_hash,
        )),
        Opened::Torn | Opened::Bad(_) => Err(OpenError::io("reading", &last.path)(
            std::io::ErrorKind::InvalidData.into(),
        )),
    }
}
