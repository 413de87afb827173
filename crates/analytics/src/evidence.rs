//! Ids of the last rows, so that a finding can name its evidence.
//!
//! One ring for everybody, because ids are large and state per caller is not: a row points to the
//! row of the same caller before it, and a caller's state holds its newest. What has left the
//! ring is no longer named; the count of a finding is exact all the same.

use crate::stored::stored;

/// Ids that fit into 16 bytes as UUIDs are kept as such, others as text.
#[derive(Clone, Debug)]
struct Entry {
    id: Box<str>,
    before: u64,
}

stored!(Entry { id, before });

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    ring: Vec<Entry>,
    next: u64,
}

stored!(Evidence { ring, next });

impl Evidence {
    /// Most ids that are kept.
    pub(crate) const IDS_MAX: usize = 1 << 17;

    /// Keeps an id; `before` is the place of the row before, 0 if there is none. Gives its place.
    pub(crate) fn add(&mut self, id: &str, before: u64) -> u64 {
        let at = (self.next % Self::IDS_MAX as u64) as usize;
        self.next += 1;
        match self.ring.get_mut(at) {
            Some(entry) => {
                entry.before = before;
                if entry.id.len() == id.len() {
                    // Most ids are as long as the one before: no allocation then.
                    entry.id = replaced(std::mem::take(&mut entry.id), id);
                } else {
                    entry.id = id.into();
                }
            }
            None => self.ring.push(Entry {
                id: id.into(),
                before,
            }),
        }
        self.next
    }

    /// The id at a place, if it is still kept, and the place before.
    fn at(&self, place: u64) -> Option<(&str, u64)> {
        if place == 0 || place > self.next || self.next - place >= Self::IDS_MAX as u64 {
            return None;
        }
        let entry = self
            .ring
            .get(((place - 1) % Self::IDS_MAX as u64) as usize)?;
        Some((&entry.id, entry.before))
    }

    /// The ids from a place backwards, newest first.
    pub(crate) fn chain(&self, mut place: u64, count_max: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count_max {
            let Some((id, before)) = self.at(place) else {
                break;
            };
            if !id.is_empty() {
                ids.push(id.to_owned());
            }
            // Places only ever point backwards; anything else is a damaged snapshot.
            if before >= place {
                break;
            }
            place = before;
        }
        ids
    }

    /// The ids at some places.
    pub(crate) fn ids(&self, places: &[u64]) -> Vec<String> {
        let ids = places.iter().filter_map(|place| self.at(*place));
        ids.filter(|(id, _)| !id.is_empty())
            .map(|(id, _)| id.to_owned())
            .collect()
    }
}

fn replaced(old: Box<str>, id: &str) -> Box<str> {
    let mut text = String::from(old);
    text.clear();
    text.push_str(id);
    text.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::Evidence;

    #[test]
    fn a_chain_is_walked_backwards_and_ends_where_the_ring_forgot() {
        let mut evidence = Evidence::default();
        let first = evidence.add("a1", 0);
        let other = evidence.add("b1", 0);
        let second = evidence.add("a2", first);
        assert_eq!(evidence.chain(second, 8), ["a2", "a1"]);
        assert_eq!(evidence.ids(&[other, 99]), ["b1"]);
        for i in 0..Evidence::IDS_MAX {
            evidence.add(&format!("c{i:06}"), 0);
        }
        assert!(evidence.chain(second, 8).is_empty());
    }
}
