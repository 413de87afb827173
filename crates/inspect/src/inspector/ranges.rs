//! The stretches of a text in which patterns of words are looked for.

use std::ops::Range;

/// Stretches from left to right that do not touch, asked for from left to right.
#[derive(Debug)]
pub(super) struct Ranges {
    ranges: Vec<Range<usize>>,
    at: usize,
}

impl Ranges {
    pub(super) const fn new(ranges: Vec<Range<usize>>) -> Self {
        Self { ranges, at: 0 }
    }

    /// Whether an offset lies in one; offsets never go back.
    #[inline]
    pub(super) fn holds(&mut self, offset: usize) -> bool {
        while let Some(range) = self.ranges.get(self.at) {
            if offset < range.end {
                return offset >= range.start;
            }
            self.at += 1;
        }
        false
    }

    pub(super) fn into_inner(self) -> Vec<Range<usize>> {
        self.ranges
    }
}

/// Adds a stretch that starts no earlier than the last one.
pub(super) fn add(ranges: &mut Vec<Range<usize>>, more: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if more.start <= last.end => last.end = last.end.max(more.end),
        _ => ranges.push(more),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ranges, add};

    #[test]
    fn stretches_that_touch_are_one() {
        let mut ranges = Vec::new();
        for (start, end) in [(0, 4), (4, 6), (5, 9), (20, 22)] {
            add(&mut ranges, start..end);
        }
        assert_eq!(ranges, [0..9, 20..22]);
        let mut ranges = Ranges::new(ranges);
        let held: Vec<usize> = (0..30).filter(|at| ranges.holds(*at)).collect();
        assert_eq!(held, [0, 1, 2, 3, 4, 5, 6, 7, 8, 20, 21]);
    }
}
