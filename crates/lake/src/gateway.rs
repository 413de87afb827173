//! Decisions and settlements become rows.
//!
//! A call writes two records: the decision, before it is forwarded, and the settlement, when it
//! has ended. Here a decision waits for its settlement; the two together are decoded once, as a
//! row of the decision log, from which the rows of the access and inference logs are projected.
//!
//! Every complete row has a *key*: the number of the record that completed it, i.e. of its
//! settlement, or of the record with which a later process opened the journal, which settles the
//! calls of the dead one as `interrupted`. Keys are what makes flushing exactly-once: a table
//! committed up to W holds the rows whose key is below W, and no others.
//!
//! The exception are decisions that waited too long: they are flushed without their settlement and
//! remembered; should it still come, the row is rewritten.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use atalaya_journal::{ChainHash, RecordRef};
use atalaya_model::Timestamp;
use atalaya_tables::Table;

use crate::decode::{BadCell, RowDecoder, RowFault};

const INTERRUPTED: &[u8] = br#"{"Outcome":"interrupted"}"#;

/// Where a decision without settlement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Only in memory.
    Memory,
    /// In memory, and in a flush that is under way.
    Flushing,
    /// In a file, unsettled.
    File,
}

/// A decision in a file that was settled afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    pub(crate) seq: u64,
    pub(crate) id: Box<str>,
}

struct Unsettled {
    id: Box<str>,
    time: Timestamp,
    hash: ChainHash,
    payload: Box<[u8]>,
    since: Instant,
    place: Place,
    /// Settled while it was being flushed: gone as soon as the flush is done.
    is_over: bool,
}

/// Complete rows, ready to be handed to tables.
pub(crate) struct Complete {
    /// Rows of the decision log.
    pub(crate) rows: RecordBatch,
    /// The key of each row.
    keys: Vec<u64>,
    reached_upstream: Vec<bool>,
    is_late: Vec<bool>,
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayCounts {
    pub(crate) interrupted: u64,
    pub(crate) late: u64,
    pub(crate) orphaned: u64,
    pub(crate) given_up: u64,
    pub(crate) rows_refused: u64,
}

/// See the module.
pub(crate) struct Gateway {
    decoder: RowDecoder,
    unsettled_decoder: RowDecoder,
    keys: Vec<u64>,
    reached_upstream: Vec<bool>,
    is_late: Vec<bool>,
    /// By number of the decision.
    unsettled: BTreeMap<u64, Unsettled>,
    numbers: HashMap<Box<str>, u64>,
    /// Decisions whose rows in files are to be replaced by the next flush.
    pub(crate) late: Vec<Late>,
    seq_column: usize,
    hash_column: usize,
    pub(crate) counts: GatewayCounts,
}

impl Gateway {
    pub(crate) fn new(decisions: &'static Table) -> Self {
        let position = |name: &str| {
            let found = decisions
                .columns
                .iter()
                .position(|column| column.name == name);
            found.unwrap_or_default()
        };
        Self {
            decoder: RowDecoder::new(decisions, BadCell::Null),
            unsettled_decoder: RowDecoder::new(decisions, BadCell::Null),
            keys: Vec::new(),
            reached_upstream: Vec::new(),
            is_late: Vec::new(),
            unsettled: BTreeMap::new(),
            numbers: HashMap::new(),
            late: Vec::new(),
            seq_column: position("Seq"),
            hash_column: position("RecordHash"),
            counts: GatewayCounts::default(),
        }
    }

    pub(crate) fn decided(&mut self, id: &str, record: RecordRef<'_>, now: Instant) {
        let id: Box<str> = id.into();
        self.numbers.insert(id.clone(), record.seq);
        self.unsettled.insert(
            record.seq,
            Unsettled {
                id,
                time: record.time,
                hash: record.hash,
                payload: record.payload.into(),
                since: now,
                place: Place::Memory,
                is_over: false,
            },
        );
    }

