//! One pass over the places of a folded text where a word or a sign starts, for the literals of
//! every pattern at once: those that a pattern begins with, those that it needs further on, words
//! that call for another reading (reversed, rot13), and words of writing *about* attacks.
//!
//! Literals start at words, so that looks at the first letters of a word against sets of 8 KiB
//! rule out nearly all of them; an automaton over every byte costs ten times as much.

mod known;
mod places;

use std::collections::BTreeMap;

use crate::context::ABOUT_ATTACKS;
use crate::normalise::{REVERSED_CUES, ROT13_CUES, Trick, frequent_words_in};
use crate::patterns::{LiteralSet, Need, Pattern, WINDOW_BYTES, is_telling};

use self::known::{EVERYWHERE, Known, WORDS};
use self::places::for_each_place;

/// What a literal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A pattern may match from here on.
    Pattern(u16),
    /// The text may read otherwise.
    Reading(Trick),
    /// The text may read otherwise, if more says so.
    Hint(Trick),
    /// The text speaks about attacks: number of the term.
    About(u8),
    /// A pattern may match from here on if what it needs follows: number of the case.
    Words(u16),
    /// A word of a set that patterns of words need after their beginning.
    Needed(u16),
}

/// Every literal of every pattern.
#[derive(Debug)]
pub(crate) struct Prefilter {
    /// Those that are looked for everywhere.
    everywhere: Literals,
    /// Those that are looked for near words that look like an attack.
    words: Literals,
    /// Which of both can be at a place at all.
    known: Known,
    /// Bytes that any literal starts with.
    first: [bool; 256],
    /// What has to stand behind literals that patterns begin with.
    cases: Vec<Case>,
    sets: usize,
}

impl Prefilter {
    /// Builds the index; `None` if there are more patterns than numbers for them.
    pub(crate) fn new<'a>(patterns: &'a [Pattern], always_tried: &[bool]) -> Option<Self> {
        let is_always = |index: usize| always_tried.get(index).copied().unwrap_or(true);
        let mut sets = Sets::default();
        let mut cases = Vec::with_capacity(patterns.len());
        let mut everywhere = everywhere();
        let mut words: Vec<(Vec<u8>, Target)> = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let always = is_always(index);
            let number = u16::try_from(index).ok()?;
            let needs: Vec<Vec<(&'a LiteralSet, usize)>> = pattern
                .needs
                .iter()
                .map(|all| {
                    all.iter()
                        .filter_map(|need| telling(need, always))
                        .collect()
                })
                .collect();
            for (set, _) in needs.iter().flatten() {
                sets.number(set, always)?;
            }
            // Other patterns would be tried everywhere: what they need may stand as far as a match can
            // go, however long the words between are.
            let has_telling = |all: &Vec<Need>| all.iter().any(|need| is_telling(&need.set));
            let needs_more = !needs.is_empty() && pattern.needs.iter().all(has_telling);
            for (anchor, begins) in pattern.anchors.iter().zip(&pattern.begins) {
                let mut alternatives = begins.iter().filter_map(|number| needs.get(*number));
                let holds_up = |sets: &Vec<(&LiteralSet, usize)>| {
                    !sets.is_empty() && sets.iter().all(|(set, _)| is_at_places(set))
                };
                let case = if needs_more || !always {
                    Some(Case::of(number, needs.iter(), None, &mut sets)?)
                } else if !begins.is_empty() && alternatives.clone().all(holds_up) {
                    Some(Case::of(
                        number,
                        &mut alternatives,
                        Some(WINDOW_BYTES),
                        &mut sets,
                    )?)
                } else {
                    None
                };
                let target = match case {
                    None => Target::Pattern(number),
                    Some(case) => {
                        if cases.last() != Some(&case) {
                            cases.push(case);
                        }
                        Target::Words(u16::try_from(cases.len() - 1).ok()?)
                    }
                };
                let list = if always { &mut everywhere } else { &mut words };
                list.push((anchor.clone(), target));
            }
        }
        for (set, known) in sets.0.iter().filter(|(_, known)| known.asked) {
            let list = if known.always {
                &mut everywhere
            } else {
                &mut words
            };
            let target = Target::Needed(known.number);
            list.extend(set.iter().map(|literal| (literal.clone(), target)));
        }
        Self::of(everywhere, words, cases, sets.0.len())
    }

    fn of(
        everywhere: Vec<(Vec<u8>, Target)>,
        words: Vec<(Vec<u8>, Target)>,
        cases: Vec<Case>,
        sets: usize,
    ) -> Option<Self> {
        let mut first = [false; 256];
        for (literal, _) in everywhere.iter().chain(&words) {
            *first.get_mut(usize::from(*literal.first()?))? = true;
        }
        let everywhere = Literals::new(everywhere)?;
        let words = Literals::new(words)?;
        Some(Self {
            known: Known::of([&everywhere, &words]),
            everywhere,
            words,
            first,
            cases,
            sets,
        })
    }

    /// Number of sets that patterns need.
    pub(crate) const fn sets(&self) -> usize {
        self.sets
    }

    /// The pattern that can match in a case at a place: for each set, `next` says where a literal of
    /// it stands next.
    pub(crate) fn may_match(&self, case: u16, at: u32, next: &[u32]) -> Option<u16> {
        let is_near = |(set, reach): &(u16, u16)| {
            let next = next.get(usize::from(*set)).copied().unwrap_or(u32::MAX);
            next.wrapping_sub(at) <= u32::from(*reach)
        };
        let case = self.cases.get(usize::from(case))?;
        let all = &case.alternatives;
        let may = all.is_empty() || all.iter().any(|sets| sets.iter().all(is_near));
        may.then_some(case.pattern)
    }

    /// Calls `hit` for what every literal that starts a word stands for, from left to right, with
    /// the offset of its first byte; `is_near` says where to look for words, and is asked from left
    /// to right.
    pub(crate) fn scan(
        &self,
        folded: &str,
        mut is_near: impl FnMut(usize) -> bool,
        mut hit: impl FnMut(usize, &[Target]),
    ) {
        let bytes = folded.as_bytes();
        for_each_place(bytes, &self.first, |at| {
            let text = front_at(bytes, at);
            let lengths = self.known.lengths::<EVERYWHERE>(text);
            if lengths != 0 {
                self.everywhere
                    .look_up(bytes, (at, text), lengths, &mut hit);
            }
            if is_near(at) {
                let lengths = self.known.lengths::<WORDS>(text);
                if lengths != 0 {
                    self.words.look_up(bytes, (at, text), lengths, &mut hit);
                }
            }
        });
    }

    /// Bytes of memory of the index.
    pub(crate) fn memory_bytes(&self) -> usize {
        Known::memory_bytes() + self.everywhere.memory_bytes() + self.words.memory_bytes()
    }
}

