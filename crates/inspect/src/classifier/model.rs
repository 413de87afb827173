//! The weights, and what they make of a text.
//!
//! A model file is versioned: magic, header as JSON (what it was trained on, with which figures),
//! calibration, weights as one signed byte each. Summation is in integers, so that a score is the
//! same on every machine.

use sha2::{Digest as _, Sha256};

use super::concepts::Concepts;
use super::features::{FEATURES, HASHED, HASHED_MIN, Kind, Sink, extract};
use super::memo::Memo;
use crate::language::FAMILIES;
use crate::suffix::{self, Costs, Suffix};

const MAGIC: &[u8; 8] = b"ATLYCLS6";
/// Largest file that is read.
const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Tokens that every window counts in addition: a lone word proves little.
const TOKENS_SMOOTHING: u32 = 6;
/// Blocks of a short window and of a long one; each starts one block after the one before.
pub const SHORT: usize = 2;
/// See [`SHORT`].
pub const LONG: usize = 4;
/// Classes of length that are calibrated apart.
pub const LENGTHS: usize = 4;
/// Numbers of one table before its weights.
const NUMBERS: usize = 3 + FAMILIES + 3 * LENGTHS;
/// Numbers of the model of suffixes before its table.
const SUFFIX_NUMBERS: usize = suffix::FEATURES + 3;
/// Bytes of the model of suffixes.
const SUFFIX_BYTES: usize = 4 * SUFFIX_NUMBERS + Costs::BYTES;

/// A trained model.
#[derive(Debug)]
pub struct Model {
    concepts: Concepts,
    header: String,
    /// SHA-256 of the file that it was read from; zeros if it was from none.
    digest: [u8; 32],
    /// For user texts, for material.
    tables: [Table; 2],
    suffix: Suffix,
}

/// Weights for one kind of text, with the calibration of their sums.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// One weight per feature.
    pub weights: Vec<i8>,
    /// Log-odds per unit of weight.
    pub scale: f32,
    /// Log-odds of a window without features.
    pub bias: f32,
    /// What the worst pattern's score (0 to 1) adds to the log-odds.
    pub pattern: f32,
    /// By [`Family`](crate::language::Family): how much higher in log-odds its innocent texts lie
    /// than those of all languages.
    pub families: [f32; FAMILIES],
    /// By length: the log-odds that one innocent text in 10, 100 and 1000 reaches.
    pub levels: [[f32; 3]; LENGTHS],
}

/// Why a model file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelError {
    /// Not such a file, or of another version.
    NotAModel,
    /// The file ends early or is too large.
    WrongLength,
    /// The header is no text.
    Header,
}

impl std::fmt::Display for ModelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotAModel => "not a classifier model of this version",
            Self::WrongLength => "the model file is cut off or larger than 8 MiB",
            Self::Header => "the model's header cannot be read",
        })
    }
}

impl std::error::Error for ModelError {}

/// What a model says about a text, in log-odds.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    /// Of the worst window.
    pub worst: f32,
    /// Number of windows.
    pub windows: u32,
    /// First byte of the worst window.
    pub start: u32,
    /// Byte behind its last token.
    pub end: u32,
}

/// What a model says about every window of a text. The memory is kept from text to text.
#[derive(Debug, Default)]
pub struct Windows {
    /// Where each block of tokens ends.
    ends: Vec<u32>,
    /// Log-odds of the short window that starts with a block, and of the long one.
    short: Vec<f32>,
    long: Vec<f32>,
}

impl Windows {
    fn clear(&mut self) {
        self.ends.clear();
        self.short.clear();
        self.long.clear();
    }

    /// Bytes of the windows that reach a score, with the block before each: from left to right,
    /// overlapping.
    pub fn reaching(&self, least: f32) -> impl Iterator<Item = std::ops::Range<usize>> {
        let end = |block: usize| self.ends.get(block).map_or(0, |end| *end as usize);
        let reaches = move |score: Option<&f32>| score.is_some_and(|score| *score >= least);
        let window = move |block: usize| {
            let blocks = if reaches(self.long.get(block)) {
                LONG
            } else if reaches(self.short.get(block)) {
                SHORT
            } else {
                return None;
            };
            let start = block.checked_sub(2).map_or(0, end);
            let last = (block + blocks - 1).min(self.ends.len().saturating_sub(1));
            Some(start..end(last))
        };
        (0..self.short.len().max(self.long.len())).filter_map(window)
    }
}

