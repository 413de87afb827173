//! Distinct counts, and the sketches that they are made of.
//!
//! A group keeps 64-bit hashes of its values, up to [`HASHES_MAX`]: exact, but for one collision in
//! 10^11 such groups. Above that it becomes a HyperLogLog sketch (Flajolet et al. 2007; 2^14
//! registers, standard error 0.8 %, the figure of Kusto's accuracy level 1). Whole columns are taken
//! at once: a group costs an append per value and a look for repetitions now and then. What one
//! phase hands to the next may hold repetitions still; they are dropped once, at the end.

mod hash;
mod seen;
mod sketch;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array};
use arrow::buffer::{Buffer, OffsetBuffer};

use self::hash::{Hashing, hash_all};
use self::seen::Seen;
use self::sketch::HASHES_MAX;
pub(crate) use self::sketch::Sketch;
use super::{Aggregate, Columns, Rows};
use crate::types::{self, Type};
use crate::value::Value;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::of_columns("dcount", |_| groups(HASHES_MAX, false, Answer::Count)),
    Aggregate::of_columns("dcountif", |_| groups(HASHES_MAX, true, Answer::Count)),
    Aggregate::of_columns("count_distinct", |_| {
        groups(usize::MAX, false, Answer::Count)
    }),
    Aggregate::of_columns("count_distinctif", |_| {
        groups(usize::MAX, true, Answer::Count)
    }),
    Aggregate::of_columns("hll", |_| groups(HASHES_MAX, false, Answer::Sketch)),
    Aggregate::of_columns("hll_if", |_| groups(HASHES_MAX, true, Answer::Sketch)),
    Aggregate::of_columns("hll_merge", |_| {
        let mut groups = Groups::new(HASHES_MAX, false, Answer::Sketch);
        groups.merges = true;
        Box::new(groups)
    }),
];

enum Answer {
    Count,
    Sketch,
}

struct Groups {
    groups: Vec<Sketch>,
    hashes_max: usize,
    /// Whether the second argument says which rows count.
    conditional: bool,
    /// Whether the values are sketches themselves.
    merges: bool,
    answer: Answer,
    /// What all groups hold, bytes.
    held_bytes: usize,
    /// Scratch.
    hashes: Vec<u64>,
    seen: Seen,
}

fn groups(hashes_max: usize, conditional: bool, answer: Answer) -> Box<dyn Columns> {
    Box::new(Groups::new(hashes_max, conditional, answer))
}

impl Groups {
    fn new(hashes_max: usize, conditional: bool, answer: Answer) -> Self {
        Self {
            groups: Vec::new(),
            hashes_max,
            conditional,
            merges: false,
            answer,
            held_bytes: 0,
            hashes: Vec::new(),
            seen: Seen::default(),
        }
    }

    fn grow(&mut self, count: usize) {
        let empty = Sketch::new(self.hashes_max);
        self.groups.resize(count.max(self.groups.len()), empty);
    }

    /// Changes a group, and notes what it holds then.
    fn change(&mut self, group: usize, change: impl FnOnce(&mut Sketch, &mut Seen)) {
        if group >= self.groups.len() {
            self.grow(group + 1);
        }
        let into = &mut self.groups[group];
        let before = into.bytes();
        change(into, &mut self.seen);
        self.held_bytes = self.held_bytes + into.bytes() - before;
    }

    /// Takes the hash of each of these rows.
    fn add(&mut self, rows: impl Iterator<Item = (usize, usize)>) {
        let hashes = std::mem::take(&mut self.hashes);
        for (row, group) in rows {
            let Some(hash) = hashes.get(row) else {
                continue;
            };
            if group >= self.groups.len() {
                self.grow(group + 1);
            }
            let more = self.groups[group].add(*hash, &mut self.seen);
            self.held_bytes = self.held_bytes.saturating_add_signed(more);
        }
        self.hashes = hashes;
    }

    /// The first groups, which are gone afterwards.
    fn take(&mut self, first: usize) -> Vec<Sketch> {
        self.grow(first);
        let rest = self.groups.split_off(first);
        let taken = std::mem::replace(&mut self.groups, rest);
        self.held_bytes -= taken.iter().map(Sketch::bytes).sum::<usize>();
        taken
    }
}

impl Columns for Groups {
    fn update(&mut self, columns: &[ArrayRef], rows: Rows<'_>) {
        let Some(values) = columns.first() else {
            return;
        };
        if self.merges {
            for (row, group) in rows.iter() {
                let sketch = Sketch::from_value(&types::read(values, Type::Dynamic, row));
                if let Some(sketch) = sketch {
                    self.change(group, |into, seen| into.merge_with(&sketch, seen));
                }
            }
            return;
        }
        let hashing = match self.answer {
            Answer::Count => Hashing::Passing,
            Answer::Sketch => Hashing::Lasting,
        };
        let nulls = hash_all(values, hashing, &mut self.hashes);
        let passing = match columns.get(1) {
            Some(column) if self.conditional => column.as_boolean_opt(),
            _ => None,
        };
        if nulls.is_none() && passing.is_none() && rows.filter.is_none() {
            match rows.groups {
                Some(groups) => self.add(groups.iter().copied().enumerate()),
                None => self.add((0..rows.count).map(|row| (row, 0))),
            }
            return;
        }
        let passes = |row: usize| {
            passing.is_none_or(|passing: &BooleanArray| passing.is_valid(row) && passing.value(row))
        };
        let is_there = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        self.add(
            rows.iter()
                .filter(|(row, _)| is_there(*row) && passes(*row)),
        );
    }

    fn merge(&mut self, saved: &BinaryArray, rows: Rows<'_>) {
        for (row, group) in rows.iter().filter(|(row, _)| saved.is_valid(*row)) {
            self.change(group, |into, seen| {
                into.absorb(saved.value(row), seen);
            });
        }
    }

    fn save(&mut self, first: usize) -> BinaryArray {
        let groups = self.take(first);
        let all: usize = groups.iter().map(Sketch::bytes).sum();
        let mut bytes = Vec::with_capacity(all + first);
        let mut lengths = Vec::with_capacity(first);
        for group in &groups {
            let start = bytes.len();
            group.write(&mut bytes);
            lengths.push(bytes.len() - start);
        }
        BinaryArray::new(
            OffsetBuffer::from_lengths(lengths),
            Buffer::from_vec(bytes),
            None,
        )
    }

    fn finish(&mut self, first: usize) -> ArrayRef {
        let mut groups = self.take(first);
        match self.answer {
            Answer::Count => {
                let counts = groups.iter_mut().map(|g| g.count_with(&mut self.seen));
                Arc::new(Int64Array::from_iter_values(counts))
            }
            Answer::Sketch => {
                let sketches: Vec<Value> = groups.iter_mut().map(Sketch::take_value).collect();
                types::build(&sketches, Type::Dynamic)
            }
        }
    }

    fn size(&self) -> usize {
        let groups = self.groups.capacity() * size_of::<Sketch>();
        let scratch = self.hashes.capacity() * size_of::<u64>() + self.seen.bytes();
        256 + self.held_bytes + groups + scratch
    }
}
