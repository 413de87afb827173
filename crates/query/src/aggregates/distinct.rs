//! Distinct counts, and the sketches that they are made of.
//!
//! A group keeps 64-bit hashes (XXH64) of its values, up to [`HASHES_MAX`]: exact, but for one
//! collision in 10^11 such groups. Above that it becomes a HyperLogLog sketch (Flajolet et al.
//! 2007; 2^14 registers, standard error 0.8 %, the figure of Kusto's accuracy level 1). Whole
//! columns are taken at once: a group costs an append per value and a sort now and then.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Int64Array,
};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use twox_hash::XxHash64;

use super::{Aggregate, Columns, Rows};
use crate::types::{self, Type};
use crate::value::Value;

/// Hashes that a group keeps before it becomes a sketch.
const HASHES_MAX: usize = 10_000;
const REGISTER_BITS: u32 = 14;
/// Hashes that are appended to a small group before it is sorted.
const APPENDED_MIN: usize = 64;

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

/// The values of one group.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    hashes: Vec<u64>,
    /// So many of them, from the first on, are sorted and different.
    sorted: usize,
    registers: Option<Box<[u8]>>,
    hashes_max: usize,
}

impl Sketch {
    const fn new(hashes_max: usize) -> Self {
        Self {
            hashes: Vec::new(),
            sorted: 0,
            registers: None,
            hashes_max,
        }
    }

    fn add(&mut self, hash: u64) {
        if let Some(registers) = &mut self.registers {
            note(registers, hash);
            return;
        }
        self.hashes.push(hash);
        if self.hashes.len() >= APPENDED_MIN.max(self.sorted * 2) {
            self.compact();
        }
    }

    /// Drops what is there twice, and becomes a sketch of fixed size if too much is left.
    fn compact(&mut self) {
        if self.sorted == self.hashes.len() {
            return;
        }
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.sorted = self.hashes.len();
        if self.sorted > self.hashes_max {
            let mut registers = vec![0; 1 << REGISTER_BITS].into_boxed_slice();
            for hash in std::mem::take(&mut self.hashes) {
                note(&mut registers, hash);
            }
            self.sorted = 0;
            self.registers = Some(registers);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.hashes.iter().for_each(|hash| self.add(*hash));
        let Some(theirs) = &other.registers else {
            return;
        };
        let hashes = std::mem::take(&mut self.hashes);
        self.sorted = 0;
        let registers = self
            .registers
            .get_or_insert_with(|| vec![0; 1 << REGISTER_BITS].into_boxed_slice());
        for hash in hashes {
            note(registers, hash);
        }
        for (mine, theirs) in registers.iter_mut().zip(theirs.iter()) {
            *mine = (*mine).max(*theirs);
        }
    }

    pub(crate) fn count(&mut self) -> i64 {
        self.compact();
        match &self.registers {
            None => i64::try_from(self.hashes.len()).unwrap_or(i64::MAX),
            Some(registers) => estimate(registers),
        }
    }

    /// One byte that says which form follows, then the hashes or the registers.
    fn take_bytes(&mut self) -> Vec<u8> {
        self.compact();
        match &self.registers {
            Some(registers) => [&[1], registers.as_ref()].concat(),
            None => {
                let mut bytes = Vec::with_capacity(1 + self.hashes.len() * 8);
                bytes.push(0);
                for hash in &self.hashes {
                    bytes.extend_from_slice(&hash.to_le_bytes());
                }
                bytes
            }
        }
    }

    fn from_bytes(bytes: &[u8], hashes_max: usize) -> Option<Self> {
        let mut sketch = Self::new(hashes_max);
        match bytes.split_first()? {
            (1, registers) if registers.len() == 1 << REGISTER_BITS => {
                sketch.registers = Some(registers.into());
            }
            (0, hashes) if hashes.len() % 8 == 0 => {
                let hash = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
                let hashes: Option<Vec<u64>> = hashes.chunks_exact(8).map(hash).collect();
                sketch.hashes = hashes?;
                sketch.hashes.sort_unstable();
                sketch.hashes.dedup();
                sketch.sorted = sketch.hashes.len();
            }
            _ => return None,
        }
        Some(sketch)
    }

    /// As a value of a query: text, to be kept and merged later.
    pub(crate) fn take_value(&mut self) -> Value {
        Value::string(BASE64_STANDARD.encode(self.take_bytes()))
    }

    /// From a value of a query; nothing if it is no sketch.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(value.as_str()?).ok()?;
        Self::from_bytes(&bytes, HASHES_MAX)
    }
}

