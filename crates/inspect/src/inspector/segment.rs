//! One segment: views, places, matches, findings.

use atalaya_model::{Finding, Role, SegmentKind, Span, ThreatCategory, Verdict};
use regex_automata::{Anchored, Input};

use super::ranges::Ranges;
use super::scratch::{Hit, Scratch};
use super::{Inspector, classify};
use crate::context::Surroundings;
use crate::detectors::{Check, Reading, atlas_of, on_boundaries};
use crate::normalise::{Text, Trick, Tricks, Views};
use crate::patterns::{Pattern, WINDOW_BYTES, role_index};
use crate::prefilter::{Prefilter, Target};
use crate::scoring::{self, is_data};

/// Places of one pattern that are tried in one segment, beyond one for every KiB of it.
const TRIES_MAX: u32 = 512;
/// Matches of one segment that are kept.
const HITS_MAX: usize = 128;
/// An attack this sure that was hidden is a finding of its own.
const HIDDEN_SCORE_MIN: u8 = 40;
/// The least that a hidden instruction scores: nobody hides by accident.
const HIDDEN_SCORE: u8 = 85;

impl Inspector {
    /// Adds a segment's findings to the verdict. `false` if a limit left something unread.
    pub(super) fn inspect_segment(
        &self,
        index: u32,
        kind: SegmentKind,
        text: &str,
        scratch: &mut Scratch,
        verdict: &mut Verdict,
    ) -> bool {
        if text.is_empty() {
            return true;
        }
        verdict.judged += 1;
        scratch.judged = None;
        let mark = scratch
            .clean
            .as_ref()
            .and_then(|clean| clean.mark(kind, text));
        if let (Some(clean), Some(mark)) = (&scratch.clean, mark)
            && clean.knows(mark)
        {
            return true;
        }
        scratch.hits.clear();
        scratch.findings.clear();
        scratch.tries.fill(0);
        scratch.scores.clear();
        scratch.views.start(text);
        let mut walk = Walk {
            inspector: self,
            original: text,
            role: kind.role(),
            scratch,
            surroundings: Surroundings::default(),
            tries_max: TRIES_MAX + u32::try_from(text.len() / 1024).unwrap_or(u32::MAX / 2),
            complete: true,
        };
        let mut view = 0;
        while view < walk.scratch.views.len() {
            walk.view(view);
            view += 1;
        }
        if self.leaves_doubt(kind.role(), text, walk.scratch) {
            walk.word_order();
        }
        walk.findings(index, kind);
        let mut complete = walk.complete && !scratch.views.limited();
        scratch.tricks.merge(scratch.views.tricks());

        let reading = Reading {
            index,
            kind,
            original: text,
            views: &scratch.views,
            pattern_score: by_words(&scratch.findings),
        };
        let patterns = reading.pattern_score;
        for detector in &self.detectors {
            detector.detect(&reading, &mut scratch.findings);
        }
        scoring::combine(&mut scratch.findings);
        if let Some(reader) = classify::kind_of(kind.role())
            && let Some(mut judged) = self.judge(reader, patterns, scratch)
        {
            complete &= self.ask_again(&mut judged, text, scratch);
            scratch.judged = Some(judged);
            self.apply(judged, (index, kind), scratch);
            let is_found = judged.threat >= classify::FINDING_SCORE_MIN;
            if is_found && scratch.views.is_word_order(judged.view) {
                scratch.tricks.insert(Trick::Reversed);
            }
        }
        self.report_suffix((index, kind), text, scratch);
        let is_clean =
            complete && scratch.findings.is_empty() && scratch.views.tricks() == Tricks::default();
        if let (Some(clean), Some(mark), true) = (&mut scratch.clean, mark, is_clean) {
            clean.remember(mark);
        }
        verdict.findings.append(&mut scratch.findings);
        complete
    }
}

/// The worst score that patterns gave to words.
fn by_words(findings: &[Finding]) -> u8 {
    findings
        .iter()
        .filter(|finding| classify::is_by_words(finding.category))
        .map(|finding| finding.score)
        .max()
        .unwrap_or(0)
}

/// Frequent words in disguise that say as much as one rare one.
const HINTS_MIN: u32 = 2;
/// If they stand this near each other: long texts have one now and then.
const HINTS_REACH_BYTES: usize = 256;

/// Signs that a text is to be read otherwise.
#[derive(Clone, Copy, Default)]
struct Cue {
    first: usize,
    hints: u32,
}

impl Cue {
    const fn note(&mut self, at: usize, hints: u32) {
        if self.is_sign() {
            return;
        }
        if self.hints == 0 || at - self.first > HINTS_REACH_BYTES {
            self.first = at;
            self.hints = 0;
        }
        self.hints += hints;
    }

    const fn is_sign(self) -> bool {
        self.hints >= HINTS_MIN
    }
}

struct Walk<'a> {
    inspector: &'a Inspector,
    original: &'a str,
    role: Role,
    scratch: &'a mut Scratch,
    surroundings: Surroundings,
    tries_max: u32,
    complete: bool,
}

