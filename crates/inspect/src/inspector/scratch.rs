//! The memory of an inspection, kept from call to call: one per thread or task.

use std::borrow::Cow;
use std::hash::RandomState;
use std::ops::Range;

use atalaya_model::{Finding, Span, Verdict};
use regex_automata::hybrid::dfa::Cache;

use super::Inspector;
use super::classify::Judged;
use super::clean::CleanTexts;
use crate::classifier::{Memo, Score, Windows};
use crate::normalise::{Trick, Tricks, Views};
use crate::prefilter::Target;

/// Memory of all automata together, from which on they are dropped and grow anew.
const CACHES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Calls after which it is added up.
const CALLS_PER_SUM: u32 = 256;

/// Buffers and automaton caches. Make one per thread with `Scratch::default()` and pass it to
/// every call; it fits itself to the inspector it is used with.
#[derive(Debug, Default)]
pub struct Scratch {
    inspector: u64,
    pub(super) caches: Vec<Option<Box<Cache>>>,
    calls: u32,
    /// Places tried so far in this segment, per pattern.
    pub(super) tries: Vec<u32>,
    pub(super) views: Views,
    pub(super) hits: Vec<Hit>,
    pub(super) findings: Vec<Finding>,
    pub(super) tricks: Tricks,
    pub(super) kinds: Vec<Cow<'static, str>>,
    pub(super) clean: Option<CleanTexts>,
    pub(super) memo: Memo,
    pub(super) windows: Windows,
    /// What the classifier says about each view.
    pub(super) scores: Vec<Option<Score>>,
    /// The classifier's word on the segment at hand, or the last one.
    pub(super) judged: Option<Judged>,
    /// Where in a view patterns of words are looked for.
    pub(super) ranges: Vec<Range<usize>>,
    /// Where literals of patterns of words stand.
    pub(super) places: Vec<(u32, Target)>,
    /// Where a word of each set stands next.
    pub(super) next: Vec<u32>,
    /// Patterns with places.
    pub(super) worth_trying: Vec<(u16, u32)>,
}

/// A pattern that matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) pattern: u16,
    pub(super) view: usize,
    /// In the view's folded text, or in its plain text if the pattern reads that.
    pub(super) span: Span,
    pub(super) score: u8,
    /// In the original text.
    pub(super) original: Span,
}

impl Scratch {
    /// A scratch that remembers texts it has found clean, and does not look at them again. `key`
    /// must be a fresh one: its secret is what keeps texts from being taken for each other.
    #[must_use]
    pub fn remembering(key: RandomState) -> Self {
        Self {
            clean: Some(CleanTexts::new(key)),
            ..Self::default()
        }
    }

    pub(super) fn prepare(&mut self, inspector: &Inspector) {
        if self.inspector != inspector.id {
            self.inspector = inspector.id;
            self.caches.clear();
            self.caches
                .resize_with(inspector.rules.patterns.len(), || None);
            self.tries.clear();
            self.tries.resize(inspector.rules.patterns.len(), 0);
            if let Some(clean) = &mut self.clean {
                clean.forget_all();
            }
        }
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(CALLS_PER_SUM) {
            self.bound_caches();
        }
        self.tricks = Tricks::default();
        self.kinds.clear();
    }

    fn bound_caches(&mut self) {
        let caches = self.caches.iter().flatten();
        let bytes: usize = caches.map(|cache| cache.memory_usage()).sum();
        if bytes > CACHES_BYTES_MAX {
            self.caches.iter_mut().for_each(|cache| *cache = None);
        }
    }

    pub(super) fn report(&mut self, _inspector: &Inspector, verdict: &mut Verdict) {
        verdict.norm_flags = self.tricks.iter().map(Trick::as_str).collect();
        verdict.secret_types.append(&mut self.kinds);
    }
}
