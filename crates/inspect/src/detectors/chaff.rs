//! Text that nobody reads: the same again and again, and letters buried under marks.
//!
//! Repetition costs a model's context and has been used to push it off its instructions and to make
//! it give away what it memorised; stacked accents and glitch characters make tokenisers misbehave.
//! A user's letters that make words of no language are noise: a probe, or a search for tokens that a
//! model never learned. All are logged, not blocked: log files repeat themselves too.
//!
//! Left out: what kind of text it is; tables and source code are far above these bounds. Words put
//! together by a search (optimised suffixes) are words, and are left to the classifier.

use atalaya_model::{Finding, Role, Span, ThreatCategory};

use super::{Detector, Reading, atlas_of, on_boundaries};
use crate::language::Language;
use crate::normalise::lanes::{LANES, Lanes};
use crate::normalise::letters_from;

/// Shorter texts may repeat themselves as they like.
const REPEATED_BYTES_MIN: usize = 4096;
/// Bytes whose pieces are counted.
const SAMPLE_BYTES: usize = 64 * 1024;
/// Bytes of one piece.
const PIECE_BYTES: usize = 8;
/// One in this many pieces is new, where text is normal every third is.
const NEW_PIECES_PER: usize = 64;
/// Marks in this many characters, of which at least [`MARKS_MIN`].
const MARKS_PER_CHARS: usize = 3;
const MARKS_MIN: usize = 24;
/// Characters of which marks are counted.
const SAMPLE_CHARS: usize = 4096;
/// Words of at least [`WORD_LETTERS_MIN`] letters that are looked at, and how many it takes.
const NOISE_WORDS: std::ops::RangeInclusive<usize> = 12..=64;
const WORD_LETTERS_MIN: usize = 4;
/// One in this many of them can be spoken, at most, where a text is noise.
const SPOKEN_PER_WORDS: usize = 3;
/// Consonants in a row that hardly any word has.
const CONSONANTS_MIN: usize = 4;

/// The detector.
#[derive(Debug)]
pub(crate) struct Chaff;

impl Detector for Chaff {
    fn name(&self) -> &'static str {
        "chaff"
    }

    fn version(&self) -> &'static str {
        "2"
    }

    fn detect(&self, segment: &Reading<'_>, found: &mut Vec<Finding>) {
        let text = segment.original();
        if is_repeated(text.as_bytes()) {
            found.push(finding(
                segment,
                "resource_exhaustion.repeated_text",
                ThreatCategory::ResourceExhaustion,
                45,
            ));
        }
        if segment.kind().role() == Role::User && segment.view_count() == 1 && is_noise(segment) {
            found.push(finding(
                segment,
                "resource_exhaustion.unreadable_text",
                ThreatCategory::ResourceExhaustion,
                40,
            ));
        }
        if !text.is_ascii() && is_buried(text) {
            found.push(finding(
                segment,
                "hidden_payload.buried_letters",
                ThreatCategory::ResourceExhaustion,
                40,
            ));
        }
    }
}

fn finding(
    segment: &Reading<'_>,
    rule: &'static str,
    category: ThreatCategory,
    score: u8,
) -> Finding {
    let text = segment.original();
    Finding {
        category,
        score,
        rule: rule.into(),
        segment: segment.index(),
        kind: segment.kind(),
        span: on_boundaries(text, Span::new(0, text.len().min(256))),
        atlas: atlas_of(category),
    }
}

/// Whether almost no piece of the text is new.
fn is_repeated(bytes: &[u8]) -> bool {
    if bytes.len() < REPEATED_BYTES_MIN {
        return false;
    }
    let sample = bytes.get(..bytes.len().min(SAMPLE_BYTES)).unwrap_or(bytes);
    let mut seen = [0_u64; 256];
    let mut new = 0;
    let (mut looked, step) = (0, 3);
    for piece in sample.windows(PIECE_BYTES).step_by(step) {
        let value = piece
            .iter()
            .fold(0_u64, |value, b| value << 8 | u64::from(*b));
        let bit = (value.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50) as usize;
        if let Some(word) = seen.get_mut(bit >> 6) {
            new += usize::from(*word >> (bit & 63) & 1 == 0);
            *word |= 1 << (bit & 63);
        }
        looked += 1;
        // A normal text is told after its first kilobytes.
        if looked == 1024 && new > 256 {
            return false;
        }
    }
    new * NEW_PIECES_PER < looked
}

/// Whether a text in Latin letters has words, but hardly one that anybody could speak.
fn is_noise(segment: &Reading<'_>) -> bool {
    let folded = segment.folded(0);
    let (mut all, mut spoken) = (0, 0);
    for word in latin_words(folded).take(*NOISE_WORDS.end()) {
        all += 1;
        spoken += usize::from(is_spoken(word));
        // Nearly every text is told after its first words.
        if all == *NOISE_WORDS.start() && spoken * SPOKEN_PER_WORDS > all {
            return false;
        }
    }
    all >= *NOISE_WORDS.start()
        && spoken * SPOKEN_PER_WORDS <= all
        && Language::of(folded) == Language::UNKNOWN
}

