//! Adversarial suffixes: words and signs that a search put together behind a request, so that a
//! model answers what it would refuse (Zou et al. 2023, arXiv:2307.15043, and what followed).
//!
//! They have no words of their own that could be learned, but no person writes so: pieces of words,
//! signs glued to them, hardly a function word. What is measured is how surprising each token is after
//! the one before it, for somebody who knows what innocent users write ([`Costs`]), over the end of
//! the last line and over what stands before it; a few plain signs (brackets that nobody closes, no
//! end of a sentence) are weighed with it. The weights are learned from innocent texts with made-up
//! suffixes; no real one is among them.
//!
//! Trade-off: one line, its last [`TOKENS_MAX`] tokens, pairs of classes of tokens: a microsecond.
//! Left out: suffixes that read like sentences (the classifier's work), those with a sentence or a
//! whole line behind them, material, and languages other than English, whose words this model would
//! take for noise.

mod costs;
mod tokens;

pub use self::costs::{Costs, Entry, Word, pair_key, single_key, word_key};
pub use self::tokens::{Token, class, last_tokens, lines, tokens, word_hash};

/// Shorter lines are passed over, so many of them and the one that is read.
const LINE_BYTES_MIN: usize = 32;
const LINES_MAX: usize = 4;
/// Bytes of the last line that are read.
const LINE_BYTES_MAX: usize = 600;
/// Tokens of them that are weighed.
pub const TOKENS_MAX: usize = 60;
/// With fewer there is no telling.
const TOKENS_MIN: usize = 12;
/// Tokens that are taken for the suffix: optimisers are mostly given twenty pieces of words.
const TAIL: usize = 16;
/// Tokens of the tail that have to be words: what is encoded has few.
const WORDS_MIN: usize = 5;
/// One in this many words may be a lone letter: letters with blanks between them are a disguise.
const LONE_LETTERS_PER_WORDS: usize = 3;
/// One in this many tokens may be of another script.
const FOREIGN_PER_TOKENS: usize = 8;
/// Brackets and quotes without their other half that are counted.
const UNBALANCED_MAX: u32 = 4;

/// Less rare ends are nothing: about one innocent text in a thousand is rarer.
const RARITY_MIN: f32 = 2.9;
/// What is taken from the rarity, since this is a second chance to be suspect beside the classifier's.
const HANDICAP: f32 = 0.6;

/// Numbers that describe the end of a text.
pub const FEATURES: usize = 14;
/// See [`features`].
pub type Features = [f32; FEATURES];

/// The model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suffix {
    /// What follows what.
    pub costs: Costs,
    /// Log-odds per unit of each feature.
    pub weights: Features,
    /// Log-odds of nothing.
    pub bias: f32,
    /// The log-odds that one innocent text of a user in 100 and in 1000 reaches.
    pub levels: [f32; 2],
}

/// The end of a text that looks like a suffix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// Byte where the suffix starts, about.
    pub start: usize,
    /// How rare that is among innocent texts: 2 is one in a hundred, 3 one in a thousand.
    pub rarity: f32,
}

impl Suffix {
    /// How rare the end of a user's text is; `None` where there is nothing to tell.
    #[must_use]
    pub fn tail(&self, text: &str) -> Option<Tail> {
        if self.costs.is_empty() {
            return None;
        }
        let (start, features) = features(text, &self.costs)?;
        let rarity = self.rarity(self.log_odds(&features))?;
        Some(Tail { start, rarity })
    }

    /// How rare such log-odds are among innocent texts of users, as one of two chances to be suspect;
    /// `None` if they are nothing.
    #[must_use]
    pub fn rarity(&self, log_odds: f32) -> Option<f32> {
        let [hundred, thousand] = self.levels;
        let rarity = 2.0 + (log_odds - hundred) / (thousand - hundred).max(0.05);
        (rarity >= RARITY_MIN).then_some(rarity - HANDICAP)
    }

    /// Log-odds of an end with these features.
    #[must_use]
    pub fn log_odds(&self, features: &Features) -> f32 {
        let weighed = self.weights.iter().zip(features);
        weighed.fold(self.bias, |sum, (weight, feature)| sum + weight * feature)
    }
}

