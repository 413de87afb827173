//! How many different things there were: HyperLogLog (Flajolet and others, 2007) with few
//! registers, by linear counting while most of them are empty.
//!
//! The standard error is 1.04 / √N: 13 % with 64 registers, 18 % with 32.

use crate::stored::stored_array;

/// Counts different hashes in `N` bytes; `N` is a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Distinct<const N: usize> {
    registers: [u8; N],
}

stored_array!(Distinct, registers);

impl<const N: usize> Default for Distinct<N> {
    fn default() -> Self {
        Self { registers: [0; N] }
    }
}

impl<const N: usize> Distinct<N> {
    /// Adds a hash whose bits are spread.
    pub(crate) fn add(&mut self, hash: u64) {
        let register = hash as usize % N;
        let rank = ((hash >> 32) as u32 | 1 << 31).trailing_zeros() as u8 + 1;
        if let Some(known) = self.registers.get_mut(register) {
            *known = (*known).max(rank);
        }
    }

    /// Adds everything that the other has seen.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (own, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *own = (*own).max(*theirs);
        }
    }

    /// How many different ones, about.
    pub(crate) fn estimate(&self) -> f64 {
        let registers = N as f64;
        let mut sum = 0.0;
        let mut empty = 0_u32;
        for rank in &self.registers {
            empty += u32::from(*rank == 0);
            sum += f64::from(2.0_f32.powi(-i32::from(*rank)));
        }
        let alpha = match N {
            0..=16 => 0.673,
            17..=32 => 0.697,
            _ => 0.709,
        };
        let raw = alpha * registers * registers / sum;
        if raw <= 2.5 * registers && empty > 0 {
            return registers * (registers / f64::from(empty)).ln();
        }
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::Distinct;
    use crate::sketch::mix;

    #[test]
    fn estimates_are_within_three_standard_errors() {
        for count in [0_u64, 1, 10, 100, 1_000, 20_000] {
            let mut distinct = Distinct::<64>::default();
            for i in 0..count {
                distinct.add(mix(i));
                distinct.add(mix(i));
            }
            let error = (distinct.estimate() - count as f64).abs();
            assert!(
                error <= 0.39 * count as f64 + 0.5,
                "{count}: {}",
                distinct.estimate()
            );
        }
    }
}
