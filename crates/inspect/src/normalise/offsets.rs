//! The way back: which bytes of the source a byte of a derived text came from.
//!
//! A map is a list of runs, one per stretch that was copied unchanged or replaced as a whole, so
//! that text which was hardly touched costs next to nothing. No runs means "the same text".

use atalaya_model::Span;

/// Offsets of a derived text, back to the text it was derived from.
#[derive(Clone, Debug, Default)]
pub(crate) struct OffsetMap {
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// First byte in the derived text.
    derived: u32,
    /// First byte in the source.
    source: u32,
    /// Bytes in the source; only used when replaced.
    source_len: u32,
    /// Copied byte for byte, or replaced as a whole.
    copied: bool,
}

impl OffsetMap {
    /// Forgets everything but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.runs.clear();
    }

    /// From `derived` on, bytes are those from `source` on.
    pub(crate) fn copied(&mut self, derived: usize, source: usize) {
        if let Some(last) = self.runs.last()
            && last.copied
            && last.source as usize + (derived - last.derived as usize) == source
        {
            return;
        }
        self.push(derived, source, 0, true);
    }

    /// From `derived` on, bytes stand for the whole of `source .. source + source_len`.
    pub(crate) fn replaced(&mut self, derived: usize, source: usize, source_len: usize) {
        self.push(derived, source, source_len, false);
    }

    fn push(&mut self, derived: usize, source: usize, source_len: usize, copied: bool) {
        // Views are bounded far below 4 GiB; saturation only guards the impossible.
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        self.runs.push(Run {
            derived: narrow(derived),
            source: narrow(source),
            source_len: narrow(source_len),
            copied,
        });
    }

    /// Whether the derived text is the source, byte for byte.
    #[must_use]
    pub(crate) const fn is_same(&self) -> bool {
        self.runs.is_empty()
    }

    /// Bytes of a derived text of this length that were not copied.
    #[must_use]
    pub(crate) fn replaced_bytes(&self, derived_len: usize) -> usize {
        let ends = self.runs.iter().skip(1).map(|run| run.derived as usize);
        let ends = ends.chain([derived_len]);
        self.runs
            .iter()
            .zip(ends)
            .filter(|(run, _)| !run.copied)
            .map(|(run, end)| end.saturating_sub(run.derived as usize))
            .sum()
    }

    /// The smallest span of the source that covers what `span` of the derived text came from.
    #[must_use]
    pub(crate) fn to_source(&self, span: Span) -> Span {
        if self.runs.is_empty() {
            return span;
        }
        let first = self.byte_to_source(span.start);
        if span.end <= span.start {
            return Span::new(first.start, first.start);
        }
        first.to(self.byte_to_source(span.end - 1))
    }

    /// Where a byte of the source stands in a derived text that keeps the source's order.
    #[must_use]
    pub(crate) fn to_derived(&self, at: usize) -> usize {
        let index = self.runs.partition_point(|run| run.source as usize <= at);
        let Some(run) = index.checked_sub(1).and_then(|i| self.runs.get(i)) else {
            return if self.is_same() { at } else { 0 };
        };
        let start = run.derived as usize;
        match run.copied {
            true => start + (at - run.source as usize),
            false => start,
        }
    }

    fn byte_to_source(&self, at: usize) -> Span {
        let index = self.runs.partition_point(|run| run.derived as usize <= at);
        let Some(run) = index.checked_sub(1).and_then(|i| self.runs.get(i)) else {
            return Span::default();
        };
        let source = run.source as usize;
        if run.copied {
            let start = source + (at - run.derived as usize);
            return Span::new(start, start + 1);
        }
        Span::new(source, source + run.source_len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::{OffsetMap, Span};

    #[test]
    fn copied_and_replaced_runs_lead_back() {
        // source: "ab<zero width, 3 bytes>cd&amp;" → derived: "abcd&"
        let mut map = OffsetMap::default();
        map.copied(0, 0);
        map.copied(1, 1);
        map.copied(2, 5);
        map.replaced(4, 7, 5);
        assert_eq!(map.to_source(Span::new(0, 4)), Span::new(0, 7));
        assert_eq!(map.to_source(Span::new(4, 5)), Span::new(7, 12));
        assert_eq!(map.to_source(Span::new(2, 2)), Span::new(5, 5));
        let there: Vec<usize> = (0..9).map(|at| map.to_derived(at)).collect();
        assert_eq!(there[..2], [0, 1]);
        assert_eq!(there[5..], [2, 3, 4, 4]);
        assert_eq!(map.runs.len(), 3, "contiguous copies are one run");
    }
}
