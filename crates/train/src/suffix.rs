//! The model of adversarial suffixes: what innocent users write is counted, suffixes are made up, and
//! the few numbers that tell them apart are learned on texts whose sources were not counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use atalaya_inspect::language::Family;
use atalaya_inspect::suffix::{
    Costs, Entry, FEATURES, Features, Suffix, Token, Word, class, features, lines, pair_key,
    single_key, tokens, word_hash,
};

use crate::corpus::{Document, Row};
use crate::cross;
use crate::learn::sigmoid;
use crate::random::Random;

/// Bytes of a text that are counted.
const TEXT_BYTES_MAX: usize = 3000;
/// Words that are classes of their own, and of them those that every text has.
const COMMON_WORDS: usize = 2000;
const FREQUENT_WORDS: usize = 110;
/// Texts that have a word, from which on it is known.
const KNOWN_TEXTS: u32 = 3;
/// How often a pair occurs, from which on it was seen.
const SEEN_PAIRS: u32 = 2;
/// Groups of sources that are counted and learned from apart.
const GROUPS: usize = 4;
/// Percent of innocent texts that get a made-up suffix, and the least bytes of one.
const SUFFIXED_PERCENT: usize = 25;
const SUFFIXED_BYTES_MIN: usize = 40;
/// Steps of learning, and how far each goes.
const STEPS: usize = 800;
const RATE: f64 = 0.5;

/// Whether the end of a text is looked at: what a user wrote in English, plainly.
fn is_read(document: &Document) -> bool {
    !document.material && document.family == Family::English && !document.disguised
}

/// Whether a row is counted: an innocent one that was not generated.
fn is_counted(row: &Row, document: &Document) -> bool {
    !row.is_attack() && is_read(document) && cross::fold(&row.source).is_some()
}

/// Scores of every user's text by a model that saw nothing of its source; `None` where there is
/// nothing to tell.
pub(crate) fn held_out(rows: &[Row], documents: &[Document]) -> Vec<Option<f32>> {
    let mut scores = vec![None; rows.len()];
    for held in 0..cross::FOLDS {
        let model = learn(rows, documents, Some(held));
        for ((row, document), slot) in rows.iter().zip(documents).zip(&mut scores) {
            if cross::fold(&row.source) == Some(held) && is_read(document) {
                *slot = features(&row.text, &model.costs).map(|(_, f)| model.log_odds(&f));
            }
        }
    }
    scores
}

