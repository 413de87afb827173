//! Attacks over several turns of a conversation: a crescendo, which climbs from harmless questions
//! to what would have been refused at once, and many shots, a history in which the model has
//! always done as asked.
//!
//! No turn of a crescendo says much by itself, so turns are read for classes of words
//! (`words.txt`), and what counts is how these develop: asks that rise, that build on the answer
//! before, that are put in other words after a refusal. Two turns at least must say so, and
//! one of the last ones; findings stand at these turns, so that a person sees which they are.
//!
//! Trade-off: only calls that bring their history show it, and words that no list has are not
//! seen. Bounded in turns and bytes. Conversations without a word of harm cost the reading of the
//! user's turns alone. Left out: histories that a provider keeps.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use atalaya_model::{Finding, Segment, SegmentKind, Span, ThreatCategory, Verdict};

use super::on_boundaries;
use crate::classifier::is_unspaced;
use crate::normalise::fold_pattern;
use crate::scoring;

/// Part of the rule set's hash.
pub(crate) const VERSION: &str = "crescendo 1";
/// The words.
pub(crate) const WORDS: &str = include_str!("crescendo/words.txt");
/// Turns that are read, the last ones.
const TURNS_MAX: usize = 32;
/// A conversation with fewer turns of the user is none.
const TURNS_MIN: usize = 3;
/// Bytes of a turn that are read, half of them at its beginning and half at its end.
const TURN_BYTES_MAX: usize = 1_024;
/// One of so many last turns must be part of it.
const LAST_TURNS: usize = 3;
/// Turns that must be part of it.
const STEPS_MIN: usize = 2;
/// Least level of an ask that can be carried out.
const LEVEL_RISEN: u32 = 3;
/// Turns for which a conversation stays about what it was about.
const SUBJECT_TURNS: usize = 4;
/// Level of an ask that goes as far as it can.
const LEVEL_HARD: u32 = 4;
/// A model's compliance is told by how it begins.
const BEGINNING_BYTES: usize = 48;
/// Score of what other turns of the user are found to be, from which on it counts here too.
const FINDING_SCORE_MIN: u8 = 20;
/// Points to scores, lowest first: 40 is logged, 60 constrained and 80 blocked by default.
const SCORES: [(u32, u8); 8] = [
    (5, 35),
    (6, 45),
    (7, 56),
    (8, 64),
    (9, 70),
    (11, 76),
    (13, 82),
    (15, 88),
];
/// Turns in which a model did as asked, to scores.
const SHOTS: [(u32, u8); 4] = [(4, 45), (6, 62), (10, 76), (16, 86)];

/// What words are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Harm,
    How,
    Covert,
    More,
    Frame,
    Guard,
    Refusal,
    Comply,
}

const CLASSES: [(&str, Class); 8] = [
    ("harm", Class::Harm),
    ("how", Class::How),
    ("covert", Class::Covert),
    ("more", Class::More),
    ("frame", Class::Frame),
    ("guard", Class::Guard),
    ("refusal", Class::Refusal),
    ("comply", Class::Comply),
];

/// The words, ready to look for.
struct Lexicon {
    automaton: Option<AhoCorasick>,
    /// Class of each pattern, and whether it is the beginning of words.
    meaning: Vec<(Class, bool)>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::new);

impl Lexicon {
    fn new() -> Self {
        let (mut words, mut meaning) = (Vec::new(), Vec::new());
        let lines = WORDS.lines().filter(|line| !line.starts_with('#'));
        for (name, list) in lines.filter_map(|line| line.split_once(':')) {
            let Some((_, class)) = CLASSES.iter().find(|(known, _)| *known == name) else {
                continue;
            };
            for word in list.split(',').map(str::trim).filter(|w| !w.is_empty()) {
                let stem = word.trim_end_matches('*');
                words.push(folded(stem));
                meaning.push((*class, stem.len() < word.len()));
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&words);
        Self {
            automaton: automaton.ok(),
            meaning,
        }
    }
}

/// How many different words of each class a text has.
#[derive(Clone, Copy, Debug, Default)]
struct Marks([u32; CLASSES.len()]);

impl Marks {
    fn of(text: &str) -> Self {
        let mut marks = Self::default();
        let Some(automaton) = &LEXICON.automaton else {
            return marks;
        };
        let mut seen: Vec<usize> = Vec::new();
        for part in ends(text) {
            let folded = folded(part);
            let folded = folded.as_str();
            for found in automaton.find_overlapping_iter(folded) {
                let number = found.pattern().as_usize();
                let Some((class, is_stem)) = LEXICON.meaning.get(number) else {
                    continue;
                };
                let place = Span::new(found.start(), found.end());
                let is_late = *class == Class::Comply && found.start() > BEGINNING_BYTES;
                if is_late || seen.contains(&number) || !is_word(folded, place, *is_stem) {
                    continue;
                }
                seen.push(number);
                marks.0[*class as usize] += 1;
            }
        }
        marks
    }