/// A pattern that begins with some literal: for each alternative that can, the sets that it needs,
/// and how near.
#[derive(Debug, PartialEq, Eq)]
struct Case {
    pattern: u16,
    alternatives: Vec<Vec<(u16, u16)>>,
}

impl Case {
    /// `None` if there are too many sets; `reach` is for all sets, if it is given.
    fn of<'a: 'b, 'b>(
        pattern: u16,
        alternatives: impl Iterator<Item = &'b Vec<(&'a LiteralSet, usize)>>,
        reach: Option<usize>,
        sets: &mut Sets<'a>,
    ) -> Option<Self> {
        let mut ask = |(set, near): &(&'a LiteralSet, usize)| {
            let near = u16::try_from(reach.unwrap_or(*near)).unwrap_or(u16::MAX);
            Some((sets.ask(set)?, near))
        };
        let alternatives = alternatives.map(|all| all.iter().map(&mut ask).collect());
        Some(Self {
            pattern,
            alternatives: alternatives.collect::<Option<_>>()?,
        })
    }
}

/// The sets that patterns need.
#[derive(Default)]
struct Sets<'a>(BTreeMap<&'a LiteralSet, KnownSet>);

struct KnownSet {
    number: u16,
    /// Whether it is looked for everywhere.
    always: bool,
    /// Whether anything depends on it.
    asked: bool,
}

impl<'a> Sets<'a> {
    fn number(&mut self, set: &'a LiteralSet, always: bool) -> Option<()> {
        let number = u16::try_from(self.0.len()).ok()?;
        let known = self.0.entry(set).or_insert(KnownSet {
            number,
            always,
            asked: false,
        });
        known.always |= always;
        Some(())
    }

    fn ask(&mut self, set: &'a LiteralSet) -> Option<u16> {
        let known = self.0.get_mut(set)?;
        known.asked = true;
        Some(known.number)
    }
}

/// The set of a need, and how near it has to be. Patterns that are always tried are not held up by
/// words that nearly every text has.
fn telling(need: &Need, always: bool) -> Option<(&LiteralSet, usize)> {
    if !always || is_telling(&need.set) {
        return Some((&need.set, need.reach));
    }
    need.rarer.as_ref().map(|rarer| (rarer, WINDOW_BYTES))
}

/// Whether all literals of a set start where they are looked for: no blank is such a place.
fn is_at_places(set: &LiteralSet) -> bool {
    set.iter()
        .all(|literal| literal.first().is_some_and(|byte| *byte > b' '))
}

