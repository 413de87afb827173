//! Whether an answer repeats the system prompt: planted texts, and words in a row.
//!
//! Of the instructions only hashes of short runs of words are kept for the time of the call, never
//! a text. Trade-off: a prompt that is paraphrased or translated is not known again.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use atalaya_model::{Finding, Segment, SegmentKind, Span, ThreatCategory};

use super::canaries::Needles;

/// Words that make one mark.
const WORDS: usize = 6;
/// Most marks of one call.
const MARKS_MAX: usize = 8_192;
/// From this many words in a row on, a leak is beyond doubt.
const CERTAIN_WORDS: usize = 50;

/// Hashes of the runs of words of the instructions, sorted.
#[derive(Clone, Default)]
pub(crate) struct PromptMarks(Arc<[u64]>);

impl std::fmt::Debug for PromptMarks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} marks", self.0.len())
    }
}

impl PromptMarks {
    pub(crate) fn of(segments: &[Segment<'_>]) -> Self {
        let mut marks = Vec::new();
        for segment in segments {
            if segment.kind == SegmentKind::System && marks.len() < MARKS_MAX {
                marks.extend(runs(&segment.text).map(|(hash, _)| hash));
            }
        }
        marks.truncate(MARKS_MAX);
        marks.sort_unstable();
        Self(marks.into())
    }

    fn has(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}

/// The words of a text, in lower case, and where they stand.
fn words(text: &str) -> impl Iterator<Item = (u64, Span)> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while rest.next_if(|(_, c)| !c.is_alphanumeric()).is_some() {}
        let (start, _) = *rest.peek()?;
        let mut hasher = DefaultHasher::new();
        let mut end = start;
        while let Some((at, c)) = rest.next_if(|(_, c)| c.is_alphanumeric()) {
            for lower in c.to_lowercase() {
                lower.hash(&mut hasher);
            }
            end = at + c.len_utf8();
        }
        Some((hasher.finish(), Span::new(start, end)))
    })
}

/// Runs of [`WORDS`] words: their hash and where they stand.
fn runs(text: &str) -> impl Iterator<Item = (u64, Span)> {
    let mut last: std::collections::VecDeque<(u64, Span)> = std::collections::VecDeque::new();
    words(text).filter_map(move |word| {
        last.push_back(word);
        if last.len() > WORDS {
            last.pop_front();
        }
        if last.len() < WORDS {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        for (hash, _) in &last {
            hash.hash(&mut hasher);
        }
        let span = Span::new(last.front()?.1.start, last.back()?.1.end);
        Some((hasher.finish(), span))
    })
}

/// Leaks in a text of the answer.
pub(super) fn leaks(
    text: &str,
    (segment, kind): (u32, SegmentKind),
    marks: &PromptMarks,
    (canaries, overlap_words): (&Needles, usize),
) -> Vec<Finding> {
    if !matches!(
        kind,
        SegmentKind::Response | SegmentKind::Reasoning | SegmentKind::ToolCall
    ) {
        return Vec::new();
    }
    let finding = |span, score, rule| Finding {
        category: ThreatCategory::SystemPromptExtraction,
        score,
        rule: Cow::Borrowed(rule),
        segment,
        kind,
        span,
        atlas: Cow::Borrowed(&[Cow::Borrowed("AML.T0056")]),
    };
    let mut found: Vec<Finding> = canaries
        .find(text)
        .into_iter()
        .map(|span| finding(span, 95, CANARY_RULE))
        .collect();
    if overlap_words >= WORDS
        && !marks.0.is_empty()
        && let Some((span, words)) = longest_overlap(text, marks)
        && words >= overlap_words
    {
        let score = if words >= CERTAIN_WORDS { 85 } else { 60 };
        found.push(finding(span, score, "system_prompt_leak.overlap"));
    }
    found
}

/// Id of the rule of canaries.
pub(super) const CANARY_RULE: &str = "system_prompt_leak.canary";

fn longest_overlap(text: &str, marks: &PromptMarks) -> Option<(Span, usize)> {
    let mut best: Option<(Span, usize)> = None;
    let mut current: Option<(Span, usize)> = None;
    for (hash, span) in runs(text) {
        current = if marks.has(hash) {
            Some(match current {
                Some((before, words)) => (Span::new(before.start, span.end), words + 1),
                None => (span, WORDS),
            })
        } else {
            None
        };
        if let Some((_, words)) = current
            && best.is_none_or(|(_, most)| words > most)
        {
            best = current;
        }
    }
    best
}
