//! The different values of one group: hashes while they are few, HyperLogLog registers beyond.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::seen::Seen;
use crate::value::Value;

/// Hashes that a group keeps before it becomes a sketch.
pub(super) const HASHES_MAX: usize = 10_000;
const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;
/// Hashes that a group takes before any is looked for twice.
const APPENDED_MIN: usize = 64;
/// First room of a group.
const ROOM_MIN: usize = 4;

/// The values of one group.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    hashes: Vec<u64>,
    /// So many of them, from the first on, are different.
    different: usize,
    registers: Option<Box<[u8]>>,
    hashes_max: usize,
}

impl Sketch {
    pub(super) const fn new(hashes_max: usize) -> Self {
        Self {
            hashes: Vec::new(),
            different: 0,
            registers: None,
            hashes_max,
        }
    }

    /// Bytes held besides the group itself.
    pub(super) fn bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<u64>() + self.registers.as_ref().map_or(0, |r| r.len())
    }

    /// Takes a value; by how many bytes more are held then. Room is what limits repetitions: whenever
    /// it is full they are dropped, and it doubles if that frees less than half.
    pub(super) fn add(&mut self, hash: u64, seen: &mut Seen) -> isize {
        if let Some(registers) = &mut self.registers {
            note(registers, hash);
            return 0;
        }
        if self.hashes.len() < self.hashes.capacity() {
            self.hashes.push(hash);
            return 0;
        }
        let before = self.bytes();
        self.make_room(1, seen);
        match &mut self.registers {
            Some(registers) => note(registers, hash),
            None => self.hashes.push(hash),
        }
        self.bytes() as isize - before as isize
    }

    /// Room for more hashes, unless it becomes a sketch of fixed size.
    fn make_room(&mut self, more: usize, seen: &mut Seen) {
        if self.hashes.len() >= APPENDED_MIN {
            self.compact(seen);
        }
        let (held, room) = (self.hashes.len(), self.hashes.capacity());
        if self.registers.is_some() || (room >= held + more && held <= room / 2) {
            return;
        }
        let wanted = (held + more).max(room * 2).max(ROOM_MIN);
        self.hashes.reserve_exact(wanted - held);
    }

    /// Drops what is there twice, and becomes a sketch of fixed size if too much is left.
    fn compact(&mut self, seen: &mut Seen) {
        if self.different == self.hashes.len() {
            return;
        }
        seen.keep_first(&mut self.hashes);
        self.different = self.hashes.len();
        if self.different > self.hashes_max {
            self.spread();
        }
    }

    /// From hashes to registers.
    fn spread(&mut self) -> &mut [u8] {
        self.different = 0;
        let hashes = std::mem::take(&mut self.hashes);
        let registers = self
            .registers
            .get_or_insert_with(|| vec![0; REGISTERS].into_boxed_slice());
        for hash in hashes {
            note(registers, hash);
        }
        registers
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.merge_with(other, &mut Seen::default());
    }

    pub(super) fn merge_with(&mut self, other: &Self, seen: &mut Seen) {
        for hash in &other.hashes {
            self.add(*hash, seen);
        }
        if let Some(theirs) = &other.registers {
            self.raise(theirs);
        }
    }

    fn raise(&mut self, theirs: &[u8]) {
        for (mine, theirs) in self.spread().iter_mut().zip(theirs) {
            *mine = (*mine).max(*theirs);
        }
    }

    pub(crate) fn count(&mut self) -> i64 {
        self.count_with(&mut Seen::default())
    }

    pub(super) fn count_with(&mut self, seen: &mut Seen) -> i64 {
        self.compact(seen);
        match &self.registers {
            None => i64::try_from(self.hashes.len()).unwrap_or(i64::MAX),
            Some(registers) => estimate(registers),
        }
    }

    /// Writes one byte that says which form follows, then the hashes or the registers.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        match &self.registers {
            Some(registers) => {
                into.push(1);
                into.extend_from_slice(registers);
            }
            None => {
                into.push(0);
                into.extend(self.hashes.iter().flat_map(|hash| hash.to_le_bytes()));
            }
        }
    }

    /// Takes over what another one wrote; whether it could be read.
    pub(super) fn absorb(&mut self, bytes: &[u8], seen: &mut Seen) -> bool {
        match bytes.split_first() {
            Some((1, registers)) if registers.len() == REGISTERS => self.raise(registers),
            Some((0, hashes)) => {
                let (hashes, []) = hashes.as_chunks::<8>() else {
                    return false;
                };
                self.absorb_hashes(hashes, seen);
            }
            _ => return false,
        }
        true
    }

    fn absorb_hashes(&mut self, hashes: &[[u8; 8]], seen: &mut Seen) {
        if self.registers.is_none() && self.hashes.len() + hashes.len() > self.hashes.capacity() {
            self.make_room(hashes.len(), seen);
        }
        let hashes = hashes.iter().map(|bytes| u64::from_le_bytes(*bytes));
        match &mut self.registers {
            Some(registers) => hashes.for_each(|hash| note(registers, hash)),
            None => self.hashes.extend(hashes),
        }
    }

    /// As a value of a query: text, to be kept and merged later. The same values give the same text.
    pub(crate) fn take_value(&mut self) -> Value {
        self.compact(&mut Seen::default());
        self.hashes.sort_unstable();
        let mut bytes = Vec::with_capacity(1 + self.bytes());
        self.write(&mut bytes);
        Value::string(BASE64_STANDARD.encode(bytes))
    }

    /// From a value of a query; nothing if it is no sketch.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(value.as_str()?).ok()?;
        let mut sketch = Self::new(HASHES_MAX);
        sketch
            .absorb(&bytes, &mut Seen::default())
            .then_some(sketch)
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

