//! The meeting place of the many who append and the one who writes.
//!
//! One mutex guards the queue and a slab of completion slots; an append costs two short critical
//! sections and no allocation beyond its payload. The slab, instead of a channel per append, is
//! what lets the writer complete a whole batch under one lock and wake everybody after releasing
//! it. Works from any executor: all it knows of the waiting task is its waker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::append::{Append, Appended};
use crate::config::{Durability, JournalConfig};
use crate::error::{AppendError, NotQueued};
use crate::slots::Slots;

/// Strict: longest time that a record which nobody awaits waits to be written. A killed process
/// loses at most this much of them.
const DETACHED_WRITE_INTERVAL: Duration = Duration::from_millis(20);

/// A record on its way to the writer.
pub(crate) struct Entry {
    pub(crate) payload: Vec<u8>,
    /// Slot of the append that waits for it; `None` for fire-and-forget and relaxed records.
    pub(crate) slot: Option<usize>,
    /// Which limit it counts against.
    load: LoadKind,
}

/// What the writer is told to do.
pub(crate) enum Work {
    /// Write the entries in the batch.
    Batch,
    /// Nothing arrived within the time given.
    Idle,
    /// Everything is written and the journal is closing.
    Closed,
}

/// See the module.
pub(crate) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    limits: Limits,
    strict: bool,
}

struct Limits {
    payload_bytes: usize,
    records: usize,
    bytes: usize,
    detached_records: usize,
    detached_bytes: usize,
    batch_bytes: usize,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    awaited: Load,
    detached: Load,
    slots: Slots,
    next_seq: u64,
    unwritable: Option<Arc<str>>,
    closing: bool,
    parked: Parked,
    refused: u64,
}

/// What the writer sleeps for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Parked {
    /// It does not sleep.
    #[default]
    No,
    /// For any record.
    ForAny,
    /// For a record that somebody awaits; fire-and-forget records gather meanwhile.
    ForAwaited,
}

#[derive(Clone, Copy)]
enum LoadKind {
    Awaited,
    Detached,
}

#[derive(Clone, Copy, Default)]
struct Load {
    records: usize,
    bytes: usize,
}

impl Load {
    fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Queue lengths and refusals, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueStats {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) refused: u64,
    pub(crate) unwritable: bool,
}

impl Queue {
    pub(crate) fn new(config: &JournalConfig, next_seq: u64) -> Self {
        Self {
            state: Mutex::new(State {
                next_seq,
                ..State::default()
            }),
            work: Condvar::new(),
            limits: Limits {
                payload_bytes: config.payload_bytes_max.min(u32::MAX as usize),
                records: config.queue_records_max,
                bytes: config.queue_bytes_max,
                detached_records: config.detached_records_max,
                detached_bytes: config.detached_bytes_max,
                batch_bytes: config.batch_bytes_max,
            },
            strict: config.durability == Durability::Strict,
        }
    }

    pub(crate) fn append(self: &Arc<Self>, payload: Vec<u8>) -> Append {
        self.try_append(payload)
            .unwrap_or_else(|error| Append::ready(Err(error)))
    }

    fn try_append(self: &Arc<Self>, payload: Vec<u8>) -> Result<Append, AppendError> {
        self.check_size(&payload)?;
        let bytes = payload.len();
        let mut state = self.state.lock();
        if let Err(error) = self.admit(&state, bytes) {
            state.refused += 1;
            return Err(error);
        }
        state.awaited.add(bytes);
        let seq = state.next_seq;
        state.next_seq += 1;
        let slot = self.strict.then(|| state.slots.take());
        state.entries.push_back(Entry {
            payload,
            slot,
            load: LoadKind::Awaited,
        });
        self.wake_writer(state, LoadKind::Awaited);
        Ok(match slot {
            Some(slot) => Append::waiting(Arc::clone(self), slot),
            None => Append::ready(Ok(Appended { seq })),
        })
    }

    pub(crate) fn poll_slot(
        &self,
        slot: usize,
        waker: &Waker,
    ) -> Poll<Result<Appended, AppendError>> {
        self.state.lock().slots.poll(slot, waker)
    }

    pub(crate) fn abandon_slot(&self, slot: usize) {
        self.state.lock().slots.abandon(slot);
    }

    fn admit(&self, state: &State, bytes: usize) -> Result<(), AppendError> {
        if state.closing {
            return Err(AppendError::Closed);
        }
        if let Some(reason) = &state.unwritable {
            return Err(AppendError::Unwritable(Arc::clone(reason)));
        }
        if state.awaited.records >= self.limits.records
            || state.awaited.bytes + bytes > self.limits.bytes
        {
            return Err(AppendError::Overloaded);
        }
        Ok(())
    }

    pub(crate) fn append_detached(&self, payload: Vec<u8>) -> Result<(), NotQueued> {
        if let Err(error) = self.check_size(&payload) {
            return Err(NotQueued { payload, error });
        }
        let mut state = self.state.lock();
        let bytes = payload.len();
        let error = if state.closing {
            Some(AppendError::Closed)
        } else if state.detached.records >= self.limits.detached_records
            || state.detached.bytes + bytes > self.limits.detached_bytes
        {
            Some(AppendError::Overloaded)
        } else {
            None
        };
        if let Some(error) = error {
            state.refused += 1;
            return Err(NotQueued { payload, error });
        }
        state.push_detached(payload);
        self.wake_writer(state, LoadKind::Detached);
        Ok(())
    }

    fn check_size(&self, payload: &[u8]) -> Result<(), AppendError> {
        if payload.len() <= self.limits.payload_bytes {
            return Ok(());
        }
        Err(AppendError::TooLarge {
            bytes: payload.len(),
            bytes_max: self.limits.payload_bytes,
        })
    }