/// A token that weighed.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// In the folded text.
    pub start: usize,
    /// In the folded text.
    pub end: usize,
    /// Its share of the worst window's log-odds.
    pub weight: f32,
}

impl Table {
    /// How rare a score is among innocent texts: 2 is one in a hundred, 3 one in a thousand.
    #[must_use]
    pub fn rarity(&self, log_odds: f32, windows: u32) -> f32 {
        let [ten, hundred, thousand] = self.levels[length_class(windows)];
        let step = |from: f32, to: f32| (to - from).max(0.05);
        if log_odds < hundred {
            1.0 + (log_odds - ten) / step(ten, hundred)
        } else {
            2.0 + (log_odds - hundred) / step(hundred, thousand)
        }
    }

    /// How much lower than those of all languages the innocent texts of a family lie at most.
    pub(crate) fn easing(&self) -> f32 {
        self.families.iter().copied().fold(0.0, f32::min)
    }

    /// The log-odds of a rarity between 1 and 2.
    pub(crate) fn log_odds(&self, rarity: f32, windows: u32) -> f32 {
        let [ten, hundred, _] = self.levels[length_class(windows)];
        ten + (rarity - 1.0) * (hundred - ten)
    }

    fn numbers(&self) -> [f32; NUMBERS] {
        let mut numbers = [0.0; NUMBERS];
        let levels = self.levels.iter().flatten().copied();
        let all = [self.scale, self.bias, self.pattern]
            .into_iter()
            .chain(self.families)
            .chain(levels);
        for (slot, number) in numbers.iter_mut().zip(all) {
            *slot = number;
        }
        numbers
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, weights) = bytes.split_at_checked(4 * NUMBERS)?;
        let mut numbers = head
            .chunks_exact(4)
            .map(|four| four.try_into().map_or(0.0, f32::from_le_bytes));
        let mut next = || numbers.next().unwrap_or(0.0);
        let (scale, bias, pattern) = (next(), next(), next());
        let families = std::array::from_fn(|_| next());
        let mut levels = [[0.0; 3]; LENGTHS];
        for level in levels.iter_mut().flatten() {
            *level = next();
        }
        (weights.len() == FEATURES).then(|| Self {
            weights: weights.iter().map(|byte| byte.cast_signed()).collect(),
            scale,
            bias,
            pattern,
            families,
            levels,
        })
    }
}

/// Texts of about the same number of windows are compared with each other.
#[must_use]
pub const fn length_class(windows: u32) -> usize {
    match windows {
        0..=4 => 0,
        5..=20 => 1,
        21..=56 => 2,
        _ => 3,
    }
}

/// What a window's sum is multiplied with.
#[must_use]
pub fn norm(tokens: u32) -> f32 {
    1.0 / ((tokens + TOKENS_SMOOTHING) as f32).sqrt()
}

impl Model {
    /// Puts a model together.
    #[must_use]
    pub fn new(header: String, tables: [Table; 2], suffix: Suffix) -> Self {
        Self {
            concepts: Concepts::builtin(),
            header,
            digest: [0; 32],
            tables,
            suffix,
        }
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// If it is none, or cut off.
    pub fn read(file: &[u8]) -> Result<Self, ModelError> {
        if file.len() > FILE_BYTES_MAX {
            return Err(ModelError::WrongLength);
        }
        let rest = file.strip_prefix(MAGIC).ok_or(ModelError::NotAModel)?;
        let (length, rest) = rest
            .split_first_chunk::<4>()
            .ok_or(ModelError::WrongLength)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (header, rest) = rest
            .split_at_checked(length)
            .ok_or(ModelError::WrongLength)?;
        let header = std::str::from_utf8(header).map_err(|_| ModelError::Header)?;
        let (length, rest) = rest
            .split_first_chunk::<4>()
            .ok_or(ModelError::WrongLength)?;
        if rest.len() != u32::from_le_bytes(*length) as usize {
            return Err(ModelError::WrongLength);
        }
        let tables = rest.len().checked_sub(SUFFIX_BYTES);
        let (tables, suffix) = rest.split_at(tables.ok_or(ModelError::WrongLength)?);
        let (user, material) = tables.split_at(tables.len() / 2);
        let table = |bytes| Table::read(bytes).ok_or(ModelError::WrongLength);
        let tables = [table(user)?, table(material)?];
        Ok(Self {
            digest: Sha256::digest(file).into(),
            ..Self::new(header.to_owned(), tables, read_suffix(suffix))
        })
    }

    /// The model as a file.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend(u32::try_from(self.header.len()).unwrap_or(0).to_le_bytes());
        file.extend(self.header.as_bytes());
        let length = self
            .tables
            .iter()
            .map(|table| 4 * NUMBERS + table.weights.len())
            .sum::<usize>()
            + SUFFIX_BYTES;
        file.extend(u32::try_from(length).unwrap_or(0).to_le_bytes());
        for table in &self.tables {
            file.extend(
                table
                    .numbers()
                    .iter()
                    .flat_map(|number| number.to_le_bytes()),
            );
            file.extend(table.weights.iter().map(|weight| weight.cast_unsigned()));
        }
        let suffix = &self.suffix;
        let numbers = suffix.weights.iter().chain([&suffix.bias]);
        let numbers = numbers.chain(&suffix.levels);
        file.extend(numbers.flat_map(|number| number.to_le_bytes()));
        file.extend(suffix.costs.write());
        file
    }

