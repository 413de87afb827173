//! Every decision is counted on the ladders as soon as the journal lets it be read.
//!
//! A thread of its own follows the journal's tail. It keeps its position in the store, with marks
//! of the past, so that after a start it knows where the longest window of a ladder begins: it
//! counts from there, and raises only what lies behind the position. Where a rung is reached, it
//! waits until the alert is answered; if the store fails, it tries again, and the position stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atalaya_journal::Journal;
use atalaya_model::Timestamp;
use atalaya_respond::ladder::{Counters, Ladder, Seen, Signal};
use atalaya_respond::responder::Responder;
use atalaya_store::{Document, DocumentStore};
use serde::{Deserialize, Serialize};

/// Records read in one go.
const BATCH: usize = 256;
/// How long the tail is waited for before the ladders are looked at again.
const WAIT: Duration = Duration::from_millis(100);
/// How often the position is kept.
const KEEP_INTERVAL: Duration = Duration::from_secs(2);
/// Time between two marks.
const MARK_MICROS: i64 = 5 * 60 * 1_000_000;
/// Most marks: a little more than the longest window that a ladder may have.
const MARKS_MAX: usize = 300;
/// Longest pause before an alert that could not be answered is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(5);

const KIND: &str = "cursor";
const ID: &str = "ladders";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// Number of the next record.
    seq: u64,
    /// Time of the last one.
    time_us: i64,
    /// Past positions: time and number.
    marks: Vec<(i64, u64)>,
}

/// Counters of the stream, for metrics.
#[derive(Debug, Default)]
pub struct StreamStats {
    /// Decisions counted.
    pub decisions: AtomicU64,
    /// Rungs reached.
    pub signals: AtomicU64,
    /// Attempts to answer one that failed.
    pub failures: AtomicU64,
}

/// The thread; stopped when dropped.
pub struct Stream {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// What it has seen.
    pub stats: Arc<StreamStats>,
}

