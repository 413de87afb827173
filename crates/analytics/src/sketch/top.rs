//! The most frequent of many values: Space-Saving (Metwally and others, 2005).
//!
//! A value that makes up more than 1/N of all is certainly among the N. Counts are upper bounds.

use crate::stored::stored_array;

/// The most frequent values, by their 32-bit hashes; a hash of 0 is an empty place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Top<const N: usize> {
    places: [(u32, u32); N],
}

stored_array!(Top, places);

impl<const N: usize> Default for Top<N> {
    fn default() -> Self {
        Self {
            places: [(0, 0); N],
        }
    }
}

impl<const N: usize> Top<N> {
    /// Counts a value; its count so far, an upper bound.
    pub(crate) fn add(&mut self, hash: u64) -> u32 {
        let hash = (hash as u32).max(1);
        let mut least = 0;
        for at in 0..N {
            let (known, count) = self.places[at];
            if known == hash {
                self.places[at].1 = count.saturating_add(1);
                return self.places[at].1;
            }
            if count < self.places[least].1 {
                least = at;
            }
        }
        let count = self.places[least].1.saturating_add(1);
        self.places[least] = (hash, count);
        count
    }

    /// The count of the most frequent value, an upper bound.
    pub(crate) fn most(&self) -> u32 {
        self.places.iter().map(|place| place.1).max().unwrap_or(0)
    }

    /// Adds the counts of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (hash, count) in other.places {
            if count == 0 {
                continue;
            }
            let own = self.places.iter_mut().find(|place| place.0 == hash);
            match own {
                Some(place) => place.1 = place.1.saturating_add(count),
                None => {
                    if let Some(least) = self.places.iter_mut().min_by_key(|place| place.1)
                        && least.1 < count
                    {
                        *least = (hash, count);
                    }
                }
            }
        }
    }
}

/// Values that are certainly frequent, with lower bounds of their counts (Misra and Gries, 1982).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frequent<const N: usize> {
    places: [(u32, u32); N],
}

stored_array!(Frequent, places);

impl<const N: usize> Default for Frequent<N> {
    fn default() -> Self {
        Self {
            places: [(0, 0); N],
        }
    }
}

impl<const N: usize> Frequent<N> {
    /// Counts a value.
    pub(crate) fn add(&mut self, hash: u64) {
        let hash = (hash as u32).max(1);
        if let Some(place) = self.places.iter_mut().find(|place| place.0 == hash) {
            place.1 = place.1.saturating_add(1);
        } else if let Some(place) = self.places.iter_mut().find(|place| place.1 == 0) {
            *place = (hash, 1);
        } else {
            self.places.iter_mut().for_each(|place| place.1 -= 1);
        }
    }

    /// The count of the most frequent value, a lower bound.
    pub(crate) fn most(&self) -> u32 {
        self.places.iter().map(|place| place.1).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Frequent, Top};

    #[test]
    fn what_is_called_frequent_is() {
        let (mut spread, mut turns) = (Frequent::<3>::default(), Frequent::<3>::default());
        for i in 0..100_u64 {
            spread.add(i + 1);
            turns.add(i % 2 + 1);
        }
        assert!(spread.most() <= 1);
        assert_eq!(turns.most(), 50);
    }

    #[test]
    fn a_frequent_value_is_found_among_many_rare_ones() {
        let mut top = Top::<4>::default();
        for i in 0..1_000_u64 {
            top.add(7);
            top.add(1_000 + i);
        }
        assert!(top.most() >= 1_000);
        let mut spread = Top::<4>::default();
        for i in 0..1_000_u64 {
            spread.add(i + 1);
        }
        assert!(spread.most() <= 251, "{}", spread.most());
    }
}