#[cfg(test)]
mod tests {
    use super::super::seen::Seen;
    use super::{HASHES_MAX, Sketch};
    use crate::value::Value;
    use twox_hash::XxHash64;

    fn sketch(numbers: std::ops::Range<u64>) -> Sketch {
        let mut sketch = Sketch::new(HASHES_MAX);
        let mut seen = Seen::default();
        for number in numbers {
            sketch.add(XxHash64::oneshot(0, &number.to_le_bytes()), &mut seen);
        }
        sketch
    }

    fn written(sketch: &Sketch) -> Vec<u8> {
        let mut bytes = Vec::new();
        sketch.write(&mut bytes);
        bytes
    }

    #[test]
    fn small_groups_are_exact_and_large_ones_within_their_error() {
        for count in [0, 1, 63, 64, 65, 9_999, 10_000] {
            let mut twice = sketch(0..count);
            twice.merge(&sketch(0..count));
            assert_eq!(twice.count(), i64::try_from(count).unwrap());
            assert!(twice.absorb(&written(&sketch(0..count)), &mut Seen::default()));
            assert_eq!(twice.count(), i64::try_from(count).unwrap());
        }
        let mut large = sketch(0..60_000);
        large.merge(&sketch(40_000..100_000));
        assert!((large.count() - 100_000).abs() < 3_000, "{}", large.count());
    }

    #[test]
    fn a_value_that_comes_again_and_again_takes_no_room() {
        let mut sketch = Sketch::new(usize::MAX);
        let mut seen = Seen::default();
        for row in 0..1_000_000_u64 {
            sketch.add(row % 50, &mut seen);
        }
        assert!(sketch.bytes() <= 128 * 8, "{} bytes", sketch.bytes());
        assert_eq!(sketch.count(), 50);
    }

    #[test]
    fn a_sketch_survives_being_a_value() {
        for count in [0, 100, 50_000] {
            let mut before = sketch(0..count);
            let mut after = Sketch::from_value(&before.take_value()).unwrap();
            assert_eq!(before.count(), after.count());
        }
        assert!(Sketch::from_value(&Value::string("AgAA")).is_none());
        assert!(Sketch::from_value(&Value::string("AAAA")).is_none());
        assert!(Sketch::from_value(&Value::Null).is_none());
    }
}
