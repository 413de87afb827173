//! Reading records back in order, over closed segments and the one that is being written.
//!
//! A reader beside a live journal sees a record as soon as it is durable (relaxed: written), and
//! never earlier. It reads the files, not the writer's memory: what was just written is in the
//! page cache, a slow reader costs the writer nothing, and there is one path, not two, that can
//! be wrong. After `None`, a live reader can be asked again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;
use uuid::Uuid;

use crate::cursor::{FrameCursor, Opened, Step};
use crate::error::{BadReason, BadRecord, ReadError};
use crate::frame::ChainHash;
use crate::segment;
use crate::writer::Progress;

/// Header of the newest segment that was begun at or before a time, or of the oldest one there is:
/// where to start reading for what was written from that time on. `None` for an empty journal.
///
/// # Errors
/// If the folder or a segment's header cannot be read.
pub fn segment_at(
    dir: &Path,
    time: Timestamp,
) -> Result<Option<segment::SegmentHeader>, ReadError> {
    let mut found = None;
    for file in segment::list(dir).map_err(ReadError::io(dir))? {
        let length = fs::metadata(&file.path)
            .map_err(ReadError::io(&file.path))?
            .len();
        match FrameCursor::open(&file.path, file.first_seq, length)
            .map_err(ReadError::io(&file.path))?
        {
            Opened::Good(cursor) if found.is_none() || cursor.header.created <= time => {
                found = Some(cursor.header);
            }
            Opened::Good(_) | Opened::Torn => break,
            Opened::Bad(bad) => return Err(ReadError::Corrupt(bad)),
        }
    }
    Ok(found)
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub time: Timestamp,
    /// Its chain hash.
    pub hash: ChainHash,
    /// UTF-8 JSON object.
    pub payload: Vec<u8>,
}

/// A record borrowed from the reader's buffer.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub time: Timestamp,
    /// Its chain hash.
    pub hash: ChainHash,
    /// UTF-8 JSON object.
    pub payload: &'a [u8],
}

/// See the module.
pub struct Reader {
    dir: PathBuf,
    live: Option<Arc<Progress>>,
    next_seq: u64,
    cursor: Option<FrameCursor>,
    check_chain: bool,
}