/// What is looked for whatever the patterns are.
fn everywhere() -> Vec<(Vec<u8>, Target)> {
    let all = |words: &[&str], target: Target| -> Vec<(Vec<u8>, Target)> {
        words
            .iter()
            .map(|word| (word.as_bytes().to_vec(), target))
            .collect()
    };
    let mut list = all(REVERSED_CUES, Target::Reading(Trick::Reversed));
    list.extend(all(ROT13_CUES, Target::Reading(Trick::Rot13)));
    for trick in [Trick::Reversed, Trick::Rot13] {
        let words = frequent_words_in(trick).into_iter();
        list.extend(words.map(|word| (word.into_bytes(), Target::Hint(trick))));
    }
    let about = (0..).zip(ABOUT_ATTACKS);
    list.extend(about.map(|(i, term)| (term.as_bytes().to_vec(), Target::About(i))));
    list
}

/// Literals and what they stand for.
#[derive(Debug)]
struct Literals {
    /// By length, see [`KEYS`]: which literals start with a number.
    by_length: [Index; KEYS.len()],
    literals: Vec<Box<[u8]>>,
    /// The first 16 bytes of each literal, and which of them it has.
    fronts: Vec<(u128, u128)>,
    /// For each literal: where its targets start in `targets`.
    starts: Vec<u32>,
    targets: Vec<Target>,
}

/// Bytes at the beginning of a literal by which it is looked up: as many as it has, for hundreds
/// begin with "your ".
const KEYS: [usize; 4] = [8, 4, 3, 2];

impl Literals {
    fn new(mut all: Vec<(Vec<u8>, Target)>) -> Option<Self> {
        all.sort();
        all.dedup();
        let mut literals: Vec<Box<[u8]>> = Vec::new();
        let (mut starts, mut targets) = (Vec::new(), Vec::new());
        for (literal, target) in all {
            if literals.last().map(AsRef::as_ref) != Some(literal.as_slice()) {
                literals.push(literal.into());
                starts.push(u32::try_from(targets.len()).ok()?);
            }
            targets.push(target);
        }
        starts.push(u32::try_from(targets.len()).ok()?);
        let by_length = KEYS.map(|bytes| {
            let numbered = (0_u32..).zip(&literals);
            let of_length = numbered.filter(|(_, literal)| key_bytes(literal) == Some(bytes));
            Index::new(
                of_length.map(|(number, literal)| (key(front_at(literal, 0), bytes), number)),
            )
        });
        Some(Self {
            by_length,
            fronts: literals.iter().map(|literal| front(literal)).collect(),
            literals,
            starts,
            targets,
        })
    }

    /// Every literal's number in [`KEYS`], and its key.
    fn keys(&self) -> impl Iterator<Item = (usize, u32)> {
        let of = |literal: &[u8]| {
            let bytes = key_bytes(literal)?;
            let length = KEYS.iter().position(|key| *key == bytes)?;
            Some((length, key(front_at(literal, 0), bytes)))
        };
        self.literals.iter().filter_map(move |literal| of(literal))
    }

    /// Looks for literals of the lengths in a set.
    #[inline(never)]
    fn look_up(
        &self,
        bytes: &[u8],
        (at, text): (usize, u128),
        mut lengths: u32,
        hit: &mut impl FnMut(usize, &[Target]),
    ) {
        // Mostly it is one: which one cannot be foreseen, so that it is not asked of each.
        while lengths != 0 {
            let place = lengths.trailing_zeros() as usize % KEYS.len();
            lengths &= lengths - 1;
            self.by_length[place].look_up(key(text, KEYS[place]), |number| {
                if self.is_at(bytes, at, text, number) {
                    hit(at, self.targets(number as usize));
                }
            });
        }
    }

    #[inline]
    fn is_at(&self, bytes: &[u8], at: usize, text: u128, number: u32) -> bool {
        let number = number as usize;
        let Some((front, mask)) = self.fronts.get(number) else {
            return false;
        };
        text & mask == *front
            && (*mask != u128::MAX || {
                let rest = bytes.get(at..).unwrap_or_default();
                self.literals
                    .get(number)
                    .is_some_and(|literal| rest.starts_with(literal))
            })
    }

    /// What a literal stands for.
    #[inline]
    fn targets(&self, literal: usize) -> &[Target] {
        let at = |i: usize| self.starts.get(i).copied().unwrap_or(0) as usize;
        let targets = self.targets.get(at(literal)..at(literal + 1));
        targets.unwrap_or_default()
    }

    fn memory_bytes(&self) -> usize {
        self.literals
            .iter()
            .map(|literal| literal.len() + 48)
            .sum::<usize>()
            + self.targets.len() * size_of::<Target>()
            + self
                .by_length
                .iter()
                .map(Index::memory_bytes)
                .sum::<usize>()
    }
}

