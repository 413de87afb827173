//! One pass over the folded text for the literal beginnings of every pattern at once
//! (Aho-Corasick), and for the words that call for another reading (reversed, rot13) or that
//! show writing *about* attacks.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::context::ABOUT_ATTACKS;
use crate::normalise::{REVERSED_CUES, ROT13_CUES, Trick};
use crate::patterns::Pattern;

/// What a literal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A pattern may match from here on.
    Pattern(u16),
    /// The text may read otherwise.
    Reading(Trick),
    /// The text speaks about attacks: number of the term.
    About(u8),
}

/// Every literal of every pattern.
#[derive(Debug)]
pub(crate) struct Prefilter {
    automaton: AhoCorasick,
    /// For each literal: where its targets start in `targets`.
    starts: Vec<u32>,
    targets: Vec<Target>,
}

impl Prefilter {
    /// Builds the automaton; `None` if the literals do not fit one.
    pub(crate) fn new(patterns: &[Pattern]) -> Option<Self> {
        let mut literals: Vec<(Vec<u8>, Target)> = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let target = Target::Pattern(u16::try_from(index).ok()?);
            literals.extend(
                pattern
                    .anchors
                    .iter()
                    .map(|anchor| (anchor.clone(), target)),
            );
        }
        let cue = |trick| move |cue: &&str| (cue.as_bytes().to_vec(), Target::Reading(trick));
        literals.extend(REVERSED_CUES.iter().map(cue(Trick::Reversed)));
        literals.extend(ROT13_CUES.iter().map(cue(Trick::Rot13)));
        literals.extend(
            (0..)
                .zip(ABOUT_ATTACKS)
                .map(|(i, term)| (term.as_bytes().to_vec(), Target::About(i))),
        );
        literals.sort_by(|a, b| a.0.cmp(&b.0));

        let mut distinct: Vec<Vec<u8>> = Vec::new();
        let (mut starts, mut targets) = (Vec::new(), Vec::new());
        for (literal, target) in literals {
            if distinct.last() != Some(&literal) {
                distinct.push(literal);
                starts.push(u32::try_from(targets.len()).ok()?);
            }
            targets.push(target);
        }
        starts.push(u32::try_from(targets.len()).ok()?);
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .prefilter(false)
            .build(&distinct)
            .ok()?;
        Some(Self {
            automaton,
            starts,
            targets,
        })
    }

    /// Calls `hit` for every literal that starts a word, with the offset of its first byte.
    pub(crate) fn scan(&self, folded: &str, mut hit: impl FnMut(usize, &[Target])) {
        let bytes = folded.as_bytes();
        for found in self.automaton.find_overlapping_iter(folded) {
            let start = found.start();
            if !starts_word(bytes, start) {
                continue;
            }
            let literal = found.pattern().as_usize();
            let from = self.starts.get(literal).copied().unwrap_or(0) as usize;
            let to = self.starts.get(literal + 1).copied().unwrap_or(0) as usize;
            hit(start, self.targets.get(from..to).unwrap_or_default());
        }
    }

    /// Bytes of memory of the automaton.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.automaton.memory_usage() + self.targets.len() * size_of::<Target>()
    }
}

/// Whether a word starts here. Scripts without blanks have no such place, so only ASCII letters
/// are held to it. `\nignore` in a JSON string within a string starts a word too.
fn starts_word(bytes: &[u8], at: usize) -> bool {
    let Some(first) = bytes.get(at) else {
        return false;
    };
    if !first.is_ascii_alphanumeric() {
        return true;
    }
    let Some(previous) = at.checked_sub(1).and_then(|i| bytes.get(i)) else {
        return true;
    };
    if !previous.is_ascii_alphanumeric() {
        return previous.is_ascii() || is_caseless(bytes, at);
    }
    matches!(previous, b'n' | b't' | b'r')
        && at.checked_sub(2).and_then(|i| bytes.get(i)) == Some(&b'\\')
}

/// Whether the character before `at` belongs to a script without case (CJK and the like start
/// with 0xE0 and up in UTF-8) or is punctuation: Latin words may follow it directly.
fn is_caseless(bytes: &[u8], at: usize) -> bool {
    let head = bytes.get(at.saturating_sub(4)..at).unwrap_or_default();
    head.iter()
        .rev()
        .find(|b| **b >= 0xC0)
        .is_some_and(|lead| *lead >= 0xE0)
}
