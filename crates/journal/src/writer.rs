//! The one thread that writes: drains the queue, chains, writes and syncs once per batch.
//!
//! While a sync is under way more records gather in the queue and share the next one, so the
//! batch grows with the load and awaited records need no timer in strict mode. Records that
//! nobody awaits never cause a sync of their own while awaited ones come.
//!
//! When the disk is full or broken: everybody who waits is told, the partial batch is cut away,
//! and the thread keeps trying to write what it still holds (fire-and-forget records, and in
//! relaxed mode all) plus one record of its own about the outage. When that is durable, appends
//! are taken again. The outage is therefore part of the chain.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;
use std::time::{Duration, Instant};

use atalaya_model::Timestamp;
use parking_lot::{Condvar, Mutex};
use uuid::Uuid;

use crate::config::{Durability, JournalConfig, Ports};
use crate::frame::{ChainHash, append_frame};
use crate::own;
use crate::queue::{Entry, Queue, Work};
use crate::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::storage::SegmentFile;

/// Strict: longest time that written records which nobody awaits wait for their sync, if no
/// awaited record brings it sooner. A power cut loses at most this much of them.
const DETACHED_SYNC_INTERVAL: Duration = Duration::from_millis(200);

/// The batch buffer is given back to the system when one large batch has blown it up.
const BUFFER_KEPT_BYTES: usize = 2 << 20;

/// How far the journal may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watermark {
    /// First record of the segment that is being written.
    pub(crate) segment: u64,
    /// Bytes of that segment that may be read.
    pub(crate) offset: u64,
    /// Number of the next record.
    pub(crate) next_seq: u64,
}

/// What the writer shares with readers.
pub(crate) struct Progress {
    watermark: Mutex<Watermark>,
    advanced: Condvar,
    pub(crate) batches: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_us: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) lost: AtomicU64,
}

impl Progress {
    pub(crate) fn new(watermark: Watermark) -> Self {
        Self {
            watermark: Mutex::new(watermark),
            advanced: Condvar::new(),
            batches: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            sync_us: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    pub(crate) fn watermark(&self) -> Watermark {
        *self.watermark.lock()
    }

    /// Waits until record `seq` may be read; false if that took longer than `timeout`.
    pub(crate) fn wait_for(&self, seq: u64, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut watermark = self.watermark.lock();
        while watermark.next_seq <= seq {
            if self
                .advanced
                .wait_until(&mut watermark, deadline)
                .timed_out()
            {
                return watermark.next_seq > seq;
            }
        }
        true
    }

    fn advance(&self, to: Watermark) {
        *self.watermark.lock() = to;
        self.advanced.notify_all();
    }
}

/// Where the journal ends: what recovery hands to the writer.
pub(crate) struct End {
    pub(crate) chain_id: Uuid,
    pub(crate) file: Box<dyn SegmentFile>,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) next_seq: u64,
    pub(crate) hash: ChainHash,
    pub(crate) time: Timestamp,
}

impl End {
    pub(crate) fn watermark(&self) -> Watermark {
        Watermark {
            segment: self.segment,
            offset: self.offset,
            next_seq: self.next_seq,
        }
    }
}

/// See the module.
pub(crate) struct Writer {
    dir: PathBuf,
    ports: Ports,
    durability: Durability,
    segment_bytes_max: u64,
    retry_interval: Duration,
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    end: End,
    batch: Vec<Entry>,
    buffer: Vec<u8>,
    wakers: Vec<Waker>,
    /// Bytes behind the good end may be on disk and must be cut before anything else.
    dirty: bool,
    /// Since when written bytes, which nobody awaits, have not been synced.
    unsynced_since: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(
        config: &JournalConfig,
        ports: Ports,
        queue: Arc<Queue>,
        progress: Arc<Progress>,
        end: End,
    ) -> Self {
        Self {
            dir: config.dir.clone(),
            ports,
            durability: config.durability,
            segment_bytes_max: config.segment_bytes_max,
            retry_interval: config.retry_interval,
            queue,
            progress,
            end,
            batch: Vec::new(),
            buffer: Vec::new(),
            wakers: Vec::new(),
            dirty: false,
            unsynced_since: None,
        }
    }

    /// Runs until the journal is closed.
    pub(crate) fn run(mut self) {
        loop {
            let wait = self.until_next_sync();
            let outcome = match self.queue.take(&mut self.batch, wait) {
                Work::Batch => self.commit(),
                Work::Idle => self.sync(),
                Work::Closed => break,
            };
            if let Err(error) = outcome
                && !self.survive(&error)
            {
                break;
            }
            self.gather();
        }
        if let Err(error) = self.sync() {
            tracing::error!(%error, "journal: last sync failed");
        }
        self.give_up();
    }

    /// How long the writer may sleep for work.
    fn until_next_sync(&self) -> Option<Duration> {
        self.unsynced_since
            .map(|since| self.sync_interval().saturating_sub(since.elapsed()))
    }

    /// Longest time that written records wait for their sync, if nobody awaits them.
    const fn sync_interval(&self) -> Duration {
        match self.durability {
            Durability::Strict => DETACHED_SYNC_INTERVAL,
            Durability::Relaxed { sync_interval, .. } => sync_interval,
        }
    }

    /// Relaxed: lets records gather, so that thousands of them cost one write.
    fn gather(&mut self) {
        if let Durability::Relaxed { write_interval, .. } = self.durability
            && !self.queue.has_full_batch()
        {
            self.queue.pause(write_interval);
        }
    }

