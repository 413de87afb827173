//! A world that the tests control: a clock that stands, and a disk that fails when told to.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use atalaya_journal::{Journal, JournalConfig, LocalStorage, Ports, SegmentFile, Storage};
use atalaya_model::Timestamp;

pub(crate) fn config(dir: &Path) -> JournalConfig {
    let mut config = JournalConfig::new(dir);
    config.retry_interval = Duration::from_millis(5);
    config
}

pub(crate) fn payload(index: u64) -> Vec<u8> {
    format!(r#"{{"$table":"T","n":{index}}}"#).into_bytes()
}

/// All payloads that are not the journal's own.
pub(crate) fn payloads(journal: &Journal) -> Vec<String> {
    journal
        .read_from(0)
        .map(|record| String::from_utf8(record.unwrap().payload).unwrap())
        .filter(|text| !text.contains("$journal"))
        .collect()
}

/// A clock that advances one microsecond per reading.
pub(crate) fn ports() -> Ports {
    let now = AtomicI64::new(1_700_000_000_000_000);
    Ports {
        clock: Arc::new(move || Timestamp(now.fetch_add(1, SeqCst))),
        ..Ports::system()
    }
}

/// A disk with room for a number of bytes, and syncs that can fail.
#[derive(Clone, Default)]
pub(crate) struct TightDisk {
    room: Arc<AtomicU64>,
    failing_syncs: Arc<AtomicU64>,
}

impl TightDisk {
    pub(crate) fn with_room(bytes: u64) -> Self {
        let disk = Self::default();
        disk.room.store(bytes, SeqCst);
        disk
    }

    pub(crate) fn set_room(&self, bytes: u64) {
        self.room.store(bytes, SeqCst);
    }

    pub(crate) fn fail_syncs(&self, count: u64) {
        self.failing_syncs.store(count, SeqCst);
    }

    pub(crate) fn ports(&self) -> Ports {
        Ports {
            storage: Arc::new(self.clone()),
            ..ports()
        }
    }
}

impl Storage for TightDisk {
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        if self.room.load(SeqCst) < header.len() as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = LocalStorage.create(path, header)?;
        Ok(Box::new(TightFile {
            disk: self.clone(),
            file,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = LocalStorage.open(path)?;
        Ok(Box::new(TightFile {
            disk: self.clone(),
            file,
        }))
    }
}

struct TightFile {
    disk: TightDisk,
    file: Box<dyn SegmentFile>,
}

impl SegmentFile for TightFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let room = usize::try_from(self.disk.room.load(SeqCst)).unwrap_or(usize::MAX);
        if bytes.len() > room {
            // As a real disk: what fits is written before the error.
            self.file.write_all_at(&bytes[..room], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all_at(bytes, offset)?;
        self.disk.room.fetch_sub(bytes.len() as u64, SeqCst);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let failing = self.disk.failing_syncs.load(SeqCst);
        if failing > 0 {
            self.disk.failing_syncs.store(failing - 1, SeqCst);
            return Err(io::Error::other("injected sync failure"));
        }
        self.file.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }
}
