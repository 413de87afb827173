//! Texts that were found clean. A conversation repeats itself with every turn: its system
//! message, its tools and all earlier messages come again and again, and were judged before.
//!
//! Only texts without any finding and without any trick are remembered, by a keyed 64-bit hash
//! (SipHash, the key is the caller's secret): nobody can compute a text that is taken for another,
//! and a chance collision with one of [`PLACES`] entries has odds of about one in 2^52 per text.
//! Bounded: a newer text takes the place of an older one.

use std::hash::{BuildHasher as _, RandomState};

use atalaya_model::SegmentKind;

/// Texts that are remembered: 64 KiB.
const PLACES: usize = 8_192;
/// Shorter texts are judged sooner than looked up.
const TEXT_BYTES_MIN: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct CleanTexts {
    key: RandomState,
    places: Vec<u64>,
}

/// A text's place and mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(u64);

impl CleanTexts {
    pub(super) fn new(key: RandomState) -> Self {
        Self {
            key,
            places: vec![0; PLACES],
        }
    }

    pub(super) fn forget_all(&mut self) {
        self.places.fill(0);
    }

    /// `None` for a text that is not worth remembering.
    pub(super) fn mark(&self, kind: SegmentKind, text: &str) -> Option<Mark> {
        let worth = text.len() >= TEXT_BYTES_MIN;
        // An empty place is 0, which no mark is.
        worth.then(|| Mark(self.key.hash_one((kind.as_str(), text)) | 1))
    }

    pub(super) fn knows(&self, mark: Mark) -> bool {
        self.places.get(place(mark)) == Some(&mark.0)
    }

    pub(super) fn remember(&mut self, mark: Mark) {
        if let Some(slot) = self.places.get_mut(place(mark)) {
            *slot = mark.0;
        }
    }
}

fn place(mark: Mark) -> usize {
    usize::try_from(mark.0 >> 32).unwrap_or(0) % PLACES
}
