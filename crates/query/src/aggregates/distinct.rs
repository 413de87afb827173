//! Distinct counts. Exact up to [`EXACT_MAX`] values per group, a HyperLogLog sketch above
//! (2^14 registers, standard error 0.8 %, the figure of Kusto's accuracy level 1).

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::basic::passes;
use super::{Aggregate, State};
use crate::value::Value;

/// Values counted exactly before a group changes to a sketch.
const EXACT_MAX: usize = 10_000;
const REGISTER_BITS: u32 = 14;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("dcount", |_| Box::new(Distinct::new(None))),
    Aggregate::new("dcountif", |_| Box::new(Distinct::new(Some(1)))),
    Aggregate::new("count_distinct", |_| Box::new(Distinct::exact(None))),
    Aggregate::new("count_distinctif", |_| Box::new(Distinct::exact(Some(1)))),
];

struct Distinct {
    exact: HashSet<Value>,
    sketch: Option<Vec<u8>>,
    exact_max: usize,
    /// Where the predicate of the `…if` form stands.
    predicate: Option<usize>,
}

impl Distinct {
    fn new(predicate: Option<usize>) -> Self {
        Self {
            exact: HashSet::new(),
            sketch: None,
            exact_max: EXACT_MAX,
            predicate,
        }
    }

    fn exact(predicate: Option<usize>) -> Self {
        Self {
            exact_max: usize::MAX,
            ..Self::new(predicate)
        }
    }

    fn take(&mut self, value: &Value) {
        if let Some(registers) = &mut self.sketch {
            note(registers, value);
            return;
        }
        self.exact.insert(value.clone());
        if self.exact.len() > self.exact_max {
            let mut registers = vec![0; 1 << REGISTER_BITS];
            for value in self.exact.drain() {
                note(&mut registers, &value);
            }
            self.sketch = Some(registers);
        }
    }
}

fn note(registers: &mut [u8], value: &Value) {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(value);
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

impl State for Distinct {
    fn update(&mut self, args: &[Value]) {
        let passes = match self.predicate {
            Some(at) => passes(&args[..=at.min(args.len() - 1)], true),
            None => true,
        };
        if passes && !args[0].is_null() {
            self.take(&args[0]);
        }
    }

    fn save(&self) -> Value {
        match &self.sketch {
            None => Value::array(self.exact.iter().cloned().collect()),
            Some(registers) => {
                Value::string(registers.iter().map(|r| char::from(*r)).collect::<String>())
            }
        }
    }

    fn merge(&mut self, saved: &Value) {
        if let Some(items) = saved.as_array() {
            items.iter().for_each(|item| self.take(item));
        }
        let Some(other) = saved.as_str() else {
            return;
        };
        let mut registers = self
            .sketch
            .take()
            .unwrap_or_else(|| vec![0; 1 << REGISTER_BITS]);
        for value in self.exact.drain() {
            note(&mut registers, &value);
        }
        for (mine, theirs) in registers.iter_mut().zip(other.chars()) {
            *mine = (*mine).max(u8::try_from(u32::from(theirs)).unwrap_or(0));
        }
        self.sketch = Some(registers);
    }

    fn finish(&mut self) -> Value {
        Value::Long(match &self.sketch {
            None => i64::try_from(self.exact.len()).unwrap_or(i64::MAX),
            Some(registers) => estimate(registers),
        })
    }

    fn size(&self) -> usize {
        256 + self.exact.len() * 64 + self.sketch.as_ref().map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::{Distinct, State};
    use crate::value::Value;

    #[test]
    fn a_sketch_stays_within_its_error() {
        let mut state = Distinct::new(None);
        for i in 0..100_000 {
            state.update(&[Value::Long(i)]);
        }
        let count = state.finish().as_i64().unwrap();
        assert!((count - 100_000).abs() < 3_000, "{count}");
    }
}