impl Reader {
    /// Reads a journal that nobody writes, from record `seq` on.
    #[must_use]
    pub fn open(dir: &Path, seq: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            live: None,
            next_seq: seq,
            cursor: None,
            check_chain: true,
        }
    }

    pub(crate) fn live(dir: &Path, progress: Arc<Progress>, seq: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            live: Some(progress),
            next_seq: seq,
            cursor: None,
            check_chain: false,
        }
    }

    /// Number of the record that comes next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Goes on at another record.
    pub fn seek(&mut self, seq: u64) {
        self.next_seq = seq;
        self.cursor = None;
    }

    /// Waits until there is a next record; false if that took longer than `timeout`. A reader of
    /// a journal that nobody writes does not wait.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        self.live
            .as_ref()
            .is_some_and(|progress| progress.wait_for(self.next_seq, timeout))
    }

    /// The next record, or `None` if there is none yet.
    ///
    /// # Errors
    /// If a file cannot be read, a record is damaged, or was removed.
    pub fn read(&mut self) -> Result<Option<Record>, ReadError> {
        self.visit(1, |record| Record {
            seq: record.seq,
            time: record.time,
            hash: record.hash,
            payload: record.payload.to_vec(),
        })
        .map(|mut records| records.pop())
    }

    /// Maps up to `count_max` next records through `visit` without copying their payloads first.
    ///
    /// # Errors
    /// As [`Self::read`], once all records before the failing one have been given out.
    pub fn visit<T>(
        &mut self,
        count_max: usize,
        mut visit: impl FnMut(RecordRef<'_>) -> T,
    ) -> Result<Vec<T>, ReadError> {
        let mut out = Vec::new();
        while out.len() < count_max {
            match self.advance(&mut visit) {
                Ok(Advance::Visited(value)) => out.push(value),
                Ok(Advance::Moved) => {}
                Ok(Advance::End) => break,
                Err(_) if !out.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    fn advance<T>(
        &mut self,
        visit: &mut impl FnMut(RecordRef<'_>) -> T,
    ) -> Result<Advance<T>, ReadError> {
        let Some(limit) = self.limit()? else {
            return Ok(Advance::End);
        };
        let is_live = self.live.is_some();
        let Some(cursor) = self.cursor.as_mut() else {
            return Ok(Advance::End);
        };
        let (path, offset, seq) = (cursor.path(), cursor.offset(), cursor.seq());
        match cursor.next(limit).map_err(ReadError::io(&*path))? {
            Step::Record(header, _) if header.seq < self.next_seq => Ok(Advance::Moved),
            Step::Record(header, payload) => {
                self.next_seq = header.seq + 1;
                Ok(Advance::Visited(visit(RecordRef {
                    seq: header.seq,
                    time: header.time,
                    hash: header.hash,
                    payload,
                })))
            }
            Step::End => self.move_on(),
            // Nobody writes: a torn tail is where the journal ends.
            Step::Torn if !is_live => Ok(Advance::End),
            Step::Torn => Err(ReadError::Corrupt(BadRecord {
                seq,
                segment: segment::name_of(&path),
                offset,
                reason: BadReason::CutOff,
            })),
            Step::Bad(bad) => Err(ReadError::Corrupt(bad)),
        }
    }

    /// How far the current segment may be read; opens the segment if there is none.
    fn limit(&mut self) -> Result<Option<u64>, ReadError> {
        let watermark = self.live.as_ref().map(|progress| progress.watermark());
        if watermark.is_some_and(|watermark| watermark.next_seq <= self.next_seq) {
            return Ok(None);
        }
        if self.cursor.is_none() {
            self.cursor = self.open_segment_of(self.next_seq)?;
        }
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        match watermark {
            Some(watermark) if watermark.segment == cursor.header.first_seq => {
                Ok(Some(watermark.offset))
            }
            _ => {
                let path = cursor.path();
                let length = fs::metadata(&path).map_err(ReadError::io(&*path))?.len();
                Ok(Some(length))
            }
        }
    }

    /// At the end of a segment: goes to the next one, if there is one.
    fn move_on<T>(&mut self) -> Result<Advance<T>, ReadError> {
        let Some(ended) = &self.cursor else {
            return Ok(Advance::End);
        };
        let Some(next) = self.open_segment_of(ended.seq())? else {
            return Ok(Advance::End);
        };
        if next.header.first_seq == ended.header.first_seq {
            return Ok(Advance::End);
        }
        if let Some(bad) = next.continues(ended.header.chain_id, ended.seq(), ended.previous()) {
            return Err(ReadError::Corrupt(bad));
        }
        self.cursor = Some(next);
        Ok(Advance::Moved)
    }

    fn open_segment_of(&self, seq: u64) -> Result<Option<FrameCursor>, ReadError> {
        let segments = segment::list(&self.dir).map_err(ReadError::io(&self.dir))?;
        let Some(oldest) = segments.first() else {
            return Ok(None);
        };
        let Some(file) = segments.iter().rev().find(|file| file.first_seq <= seq) else {
            return Err(ReadError::Gone {
                seq,
                oldest: oldest.first_seq,
            });
        };
        let length = fs::metadata(&file.path)
            .map_err(ReadError::io(&file.path))?
            .len();
        match FrameCursor::open(&file.path, file.first_seq, length)
            .map_err(ReadError::io(&file.path))?
        {
            Opened::Good(cursor) if self.check_chain => Ok(Some(cursor)),
            Opened::Good(cursor) => Ok(Some(cursor.without_chain_check())),
            Opened::Torn => Ok(None),
            Opened::Bad(bad) => Err(ReadError::Corrupt(bad)),
        }
    }
}

/// What one step of a reader came to.
enum Advance<T> {
    Visited(T),
    Moved,
    End,
}

impl Iterator for Reader {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Identity of the journal in a folder, if there is one.
///
/// # Errors
/// If the folder or its first segment cannot be read.
pub fn chain_id(dir: &Path) -> Result<Option<Uuid>, ReadError> {
    let segments = segment::list(dir).map_err(ReadError::io(dir))?;
    let Some(file) = segments.first() else {
        return Ok(None);
    };
    let length = fs::metadata(&file.path)
        .map_err(ReadError::io(&file.path))?
        .len();
    match FrameCursor::open(&file.path, file.first_seq, length)
        .map_err(ReadError::io(&file.path))?
    {
        Opened::Good(cursor) => Ok(Some(cursor.header.chain_id)),
        Opened::Torn => Ok(None),
        Opened::Bad(bad) => Err(ReadError::Corrupt(bad)),
    }
}