/// The longest of [`KEYS`] that a literal has.
fn key_bytes(literal: &[u8]) -> Option<usize> {
    KEYS.into_iter().find(|bytes| *bytes <= literal.len())
}

/// A number for the first bytes of a text; a literal itself is compared later.
#[inline]
const fn key(front: u128, bytes: usize) -> u32 {
    let kept = front as u64 & (u64::MAX >> (64 - 8 * bytes as u32));
    let mixed = kept.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // Zero stands for an empty place.
    (mixed >> 32) as u32 | 1
}

/// The first 16 bytes of a literal as a number, and a mask of them.
fn front(literal: &[u8]) -> (u128, u128) {
    let mask = match literal.len() {
        16.. => u128::MAX,
        shorter => (1 << (8 * shorter)) - 1,
    };
    (front_at(literal, 0) & mask, mask)
}

/// Sixteen bytes of a text; those beyond its end are zero.
#[inline]
fn front_at(bytes: &[u8], at: usize) -> u128 {
    if let Some(Ok(sixteen)) = bytes.get(at..at + 16).map(TryInto::try_into) {
        return u128::from_le_bytes(sixteen);
    }
    let mut sixteen = [0; 16];
    for (slot, byte) in sixteen.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *slot = *byte;
    }
    u128::from_le_bytes(sixteen)
}

/// Literals by the number that they start with.
#[derive(Debug)]
struct Index {
    /// Open addressing: number, and where its literals are.
    places: Vec<(u32, u32, u32)>,
    literals: Vec<u32>,
}

const NOTHING: u32 = 0;

impl Index {
    fn new(entries: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut entries: Vec<(u32, u32)> = entries.collect();
        entries.sort_unstable();
        let size = (entries.len() * 4).next_power_of_two().max(16);
        let mut index = Self {
            places: vec![(NOTHING, 0, 0); size],
            literals: Vec::with_capacity(entries.len()),
        };
        for same in entries.chunk_by(|a, b| a.0 == b.0) {
            let Some((number, _)) = same.first().copied() else {
                continue;
            };
            let from = index.len();
            index
                .literals
                .extend(same.iter().map(|(_, literal)| literal));
            let place = (number, from, index.len());
            index.insert(place);
        }
        index
    }

    fn len(&self) -> u32 {
        u32::try_from(self.literals.len()).unwrap_or(u32::MAX)
    }

    fn insert(&mut self, place: (u32, u32, u32)) {
        let mask = self.places.len() - 1;
        let mut at = place_of(place.0) & mask;
        while let Some(slot) = self.places.get_mut(at) {
            if slot.0 == NOTHING {
                *slot = place;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn look_up(&self, number: u32, mut found: impl FnMut(u32)) {
        let mask = self.places.len() - 1;
        let mut at = place_of(number) & mask;
        while let Some((known, from, to)) = self.places.get(at).copied() {
            if known == number {
                let literals = self.literals.get(from as usize..to as usize);
                literals
                    .unwrap_or_default()
                    .iter()
                    .for_each(|literal| found(*literal));
                return;
            }
            if known == NOTHING {
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn memory_bytes(&self) -> usize {
        self.places.len() * 12 + self.literals.len() * 4
    }
}

#[inline]
const fn place_of(number: u32) -> usize {
    (number >> 4) as usize
}

#[cfg(test)]
mod tests {
    use super::{Prefilter, Target};

    #[test]
    fn literals_are_found_where_words_start() {
        let literals = ["ignore", "do", "do not", "<|im", "忽略", "set", "i "];
        let all = (0..)
            .zip(literals)
            .map(|(i, l)| (l.as_bytes().to_vec(), Target::Pattern(i)));
        let prefilter = Prefilter::of(all.collect(), Vec::new(), Vec::new(), 0).unwrap();
        for (text, expected) in [
            ("please ignore it", vec![(7, "ignore")]),
            ("xignore signore", vec![]),
            ("\\nignore", vec![(2, "ignore")]),
            ("do not", vec![(0, "do"), (0, "do not")]),
            ("a<|im_start|>do", vec![(1, "<|im"), (13, "do")]),
            ("请忽略ignore", vec![(3, "忽略"), (9, "ignore")]),
            ("éignore reset set", vec![(15, "set")]),
            ("the quick brown fox was set", vec![(24, "set")]),
            ("what i do", vec![(5, "i "), (7, "do")]),
        ] {
            let mut found = Vec::new();
            let hit = |at, targets: &[Target]| {
                for target in targets {
                    if let Target::Pattern(number) = target {
                        found.push((at, literals[usize::from(*number)]));
                    }
                }
            };
            prefilter.scan(text, |_| true, hit);
            found.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }
}
