//! Where in a text long words stand: the decoders of blobs look nowhere else.

use std::ops::Range;

/// Stretches of a text, or all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Regions<'a> {
    /// The whole text.
    All,
    /// These bytes, from left to right.
    Some(&'a [Range<u32>]),
}

impl Regions<'_> {
    /// The stretches of a text.
    pub(super) fn of(&self, source: &str) -> impl Iterator<Item = Range<usize>> {
        let (all, some) = match *self {
            Self::All => (Some(0..source.len()), [].as_slice()),
            Self::Some(some) => (None, some),
        };
        let wide = |range: &Range<u32>| range.start as usize..range.end as usize;
        all.into_iter().chain(some.iter().map(wide))
    }
}

/// Adds a word; words that only a line break parts belong together: blobs are wrapped.
pub(super) fn add(regions: &mut Vec<Range<u32>>, start: usize, end: usize) {
    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    match regions.last_mut() {
        Some(last) if start <= last.end as usize + 2 => last.end = narrow(end),
        _ => regions.push(narrow(start)..narrow(end)),
    }
}
