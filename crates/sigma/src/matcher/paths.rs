//! The fields that rules ask for, found by the keys of an event on the way through it.
//!
//! `a.b` is found as the key `b` within `a`, and as a key that is called `a.b`: every way to cut
//! a name at its dots is a way through the table.

use std::collections::HashMap;

/// What is not there.
pub(super) const NONE: u32 = u32::MAX;

/// Dots beyond which a name is cut at all of them or at none.
const DOTS_MAX: usize = 6;

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The field, or [`NONE`].
    pub(super) field: u32,
    /// The node for keys within, or [`NONE`].
    pub(super) node: u32,
}

impl Entry {
    pub(super) const NOTHING: Self = Self {
        field: NONE,
        node: NONE,
    };
}

/// Keys by node.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Names by field.
    pub(super) names: Vec<String>,
    fields: HashMap<String, u32>,
    build: HashMap<(u32, String), Entry>,
    nodes: u32,
    /// Power of two, at most half full.
    table: Vec<Slot>,
    keys: String,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u64,
    node: u32,
    start: u32,
    len: u32,
    entry: Entry,
}

impl Paths {
    /// The number of a field; the same name is the same field.
    pub(super) fn field(&mut self, name: &str) -> u32 {
        if let Some(field) = self.fields.get(name) {
            return *field;
        }
        let field = u32::try_from(self.names.len()).unwrap_or(NONE - 1);
        self.names.push(name.to_owned());
        self.fields.insert(name.to_owned(), field);
        self.nodes = self.nodes.max(1);
        self.insert(0, name, field);
        field
    }

    /// The number of a field that is known already.
    pub(super) fn find_field(&self, name: &str) -> Option<u32> {
        self.fields.get(name).copied()
    }

    fn insert(&mut self, node: u32, name: &str, field: u32) {
        self.entry(node, name).field = field;
        let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
        let cuts = if dots.len() > DOTS_MAX {
            &dots[..1]
        } else {
            &dots[..]
        };
        for at in cuts {
            let (head, tail) = (&name[..*at], &name[at + 1..]);
            if head.is_empty() || tail.is_empty() {
                continue;
            }
            let next = self.nodes;
            let entry = self.entry(node, head);
            if entry.node == NONE {
                entry.node = next;
                self.nodes += 1;
            }
            let inner = self.entry(node, head).node;
            self.insert(inner, tail, field);
        }
    }

    fn entry(&mut self, node: u32, key: &str) -> &mut Entry {
        self.build
            .entry((node, key.to_owned()))
            .or_insert(Entry::NOTHING)
    }

    /// Makes the table; nothing may be added afterwards.
    pub(super) fn finish(&mut self) {
        let build = std::mem::take(&mut self.build);
        let size = (build.len() * 2).next_power_of_two().max(2);
        let empty = Slot {
            hash: 0,
            node: NONE,
            start: 0,
            len: 0,
            entry: Entry::NOTHING,
        };
        self.table = vec![empty; size];
        for ((node, key), entry) in build {
            let hash = hash(key.as_bytes()) ^ spread(node);
            let start = u32::try_from(self.keys.len()).unwrap_or(NONE);
            let len = u32::try_from(key.len()).unwrap_or(0);
            self.keys.push_str(&key);
            let mut at = self.slot(hash);
            while self.table[at].node != NONE {
                at = (at + 1) & (size - 1);
            }
            self.table[at] = Slot {
                hash,
                node,
                start,
                len,
                entry,
            };
        }
    }

    fn slot(&self, hash: u64) -> usize {
        (hash >> 20) as usize & (self.table.len() - 1)
    }

    /// What a key leads to.
    pub(super) fn get(&self, node: u32, key: &[u8]) -> Entry {
        if node == NONE || self.table.is_empty() {
            return Entry::NOTHING;
        }
        let hash = hash(key) ^ spread(node);
        let mut at = self.slot(hash);
        loop {
            let slot = &self.table[at];
            if slot.node == NONE {
                return Entry::NOTHING;
            }
            if slot.hash == hash && slot.node == node && self.key(slot) == key {
                return slot.entry;
            }
            at = (at + 1) & (self.table.len() - 1);
        }
    }

    fn key(&self, slot: &Slot) -> &[u8] {
        let start = slot.start as usize;
        self.keys
            .as_bytes()
            .get(start..start + slot.len as usize)
            .unwrap_or_default()
    }
}

const fn spread(node: u32) -> u64 {
    (node as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A quick hash of short texts; what it finds is compared afterwards.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    const K: u64 = 0x9fb2_1c65_1e98_df25;
    let mut h = (bytes.len() as u64).wrapping_mul(K);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        h = (h ^ u64::from_le_bytes(word)).wrapping_mul(K);
        h ^= h >> 32;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        h = (h ^ u64::from_le_bytes(word)).wrapping_mul(K);
    }
    h ^ (h >> 29)
}

#[cfg(test)]
mod tests {
    use super::{NONE, Paths};

    #[test]
    fn a_name_is_found_along_every_way() {
        let mut paths = Paths::default();
        let (abc, a, x) = (paths.field("a.b.c"), paths.field("a"), paths.field("x"));
        paths.finish();
        assert_eq!(paths.get(0, b"a.b.c").field, abc);
        let inner = paths.get(0, b"a");
        assert_eq!(inner.field, a);
        assert_eq!(paths.get(inner.node, b"b.c").field, abc);
        let innermost = paths.get(inner.node, b"b");
        assert_eq!(
            (innermost.field, paths.get(innermost.node, b"c").field),
            (NONE, abc)
        );
        assert_eq!(paths.get(paths.get(0, b"a.b").node, b"c").field, abc);
        assert_eq!(paths.get(0, b"x").field, x);
        assert_eq!(paths.get(0, b"y"), super::Entry::NOTHING);
    }
}
