//! A set of hashes that is filled and emptied over and over: open addressing in one table, which
//! fits a processor's cache where a group does. Large groups are sorted instead, so that hashes
//! which somebody chose to fall together cost no more than others.

/// Most hashes that are looked for in a table.
const TABLE_HASHES_MAX: usize = 1 << 15;

/// The table, kept between uses.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<u64>);

impl Seen {
    /// Keeps each hash once.
    pub(super) fn keep_first(&mut self, hashes: &mut Vec<u64>) {
        if hashes.len() > TABLE_HASHES_MAX {
            hashes.sort_unstable();
            hashes.dedup();
            return;
        }
        self.0.clear();
        // At most half full.
        let slots = (hashes.len() * 2).next_power_of_two();
        self.0.resize(slots, 0);
        let mut has_zero = false;
        hashes.retain(|hash| match hash {
            // That is what an empty place holds.
            0 => !std::mem::replace(&mut has_zero, true),
            hash => insert(&mut self.0, *hash),
        });
    }

    pub(super) const fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}

/// Whether the hash is new.
fn insert(slots: &mut [u64], hash: u64) -> bool {
    let last = slots.len() - 1;
    let mut at = hash as usize & last;
    loop {
        match &mut slots[at] {
            empty @ 0 => {
                *empty = hash;
                return true;
            }
            known if *known == hash => return false,
            _ => at = (at + 1) & last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, TABLE_HASHES_MAX};

    #[test]
    fn each_hash_stays_once_also_zero_and_such_that_fall_together() {
        let mut seen = Seen::default();
        let cases: [Vec<u64>; 4] = [
            vec![],
            vec![0, 0, 1, 0, 1],
            (0..1_000).map(|n| (n % 300) << 32).collect(),
            (0..2 * TABLE_HASHES_MAX as u64)
                .map(|n| n % 40_000)
                .collect(),
        ];
        for hashes in cases {
            let mut wanted = hashes.clone();
            wanted.sort_unstable();
            wanted.dedup();
            let mut kept = hashes;
            seen.keep_first(&mut kept);
            kept.sort_unstable();
            assert_eq!(kept, wanted);
        }
    }
}