/// Where the tail of a text starts, and what describes it. `None` if its last line is short, starts
/// with white space (code, lists) or is hardly of English words.
#[must_use]
pub fn features(text: &str, costs: &Costs) -> Option<(usize, Features)> {
    let (line_start, line) = last_line(text.as_bytes())?;
    let first = *line.first()?;
    if first.is_ascii_whitespace() || line_start > 0 && !first.is_ascii_alphanumeric() {
        return None;
    }
    let read = line.len().saturating_sub(LINE_BYTES_MAX);
    let line = line.get(read..)?;
    let (tokens, count) = last_tokens(line);
    let tokens = tokens.get(..count).filter(|_| count >= TOKENS_MIN)?;
    let tail = tokens.get(count.saturating_sub(TAIL)..)?;
    let words = Words::of(line, tail, costs);
    let foreign = tokens.iter().filter(|token| token.is_foreign(line)).count();
    if words.all < WORDS_MIN
        || words.lone * LONE_LETTERS_PER_WORDS > words.all
        || foreign * FOREIGN_PER_TOKENS > count
    {
        return None;
    }

    let mut surprise = [0.0; TOKENS_MAX];
    let mut before = 0;
    for (slot, token) in surprise.iter_mut().zip(tokens) {
        let this = class(token, line, costs);
        *slot = costs.after(before, this);
        before = this;
    }
    let surprise = surprise.get(..count)?;
    let sum = |part: &[f32]| part.iter().sum::<f32>();
    let split = if count >= TAIL + 6 {
        count - TAIL
    } else {
        (count / 2).max(6)
    };
    let head = surprise.get(..split)?;
    let share = |part: usize| part as f32 / TAIL as f32;
    let count_of = |is: &dyn Fn(&[u8]) -> bool| {
        let of_tail = tail.iter().filter(|token| is(token.bytes(line)));
        of_tail.count()
    };
    let start = line_start + read + tail.first()?.start();
    Some((
        start,
        [
            sum(surprise.get(count.saturating_sub(TAIL)..)?) / TAIL as f32,
            sum(head) / head.len() as f32,
            words.frequent as f32 / words.all as f32,
            f32::from(u8::from(ends_a_sentence(line))),
            f32::from(u8::from(has_code(line))),
            unbalanced(line) as f32 / UNBALANCED_MAX as f32,
            count as f32 / TOKENS_MAX as f32,
            share(tail.iter().filter(|token| token.is_signs(line)).count()),
            share(words.glued),
            // Titles and lists of names, not a capital here and there.
            (words.capital as f32 / words.all as f32 - 0.5).max(0.0),
            share(count_of(&|bytes| bytes == b",")),
            share(count_of(&|bytes| bytes.contains(&b'\''))),
            share(count_of(&|bytes| {
                bytes.first().is_some_and(u8::is_ascii_digit)
            })),
            f32::from(u8::from(line_start > 0)),
        ],
    ))
}

/// Where the last line starts that is long enough to tell anything, and the line: a word of thanks
/// below a suffix hides nothing.
fn last_line(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut rest = bytes.trim_ascii_end();
    for _ in 0..LINES_MAX {
        let start = memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1);
        let line = rest.get(start..)?;
        if line.len() >= LINE_BYTES_MIN {
            return Some((start, line));
        }
        rest = rest.get(..start)?.trim_ascii_end();
    }
    None
}

/// Words of the tail.
#[derive(Default)]
struct Words {
    all: usize,
    lone: usize,
    frequent: usize,
    glued: usize,
    capital: usize,
}

impl Words {
    fn of(line: &[u8], tail: &[Token], costs: &Costs) -> Self {
        let mut words = Self::default();
        for token in tail.iter().filter(|token| token.is_word(line)) {
            words.all += 1;
            words.lone += usize::from(token.len() == 1);
            words.glued += usize::from(token.glued);
            let first = token.bytes(line).first();
            words.capital += usize::from(first.is_some_and(u8::is_ascii_uppercase));
            let known = costs.word(word_hash(token.bytes(line)));
            words.frequent += usize::from(known == Word::Frequent);
        }
        words
    }
}

fn ends_a_sentence(line: &[u8]) -> bool {
    matches!(line, [.., letter, b'.' | b'?' | b'!'] if letter.is_ascii_alphabetic())
}

fn has_code(line: &[u8]) -> bool {
    line.contains(&b'`') || line.windows(2).any(|two| two == b"${" || two == b"{{")
}

/// Brackets that are not closed or not opened, and a quote too many.
fn unbalanced(line: &[u8]) -> u32 {
    const DEPTH_MAX: usize = 16;
    let (mut open, mut depth) = ([0; DEPTH_MAX], 0);
    let (mut wrong, mut quotes) = (0_u32, 0_u32);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => match open.get_mut(depth) {
                Some(slot) => {
                    *slot = *byte;
                    depth += 1;
                }
                None => wrong += 1,
            },
            b')' if is_enumeration(line.get(..at).unwrap_or_default()) => {}
            b')' | b']' | b'}' => {
                let last = depth.checked_sub(1).and_then(|at| open.get(at));
                let pairs = matches!(
                    (last, byte),
                    (Some(b'('), b')') | (Some(b'['), b']') | (Some(b'{'), b'}')
                );
                if pairs {
                    depth -= 1;
                } else {
                    wrong += 1;
                }
            }
            b'"' => quotes += 1,
            _ => {}
        }
    }
    (wrong + depth as u32 + quotes % 2).min(UNBALANCED_MAX)
}

/// Whether what stands before a bracket makes it one of `a) … b) …`.
fn is_enumeration(before: &[u8]) -> bool {
    match before {
        [sign] | [.., b' ' | b'\t', sign] => sign.is_ascii_alphanumeric(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{ends_a_sentence, has_code, unbalanced};

    #[test]
    fn signs_of_lines() {
        assert_eq!(unbalanced(b"f(a[1], {b: \"c\"})"), 0);
        assert_eq!(unbalanced(b"=\"Here...\"\"/> primo tent(ctions. ]"), 3);
        assert_eq!(unbalanced(b"Which one? a) this b) that (2) or"), 0);
        assert_eq!(unbalanced(&b"([{".repeat(40)), 4);
        assert!(ends_a_sentence(b"What now?"));
        assert!(!ends_a_sentence(b"now {?"));
        assert!(has_code(b"set ${HOME} to") && !has_code(b"set $HOME to"));
    }
}