impl Stream {
    /// Follows a journal from inside a runtime.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        journal: Journal,
        responder: Responder,
        store: Arc<dyn DocumentStore>,
    ) -> std::io::Result<Self> {
        let (stop, stats) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let follower = Follower {
            journal,
            responder,
            store,
            runtime: tokio::runtime::Handle::current(),
            stop: Arc::clone(&stop),
            stats: Arc::clone(&stats),
        };
        let thread = std::thread::Builder::new()
            .name("ladders".to_owned())
            .spawn(move || follower.run())?;
        Ok(Self {
            stop,
            thread: Some(thread),
            stats,
        })
    }

    /// Ends the thread; blocks until the record in hand is done.
    pub fn stop(&mut self) {
        self.stop.store(true, Relaxed);
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the ladders' thread panicked");
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Follower {
    journal: Journal,
    responder: Responder,
    store: Arc<dyn DocumentStore>,
    runtime: tokio::runtime::Handle,
    stop: Arc<AtomicBool>,
    stats: Arc<StreamStats>,
}

impl Follower {
    fn run(self) {
        let (mut position, mut version) = self.load();
        let mut ladders = self.responder.ladders();
        let mut counters = self.responder.counters();
        let mut reader = self.journal.read_from(position.begin_for(&ladders.all()));
        let mut kept = Instant::now();
        while !self.stop.load(Relaxed) {
            let now = self.responder.ladders();
            if !Arc::ptr_eq(&now, &ladders) {
                // New ladders count from their longest window on, and raise from here on.
                ladders = now;
                counters = self.responder.counters();
                reader = self.journal.read_from(position.begin_for(&ladders.all()));
            }
            if !reader.wait(WAIT) {
                self.keep_if(&position, &mut version, &mut kept);
                continue;
            }
            let read = reader.visit(BATCH, |record| {
                (
                    record.seq,
                    record.time,
                    Seen::of_record(record.payload, record.time),
                )
            });
            let batch = match read {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(%error, "ladders cannot read the log; they go on behind the gap");
                    reader.seek(reader.next_seq() + 1);
                    continue;
                }
            };
            for (seq, time, seen) in batch {
                if let Some(seen) = seen
                    && !self.count(&mut counters, &seen, seq >= position.seq)
                {
                    // Stopped before an alert was answered: the next start reads it again.
                    return self.keep(&position, &mut version);
                }
                position.advance(seq, time);
            }
            self.keep_if(&position, &mut version, &mut kept);
        }
        self.keep(&position, &mut version);
    }

    /// Counts a decision; false if an alert of it was not answered.
    fn count(&self, counters: &mut Counters, seen: &Seen, may_raise: bool) -> bool {
        self.stats.decisions.fetch_add(1, Relaxed);
        let is_allowed = |ladder: &Ladder| self.responder.is_allowed(seen, ladder);
        let signals = counters.count(seen, &is_allowed);
        !may_raise || signals.iter().all(|signal| self.answer(signal))
    }

    /// Answers a signal, again and again if need be; false if it was stopped before.
    fn answer(&self, signal: &Signal) -> bool {
        self.stats.signals.fetch_add(1, Relaxed);
        let mut pause = Duration::from_millis(50);
        while !self.stop.load(Relaxed) {
            match self.runtime.block_on(self.responder.on_signal(signal)) {
                Ok(response) => {
                    tracing::warn!(
                        ladder = signal.ladder_id,
                        rung = signal.rung.at,
                        incident = response.incident_id,
                        "a rung was reached"
                    );
                    return true;
                }
                Err(error) => {
                    self.stats.failures.fetch_add(1, Relaxed);
                    tracing::error!(%error, ladder = signal.ladder_id, "an alert was not answered; it is tried again");
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        false
    }

    fn load(&self) -> (Position, u64) {
        let found = self.runtime.block_on(self.store.document(KIND, ID));
        match found {
            Ok(Some(document)) => {
                let position = serde_json::from_str(&document.body).unwrap_or_default();
                (position, document.version)
            }
            // Nothing is known of the past: what this process sees counts.
            _ => (
                Position {
                    seq: self.journal.opened_seq(),
                    ..Position::default()
                },
                0,
            ),
        }
    }

    fn keep_if(&self, position: &Position, version: &mut u64, kept: &mut Instant) {
        if kept.elapsed() >= KEEP_INTERVAL {
            *kept = Instant::now();
            self.keep(position, version);
        }
    }

    fn keep(&self, position: &Position, version: &mut u64) {
        let document = Document {
            kind: KIND.to_owned(),
            id: ID.to_owned(),
            version: *version,
            status: "kept".to_owned(),
            created: Timestamp(position.time_us),
            changed: Timestamp(position.time_us),
            facets: Vec::new(),
            body: serde_json::to_string(position).unwrap_or_default(),
        };
        let write = async {
            let known = self.store.document(KIND, ID).await?;
            match known {
                // Nothing to wait for the disk for.
                Some(known) if known.body == document.body => Ok(known.version),
                Some(known) => {
                    let version = known.version;
                    let document = Document {
                        version,
                        ..document
                    };
                    self.store.replace_document(document).await?;
                    Ok(version + 1)
                }
                None => {
                    self.store.insert_document(document).await?;
                    Ok::<u64, atalaya_store::StoreError>(1)
                }
            }
        };
        match self.runtime.block_on(write) {
            Ok(now) => *version = now,
            Err(error) => {
                tracing::error!(%error, "the ladders' position was not kept; a restart counts more again");
            }
        }
    }
}

impl Position {
    /// Where counting begins, so that every window that ends behind the position is whole.
    fn begin_for(&self, ladders: &[Arc<Ladder>]) -> u64 {
        let window = Counters::longest_window(ladders).as_micros();
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        let begin = self.time_us.saturating_sub(window);
        let before = self.marks.iter().rev().find(|(time, _)| *time <= begin);
        let oldest = self.marks.first();
        before
            .or(oldest)
            .map_or(self.seq, |(_, seq)| *seq)
            .min(self.seq)
    }

    fn advance(&mut self, seq: u64, time: Timestamp) {
        if seq < self.seq {
            return;
        }
        self.seq = seq + 1;
        self.time_us = time.0;
        let last = self.marks.last().map_or(i64::MIN, |(time, _)| *time);
        if time.0.saturating_sub(last) >= MARK_MICROS {
            self.marks.push((time.0, seq));
            if self.marks.len() > MARKS_MAX {
                self.marks.remove(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use atalaya_model::Timestamp;
    use atalaya_respond::ladder::Ladders;

    use super::{MARK_MICROS, Position};

    #[test]
    fn counting_begins_before_the_longest_window() {
        let mut position = Position::default();
        for seq in 0..10_000_u64 {
            position.advance(seq, Timestamp(i64::try_from(seq).unwrap() * 1_000_000));
        }
        let ladders = Ladders::builtin().all();
        // The longest built-in window is an hour.
        let begin = position.begin_for(&ladders);
        assert!(
            (10_000 - 3_600 - 600..=10_000 - 3_600).contains(&begin),
            "{begin}"
        );
        assert_eq!(
            Position {
                seq: 7,
                ..Position::default()
            }
            .begin_for(&ladders),
            7
        );
        assert!(
            position
                .marks
                .windows(2)
                .all(|pair| pair[1].0 - pair[0].0 >= MARK_MICROS)
        );
        let none: Vec<Arc<atalaya_respond::ladder::Ladder>> = Vec::new();
        assert!(position.begin_for(&none) <= 10_000);
    }
}