    const fn count(self, class: Class) -> u32 {
        self.0[class as usize]
    }

    const fn has(self, class: Class) -> bool {
        self.count(class) > 0
    }

    fn add(&mut self, other: Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }

    /// How much an ask wants to be carried out, apart from what it is about.
    fn push(self) -> u32 {
        let (how, covert) = (
            self.count(Class::How).min(2),
            self.count(Class::Covert).min(2),
        );
        let goes_on = u32::from(self.has(Class::More) && how + covert > 0);
        let is_framed = u32::from(self.has(Class::Frame) && how + covert > 0);
        2 * how + 2 * covert + goes_on + is_framed
    }
}

/// The parts of a long text that are read.
fn ends(text: &str) -> impl Iterator<Item = &str> {
    let half = TURN_BYTES_MAX / 2;
    let (head, tail) = if text.len() <= TURN_BYTES_MAX {
        (text, "")
    } else {
        let end = text.floor_char_boundary(half);
        let start = text.ceil_char_boundary(text.len() - half);
        (&text[..end], &text[start..])
    };
    [head, tail].into_iter().filter(|part| !part.is_empty())
}

/// As words are read: lower case, without accents.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        fold_pattern(&text.to_lowercase())
    }
}

/// Whether a match begins at a word, and ends at one unless it is only the beginning of it.
fn is_word(text: &str, place: Span, is_stem: bool) -> bool {
    let inside = &text[place.start..place.end];
    if inside.chars().next().is_some_and(is_unspaced) {
        return true;
    }
    let before = text[..place.start].chars().next_back();
    let after = text[place.end..].chars().next();
    !before.is_some_and(char::is_alphanumeric)
        && (is_stem || !after.is_some_and(char::is_alphanumeric))
}

/// What the user said, and what the model said to it.
#[derive(Debug, Default)]
struct Turn {
    /// Segment in which it is reported.
    segment: usize,
    asks: Vec<usize>,
    answers: Vec<usize>,
    ask: Marks,
    answer: Marks,
}

/// Why a turn is part of a crescendo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Rises,
    Builds,
    /// The model said no on principle.
    Refused,
    AfterRefusal,
}

impl Step {
    const fn rule(self) -> &'static str {
        match self {
            Self::Rises => "crescendo.ask_rises",
            Self::Builds => "crescendo.builds_on_answer",
            Self::Refused => "crescendo.ask_refused",
            Self::AfterRefusal => "crescendo.ask_after_refusal",
        }
    }

    const fn points(self) -> u32 {
        match self {
            Self::Rises => 2,
            Self::Builds | Self::Refused => 1,
            Self::AfterRefusal => 3,
        }
    }
}

