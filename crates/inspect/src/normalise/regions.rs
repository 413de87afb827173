//! Where in a text long words and rows of numbers stand: the decoders of blobs look nowhere else.

use std::ops::Range;

/// Stretches of a text, from left to right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regions<'a>(pub(super) &'a [Range<u32>]);

impl Regions<'_> {
    pub(super) fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        let wide = |range: &Range<u32>| range.start as usize..range.end as usize;
        self.0.iter().map(wide)
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