/// Learns from all rows but those of a fold. The levels are left for the caller.
pub(crate) fn learn(rows: &[Row], documents: &[Document], held: Option<usize>) -> Suffix {
    let counted: Vec<&Row> = rows
        .iter()
        .zip(documents)
        .filter(|(row, document)| is_counted(row, document))
        .map(|(row, _)| row)
        .filter(|row| cross::fold(&row.source) != held)
        .collect();
    let mut sources: Vec<&str> = counted.iter().map(|row| row.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let group = |row: &Row| {
        let number = sources.binary_search(&row.source.as_str()).unwrap_or(0);
        number % GROUPS
    };
    let mut random = Random::named(7, "suffix");
    let mut samples = Vec::new();
    for apart in 0..GROUPS {
        let others: Vec<&Row> = counted
            .iter()
            .copied()
            .filter(|row| group(row) != apart)
            .collect();
        let costs = count(&others);
        let salad = Salad::of(&others);
        for row in counted.iter().filter(|row| group(row) == apart) {
            if let Some((_, features)) = features(&row.text, &costs) {
                samples.push((features, false));
            }
            let text = row.text.trim_end();
            if random.chance(SUFFIXED_PERCENT) && text.len() >= SUFFIXED_BYTES_MIN {
                let text = text.trim_end_matches(['.', '?', '!']);
                let text = format!("{text}{}", salad.suffix(&mut random));
                if let Some((_, features)) = features(&text, &costs) {
                    samples.push((features, true));
                }
            }
        }
    }
    let (weights, bias) = logistic(&samples);
    Suffix {
        costs: count(&counted),
        weights,
        bias,
        levels: [0.0, 1.0],
    }
}

/// Lines of what is read of a text.
fn read(row: &Row) -> impl Iterator<Item = &[u8]> {
    let end = row.text.floor_char_boundary(TEXT_BYTES_MAX);
    lines(row.text.get(..end).unwrap_or_default())
}

/// Counts words, classes and pairs of them.
fn count(rows: &[&Row]) -> Costs {
    let words = words(rows);
    let vocabulary = Costs::new(&words);
    let mut singles: HashMap<u64, u32> = HashMap::new();
    let mut firsts: HashMap<u64, u32> = HashMap::new();
    let mut pairs: HashMap<(u64, u64), u32> = HashMap::new();
    let mut all = 0_u32;
    for line in rows.iter().copied().flat_map(read) {
        let mut before = 0;
        for token in tokens(line) {
            let this = class(&token, line, &vocabulary);
            *singles.entry(this).or_insert(0) += 1;
            *firsts.entry(before).or_insert(0) += 1;
            *pairs.entry((before, this)).or_insert(0) += 1;
            before = this;
            all += 1;
        }
    }
    let bits = |part: u32, whole: u32| (whole as f32 / part as f32).log2();
    let mut counted: Vec<(u32, u64, Entry)> = Vec::new();
    for ((before, this), times) in pairs.into_iter().filter(|(_, n)| *n >= SEEN_PAIRS) {
        let whole = firsts.get(&before).copied().unwrap_or(times);
        let key = pair_key(before, this);
        counted.push((times, key, Entry::cost(key, bits(times, whole))));
    }
    for (this, times) in singles {
        let key = single_key(this);
        counted.push((u32::MAX, key, Entry::cost(key, bits(times, all))));
    }
    counted.sort_by_key(|(times, key, _)| (std::cmp::Reverse(*times), *key));
    let counted = counted.into_iter().map(|(_, _, entry)| entry);
    Costs::new(&words.into_iter().chain(counted).collect::<Vec<_>>())
}

/// The words and runs of signs that are known, the most frequent first.
fn words(rows: &[&Row]) -> Vec<Entry> {
    let mut texts: HashMap<u64, (u32, bool)> = HashMap::new();
    for row in rows {
        let mut seen = HashSet::new();
        for line in read(row) {
            for token in tokens(line) {
                let bytes = token.bytes(line);
                if !bytes.first().is_some_and(u8::is_ascii_digit) && bytes.is_ascii() {
                    seen.insert((word_hash(bytes), token.is_word(line)));
                }
            }
        }
        for (hash, is_word) in seen {
            texts.entry(hash).or_insert((0, is_word)).0 += 1;
        }
    }
    let mut known: Vec<(u32, u64, bool)> = texts
        .into_iter()
        .filter(|(_, (times, _))| *times >= KNOWN_TEXTS)
        .map(|(hash, (times, is_word))| (times, hash, is_word))
        .collect();
    known.sort_by_key(|(times, hash, _)| (std::cmp::Reverse(*times), *hash));
    let (mut rank, mut frequent) = (0, 0);
    known
        .into_iter()
        .map(|(_, hash, is_word)| {
            rank += 1;
            frequent += usize::from(is_word);
            let word = match (rank, is_word) {
                (_, true) if frequent <= FREQUENT_WORDS => Word::Frequent,
                (..=COMMON_WORDS, _) => Word::Common,
                _ => Word::Known,
            };
            Entry::word(hash, word)
        })
        .collect()
}

/// Makes suffixes up.
struct Salad {
    words: Vec<String>,
    frequent: Vec<String>,
}

const SIGNS: &[&str] = &[
    ".", "...", "!", "!!", "?", "(", ")", "[", "]", "{", "}", "\\", "\\[", "\"", "\":", "=\"",
    "--", ".(", "](", "**", "`", "```", "#", "##", "->", "$", "%", "_", ":", ";", "//", "<", ">",
    "|", "+", ",", "'", "1", "2023",
];

impl Salad {
    fn of(rows: &[&Row]) -> Self {
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for line in rows.iter().copied().flat_map(read) {
            let word = |token: &Token| {
                let bytes = token.bytes(line);
                let is_word = token.is_word(line) && (2..=12).contains(&bytes.len());
                is_word.then(|| String::from_utf8_lossy(bytes).into_owned())
            };
            for word in tokens(line).iter().filter_map(word) {
                *times.entry(word).or_insert(0) += 1;
            }
        }
        let mut by_times: Vec<(&String, &u32)> = times.iter().collect();
        by_times.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        let frequent = by_times.iter().take(COMMON_WORDS);
        Self {
            frequent: frequent.map(|(word, _)| (*word).clone()).collect(),
            words: times.into_keys().collect(),
        }
    }

    /// A dozen to two dozens of words, pieces of words and signs, some glued together; no two
    /// suffixes are of the same mixture.
    fn suffix(&self, random: &mut Random) -> String {
        let pieces = 12 + random.below(15);
        let signs = 10 + random.below(30);
        let frequent = signs + random.below(30);
        let glued = 5 + random.below(35);
        let mut suffix = String::new();
        for piece in 0..pieces {
            if piece == 0 || !random.chance(glued) {
                suffix.push(' ');
            }
            let what = random.below(100);
            if what < signs {
                suffix.push_str(SIGNS.get(random.below(SIGNS.len())).unwrap_or(&"."));
            } else if what < frequent {
                suffix.push_str(pick(&self.frequent, random));
            } else {
                suffix.push_str(&cased(cut(pick(&self.words, random), random), random));
            }
        }
        suffix
    }
}

fn pick<'a>(words: &'a [String], random: &mut Random) -> &'a str {
    words
        .get(random.below(words.len()))
        .map_or("", String::as_str)
}