    /// What the model was trained on, as JSON.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// What tells it from every other model: SHA-256 of its file.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The weights and calibration for a kind of text.
    #[must_use]
    pub const fn table(&self, kind: Kind) -> &Table {
        match kind {
            Kind::User => &self.tables[0],
            Kind::Material => &self.tables[1],
        }
    }

    /// The model of adversarial suffixes.
    #[must_use]
    pub const fn suffix(&self) -> &Suffix {
        &self.suffix
    }

    /// Scores a folded text and every window of it; `None` if it has no token.
    #[must_use]
    pub fn score(
        &self,
        text: &str,
        kind: Kind,
        memo: &mut Memo,
        windows: &mut Windows,
    ) -> Option<Score> {
        windows.clear();
        let table = self.table(kind);
        let mut sums = Sums {
            weights: &table.weights,
            hashed: table.weights.last_chunk()?,
            scale: table.scale,
            bias: table.bias,
            current: 0,
            recent: [(0, 0); LONG],
            worst: Score {
                worst: f32::NEG_INFINITY,
                windows: 0,
                start: 0,
                end: 0,
            },
            windows,
        };
        extract(text, (&self.concepts, kind), memo, &mut sums);
        sums.finish()
    }

    /// The tokens of the worst window with their shares, in the order of the text. Only that window is
    /// read: what its first words make with those before them is left out.
    #[must_use]
    pub fn reasons(&self, text: &str, kind: Kind, score: Score, memo: &mut Memo) -> Vec<Reason> {
        let (start, end) = (score.start as usize, score.end as usize);
        let Some(text) = text.get(start..end) else {
            return Vec::new();
        };
        let mut weighing = Weighing {
            table: self.table(kind),
            start,
            reasons: Vec::new(),
        };
        extract(text, (&self.concepts, kind), memo, &mut weighing);
        weighing.reasons
    }
}

fn read_suffix(bytes: &[u8]) -> Suffix {
    let (head, costs) = bytes.split_at(bytes.len().min(4 * SUFFIX_NUMBERS));
    let mut numbers = head
        .chunks_exact(4)
        .map(|four| four.try_into().map_or(0.0, f32::from_le_bytes));
    let mut next = || numbers.next().unwrap_or(0.0);
    Suffix {
        costs: Costs::read(costs),
        weights: std::array::from_fn(|_| next()),
        bias: next(),
        levels: std::array::from_fn(|_| next()),
    }
}

struct Sums<'a> {
    weights: &'a [i8],
    /// Those from [`HASHED_MIN`] on: a number cannot lie beyond them, and need not be compared.
    hashed: &'a [i8; HASHED],
    scale: f32,
    bias: f32,
    current: i32,
    /// Sums and tokens of the last blocks, the last one first.
    recent: [(i32, u32); LONG],
    worst: Score,
    windows: &'a mut Windows,
}

