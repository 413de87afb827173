//! Which language a text is in, as far as its letters and small words tell.
//!
//! Scripts that one language writes with name it by themselves; where several share a script, their
//! commonest words do (`language/words.txt`). Only the beginning of a text is read.
//!
//! Left out: which of two languages a mixed text has more of, and every language without a line in
//! that file or a script of its own: those are [`Language::UNKNOWN`].

use std::sync::LazyLock;

use crate::normalise::Views;

/// Bytes of a text that are read.
const SAMPLE_BYTES: usize = 512;
/// One in this many words has to be one of the language's.
const WORDS_PER_KNOWN: usize = 9;
/// Words of Latin letters that it takes to tell: `ok` is a word of many languages.
const WORDS_MIN: usize = 4;

const WORDS: &str = include_str!("language/words.txt");

/// A language; ISO 639-1, with `-Latn` where it is written in Latin letters that are not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Language(u8);

/// Languages that are calibrated together: what is innocent in one can be rare in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Most of the texts there are to learn from, and whatever could not be told.
    English,
    /// Others in Latin letters.
    Latin,
    /// Every other script.
    Other,
}

/// How many of them there are.
pub const FAMILIES: usize = 3;

impl Family {
    /// All, in the order of their numbers.
    pub const ALL: [Self; FAMILIES] = [Self::English, Self::Latin, Self::Other];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> usize {
        self as usize
    }
}

