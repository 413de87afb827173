//! The inspector: rule set, limits, and the walk over a call's segments.

mod builder;
mod classify;
mod clean;
mod explain;
mod ranges;
mod scratch;
mod segment;
mod tail;

use atalaya_model::{Role, Segment, SegmentKind, Span, Unjudged, UnjudgedReason, Verdict};

pub use self::builder::Builder;
pub use self::explain::{Explanation, Weight};
pub use self::scratch::Scratch;
use crate::classifier::Model;
use crate::detectors::{Detector, crescendo};
use crate::patterns::{Case, PatternSet};
use crate::prefilter::Prefilter;
use crate::scoring;
use crate::second_opinion::Second;

/// Bounds of one inspection. What lies beyond is reported as `Unjudged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one segment that are looked at.
    pub segment_bytes_max: usize,
    /// Segments of one call that are looked at.
    pub segments_max: usize,
    /// Bytes of one call that are looked at, all segments together.
    pub call_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes_max: 2 * 1024 * 1024,
            segments_max: 16 * 1024,
            call_bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// Rule set, detectors and limits: built once, shared by all threads.
#[derive(Debug)]
pub struct Inspector {
    rules: PatternSet,
    /// `None` if the literals fit no automaton: then nothing is judged, and said to be so.
    prefilter: Option<Prefilter>,
    detectors: Vec<Box<dyn Detector>>,
    /// `None` if it was switched off.
    model: Option<Model>,
    /// Asked where the model is in doubt.
    second: Option<Second>,
    /// Patterns before this one are built in, the others were added.
    builtin_patterns: usize,
    limits: Limits,
    hash: String,
    /// Tells inspectors apart, so that a scratch is never used with another one's caches.
    id: u64,
}

impl Inspector {
    /// The built-in rule set and limits.
    #[must_use]
    pub fn builtin() -> Self {
        Self::builder().build()
    }

    /// Starts from the built-in rule set.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// SHA-256 (hexadecimal) of everything that decides about findings: stored with every
    /// decision, so that a verdict can be reproduced.
    #[must_use]
    pub fn ruleset_hash(&self) -> &str {
        &self.hash
    }

    /// Ids of all rules that patterns can report, in the order of their files.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules
            .patterns
            .iter()
            .map(|pattern| pattern.rule.as_ref())
    }

    /// The texts of all pattern files, built-in and added, that are judged otherwise than the
    /// file says. Empty is good: run it on files that a user adds.
    #[must_use]
    pub fn failed_cases(&self) -> Vec<&Case> {
        let mut scratch = Scratch::default();
        let mut fails = |case: &&Case| {
            let verdict = self.inspect_text(&case.text, kind_of(case.role), &mut scratch);
            verdict
                .findings
                .iter()
                .any(|finding| finding.rule == case.rule)
                != case.found
        };
        self.rules.cases.iter().filter(|case| fails(case)).collect()
    }

    /// Bytes of memory of the prefilter, the largest part of an inspector.
    #[must_use]
    pub fn prefilter_bytes(&self) -> usize {
        self.prefilter.as_ref().map_or(0, Prefilter::memory_bytes)
    }

    /// Looks at every segment of a call.
    #[must_use]
    pub fn inspect(&self, segments: &[Segment<'_>], scratch: &mut Scratch) -> Verdict {
        scratch.prepare(self);
        let mut verdict = Verdict::default();
        let mut room = self.limits.call_bytes_max;
        for (index, segment) in segments.iter().enumerate() {
            let over = index >= self.limits.segments_max || room == 0;
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if over {
                unjudged(&mut verdict, segment, UnjudgedReason::LimitReached);
                continue;
            }
            let limit = room.min(self.limits.segment_bytes_max);
            let text = segment
                .text
                .get(..segment.text.floor_char_boundary(limit))
                .unwrap_or("");
            if text.len() < segment.text.len() {
                unjudged(&mut verdict, segment, UnjudgedReason::TooLarge);
            }
            room -= text.len().min(room);
            let complete = self.inspect_segment(index, segment.kind, text, scratch, &mut verdict);
            if !complete {
                unjudged(&mut verdict, segment, UnjudgedReason::LimitReached);
            }
        }
        crescendo::detect(segments, &mut verdict);
        scratch.report(self, &mut verdict);
        scoring::summarise(&mut verdict);
        verdict
    }

    /// Looks at one text, as if it were the only segment of a call.
    #[must_use]
    pub fn inspect_text(&self, text: &str, kind: SegmentKind, scratch: &mut Scratch) -> Verdict {
        let segment = Segment {
            kind,
            path: "".into(),
            body: Span::new(0, text.len()),
            text: text.into(),
        };
        self.inspect(std::slice::from_ref(&segment), scratch)
    }
}

const fn kind_of(role: Role) -> SegmentKind {
    match role {
        Role::Instruction => SegmentKind::System,
        Role::User => SegmentKind::User,
        Role::Model => SegmentKind::ToolCall,
        Role::ToolDefinition => SegmentKind::ToolDefinition,
        Role::ToolOutput => SegmentKind::ToolResult,
        Role::Document => SegmentKind::Document,
    }
}

fn unjudged(verdict: &mut Verdict, segment: &Segment<'_>, reason: UnjudgedReason) {
    /// More entries would only repeat what the first ones say.
    const ENTRIES_MAX: usize = 16;
    if verdict.unjudged.len() < ENTRIES_MAX {
        verdict.unjudged.push(Unjudged {
            path: segment.path.to_string(),
            reason,
            what: None,
            bytes: Some(segment.text.len() as u64),
        });
    }
}