    pub(crate) fn settled(&mut self, id: &str, reached_upstream: bool, record: RecordRef<'_>) {
        let found = self.numbers.get(id).copied();
        let Some(seq) = found else {
            self.counts.orphaned += 1;
            return;
        };
        self.complete(seq, record.payload, record.seq, reached_upstream);
    }

    /// A process opened the journal as record `key`: whoever wrote the decisions before it has
    /// ended.
    pub(crate) fn opened(&mut self, key: u64) {
        let open: Vec<u64> = self
            .unsettled
            .iter()
            .filter(|(seq, call)| **seq < key && !call.is_over)
            .map(|(seq, _)| *seq)
            .collect();
        for seq in open {
            self.counts.interrupted += 1;
            self.complete(seq, INTERRUPTED, key, false);
        }
    }

    fn complete(&mut self, seq: u64, settlement: &[u8], key: u64, reached_upstream: bool) {
        let Some(call) = self.unsettled.get_mut(&seq) else {
            return;
        };
        let fault = append(
            &mut self.decoder,
            (self.seq_column, self.hash_column),
            (seq, call),
            &[&call.payload, settlement],
        );
        // A settlement that is no JSON must not cost the decision.
        let fault = fault.or_else(|_| {
            self.counts.rows_refused += 1;
            append(
                &mut self.decoder,
                (self.seq_column, self.hash_column),
                (seq, call),
                &[&call.payload],
            )
        });
        let is_late = call.place != Place::Memory;
        if fault.is_ok() {
            self.keys.push(key);
            self.reached_upstream.push(reached_upstream);
            self.is_late.push(is_late);
        } else {
            self.counts.rows_refused += 1;
            tracing::warn!(
                seq,
                "lake: a decision record is not a JSON object, its row is lost"
            );
        }
        if is_late && fault.is_ok() {
            self.counts.late += 1;
            self.late.push(Late {
                seq,
                id: call.id.clone(),
            });
        }
        if call.place == Place::Flushing {
            call.is_over = true;
            self.numbers.remove(&call.id);
        } else {
            self.forget(seq);
        }
    }

    fn forget(&mut self, seq: u64) {
        if let Some(call) = self.unsettled.remove(&seq) {
            self.numbers.remove(&call.id);
        }
    }

    /// Rows that were completed since the last call.
    pub(crate) fn take_complete(&mut self) -> Result<Option<Complete>, ArrowError> {
        if self.decoder.rows() == 0 {
            return Ok(None);
        }
        Ok(Some(Complete {
            rows: self.decoder.finish()?,
            keys: std::mem::take(&mut self.keys),
            reached_upstream: std::mem::take(&mut self.reached_upstream),
            is_late: std::mem::take(&mut self.is_late),
        }))
    }

    pub(crate) fn complete_rows(&self) -> usize {
        self.decoder.rows()
    }

    /// Decisions that are in no file and wait for their settlement, as rows without it.
    pub(crate) fn unsettled_rows(&mut self) -> Result<RecordBatch, ArrowError> {
        let seqs: Vec<u64> = self
            .unsettled
            .iter()
            .filter(|(_, call)| call.place != Place::File)
            .map(|(seq, _)| *seq)
            .collect();
        self.decode_unsettled(&seqs)
    }

    fn decode_unsettled(&mut self, seqs: &[u64]) -> Result<RecordBatch, ArrowError> {
        for seq in seqs {
            let Some(call) = self.unsettled.get(seq) else {
                continue;
            };
            // A fault here is a fault again, and counted, when the call is settled.
            let _ = append(
                &mut self.unsettled_decoder,
                (self.seq_column, self.hash_column),
                (*seq, call),
                &[&call.payload],
            );
        }
        self.unsettled_decoder.finish()
    }

    pub(crate) fn unsettled_count(&self) -> usize {
        self.unsettled.len()
    }

    /// Number of the oldest decision that may still be settled.
    pub(crate) fn oldest_unsettled(&self) -> Option<u64> {
        self.unsettled.keys().next().copied()
    }

