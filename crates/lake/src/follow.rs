//! The thread that follows the journal and flushes when it is time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atalaya_journal::{Journal, Reader};

use crate::error::LakeError;
use crate::lake::Lake;

/// After a failure, the pause before the next attempt.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Longest sleep while nothing happens; bounds how late a stop is noticed.
const IDLE_INTERVAL: Duration = Duration::from_millis(250);

/// Follows a journal until it is stopped or dropped.
pub struct Follower {
    lake: Lake,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lake {
    /// Starts a thread that reads the journal into the tables. What was not flushed when the last
    /// process ended is read again.
    ///
    /// # Errors
    /// If a Delta log cannot be read, or the thread not started.
    pub fn follow(&self, journal: &Journal) -> Result<Follower, LakeError> {
        let journal_end = journal.next_seq().max(journal.opened_seq());
        let reader = journal.read_from(self.begin(journal.chain_id(), journal_end)?);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (lake, stop) = (self.clone(), Arc::clone(&stop));
            std::thread::Builder::new()
                .name("lake-follow".to_owned())
                .spawn(move || run(&lake, reader, &stop))
                .map_err(LakeError::io(
                    "starting a thread for",
                    &self.inner.config.dir,
                ))?
        };
        Ok(Follower {
            lake: self.clone(),
            stop,
            thread: Some(thread),
        })
    }

    /// Waits until the journal has been read up to (not including) record `seq`; false if that
    /// took longer than `timeout`.
    #[must_use]
    pub fn wait_for(&self, seq: u64, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.inner.core.lock().position < seq {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Follower {
    /// Ends the thread and flushes what is complete.
    ///
    /// # Errors
    /// If the last flush failed; nothing is lost, it is read from the journal at the next start.
    pub fn stop(mut self) -> Result<(), LakeError> {
        self.end();
        self.lake.flush().map(|_| ())
    }

    fn end(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("lake: the follower thread panicked");
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(lake: &Lake, mut reader: Reader, stop: &AtomicBool) {
    let mut retry_at: Option<Instant> = None;
    while !stop.load(Relaxed) {
        let seen = match lake.step(&mut reader) {
            Ok(seen) => seen,
            Err(error) => {
                tracing::error!(%error, "lake: cannot follow the journal");
                std::thread::park_timeout(RETRY_INTERVAL);
                continue;
            }
        };
        let may_flush = retry_at.is_none_or(|at| Instant::now() >= at);
        if may_flush && is_flush_due(lake) {
            retry_at = None;
            if let Err(error) = lake.flush() {
                tracing::error!(%error, "lake: cannot flush, rows stay in memory");
                retry_at = Some(Instant::now() + RETRY_INTERVAL);
            }
        }
        pause(lake, &reader, seen);
    }
}

fn is_flush_due(lake: &Lake) -> bool {
    let core = lake.inner.core.lock();
    core.is_flush_due(&lake.inner.config, Instant::now())
}

/// Under load, sleeps for the poll interval, so that many records cost one wake-up; with nothing
/// to do, sleeps until the journal has news.
fn pause(lake: &Lake, reader: &Reader, seen: usize) {
    if seen >= lake.inner.config.poll_records_max {
        return;
    }
    if seen > 0 || reader.wait(IDLE_INTERVAL) {
        std::thread::park_timeout(lake.inner.config.poll_interval);
    }
}