impl Walk<'_> {
    /// Finds every match of one view and makes the views that it hides.
    fn view(&mut self, index: usize) {
        self.scratch.views.derive(index, self.original);
        let mut cues: [Cue; 2] = [Cue::default(); 2];
        // The views must not move while their text is read: take them out for the time being.
        let views = std::mem::take(&mut self.scratch.views);
        if let Some(view) = views.get(index) {
            let folded = view.folded();
            let texts = (folded, views.plain(index, self.original));
            let inspector = self.inspector;
            let Some(prefilter) = &inspector.prefilter else {
                self.complete = false;
                self.scratch.views = views;
                return;
            };
            let score = inspector.read(self.role, folded, self.scratch);
            self.scratch.scores.push(score);
            let mut ranges = Ranges::new(std::mem::take(&mut self.scratch.ranges));
            let mut places = std::mem::take(&mut self.scratch.places);
            places.clear();
            let is_near = |at| ranges.holds(at);
            prefilter.scan(folded, is_near, |at, targets| {
                for target in targets {
                    match *target {
                        Target::About(term) => self.surroundings.note(term),
                        Target::Reading(trick) => {
                            cues[usize::from(trick == Trick::Rot13)].note(at, HINTS_MIN);
                        }
                        Target::Hint(trick) => {
                            cues[usize::from(trick == Trick::Rot13)].note(at, 1);
                        }
                        Target::Pattern(pattern) => {
                            self.try_pattern(pattern, index, at, texts, &views);
                        }
                        Target::Words(_) | Target::Needed(_) => {
                            places.push((u32::try_from(at).unwrap_or(u32::MAX), *target));
                        }
                    }
                }
            });
            self.scratch.ranges = ranges.into_inner();
            self.scratch.places = places;
            self.by_words(prefilter, index, texts, &views);
        }
        self.scratch.views = views;
        for (trick, cue) in [Trick::Reversed, Trick::Rot13].into_iter().zip(cues) {
            if cue.is_sign() {
                self.scratch.views.derive_on_cue(index, trick, cue.first);
            }
        }
    }

    /// Reads the words in the opposite order: the classifier only, since chance makes patterns.
    fn word_order(&mut self) {
        self.scratch.views.derive_word_order();
        let views = std::mem::take(&mut self.scratch.views);
        if let Some(view) = views.get(self.scratch.scores.len()) {
            let score = self.inspector.read(self.role, view.folded(), self.scratch);
            self.scratch.scores.push(score);
        }
        self.scratch.views = views;
    }

    /// Tries the patterns whose words stand near each other. Places are read from right to left,
    /// so that it is known what follows.
    fn by_words(
        &mut self,
        prefilter: &Prefilter,
        index: usize,
        texts: (&str, &str),
        views: &Views,
    ) {
        let mut next = std::mem::take(&mut self.scratch.next);
        let mut tries = std::mem::take(&mut self.scratch.worth_trying);
        next.clear();
        next.resize(prefilter.sets(), u32::MAX);
        tries.clear();
        for (at, target) in self.scratch.places.iter().rev() {
            match *target {
                Target::Words(case) => {
                    let pattern = prefilter.may_match(case, *at, &next);
                    tries.extend(pattern.map(|pattern| (pattern, *at)));
                }
                Target::Needed(set) => {
                    if let Some(slot) = next.get_mut(usize::from(set)) {
                        *slot = *at;
                    }
                }
                _ => {}
            }
        }
        self.scratch.next = next;
        for (pattern, at) in tries.iter().rev() {
            self.try_pattern(*pattern, index, *at as usize, texts, views);
        }
        self.scratch.worth_trying = tries;
    }

    fn try_pattern(
        &mut self,
        number: u16,
        view: usize,
        at: usize,
        (folded, plain): (&str, &str),
        views: &Views,
    ) {
        let slot = usize::from(number);
        let Some(pattern) = self.inspector.rules.patterns.get(slot) else {
            return;
        };
        let score = pattern
            .scores
            .get(role_index(self.role))
            .copied()
            .unwrap_or(0);
        let Some(tries) = self.scratch.tries.get_mut(slot) else {
            return;
        };
        let (haystack, start) = if pattern.plain {
            (plain, views.to_plain(view, at))
        } else {
            (folded, at)
        };
        if score == 0 || !is_unbroken(haystack, start, pattern.unbroken_bytes) {
            return;
        }
        *tries += 1;
        if *tries > self.tries_max || self.scratch.hits.len() >= HITS_MAX {
            self.complete = false;
            return;
        }
        let Some(end) = self.match_end(pattern, slot, haystack, start) else {
            return;
        };
        let span = on_boundaries(haystack, Span::new(start, end));
        if pattern
            .check
            .is_some_and(|check| !check.passes(span.slice(haystack)))
        {
            return;
        }
        // A token that goes on is another one, or none: formats have fixed lengths.
        let goes_on = |at: usize| {
            haystack
                .as_bytes()
                .get(at)
                .is_some_and(u8::is_ascii_alphanumeric)
        };
        let ends_in_word = span.end.checked_sub(1).is_some_and(goes_on);
        if pattern.check.is_some_and(Check::is_of_token) && ends_in_word && goes_on(span.end) {
            return;
        }
        let text = if pattern.plain {
            Text::Plain
        } else {
            Text::Folded
        };
        let original = on_boundaries(self.original, views.to_original(view, text, span));
        self.keep(Hit {
            pattern: number,
            view,
            span,
            score,
            original,
        });
    }

    fn match_end(
        &mut self,
        pattern: &Pattern,
        slot: usize,
        haystack: &str,
        start: usize,
    ) -> Option<usize> {
        let end = (start + WINDOW_BYTES).min(haystack.len());
        if start >= end {
            return None;
        }
        if let Some(sign) = pattern.rare_sign {
            memchr::memchr(sign, haystack.as_bytes().get(start..end)?)?;
        }
        let dfa = pattern.automaton.get()?;
        let cache = self
            .scratch
            .caches
            .get_mut(slot)?
            .get_or_insert_with(|| Box::new(dfa.create_cache()));
        let input = Input::new(haystack)
            .range(start..end)
            .anchored(Anchored::Yes);
        match dfa.try_search_fwd(cache, &input) {
            Ok(found) => found.map(|half| half.offset()),
            Err(_) => {
                // Only a quit byte or a full cache could do this, and neither is configured.
                self.complete = false;
                None
            }
        }
    }

    /// Keeps a hit unless an earlier view showed the same.
    fn keep(&mut self, hit: Hit) {
        let known = self.scratch.hits.iter().any(|other| {
            other.pattern == hit.pattern
                && other.original.start < hit.original.end
                && hit.original.start < other.original.end
        });
        if !known {
            self.scratch.hits.push(hit);
        }
    }

    /// Turns hits into findings; an attack that was hidden is a finding of its own.
    fn findings(&mut self, index: u32, kind: SegmentKind) {
        let hits = std::mem::take(&mut self.scratch.hits);
        for hit in &hits {
            let Some(pattern) = self.inspector.rules.patterns.get(usize::from(hit.pattern)) else {
                continue;
            };
            let score = self.score_in_context(hit, pattern);
            self.scratch.findings.push(Finding {
                category: category_in(self.role, pattern.category),
                score,
                rule: pattern.rule.clone(),
                segment: index,
                kind,
                span: hit.original,
                atlas: pattern.atlas.clone(),
            });
            if let Some(kind) = &pattern.kind
                && !self.scratch.kinds.contains(kind)
            {
                self.scratch.kinds.push(kind.clone());
            }
            if score >= HIDDEN_SCORE_MIN && !is_data(pattern.category) && !pattern.plain {
                self.hidden(hit, score, index, kind);
            }
        }
        self.scratch.hits = hits;
    }

    fn score_in_context(&self, hit: &Hit, pattern: &Pattern) -> u8 {
        let hidden = self
            .scratch
            .views
            .get(hit.view)
            .is_some_and(|view| view.trick().is_some());
        if !pattern.quotable || hidden || is_data(pattern.category) {
            return hit.score;
        }
        let folded = self
            .scratch
            .views
            .get(hit.view)
            .map_or("", |view| view.folded());
        let keeps = self.surroundings.keeps_percent(folded, hit.span);
        u8::try_from(u32::from(hit.score) * keeps / 100).unwrap_or(hit.score)
    }

    fn hidden(&mut self, hit: &Hit, score: u8, index: u32, kind: SegmentKind) {
        let tricks = self
            .scratch
            .views
            .tricks_at(hit.view, hit.span, self.original);
        for trick in tricks.iter() {
            let rule = trick.rule();
            if self.scratch.findings.iter().any(|f| f.rule == rule) {
                continue;
            }
            self.scratch.findings.push(Finding {
                category: ThreatCategory::HiddenPayload,
                score: score.max(HIDDEN_SCORE),
                rule: rule.into(),
                segment: index,
                kind,
                span: hit.original,
                atlas: atlas_of(ThreatCategory::HiddenPayload),
            });
        }
    }
}

/// Whether so many bytes without white space stand at a place. Nearly all words are shorter than
/// any key, and not worth starting an automaton for.
fn is_unbroken(text: &str, start: usize, bytes: usize) -> bool {
    let found = text.as_bytes().get(start..start + bytes);
    found.is_some_and(|found| !found.iter().any(u8::is_ascii_whitespace))
}

/// What the user says directly comes indirectly in material that the model reads.
const fn category_in(role: Role, category: ThreatCategory) -> ThreatCategory {
    match (role, category) {
        (
            Role::Document | Role::ToolOutput,
            ThreatCategory::PromptInjection
            | ThreatCategory::Jailbreak
            | ThreatCategory::SystemPromptExtraction,
        ) => ThreatCategory::IndirectPromptInjection,
        (Role::ToolDefinition, ThreatCategory::PromptInjection | ThreatCategory::Jailbreak) => {
            ThreatCategory::ToolPoisoning
        }
        _ => category,
    }
}