/// Words of at least [`WORD_LETTERS_MIN`] letters, small Latin ones only. Texts in other scripts have
/// none, so that it is letters that are looked for and not where words end.
fn latin_words(text: &str) -> impl Iterator<Item = &[u8]> {
    let bytes = text.as_bytes();
    let (mut base, mut rest) = (0, Lanes::at(bytes, 0).letters());
    std::iter::from_fn(move || {
        loop {
            while rest == 0 {
                base += LANES;
                if base >= bytes.len() {
                    return None;
                }
                rest = Lanes::at(bytes, base).letters();
            }
            let start = base + rest.trailing_zeros() as usize;
            let end = start + letters_from(bytes, start);
            // A word may end in a later block.
            if end >= base + LANES {
                base = end - end % LANES;
                rest = Lanes::at(bytes, base).letters();
            }
            rest &= u64::MAX << (end - base);
            let word = bytes.get(start..end).unwrap_or_default();
            if word.len() >= WORD_LETTERS_MIN
                && word.iter().all(u8::is_ascii_lowercase)
                && !text.get(..start)?.ends_with(char::is_alphanumeric)
                && !text.get(end..)?.starts_with(char::is_alphanumeric)
            {
                return Some(word);
            }
        }
    })
}

/// Whether a word has vowels where languages have some; `r` and `l` can stand for one (Czech `krk`,
/// `vlk`).
fn is_spoken(word: &[u8]) -> bool {
    let is_vowel = |b: u8| matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y' | b'r' | b'l');
    let mut run = 0;
    for letter in word.iter().copied() {
        run = if is_vowel(letter) { 0 } else { run + 1 };
        if run >= CONSONANTS_MIN {
            return false;
        }
    }
    word.iter().copied().any(is_vowel)
}

/// Whether more marks than letters can carry are put on them.
fn is_buried(text: &str) -> bool {
    // What marks start with: hardly any text has that many of those bytes.
    let bytes = text.as_bytes();
    let bytes = bytes.get(..4 * SAMPLE_CHARS).unwrap_or(bytes);
    let starts = |base: usize| {
        let lanes = Lanes::at(bytes, base);
        (lanes.within(0xCC, 2) | lanes.within(0xE1, 2) | lanes.within(0xEF, 1)).count_ones()
    };
    let blocks = (0..bytes.len()).step_by(LANES);
    if (blocks.map(starts).sum::<u32>() as usize) < MARKS_MIN {
        return false;
    }
    let (mut marks, mut all) = (0, 0);
    for c in text.chars().take(SAMPLE_CHARS) {
        all += 1;
        marks += usize::from(
            matches!(u32::from(c), 0x300..=0x36F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F),
        );
    }
    marks >= MARKS_MIN && marks * MARKS_PER_CHARS > all
}

#[cfg(test)]
mod tests {
    use atalaya_model::SegmentKind;

    use super::{is_buried, is_repeated, latin_words};
    use crate::inspector::{Inspector, Scratch};

    #[test]
    fn noise_is_told_from_languages_code_and_data() {
        let inspector = Inspector::builtin();
        let is_noise = |text: &str, kind| {
            let verdict = inspector.inspect_text(text, kind, &mut Scratch::default());
            let mut findings = verdict.findings.iter();
            findings.any(|finding| finding.rule == "resource_exhaustion.unreadable_text")
        };
        let noise =
            "xkqj wvbn zzptr lkjhg qwrtp mnbvc xzsdf ghjkl wrtpq bvcxz plkmn jhgfd trwq zxcv";
        assert!(is_noise(noise, SegmentKind::User));
        assert!(!is_noise(noise, SegmentKind::ToolResult));
        for text in [
            "Chrząszcz brzmi w trzcinie w Szczebrzeszynie, a Szczebrzeszyn z tego słynie; wstrząśnięty źdźbłem trzcinowym chrząszcz odszedł",
            "Prší, schne, strč prst skrz krk, zmrzl vlk, smrk blbl, chrt pln skvrn vtrhl skrz trs chrp v čtvrť Krč",
            "Voi kiesus, kun lumi on pehmeää emmekä pääse hiihtämään tänään ulos metsään yhdessä naapurin kanssa",
            "fn parse(stdin: &str) -> Result<Vec<Stmt>, ParseErr> { let mut tkns = lex(stdin)?; while let Some(tkn) = tkns.next() { match tkn { _ => {} } } }",
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDJ8f0Kx1mN3vTq7hT2sLrZkW9bYp4QfXgHcV5nRjMwB6tUeYdKsPq3xZvL",
            "kubectl get pods -n kube-system | grep crash; kubectl logs -n prod web-7d9f-xk2lp --previous; helm upgrade --install",
        ] {
            assert!(!is_noise(text, SegmentKind::User), "{text}");
        }
    }

    #[test]
    fn latin_words_are_those_between_other_characters() {
        let long = "word ".repeat(40) + &"x".repeat(150) + " tail";
        let is_small =
            |word: &&str| word.len() >= 4 && word.bytes().all(|b| b.is_ascii_lowercase());
        for text in [
            "",
            "abc abcd Abcd abcd1 1abcd éabcd abcdé abcd-efgh_ijkl",
            "слово word 言葉word word言葉",
            long.as_str(),
        ] {
            let expected: Vec<&str> = text
                .split(|c: char| !c.is_alphanumeric())
                .filter(is_small)
                .collect();
            let found: Vec<&str> = latin_words(text)
                .map(|word| std::str::from_utf8(word).unwrap())
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn repetition_is_told_from_text() {
        assert!(is_repeated("poem ".repeat(2000).as_bytes()));
        assert!(is_repeated("a".repeat(9000).as_bytes()));
        assert!(!is_repeated("a".repeat(900).as_bytes()));
        let table: String = (0..400)
            .map(|i| format!("{i},2024-01-{:02},{},ok\n", i % 28, i * 7919 % 1000))
            .collect();
        assert!(!is_repeated(table.as_bytes()));
    }

    #[test]
    fn stacked_marks_are_told_from_accents() {
        assert!(is_buried(
            &"h\u{301}\u{302}\u{303}e\u{301}\u{302}\u{303}".repeat(8)
        ));
        assert!(!is_buried("Crème brûlée à la façon de grand-mère, déjà vu"));
    }
}