fn note(registers: &mut [u8], hash: u64) {
    let index = usize::try_from(hash >> (64 - REGISTER_BITS)).unwrap_or(0);
    let rank = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() + 1;
    let rank = u8::try_from(rank).unwrap_or(u8::MAX);
    if let Some(register) = registers.get_mut(index) {
        *register = (*register).max(rank);
    }
}

fn estimate(registers: &[u8]) -> i64 {
    let m = registers.len() as f64;
    let sum: f64 = registers.iter().map(|r| 2_f64.powi(-i32::from(*r))).sum();
    let raw = 0.721_3 / (1.0 + 1.079 / m) * m * m / sum;
    let zeros = registers.iter().filter(|r| **r == 0).count();
    let estimate = if raw <= 2.5 * m && zeros > 0 {
        m * (m / zeros as f64).ln()
    } else {
        raw
    };
    estimate.round() as i64
}

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
    /// Scratch.
    hashes: Vec<Option<u64>>,
}

fn groups(hashes_max: usize, conditional: bool, answer: Answer) -> Box<dyn Columns> {
    Box::new(Groups::new(hashes_max, conditional, answer))
}

impl Groups {
    const fn new(hashes_max: usize, conditional: bool, answer: Answer) -> Self {
        Self {
            groups: Vec::new(),
            hashes_max,
            conditional,
            merges: false,
            answer,
            hashes: Vec::new(),
        }
    }

    fn grow(&mut self, count: usize) {
        let empty = Sketch::new(self.hashes_max);
        self.groups.resize(count.max(self.groups.len()), empty);
    }
}

impl Columns for Groups {
    fn update(&mut self, columns: &[ArrayRef], rows: Rows<'_>) {
        let Some(values) = columns.first() else {
            return;
        };
        let passing = match columns.get(1) {
            Some(column) if self.conditional => column.as_boolean_opt(),
            _ => None,
        };
        let passes = |row: usize| {
            passing.is_none_or(|passing: &BooleanArray| passing.is_valid(row) && passing.value(row))
        };
        if !self.merges {
            hash_all(values, &mut self.hashes);
        }
        for (row, group) in rows.iter() {
            if !passes(row) {
                continue;
            }
            if group >= self.groups.len() {
                self.grow(group + 1);
            }
            if self.merges {
                let sketch = Sketch::from_value(&types::read(values, Type::Dynamic, row));
                if let (Some(sketch), Some(into)) = (sketch, self.groups.get_mut(group)) {
                    into.merge(&sketch);
                }
            } else if let (Some(Some(hash)), Some(into)) =
                (self.hashes.get(row), self.groups.get_mut(group))
            {
                into.add(*hash);
            }
        }
    }

    fn merge(&mut self, saved: &BinaryArray, rows: Rows<'_>) {
        for (row, group) in rows.iter() {
            if group >= self.groups.len() {
                self.grow(group + 1);
            }
            let other = saved
                .is_valid(row)
                .then(|| Sketch::from_bytes(saved.value(row), self.hashes_max))
                .flatten();
            if let (Some(other), Some(into)) = (other, self.groups.get_mut(group)) {
                if into.hashes.is_empty() && into.registers.is_none() {
                    *into = other;
                } else {
                    into.merge(&other);
                }
            }
        }
    }