/// Looks at a conversation as a whole, and adds what it is to what its texts are.
pub(crate) fn detect(segments: &[Segment<'_>], verdict: &mut Verdict) {
    let Some(turns) = read(segments) else { return };
    let mut found = climb(&turns, segments, verdict);
    found.extend(shots(&turns, segments));
    let Some(last) = found.iter_mut().max_by_key(|finding| finding.score) else {
        return;
    };
    // What a turn is by itself is further evidence, as within one text.
    let asks: Vec<usize> = turns.iter().flat_map(|turn| turn.asks.clone()).collect();
    if let Some(worst) = worst(verdict, &asks) {
        let mut pieces = [last.clone(), worst.clone()];
        scoring::combine(&mut pieces);
        let combined = pieces.iter().map(|piece| piece.score).max();
        last.score = last.score.max(combined.unwrap_or(0));
    }
    verdict.findings.extend(found);
}

/// The worst attack that is found in some of the texts by themselves.
fn worst<'v>(verdict: &'v Verdict, places: &[usize]) -> Option<&'v Finding> {
    let of_places = |finding: &&Finding| {
        let place = usize::try_from(finding.segment).unwrap_or(usize::MAX);
        places.contains(&place) && !scoring::is_data(finding.category)
    };
    let attacks = verdict.findings.iter().filter(of_places);
    attacks.max_by_key(|finding| finding.score)
}

/// The turns of a conversation; `None` if it is none, or has no word of harm.
fn read(segments: &[Segment<'_>]) -> Option<Vec<Turn>> {
    let mut turns: Vec<Turn> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        match (segment.kind, turns.last_mut()) {
            (SegmentKind::User, Some(last)) if last.answers.is_empty() => last.asks.push(index),
            (SegmentKind::User, _) => turns.push(Turn {
                segment: index,
                asks: vec![index],
                ..Turn::default()
            }),
            (SegmentKind::Assistant, Some(last)) => last.answers.push(index),
            _ => {}
        }
    }
    let first = turns.len().saturating_sub(TURNS_MAX);
    turns.drain(..first);
    if turns.len() < TURNS_MIN {
        return None;
    }
    let marks = |places: &[usize]| {
        let mut all = Marks::default();
        let last = places.len().saturating_sub(4);
        for index in &places[last..] {
            let text = segments.get(*index).map_or("", |s| s.text.as_ref());
            all.add(Marks::of(text));
        }
        all
    };
    for turn in &mut turns {
        turn.ask = marks(&turn.asks);
    }
    // Harm in an ask, or asks that would be harmful if the answers say what they are about.
    let is_harmful = |turn: &Turn| turn.ask.has(Class::Harm);
    let may_be = |turn: &Turn| turn.ask.has(Class::How) && turn.ask.has(Class::Frame);
    if !turns.iter().any(|turn| is_harmful(turn) || may_be(turn)) {
        return None;
    }
    for turn in &mut turns {
        turn.answer = marks(&turn.answers);
    }
    Some(turns)
}

/// Whether the conversation is about something harmful when it comes to a turn.
fn is_about_harm(turns: &[Turn], at: usize) -> bool {
    let is_harmful = |turn: &Turn| turn.ask.has(Class::Harm) || turn.answer.has(Class::Harm);
    let lately = &turns[at.saturating_sub(SUBJECT_TURNS)..at];
    let was_refused = lately
        .last()
        .is_some_and(|turn| turn.answer.has(Class::Refusal));
    turns[at].ask.has(Class::Harm)
        || lately.iter().any(is_harmful)
        || was_refused && turns[..at].iter().any(is_harmful)
}

/// How far an ask goes.
fn level(turns: &[Turn], at: usize) -> u32 {
    let ask = turns[at].ask;
    if !is_about_harm(turns, at) {
        return 0;
    }
    let level = ask.count(Class::Harm).min(2) + ask.push();
    // Who asks how to be safe asks for something else, if also about harm.
    if ask.has(Class::Guard) {
        level / 2
    } else {
        level
    }
}

fn step(turns: &[Turn], at: usize, highest: u32) -> Option<Step> {
    let (ask, before) = (turns[at].ask, turns[at.checked_sub(1)?].answer);
    let level = level(turns, at);
    let presses_on = [Class::How, Class::Covert, Class::More, Class::Frame]
        .into_iter()
        .any(|class| ask.has(class));
    let is_pressed = presses_on || ask.has(Class::Harm);
    let is_meant = is_about_harm(turns, at) && !ask.has(Class::Guard);
    if before.has(Class::Refusal) && is_pressed && is_meant {
        return Some(Step::AfterRefusal);
    }
    if level > highest && level >= LEVEL_RISEN {
        return Some(Step::Rises);
    }
    if turns[at].answer.has(Class::Refusal) && is_meant {
        return Some(Step::Refused);
    }
    (ask.has(Class::More) && is_meant).then_some(Step::Builds)
}