    /// A futex call only if the writer sleeps: under load it finds the entry by itself.
    fn wake_writer(&self, mut state: parking_lot::MutexGuard<'_, State>, news: LoadKind) {
        let wake = match (state.parked, news) {
            (Parked::No, _) | (Parked::ForAwaited, LoadKind::Detached) => false,
            (Parked::ForAny, _) | (Parked::ForAwaited, LoadKind::Awaited) => true,
        };
        if wake {
            state.parked = Parked::No;
        }
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// Begins an orderly end: nothing more is taken, what is queued is still written.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.wake_writer(state, LoadKind::Awaited);
    }

    pub(crate) fn stats(&self) -> QueueStats {
        let state = self.state.lock();
        QueueStats {
            records: state.awaited.records + state.detached.records,
            bytes: state.awaited.bytes + state.detached.bytes,
            refused: state.refused,
            unwritable: state.unwritable.is_some(),
        }
    }
}

/// The writer's side.
impl Queue {
    /// Moves up to a batch of entries into `batch`, waiting for the first one.
    pub(crate) fn take(&self, batch: &mut Vec<Entry>, wait: Option<Duration>) -> Work {
        let mut state = self.state.lock();
        while state.entries.is_empty() {
            if state.closing {
                return Work::Closed;
            }
            state.parked = Parked::ForAny;
            let timed_out = match wait {
                Some(wait) => self.work.wait_for(&mut state, wait).timed_out(),
                None => {
                    self.work.wait(&mut state);
                    false
                }
            };
            state.parked = Parked::No;
            if timed_out && state.entries.is_empty() {
                return Work::Idle;
            }
        }
        self.gather_detached(&mut state);
        let mut bytes = 0;
        while let Some(entry) = state.entries.front() {
            bytes += entry.payload.len();
            if bytes > self.limits.batch_bytes && !batch.is_empty() {
                break;
            }
            batch.extend(state.entries.pop_front());
        }
        Work::Batch
    }

    /// Strict: while nobody waits, fire-and-forget records gather for a moment, and go with the
    /// next awaited one. Otherwise each would cost a write, and delay who comes next.
    fn gather_detached(&self, state: &mut parking_lot::MutexGuard<'_, State>) {
        let deadline = Instant::now() + DETACHED_WRITE_INTERVAL;
        while self.strict
            && state.awaited.records == 0
            && state.detached.bytes < self.limits.batch_bytes
            && !state.closing
        {
            state.parked = Parked::ForAwaited;
            let timed_out = self.work.wait_until(state, deadline).timed_out();
            state.parked = Parked::No;
            if timed_out {
                return;
            }
        }
    }

    /// Whether there is no point in waiting for more.
    pub(crate) fn has_full_batch(&self) -> bool {
        let state = self.state.lock();
        state.awaited.bytes + state.detached.bytes >= self.limits.batch_bytes
    }

    /// Sleeps, unless the journal is closing; true when it is.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.closing {
            self.work.wait_for(&mut state, time);
        }
        state.closing
    }

    /// The batch is done: its entries, numbered from `first_seq`, are good. Wakers to be woken
    /// are left in `wakers`, so that nobody is woken into a held lock.
    pub(crate) fn complete(&self, batch: &mut Vec<Entry>, first_seq: u64, wakers: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        for (seq, entry) in (first_seq..).zip(batch.drain(..)) {
            state.forget(&entry);
            if let Some(slot) = entry.slot {
                wakers.extend(state.slots.finish(slot, Ok(Appended { seq })));
            }
        }
    }

    /// The batch failed: awaited records are refused, with all that wait behind them; the others
    /// go back to the front of the queue, in their order.
    pub(crate) fn fail(&self, batch: &mut Vec<Entry>, reason: &Arc<str>, wakers: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.unwritable = Some(Arc::clone(reason));
        let waiting = std::mem::take(&mut state.entries);
        for entry in batch.drain(..).chain(waiting) {
            let Some(slot) = entry.slot else {
                state.entries.push_back(entry);
                continue;
            };
            state.refused += 1;
            state.forget(&entry);
            let error = AppendError::Unwritable(Arc::clone(reason));
            wakers.extend(state.slots.finish(slot, Err(error)));
        }
    }

    /// Takes appends again.
    pub(crate) fn recover(&self) {
        self.state.lock().unwritable = None;
    }

    /// Queues a record of the journal about itself, past all limits.
    pub(crate) fn push_own(&self, payload: Vec<u8>) {
        self.state.lock().push_detached(payload);
    }

    /// Wakes nobody, gives nothing back: what is still queued when the journal ends.
    pub(crate) fn abandon(&self, wakers: &mut Vec<Waker>) -> usize {
        let mut state = self.state.lock();
        let entries = std::mem::take(&mut state.entries);
        let count = entries.len();
        for entry in entries {
            if let Some(slot) = entry.slot {
                wakers.extend(state.slots.finish(slot, Err(AppendError::Closed)));
            }
        }
        count
    }
}

impl State {
    fn push_detached(&mut self, payload: Vec<u8>) {
        self.detached.add(payload.len());
        self.next_seq += 1;
        self.entries.push_back(Entry {
            payload,
            slot: None,
            load: LoadKind::Detached,
        });
    }

    /// Takes an entry off the load it was counted in.
    fn forget(&mut self, entry: &Entry) {
        match entry.load {
            LoadKind::Awaited => self.awaited.remove(entry.payload.len()),
            LoadKind::Detached => self.detached.remove(entry.payload.len()),
        }
    }
}