    fn save(&mut self, first: usize) -> BinaryArray {
        self.grow(first);
        let mut builder = BinaryBuilder::new();
        for mut group in self.groups.drain(..first) {
            builder.append_value(group.take_bytes());
        }
        builder.finish()
    }

    fn finish(&mut self, first: usize) -> ArrayRef {
        self.grow(first);
        let groups = self.groups.drain(..first);
        match self.answer {
            Answer::Count => {
                let counts = groups.map(|mut group| group.count());
                std::sync::Arc::new(Int64Array::from_iter_values(counts))
            }
            Answer::Sketch => {
                let sketches: Vec<Value> = groups.map(|mut group| group.take_value()).collect();
                types::build(&sketches, Type::Dynamic)
            }
        }
    }

    fn size(&self) -> usize {
        let bytes = |group: &Sketch| {
            group.hashes.capacity() * 8 + group.registers.as_ref().map_or(0, |r| r.len())
        };
        let held: usize = self.groups.iter().map(bytes).sum();
        256 + held + self.groups.capacity() * size_of::<Sketch>() + self.hashes.capacity() * 16
    }
}

/// The hashes of a column; nothing for null. A `string` is never null.
fn hash_all(values: &ArrayRef, into: &mut Vec<Option<u64>>) {
    let hash = |bytes: &[u8]| XxHash64::oneshot(0, bytes);
    into.clear();
    match values.data_type() {
        DataType::Utf8View => {
            let texts = values.as_string_view();
            into.extend(texts.iter().map(|t| Some(hash(t.unwrap_or("").as_bytes()))));
        }
        DataType::Int64 => {
            let numbers = values.as_primitive::<Int64Type>();
            into.extend(numbers.iter().map(|n| n.map(|n| hash(&n.to_le_bytes()))));
        }
        DataType::Int32 => {
            let numbers = values.as_primitive::<Int32Type>();
            let wide = |n: i32| hash(&i64::from(n).to_le_bytes());
            into.extend(numbers.iter().map(|n| n.map(wide)));
        }
        DataType::Float64 => {
            let numbers = values.as_primitive::<Float64Type>();
            // Both zeros are one value.
            let bits = |n: f64| hash(&(n + 0.0).to_bits().to_le_bytes());
            into.extend(numbers.iter().map(|n| n.map(bits)));
        }
        DataType::Boolean => {
            let flags = values.as_boolean();
            into.extend(flags.iter().map(|b| b.map(|b| hash(&[u8::from(b)]))));
        }
        DataType::BinaryView => {
            let bytes = values.as_binary_view();
            into.extend(bytes.iter().map(|bytes| bytes.map(hash)));
        }
        _ => into.resize(values.len(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::{HASHES_MAX, Sketch};
    use twox_hash::XxHash64;

    fn sketch(numbers: std::ops::Range<u64>) -> Sketch {
        let mut sketch = Sketch::new(HASHES_MAX);
        for number in numbers {
            sketch.add(XxHash64::oneshot(0, &number.to_le_bytes()));
        }
        sketch
    }

    #[test]
    fn small_groups_are_exact_and_large_ones_within_their_error() {
        for count in [0, 1, 63, 64, 65, 9_999, 10_000] {
            let mut twice = sketch(0..count);
            twice.merge(&sketch(0..count));
            assert_eq!(twice.count(), i64::try_from(count).unwrap());
        }
        let mut large = sketch(0..60_000);
        large.merge(&sketch(40_000..100_000));
        assert!((large.count() - 100_000).abs() < 3_000, "{}", large.count());
    }

    #[test]
    fn a_sketch_survives_being_a_value() {
        for count in [0, 100, 50_000] {
            let mut before = sketch(0..count);
            let mut after = Sketch::from_value(&before.take_value()).unwrap();
            assert_eq!(before.count(), after.count());
        }
        assert!(Sketch::from_value(&crate::value::Value::string("AgAA")).is_none());
        assert!(Sketch::from_value(&crate::value::Value::Null).is_none());
    }
}