/// Languages that their script names: first and last letter.
const SCRIPTS: &[(u32, u32, &str)] = &[
    (0x0370, 0x03FF, "el"),
    (0x0530, 0x058F, "hy"),
    (0x0590, 0x05FF, "he"),
    (0x0980, 0x09FF, "bn"),
    (0x0A00, 0x0A7F, "pa"),
    (0x0A80, 0x0AFF, "gu"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0C00, 0x0C7F, "te"),
    (0x0C80, 0x0CFF, "kn"),
    (0x0D00, 0x0D7F, "ml"),
    (0x0E00, 0x0E7F, "th"),
    (0x0E80, 0x0EFF, "lo"),
    (0x1000, 0x109F, "my"),
    (0x10A0, 0x10FF, "ka"),
    (0x1100, 0x11FF, "ko"),
    (0x1200, 0x137F, "am"),
    (0x1780, 0x17FF, "km"),
    (0x3040, 0x30FF, "ja"),
    (0x3400, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
];

/// Cyrillic, Arabic, Devanagari: scripts that several languages share, with the one that most texts
/// are in.
const SHARED: &[(u32, u32, &str)] = &[
    (0x0400, 0x052F, "ru"),
    (0x0600, 0x06FF, "ar"),
    (0x0900, 0x097F, "hi"),
];

impl Language {
    /// Too short, too mixed, or none of those that are known.
    pub const UNKNOWN: Self = Self(u8::MAX);

    /// The language of a folded text.
    #[must_use]
    pub fn of(folded: &str) -> Self {
        let sample = folded
            .get(..folded.floor_char_boundary(SAMPLE_BYTES))
            .unwrap_or(folded);
        TABLE.language(sample)
    }

    /// The language of a text as it is written.
    #[must_use]
    pub fn of_original(text: &str) -> Self {
        // What folding drops is little: twice the sample is enough.
        let text = text
            .get(..text.floor_char_boundary(2 * SAMPLE_BYTES))
            .unwrap_or(text);
        let mut views = Views::default();
        views.start(text);
        views
            .get(0)
            .map_or(Self::UNKNOWN, |view| Self::of(view.folded()))
    }

    /// Its code; `und` (undetermined, ISO 639-2) for what could not be told.
    #[must_use]
    pub fn code(self) -> &'static str {
        TABLE
            .codes
            .get(usize::from(self.0))
            .copied()
            .unwrap_or("und")
    }

    /// The family that it is calibrated with.
    #[must_use]
    pub fn family(self) -> Family {
        match TABLE.families.get(usize::from(self.0)) {
            Some(family) => *family,
            None => Family::English,
        }
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

/// Slots of the words' table, a power of two several times as large as there are words.
const SLOTS: usize = 2048;

/// What the words and scripts say.
struct Table {
    codes: Vec<&'static str>,
    families: Vec<Family>,
    /// Hash of a word, and a bit for each language that has it.
    slots: Vec<(u32, u64)>,
    /// Languages of [`SHARED`].
    shared: [u8; 3],
    /// Languages of [`SCRIPTS`].
    scripts: Vec<u8>,
}

impl Table {
    fn new() -> Self {
        let mut table = Self {
            codes: Vec::new(),
            families: Vec::new(),
            slots: vec![(0, 0); SLOTS],
            shared: [u8::MAX; 3],
            scripts: Vec::new(),
        };
        let lines = WORDS.lines().filter(|line| !line.starts_with('#'));
        for (code, words) in lines.filter_map(|line| line.split_once(':')) {
            let family = match words.trim_start() {
                _ if code == "en" => Family::English,
                words if words.is_ascii() => Family::Latin,
                _ => Family::Other,
            };
            let number = table.number(code, family);
            for word in words.split_whitespace() {
                table.add(hash(word.as_bytes()), number);
            }
        }
        for (slot, (_, _, code)) in SHARED.iter().enumerate() {
            table.shared[slot] = table.number(code, Family::Other);
        }
        for (_, _, code) in SCRIPTS {
            let number = table.number(code, Family::Other);
            table.scripts.push(number);
        }
        table
    }

    fn number(&mut self, code: &'static str, family: Family) -> u8 {
        let known = self.codes.iter().position(|known| *known == code);
        let number = known.unwrap_or_else(|| {
            self.codes.push(code);
            self.families.push(family);
            self.codes.len() - 1
        });
        u8::try_from(number).unwrap_or(u8::MAX)
    }

    fn add(&mut self, hash: u32, language: u8) {
        let mut at = hash as usize % SLOTS;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.1 == 0 || slot.0 == hash {
                *slot = (hash, slot.1 | 1 << language);
                return;
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// A bit for each language that has a word.
    fn languages_with(&self, hash: u32) -> u64 {
        let mut at = hash as usize % SLOTS;
        while let Some((known, languages)) = self.slots.get(at).copied() {
            if languages == 0 || known == hash {
                return languages;
            }
            at = (at + 1) % SLOTS;
        }
        0
    }

    fn language(&self, sample: &str) -> Language {
        let mut count = Count::new();
        for word in sample.split(|c| !is_letter(c) && !c.is_ascii_digit() && c != '_') {
            // `7f3a` and `is_set` are no words of a language.
            if word.chars().next().is_some() && word.chars().all(is_letter) {
                count.word(self, word);
            }
        }
        count.language(self)
    }
}

/// What was met in a sample.
struct Count {
    /// Words in Latin letters, in scripts of one language, in shared ones.
    latin: usize,
    scripts: [u16; SCRIPTS.len()],
    shared: [u16; SHARED.len()],
    /// Words of each language.
    known: [u16; u64::BITS as usize],
}

impl Count {
    const fn new() -> Self {
        Self {
            latin: 0,
            scripts: [0; SCRIPTS.len()],
            shared: [0; SHARED.len()],
            known: [0; u64::BITS as usize],
        }
    }

    fn word(&mut self, table: &Table, word: &str) {
        let Some(first) = word.chars().next() else {
            return;
        };
        let mut languages = table.languages_with(hash(word.as_bytes()));
        while languages != 0 {
            self.known[languages.trailing_zeros() as usize] += 1;
            languages &= languages - 1;
        }
        let letter = u32::from(first);
        let of = |ranges: &[(u32, u32, &str)]| {
            ranges
                .iter()
                .position(|(first, last, _)| (*first..=*last).contains(&letter))
        };
        if letter < 0x370 || (0x1E00..0x1F00).contains(&letter) {
            self.latin += 1;
        } else if let Some(shared) = of(SHARED) {
            self.shared[shared] += 1;
        } else if let Some(script) = of(SCRIPTS) {
            // Japanese is written with Chinese letters too, never the other way round.
            let kana = word
                .chars()
                .any(|c| (0x3040..=0x30FF).contains(&u32::from(c)));
            let script = if kana { JAPANESE } else { script };
            self.scripts[script] += 1;
        }
    }

    fn language(&self, table: &Table) -> Language {
        let (script, in_script) = largest(&self.scripts);
        let (shared, in_shared) = largest(&self.shared);
        if usize::from(in_script) > self.latin.max(usize::from(in_shared)) {
            let script = if self.scripts[JAPANESE] > 0 && script == CHINESE {
                JAPANESE
            } else {
                script
            };
            return Language(table.scripts.get(script).copied().unwrap_or(u8::MAX));
        }
        let is_shared = usize::from(in_shared) > self.latin;
        let (language, known) = largest(&self.known);
        let number = u8::try_from(language).unwrap_or(u8::MAX);
        if is_shared {
            return Language(if known > 0 && !is_latin(table, language) {
                number
            } else {
                table.shared[shared]
            });
        }
        let enough = self.latin.div_ceil(WORDS_PER_KNOWN).max(1);
        if self.latin >= WORDS_MIN && usize::from(known) >= enough && is_latin(table, language) {
            Language(number)
        } else {
            Language::UNKNOWN
        }
    }
}

fn is_latin(table: &Table, language: usize) -> bool {
    !matches!(table.families.get(language), None | Some(Family::Other))
}

/// The first of the largest numbers, and its place.
fn largest(counts: &[u16]) -> (usize, u16) {
    let mut best = (0, 0);
    for (at, count) in counts.iter().enumerate() {
        if *count > best.1 {
            best = (at, *count);
        }
    }
    best
}

/// Places of two scripts in [`SCRIPTS`].
const JAPANESE: usize = 17;
const CHINESE: usize = 18;

const fn is_letter(c: char) -> bool {
    match c {
        'a'..='z' => true,
        '\0'..='\u{BF}' => false,
        '\u{2000}'..='\u{2BFF}' | '\u{3000}'..='\u{303F}' | '\u{FF00}'..='\u{FF0F}' => false,
        '\u{60C}' | '\u{61B}' | '\u{61F}' | '\u{964}' | '\u{965}' | '\u{6D4}' => false,
        _ => true,
    }
}

const fn hash(word: &[u8]) -> u32 {
    let mut hash = 0x811C_9DC5_u32;
    let mut at = 0;
    while at < word.len() {
        hash = (hash ^ word[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::{CHINESE, JAPANESE, Language, SCRIPTS, WORDS};
    use crate::normalise::Views;

    fn folded(text: &str) -> String {
        let mut views = Views::default();
        views.start(text);
        views.get(0).expect("a view").folded().to_owned()
    }

    #[test]
    fn languages_are_told_by_their_small_words_and_letters() {
        let cases = include_str!("language/cases.txt");
        for (code, text) in cases.lines().filter_map(|line| line.split_once(": ")) {
            assert_eq!(Language::of_original(text).code(), code, "{text}");
        }
    }

    #[test]
    fn words_are_written_as_folding_leaves_them() {
        let lines = WORDS.lines().filter(|line| !line.starts_with('#'));
        for (code, words) in lines.filter_map(|line| line.split_once(':')) {
            for word in words.split_whitespace() {
                assert_eq!(folded(word), word, "{code}");
            }
        }
    }

    #[test]
    fn scripts_stand_where_they_are_looked_for() {
        assert_eq!(SCRIPTS[JAPANESE].2, "ja");
        assert_eq!(SCRIPTS[CHINESE].2, "zh");
    }
}