    /// Whether a decision has waited too long, or too many wait.
    pub(crate) fn has_overdue(&self, wait: Duration, count_max: usize, now: Instant) -> bool {
        self.unsettled.len() > count_max
            || self
                .unsettled
                .values()
                .any(|call| call.place == Place::Memory && now.duration_since(call.since) >= wait)
    }

    /// Rows of decisions that have waited too long, to be flushed as they are.
    pub(crate) fn begin_flush(
        &mut self,
        wait: Duration,
        count_max: usize,
        now: Instant,
    ) -> Result<RecordBatch, ArrowError> {
        let excess = self.unsettled.len().saturating_sub(count_max);
        let mut overdue = Vec::new();
        for (index, (seq, call)) in self.unsettled.iter_mut().enumerate() {
            let is_due = index < excess || now.duration_since(call.since) >= wait;
            if call.place == Place::Memory && is_due {
                call.place = Place::Flushing;
                overdue.push(*seq);
            }
        }
        self.decode_unsettled(&overdue)
    }

    /// The flush is done: what was flushing is in a file (or, if it failed, still only here).
    pub(crate) fn end_flush(&mut self, succeeded: bool, count_max: usize) {
        let mut over = Vec::new();
        for (seq, call) in &mut self.unsettled {
            if call.place == Place::Flushing {
                call.place = if succeeded {
                    Place::File
                } else {
                    Place::Memory
                };
                if call.is_over {
                    over.push(*seq);
                }
            }
        }
        for seq in over {
            self.forget(seq);
        }
        while self.unsettled.len() > count_max {
            let oldest = self.oldest_unsettled().unwrap_or_default();
            if self
                .unsettled
                .get(&oldest)
                .is_none_or(|call| call.place != Place::File)
            {
                break;
            }
            self.counts.given_up += 1;
            self.forget(oldest);
        }
    }

    /// After a restart: these decisions were flushed without settlement by an earlier process.
    pub(crate) fn mark_in_file(&mut self, is_in_file: impl Fn(&str) -> bool) {
        for call in self.unsettled.values_mut() {
            if is_in_file(&call.id) {
                call.place = Place::File;
            }
        }
    }
}

fn append(
    decoder: &mut RowDecoder,
    (seq_column, hash_column): (usize, usize),
    (seq, call): (u64, &Unsettled),
    objects: &[&[u8]],
) -> Result<(), RowFault> {
    let (time, number, hash) = (call.time.0.to_string(), seq.to_string(), call.hash.to_hex());
    // The record's own time stands in where the row has none.
    let further = [
        (0, time.as_str()),
        (seq_column, &number),
        (hash_column, &hash),
    ];
    decoder.append_json(objects, &further)
}

impl Complete {
    /// Rows for the decision log, as far as it was not committed (`key` below `committed`);
    /// those that replace a row in a file are apart.
    pub(crate) fn decisions(
        &self,
        committed: u64,
    ) -> Result<(RecordBatch, RecordBatch), ArrowError> {
        let fresh = self.filter(|index| self.keys[index] >= committed && !self.is_late[index])?;
        let late = self.filter(|index| self.keys[index] >= committed && self.is_late[index])?;
        Ok((fresh, late))
    }

    /// Rows for the access log.
    pub(crate) fn all(&self, committed: u64) -> Result<RecordBatch, ArrowError> {
        self.filter(|index| self.keys[index] >= committed)
    }

    /// Rows for the inference log.
    pub(crate) fn reached_upstream(&self, committed: u64) -> Result<RecordBatch, ArrowError> {
        self.filter(|index| self.keys[index] >= committed && self.reached_upstream[index])
    }

    fn filter(&self, keep: impl Fn(usize) -> bool) -> Result<RecordBatch, ArrowError> {
        let mask: Vec<bool> = (0..self.rows.num_rows()).map(keep).collect();
        if mask.iter().all(|keep| *keep) {
            return Ok(self.rows.clone());
        }
        filter_record_batch(&self.rows, &BooleanArray::from(mask))
    }
}
