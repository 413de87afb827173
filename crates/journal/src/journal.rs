//! The handle: open, append, read, close.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::append::Append;
use crate::config::{JournalConfig, Ports};
use crate::error::{NotQueued, OpenError, ReadError};
use crate::own;
use crate::queue::Queue;
use crate::reader::Reader;
use crate::recovery::{self, DirLock, RecoveryReport};
use crate::segment;
use crate::writer::{Progress, Writer};

/// A journal that this process writes. Cheap to clone; the last clone to go closes it.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    config: JournalConfig,
    chain_id: Uuid,
    opened_seq: u64,
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    writer: Mutex<Option<JoinHandle<()>>>,
    _lock: DirLock,
}

/// Counters and gauges, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Number of the next record: all before it are durable (relaxed: written).
    pub next_seq: u64,
    /// Records waiting to be written.
    pub queue_records: usize,
    /// Their bytes.
    pub queue_bytes: usize,
    /// Batches written.
    pub batches: u64,
    /// Bytes written, frame headers included.
    pub bytes: u64,
    /// `fdatasync` calls that succeeded.
    pub syncs: u64,
    /// Time spent in them, microseconds.
    pub sync_us: u64,
    /// Records refused: overload, unwritable, too late.
    pub refused: u64,
    /// Attempts to write that failed.
    pub failures: u64,
    /// Accepted records that could not be written before the journal was closed.
    pub lost: u64,
    /// Whether the journal can be written at the moment.
    pub is_unwritable: bool,
}

impl Journal {
    /// Opens or makes the journal in `config.dir`, with the system's clock and files.
    ///
    /// # Errors
    /// See [`OpenError`]. A torn tail is not an error: it is cut, and in the report.
    pub fn open(config: JournalConfig) -> Result<(Self, RecoveryReport), OpenError> {
        Self::open_with(config, Ports::system())
    }

    /// The same with the world handed in.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        config: JournalConfig,
        ports: Ports,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let lock = recovery::lock(&config.dir)?;
        let (end, report) = recovery::recover(&config, &ports)?;
        let chain_id = end.chain_id;
        let queue = Arc::new(Queue::new(&config, end.next_seq));
        let progress = Arc::new(Progress::new(end.watermark()));
        let now = (ports.clock)();
        if end.next_seq == 0 {
            queue.push_own(own::genesis(chain_id, now));
        }
        let opened_seq = end.next_seq + u64::from(end.next_seq == 0);
        let torn_bytes = report.torn_tail.as_ref().map_or(0, |torn| torn.bytes);
        queue.push_own(own::opened(now, torn_bytes));
        let writer = Writer::new(
            &config,
            ports,
            Arc::clone(&queue),
            Arc::clone(&progress),
            end,
        );
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::io("starting the writer of", &config.dir))?;
        let inner = Inner {
            config,
            chain_id,
            opened_seq,
            queue,
            progress,
            writer: Mutex::new(Some(thread)),
            _lock: lock,
        };
        let journal = Self {
            inner: Arc::new(inner),
        };
        Ok((journal, report))
    }

    /// Appends one record: a UTF-8 JSON object, which is not looked into. The future resolves
    /// when the record is durable (strict), or is resolved already (relaxed). Needs no particular
    /// executor. Records are queued in the order of the calls to this function.
    pub fn append(&self, payload: Vec<u8>) -> Append {
        self.inner.queue.append(payload)
    }

    /// Appends a record that nobody waits for. It is durable with the next batch; while the disk
    /// is full it is kept and tried again, so that only the end of the process can lose it.
    ///
    /// # Errors
    /// Gives the record back if `detached_records_max` or `detached_bytes_max` are reached, if it
    /// is too large, or if the journal is closed. The caller may wait and try again.
    pub fn append_detached(&self, payload: Vec<u8>) -> Result<(), NotQueued> {
        self.inner.queue.append_detached(payload)
    }

    /// Records from `seq` on; after the last one, the reader can wait for more.
    #[must_use]
    pub fn read_from(&self, seq: u64) -> Reader {
        let progress = Arc::clone(&self.inner.progress);
        Reader::live(&self.inner.config.dir, progress, seq)
    }

    /// Identity of the chain.
    #[must_use]
    pub fn chain_id(&self) -> Uuid {
        self.inner.chain_id
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.config.dir
    }

    /// Number of the record that says that this process opened the journal: everything before it
    /// was written by processes that have ended.
    #[must_use]
    pub fn opened_seq(&self) -> u64 {
        self.inner.opened_seq
    }

    /// Number of the next record: all before it can be read.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.inner.progress.watermark().next_seq
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let queue = self.inner.queue.stats();
        let progress = &self.inner.progress;
        JournalStats {
            next_seq: self.next_seq(),
            queue_records: queue.records,
            queue_bytes: queue.bytes,
            batches: progress.batches.load(Relaxed),
            bytes: progress.bytes.load(Relaxed),
            syncs: progress.syncs.load(Relaxed),
            sync_us: progress.sync_us.load(Relaxed),
            refused: queue.refused,
            failures: progress.failures.load(Relaxed),
            lost: progress.lost.load(Relaxed),
            is_unwritable: queue.unwritable,
        }
    }

    /// Removes closed segments all of whose records are older than `seq`: they are in the lake,
    /// and their retention is over. Returns how many. The chain then starts at the oldest segment
    /// left, whose header still names the hash of the record before it.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn remove_segments_before(&self, seq: u64) -> Result<usize, ReadError> {
        let dir = &self.inner.config.dir;
        let segments = segment::list(dir).map_err(ReadError::io(dir))?;
        let current = self.inner.progress.watermark().segment;
        let mut removed = 0;
        for (file, next) in segments.iter().zip(segments.iter().skip(1)) {
            if next.first_seq > seq || file.first_seq >= current {
                break;
            }
            fs::remove_file(&file.path).map_err(ReadError::io(&file.path))?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Writes what is queued, syncs, and ends the writer. Appends after this fail. Blocks for at
    /// most a few syncs; while the disk is full, for one attempt.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Waits until record `seq` may be read; false if that took longer than `timeout`.
    #[must_use]
    pub fn wait_for(&self, seq: u64, timeout: Duration) -> bool {
        self.inner.progress.wait_for(seq, timeout)
    }
}

impl Inner {
    fn close(&self) {
        self.queue.close();
        let thread = self.writer.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("journal: the writer thread panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
