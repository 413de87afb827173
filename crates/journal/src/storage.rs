//! The port through which the journal changes files, so that tests can run out of disk.
//!
//! Only what changes a journal goes through here; readers open files themselves. The port is
//! positional on purpose: the writer always knows the length that is good, and after a failure the
//! same bytes are written again at the same place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A place where segments can be made.
pub trait Storage: Send + Sync + 'static {
    /// Makes (or empties) a segment file, writes `header` to it and makes both the file and its
    /// directory entry durable. A failure may leave a partial file behind; the next attempt for
    /// the same path overwrites it.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Box<dyn SegmentFile>>;

    /// Opens an existing segment for appending.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
}

/// A segment that is being written.
pub trait SegmentFile: Send {
    /// Writes all of `bytes` at `offset`. A failure may leave any prefix of them behind.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// The local file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalStorage;

impl Storage for LocalStorage {
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)?;
        FileExt::write_all_at(&file, header, 0)?;
        file.sync_all()?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Box::new(LocalFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(LocalFile(
            OpenOptions::new().write(true).open(path)?,
        )))
    }
}

struct LocalFile(File);

impl SegmentFile for LocalFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(&self.0, bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}
