//! Text with some places replaced, and only the neighbourhood of those places kept: one percent
//! sign in half a megabyte must not cost a second scan of half a megabyte.

use super::OffsetMap;

/// Bytes kept on either side of a replaced place; longer than any pattern's window.
const NEIGHBOURHOOD_BYTES: usize = 320;

/// Writes a derived text while walking the source from left to right.
pub(crate) struct Patchwork<'a> {
    source: &'a str,
    text: &'a mut String,
    map: &'a mut OffsetMap,
    copied_to: usize,
    patches: usize,
}

impl<'a> Patchwork<'a> {
    /// Starts at the beginning of `source`; `text` and `map` are appended to.
    pub(crate) fn new(source: &'a str, text: &'a mut String, map: &'a mut OffsetMap) -> Self {
        Self {
            source,
            text,
            map,
            copied_to: 0,
            patches: 0,
        }
    }

    /// `start .. end` of the source reads `with` in the derived text. Places come in order.
    pub(crate) fn replace(&mut self, start: usize, end: usize, with: &str) {
        if start < self.copied_to {
            return;
        }
        if start - self.copied_to > 2 * NEIGHBOURHOOD_BYTES {
            self.leave_neighbourhood();
            self.copied_to = self.floor(start - NEIGHBOURHOOD_BYTES);
        }
        self.copy(start);
        if !with.is_empty() {
            self.map.replaced(self.text.len(), start, end - start);
            self.text.push_str(with);
        }
        self.copied_to = end;
        self.patches += 1;
    }

    /// Copies what follows the last place; says how many places were replaced.
    pub(crate) fn finish(mut self) -> usize {
        if self.patches > 0 {
            let end = self.floor((self.copied_to + NEIGHBOURHOOD_BYTES).min(self.source.len()));
            self.copy(end);
        }
        self.patches
    }

    fn leave_neighbourhood(&mut self) {
        if self.patches == 0 {
            return;
        }
        let end = self.floor(self.copied_to + NEIGHBOURHOOD_BYTES);
        self.copy(end);
        // A sentence ends here: no pattern may match across what was left out.
        self.map.replaced(self.text.len(), end, 0);
        self.text.push_str(".\n");
    }

    fn copy(&mut self, end: usize) {
        if end > self.copied_to {
            self.map.copied(self.text.len(), self.copied_to);
            self.text
                .push_str(self.source.get(self.copied_to..end).unwrap_or(""));
            self.copied_to = end;
        }
    }

    fn floor(&self, at: usize) -> usize {
        self.source.floor_char_boundary(at)
    }
}