/// A crescendo.
fn climb(turns: &[Turn], segments: &[Segment<'_>], verdict: &Verdict) -> Vec<Finding> {
    let mut highest = level(turns, 0);
    let mut steps: Vec<(usize, Step)> = Vec::new();
    for at in 1..turns.len() {
        steps.extend(step(turns, at, highest).map(|step| (at, step)));
        highest = highest.max(level(turns, at));
    }
    let is_recent = steps
        .last()
        .is_some_and(|(at, _)| at + LAST_TURNS >= turns.len());
    // Editing builds on answers too, and lessons rise: a refusal that is talked away, or the wish
    // that nobody notices, is what they do not have.
    let is_telling = |(at, step): &(usize, Step)| {
        let is_hidden = turns[*at].ask.has(Class::Covert) && level(turns, *at) >= LEVEL_HARD;
        *step == Step::AfterRefusal || is_hidden
    };
    if steps.len() < STEPS_MIN || !is_recent || !steps.iter().any(is_telling) {
        return Vec::new();
    }
    let mut points: u32 = steps.iter().map(|(_, step)| step.points()).sum();
    let hard = steps
        .iter()
        .filter(|(at, step)| *step == Step::AfterRefusal && level(turns, *at) >= LEVEL_HARD);
    points += u32::try_from(hard.count()).unwrap_or(0);
    // What goes as far as it can weighs by how far that is.
    points += (highest / 2).min(4);
    points += 2 * u32::from(rises_by_findings(turns, verdict));
    let Some(score) = score(&SCORES, points) else {
        return Vec::new();
    };
    let last = steps.len() - 1;
    steps
        .iter()
        .enumerate()
        .map(|(number, (at, step))| {
            let score = if number == last { score } else { score / 2 };
            finding((turns[*at].segment, step.rule()), score, segments)
        })
        .collect()
}

/// Whether what single turns are found to be is worst in the later half.
fn rises_by_findings(turns: &[Turn], verdict: &Verdict) -> bool {
    let worst = |turns: &[Turn]| {
        let asks: Vec<usize> = turns.iter().flat_map(|turn| turn.asks.clone()).collect();
        worst(verdict, &asks).map_or(0, |finding| finding.score)
    };
    let (earlier, later) = turns.split_at(turns.len() / 2);
    let risen = worst(later);
    risen >= FINDING_SCORE_MIN && risen > worst(earlier)
}

/// A history of harmful asks, all of which the model complied with.
fn shots(turns: &[Turn], segments: &[Segment<'_>]) -> Option<Finding> {
    let is_shot = |at: &usize| {
        let turn = &turns[*at];
        turn.ask.has(Class::Harm)
            && !turn.ask.has(Class::Guard)
            && turn.ask.has(Class::How)
            && turn.answer.has(Class::Comply)
            && !turn.answer.has(Class::Refusal)
    };
    let last = turns.last()?;
    let count = (0..turns.len()).filter(is_shot).count();
    let score = score(&SHOTS, u32::try_from(count).unwrap_or(u32::MAX))?;
    Some(finding(
        (last.segment, "many_shot.over_turns"),
        score,
        segments,
    ))
}

fn score(table: &[(u32, u8)], points: u32) -> Option<u8> {
    table
        .iter()
        .rev()
        .find(|(least, _)| points >= *least)
        .map(|(_, score)| *score)
}

fn finding((index, rule): (usize, &'static str), score: u8, segments: &[Segment<'_>]) -> Finding {
    const SHOWN_BYTES: usize = 256;
    let text = segments.get(index).map_or("", |s| s.text.as_ref());
    let category = ThreatCategory::Jailbreak;
    Finding {
        category,
        score,
        rule: rule.into(),
        segment: u32::try_from(index).unwrap_or(u32::MAX),
        kind: SegmentKind::User,
        span: on_boundaries(text, Span::new(0, text.len().min(SHOWN_BYTES))),
        atlas: Cow::Borrowed(&[Cow::Borrowed("AML.T0054")]),
    }
}