impl Sums<'_> {
    /// Scores the last blocks together.
    fn window(&mut self, blocks: usize) -> f32 {
        let of_window = self.recent.iter().take(blocks);
        let (sum, tokens) = of_window.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        let score = self.bias + sum as f32 * self.scale * norm(tokens);
        self.worst.windows += 1;
        if score > self.worst.worst {
            self.worst.worst = score;
            let ends = &self.windows.ends;
            let before = ends.len().checked_sub(blocks + 1);
            self.worst.start = before.and_then(|at| ends.get(at)).copied().unwrap_or(0);
            self.worst.end = ends.last().copied().unwrap_or(0);
        }
        score
    }

    fn finish(mut self) -> Option<Score> {
        match self.windows.ends.len() {
            0 => return None,
            // No window of such a text holds all of it.
            short @ (1 | 3) => {
                let score = self.window(short);
                self.windows.long.push(score);
            }
            _ => {}
        }
        Some(self.worst)
    }
}

impl Sink for Sums<'_> {
    const BY_TOKEN: bool = false;

    #[inline]
    fn feature(&mut self, number: u32) {
        if let Some(weight) = self.weights.get(number as usize) {
            self.current += i32::from(*weight);
        }
    }

    #[inline]
    fn features(&mut self, numbers: [u32; 5]) {
        let weight = |number| self.hashed[(number - HASHED_MIN) as usize % HASHED];
        self.current += numbers
            .map(|number| i32::from(weight(number)))
            .iter()
            .sum::<i32>();
    }

    fn block(&mut self, tokens: u32, end: usize) {
        let ends = &mut self.windows.ends;
        ends.push(u32::try_from(end).unwrap_or(u32::MAX));
        let blocks = ends.len();
        self.recent.rotate_right(1);
        self.recent[0] = (self.current, tokens);
        self.current = 0;
        if blocks >= SHORT {
            let score = self.window(SHORT);
            self.windows.short.push(score);
        }
        if blocks >= LONG {
            let score = self.window(LONG);
            self.windows.long.push(score);
        }
    }
}

struct Weighing<'a> {
    table: &'a Table,
    /// Where the window starts in the text.
    start: usize,
    reasons: Vec<Reason>,
}

impl Sink for Weighing<'_> {
    fn token(&mut self, start: usize, end: usize) {
        self.reasons.push(Reason {
            start: self.start + start,
            end: self.start + end,
            weight: 0.0,
        });
    }

    fn feature(&mut self, number: u32) {
        let weight = self.table.weights.get(number as usize);
        if let (Some(reason), Some(weight)) = (self.reasons.last_mut(), weight) {
            reason.weight += f32::from(*weight) * self.table.scale;
        }
    }

    fn block(&mut self, _tokens: u32, _end: usize) {}
}

#[cfg(test)]
mod tests {
    use super::{FEATURES, Kind, LENGTHS, Model, ModelError, Table};
    use crate::suffix::{Costs, Entry, Suffix, Word};

    fn table() -> Table {
        Table {
            weights: (0..FEATURES).map(|i| (i % 251) as i8).collect(),
            scale: 0.5,
            bias: -1.0,
            pattern: 2.0,
            families: [0.0, 0.5, -0.25],
            levels: [[-2.0, 1.0, 2.0]; LENGTHS],
        }
    }

    fn suffix() -> Suffix {
        Suffix {
            costs: Costs::new(&[Entry::word(7, Word::Common)]),
            weights: std::array::from_fn(|at| at as f32),
            bias: -3.0,
            levels: [1.0, 2.0],
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let model = Model::new("{}".to_owned(), [table(), table()], suffix());

        let read = Model::read(&model.write()).expect("a model");
        assert_eq!(read.header(), "{}");
        assert_eq!(read.table(Kind::Material), &table());
        assert_eq!(read.suffix(), &suffix());
    }

    #[test]
    fn broken_files_are_refused() {
        let file = Model::new("{}".to_owned(), [table(), table()], suffix()).write();
        assert_eq!(Model::read(b"PK").map(|_| ()), Err(ModelError::NotAModel));
        for length in (8..200).chain([file.len() / 2, file.len() - 1]) {
            assert!(Model::read(&file[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn rarity_follows_the_levels() {
        assert!((table().rarity(-2.0, 1) - 1.0).abs() < 1e-6);
        assert!((table().rarity(1.0, 1) - 2.0).abs() < 1e-6);
        assert!((table().rarity(2.0, 99) - 3.0).abs() < 1e-6);
        assert!((table().rarity(4.0, 3) - 5.0).abs() < 1e-6);
    }
}
