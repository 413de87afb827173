//! Puts an inspector together: built-in patterns, the user's own, detectors that are code.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

use atalaya_model::Diagnostic;

use super::classify::is_by_words;
use super::{Inspector, Limits};
use crate::classifier::{Concepts, Model};
use crate::detectors::{Detector, PATTERN_FILES, chaff, crescendo, personal_data};
use crate::patterns::{Build, Pattern, PatternSet};
use crate::prefilter::Prefilter;
use crate::second_opinion::{Second, SecondOpinion};

/// The built-in classifier; docs/model-card.md says what it is.
const WEIGHTS: &[u8] = include_bytes!("../classifier/weights.bin");

/// Builds an [`Inspector`].
pub struct Builder {
    rules: PatternSet,
    detectors: Vec<Box<dyn Detector>>,
    model: Option<Model>,
    second: Option<Second>,
    builtin_patterns: usize,
    limits: Limits,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("patterns", &self.rules.patterns.len())
            .field("detectors", &self.detectors)
            .field("limits", &self.limits)
            .finish()
    }
}

impl Builder {
    pub(super) fn new() -> Self {
        let mut rules = PatternSet::default();
        rules.mix(env!("CARGO_PKG_VERSION"));
        for (name, text) in PATTERN_FILES {
            let added = rules.add(text, Build::Later);
            // The files are compiled in and every one is covered by tests.
            debug_assert!(added.is_ok(), "{name}: {added:?}");
        }
        let model = Model::read(WEIGHTS);
        debug_assert!(model.is_ok(), "{model:?}");
        Self {
            builtin_patterns: rules.patterns.len(),
            rules,
            detectors: vec![
                Box::new(personal_data::PersonalData),
                Box::new(chaff::Chaff),
            ],
            model: model.ok(),
            second: None,
            limits: Limits::default(),
        }
    }

    /// Adds a file of patterns: see the built-in `patterns.yml` files for the form. On any
    /// mistake nothing of the file is added.
    ///
    /// # Errors
    /// One diagnostic for every mistake, with spans in `text`; render them with `SourceFile`.
    pub fn patterns_yaml(mut self, text: &str) -> Result<Self, Vec<Diagnostic>> {
        self.rules.add(text, Build::Now)?;
        Ok(self)
    }

    /// Adds a detector that is code, behind those that are there.
    #[must_use]
    pub fn detector(mut self, detector: Box<dyn Detector>) -> Self {
        self.detectors.push(detector);
        self
    }

    /// Replaces the classifier; `None` leaves judging to patterns.
    #[must_use]
    pub fn classifier(mut self, model: Option<Model>) -> Self {
        self.model = model;
        self
    }

    /// Adds a judge that is asked for texts to which the classifier gives a score in `band`.
    #[must_use]
    pub fn second_opinion(
        mut self,
        judge: Box<dyn SecondOpinion>,
        band: RangeInclusive<u8>,
    ) -> Self {
        self.second = Some(Second { judge, band });
        self
    }

    /// Replaces the limits.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The inspector.
    #[must_use]
    pub fn build(mut self) -> Inspector {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        for detector in &self.detectors {
            self.rules.mix(detector.name());
            self.rules.mix(detector.version());
        }
        self.rules.mix(crescendo::VERSION);
        self.rules.mix(crescendo::WORDS);
        if let Some(model) = &self.model {
            self.rules.mix(Concepts::source());
            self.rules.mix(model.digest());
        }
        if let Some(second) = &self.second {
            self.rules.mix(second.judge.version());
            self.rules.mix(format!("{:?}", second.band));
        }
        let hash = self.rules.hash();
        let always_tried = |(number, pattern): (usize, &Pattern)| {
            number >= self.builtin_patterns || !is_by_words(pattern.category)
        };
        let always_tried: Vec<bool> = self
            .rules
            .patterns
            .iter()
            .enumerate()
            .map(always_tried)
            .collect();
        Inspector {
            prefilter: Prefilter::new(&self.rules.patterns, &always_tried),
            rules: self.rules,
            detectors: self.detectors,
            model: self.model,
            second: self.second,
            builtin_patterns: self.builtin_patterns,
            limits: self.limits,
            hash,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        }
    }
}