    /// Writes the batch; on success everything about it is settled and `batch` is empty.
    fn commit(&mut self) -> io::Result<()> {
        if self.end.offset >= self.segment_bytes_max {
            self.roll()?;
        }
        self.cut()?;
        let (hash, time) = self.encode();
        self.dirty = true;
        self.end.file.write_all_at(&self.buffer, self.end.offset)?;
        if self.batch.iter().any(|entry| entry.slot.is_some()) {
            self.sync_file()?;
            self.unsynced_since = None;
        } else {
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
        self.dirty = false;
        let first_seq = self.end.next_seq;
        self.end.offset += self.buffer.len() as u64;
        self.end.next_seq += self.batch.len() as u64;
        self.end.hash = hash;
        self.end.time = time;
        self.progress.advance(self.end.watermark());
        self.progress.batches.fetch_add(1, Relaxed);
        let bytes = self.buffer.len() as u64;
        self.progress.bytes.fetch_add(bytes, Relaxed);
        self.queue
            .complete(&mut self.batch, first_seq, &mut self.wakers);
        self.wake();
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        self.sync_if_due()
    }

    fn encode(&mut self) -> (ChainHash, Timestamp) {
        // A clock that was set back must not make the log run backwards.
        let time = (self.ports.clock)().max(self.end.time);
        let mut hash = self.end.hash;
        self.buffer.clear();
        for (seq, entry) in (self.end.next_seq..).zip(&self.batch) {
            hash = append_frame(&mut self.buffer, &hash, seq, time, &entry.payload);
        }
        (hash, time)
    }

    /// Begins a new segment behind the current one.
    fn roll(&mut self) -> io::Result<()> {
        self.cut()?;
        self.sync()?;
        let header = SegmentHeader {
            chain_id: self.end.chain_id,
            first_seq: self.end.next_seq,
            created: (self.ports.clock)().max(self.end.time),
            previous_hash: self.end.hash,
        };
        let path = segment::path_of(&self.dir, self.end.next_seq);
        self.end.file = self.ports.storage.create(&path, &header.encode())?;
        self.end.segment = self.end.next_seq;
        self.end.offset = SEGMENT_HEADER_BYTES as u64;
        Ok(())
    }

    /// Cuts away what a failed batch may have left.
    fn cut(&mut self) -> io::Result<()> {
        if self.dirty {
            self.end.file.truncate(self.end.offset)?;
            self.dirty = false;
        }
        Ok(())
    }

    fn sync_if_due(&mut self) -> io::Result<()> {
        let interval = self.sync_interval();
        if self
            .unsynced_since
            .is_some_and(|since| since.elapsed() >= interval)
        {
            return self.sync();
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.unsynced_since.is_some() {
            self.sync_file()?;
            self.unsynced_since = None;
        }
        Ok(())
    }

    fn sync_file(&mut self) -> io::Result<()> {
        let started = Instant::now();
        self.end.file.sync_data()?;
        self.progress.syncs.fetch_add(1, Relaxed);
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.progress.sync_us.fetch_add(micros, Relaxed);
        Ok(())
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    /// Tells everybody, then tries until the journal can be written again. False when it was
    /// closed before that.
    fn survive(&mut self, error: &io::Error) -> bool {
        let began = (self.ports.clock)();
        let mut reason: Arc<str> = Arc::from(error.to_string());
        tracing::error!(error = %reason, dir = %self.dir.display(), "journal: cannot be written, appends are refused");
        let mut own_record_queued = false;
        loop {
            self.progress.failures.fetch_add(1, Relaxed);
            self.queue.fail(&mut self.batch, &reason, &mut self.wakers);
            self.wake();
            let closing = self.queue.pause(self.retry_interval);
            if !own_record_queued {
                self.queue.push_own(own::outage(began, &reason));
                own_record_queued = true;
            }
            match self.drain() {
                Ok(()) => break,
                Err(_) if closing => return false,
                Err(error) => reason = Arc::from(error.to_string()),
            }
        }
        self.queue.recover();
        tracing::warn!(dir = %self.dir.display(), "journal: can be written again");
        true
    }

    /// Writes everything that is queued and makes it durable.
    fn drain(&mut self) -> io::Result<()> {
        while let Work::Batch = self.queue.take(&mut self.batch, Some(Duration::ZERO)) {
            self.commit()?;
        }
        self.sync()
    }

    /// The end: whoever still waits is told that the journal is closed.
    fn give_up(&mut self) {
        let _ = self.cut();
        let lost = self.queue.abandon(&mut self.wakers) + self.batch.len();
        self.wake();
        if lost > 0 {
            self.progress.lost.fetch_add(lost as u64, Relaxed);
            tracing::error!(lost, "journal: closed while it could not be written");
        }
    }
}

/// Makes the first segment of a new chain.
pub(crate) fn create_first(dir: &Path, ports: &Ports, chain_id: Uuid) -> io::Result<End> {
    let created = (ports.clock)();
    let header = SegmentHeader {
        chain_id,
        first_seq: 0,
        created,
        previous_hash: ChainHash::default(),
    };
    let path = segment::path_of(dir, 0);
    Ok(End {
        chain_id,
        file: ports.storage.create(&path, &header.encode())?,
        segment: 0,
        offset: SEGMENT_HEADER_BYTES as u64,
        next_seq: 0,
        hash: ChainHash::default(),
        time: created,
    })
}