/// A word, its beginning or its end.
fn cut<'a>(word: &'a str, random: &mut Random) -> &'a str {
    match random.below(20) {
        0..5 => word.get(..2 + random.below(3)).unwrap_or(word),
        5..8 => {
            let start = word.len().saturating_sub(2 + random.below(4));
            word.get(start..).unwrap_or(word)
        }
        _ => word,
    }
}

fn cased(word: &str, random: &mut Random) -> String {
    match random.below(100) {
        0..12 => {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
        }
        12..16 => word.to_ascii_uppercase(),
        16..75 => word.to_ascii_lowercase(),
        _ => word.to_owned(),
    }
}

/// Logistic regression by gradients over features of the same spread.
fn logistic(samples: &[(Features, bool)]) -> (Features, f32) {
    let count = samples.len().max(1) as f64;
    let mut mean = [0.0_f64; FEATURES];
    let mut spread = [0.0_f64; FEATURES];
    for (features, _) in samples {
        for (sum, value) in mean.iter_mut().zip(features) {
            *sum += f64::from(*value) / count;
        }
    }
    for (features, _) in samples {
        for ((sum, value), mean) in spread.iter_mut().zip(features).zip(mean) {
            *sum += (f64::from(*value) - mean).powi(2) / count;
        }
    }
    let spread = spread.map(|variance| variance.sqrt().max(1e-3));
    let scaled: Vec<[f64; FEATURES]> = samples
        .iter()
        .map(|(f, _)| std::array::from_fn(|at| (f64::from(f[at]) - mean[at]) / spread[at]))
        .collect();
    let (mut weights, mut bias) = ([0.0_f64; FEATURES], 0.0_f64);
    for _ in 0..STEPS {
        let (mut slopes, mut slope) = ([0.0_f64; FEATURES], 0.0_f64);
        for (features, (_, suffixed)) in scaled.iter().zip(samples) {
            let sum: f64 = weights.iter().zip(features).map(|(w, f)| w * f).sum();
            let error = f64::from(sigmoid((bias + sum) as f32)) - f64::from(u8::from(*suffixed));
            for (slope, feature) in slopes.iter_mut().zip(features) {
                *slope += error * feature / count;
            }
            slope += error / count;
        }
        for (weight, slope) in weights.iter_mut().zip(slopes) {
            *weight -= RATE * (slope + 1e-4 * *weight);
        }
        bias -= RATE * slope;
    }
    let unscaled: Features = std::array::from_fn(|at| (weights[at] / spread[at]) as f32);
    let moved: f64 = (0..FEATURES)
        .map(|at| weights[at] * mean[at] / spread[at])
        .sum();
    (unscaled, (bias - moved) as f32)
}
