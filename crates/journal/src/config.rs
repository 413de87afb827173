//! What can be set, with every limit named, and the world that is handed in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;
use uuid::Uuid;

use crate::storage::{LocalStorage, Storage};

/// When an append is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the record is on disk. Appends that wait at the same time share one `fdatasync`.
    Strict,
    /// When the record is queued. It is written after at most `write_interval` and synced after
    /// at most `sync_interval`: a killed process loses up to the first, a power cut up to both.
    Relaxed {
        /// Longest time a record waits to be written.
        write_interval: Duration,
        /// Longest time a written record waits to be synced.
        sync_interval: Duration,
    },
}

impl Durability {
    /// Relaxed with the default intervals: 20 ms to the file, one second to the disk.
    pub const RELAXED: Self = Self::Relaxed {
        write_interval: Duration::from_millis(20),
        sync_interval: Duration::from_secs(1),
    };
}

/// Settings of one journal.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Folder of the segment files; made if missing.
    pub dir: PathBuf,
    /// When an append is done.
    pub durability: Durability,
    /// Size after which a new segment is begun.
    pub segment_bytes_max: u64,
    /// Largest record.
    pub payload_bytes_max: usize,
    /// Most bytes written, and made durable, at once.
    pub batch_bytes_max: usize,
    /// Most records waiting that somebody awaits; more are refused as overload.
    pub queue_records_max: usize,
    /// Most bytes of such records.
    pub queue_bytes_max: usize,
    /// Most fire-and-forget records waiting, e.g. while the disk is full.
    pub detached_records_max: usize,
    /// Most bytes of such records.
    pub detached_bytes_max: usize,
    /// Pause between attempts while the journal cannot be written.
    pub retry_interval: Duration,
    /// At opening, the newest segments up to this many bytes are verified completely; of older
    /// ones only the headers are read. [`crate::verify`] always reads everything.
    pub verify_at_open_bytes_max: u64,
}

impl JournalConfig {
    /// Defaults for a journal in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            durability: Durability::Strict,
            segment_bytes_max: 64 << 20,
            payload_bytes_max: 8 << 20,
            batch_bytes_max: 1 << 20,
            queue_records_max: 16_384,
            queue_bytes_max: 32 << 20,
            detached_records_max: 65_536,
            detached_bytes_max: 32 << 20,
            retry_interval: Duration::from_millis(200),
            verify_at_open_bytes_max: 1 << 30,
        }
    }

    /// The same with another durability.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
}

/// The world outside: time, identity, files.
#[derive(Clone)]
pub struct Ports {
    /// The current time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Identity for a journal that is made new.
    pub new_chain_id: Arc<dyn Fn() -> Uuid + Send + Sync>,
    /// Where segments are written.
    pub storage: Arc<dyn Storage>,
}

impl Ports {
    /// The system's clock, random identities, the local file system.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(Timestamp::now),
            new_chain_id: Arc::new(Uuid::now_v7),
            storage: Arc::new(LocalStorage),
        }
    }
}
