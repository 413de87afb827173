//! Where in a text something stands: what undoes a trick looks nowhere else, so that one place in
//! half a megabyte costs no second reading of half a megabyte.

use std::ops::Range;

use super::OffsetMap;

/// Bytes on either side of a place that are read with it.
const AROUND_BYTES: usize = 1024;
/// Shorter texts are read as a whole.
const WHOLE_BYTES_MAX: usize = 8 * 1024;

/// Where a text has what.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Long words.
    pub(super) long: Vec<Range<u32>>,
    /// Those that can be encoded text, and rows of numbers.
    pub(super) blobs: Vec<Range<u32>>,
    /// Around letters that stand alone.
    pub(super) spaced: Vec<Range<u32>>,
    /// Around words with digits for letters.
    pub(super) leet: Vec<Range<u32>>,
}

impl Places {
    /// Takes those that are read in the folded text there.
    pub(super) fn fold(&mut self, map: &OffsetMap) {
        for place in self.spaced.iter_mut().chain(&mut self.leet) {
            let there = |at: u32| narrow(map.to_derived(at as usize));
            *place = there(place.start)..there(place.end);
        }
    }

    pub(super) fn clear(&mut self) {
        for places in [
            &mut self.long,
            &mut self.blobs,
            &mut self.spaced,
            &mut self.leet,
        ] {
            places.clear();
        }
    }
}

/// Stretches of a text, from left to right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regions<'a>(pub(super) &'a [Range<u32>]);

impl Regions<'_> {
    pub(super) fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        let wide = |range: &Range<u32>| range.start as usize..range.end as usize;
        self.0.iter().map(wide)
    }

    /// The stretches of a text to read: a short one whole.
    pub(super) fn of_text(&self, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let whole = (bytes.len() <= WHOLE_BYTES_MAX).then_some(0..bytes.len());
        let parts = whole.is_none().then(|| self.iter());
        let fitting = move |range: Range<usize>| range.start..range.end.min(bytes.len());
        whole
            .into_iter()
            .chain(parts.into_iter().flatten().map(fitting))
    }
}

/// Adds a word; words that only a line break parts belong together: blobs are wrapped.
pub(super) fn add(regions: &mut Vec<Range<u32>>, start: usize, end: usize) {
    match regions.last_mut() {
        Some(last) if start <= last.end as usize + 2 => last.end = narrow(end),
        _ => regions.push(narrow(start)..narrow(end)),
    }
}

/// Adds the neighbourhood of a place.
pub(super) fn add_around(regions: &mut Vec<Range<u32>>, start: usize, end: usize) {
    add(
        regions,
        start.saturating_sub(AROUND_BYTES),
        end + AROUND_BYTES,
    );
}

fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
