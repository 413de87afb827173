//! From everything there is to the file of weights: calibration by sources that were not seen,
//! then training on all of them, then bytes.

use std::collections::BTreeSet;

use atalaya_inspect::classifier::{LENGTHS, Model, Table, length_class};
use atalaya_inspect::language::{FAMILIES, Family};
use atalaya_inspect::suffix::Suffix;

use serde_json::json;

use crate::corpus::{Document, Row};
use crate::cross;
use crate::learn::{Settings, Weights, learn_pair, sigmoid};

/// The most that a sure pattern adds to the log-odds, of users and of material: patterns were written
/// by people who know the texts, and innocent sentences of users have the words of attacks.
const PATTERN_MAX: [f32; 2] = [4.0, 4.0];

/// What the header says beside figures.
pub(crate) struct Origin {
    pub(crate) data_sha256: Vec<String>,
    pub(crate) command: String,
}

/// Trains, calibrates and packs a model.
pub(crate) fn fit(
    rows: &[Row],
    documents: &[Document],
    settings: Settings,
    origin: &Origin,
) -> Model {
    let held = cross::scores(rows, documents, settings, false);
    let pair = learn_pair(&documents.iter().collect::<Vec<_>>(), settings);
    let tables = [(false, pair.user), (true, pair.material)].map(|(material, weights)| {
        let mut table = quantised(&weights);
        table.pattern = pattern_weight(rows, documents, &held, material)
            .min(PATTERN_MAX[usize::from(material)]);
        table.levels = levels(rows, documents, &held, (material, table.pattern));
        table.families = families(rows, documents, &held, (material, &table));
        table
    });
    let suffixes = crate::suffix::held_out(rows, documents);
    let suffix = suffix(rows, documents, &suffixes);
    let mut fused = held;
    for ((score, document), tail) in fused.iter_mut().zip(documents).zip(suffixes) {
        let table = &tables[usize::from(document.material)];
        if let Some(score) = score {
            let odds = *score + table.pattern * f32::from(document.patterns) / 100.0
                - table.families[document.family.number()];
            *score = table.rarity(odds, windows(document)) - 2.0;
            if let Some(rarity) = tail.and_then(|tail| suffix.rarity(tail)) {
                *score = score.max(rarity - 2.0);
            }
        }
    }
    println!("{}", cross::report(rows, &fused));
    Model::new(header(rows, settings, origin), tables, suffix)
}

/// The model of suffixes, calibrated on innocent texts of users whose sources it did not see.
fn suffix(rows: &[Row], documents: &[Document], held: &[Option<f32>]) -> Suffix {
    let users = rows.iter().zip(documents).zip(held);
    let innocent: Vec<f32> = users
        .filter(|((row, document), _)| {
            !row.is_attack() && !document.material && cross::fold(&row.source).is_some()
        })
        .map(|(_, score)| score.unwrap_or(f32::MIN))
        .collect();
    let mut suffix = crate::suffix::learn(rows, documents, None);
    let tail = Tail::of(innocent);
    let [_, hundred, thousand] = tail.levels(tail.excess);
    suffix.levels = [hundred, thousand];
    println!(
        "suffixes: levels {:.2?}, weights {:.2?}",
        suffix.levels, suffix.weights
    );
    suffix
}

fn windows(document: &Document) -> u32 {
    u32::try_from(document.windows.len()).unwrap_or(u32::MAX)
}

fn header(rows: &[Row], settings: Settings, origin: &Origin) -> String {
    let licences: BTreeSet<&str> = rows.iter().map(|row| row.license.as_str()).collect();
    let sources: BTreeSet<&str> = rows.iter().map(|row| row.source.as_str()).collect();
    json!({
        "format": 2,
        "command": origin.command,
        "data_sha256": origin.data_sha256,
        "texts": rows.len(),
        "attacks": rows.iter().filter(|row| row.is_attack()).count(),
        "epochs": settings.epochs,
        "seed": settings.seed,
        "licenses": licences,
        "sources": sources,
    })
    .to_string()
}

/// One byte per weight; the few that are larger than all others are cut.
fn quantised(weights: &Weights) -> Table {
    let mut sizes: Vec<f32> = weights
        .weights
        .iter()
        .map(|w| w.abs())
        .filter(|w| *w > 0.0)
        .collect();
    sizes.sort_by(f32::total_cmp);
    let top = sizes
        .get(sizes.len().saturating_sub(sizes.len() / 5000 + 1))
        .copied()
        .unwrap_or(1.0);
    let scale = top.max(1e-6) / 127.0;
    Table {
        weights: weights
            .weights
            .iter()
            .map(|weight| (weight / scale).round().clamp(-127.0, 127.0) as i8)
            .collect(),
        scale,
        bias: weights.bias[usize::from(weights.material)],
        pattern: 0.0,
        families: [0.0; FAMILIES],
        levels: [[0.0; 3]; LENGTHS],
    }
}

/// How much a pattern's score says on top of the classifier, in its log-odds.
fn pattern_weight(
    rows: &[Row],
    documents: &[Document],
    held: &[Option<f32>],
    material: bool,
) -> f32 {
    let (mut a, mut b, mut c) = (1.0_f64, 1.0_f64, 0.0_f64);
    for _ in 0..300 {
        let (mut da, mut db, mut dc, mut all) = (0.0, 0.0, 0.0, 0.0);
        for ((row, document), score) in rows.iter().zip(documents).zip(held) {
            let Some(score) = score.filter(|_| document.material == material) else {
                continue;
            };
            let (s, p) = (f64::from(score), f64::from(document.patterns) / 100.0);
            let odds = (a * s + b * p + c) as f32;
            let error = f64::from(sigmoid(odds)) - f64::from(u8::from(row.is_attack()));
            let weight = f64::from(document.weight);
            da += weight * error * s;
            db += weight * error * p;
            dc += weight * error;
            all += weight;
        }
        let rate = 2.0 / all.max(1.0);
        a -= rate * da;
        b -= rate * db * 4.0;
        c -= rate * dc;
    }
    println!("material {material}: classifier {a:.2}, patterns {b:.2}, constant {c:.2}");
    ((b / a.max(0.2)) as f32).max(0.0)
}

/// The log-odds that one innocent text in 10, 100, 1000 of a length reaches. The last is drawn
/// through the tail, since a thousandth of a small set is one text; and the tail of a length with
/// few texts is drawn as the others' are.
fn levels(
    rows: &[Row],
    documents: &[Document],
    held: &[Option<f32>],
    (material, pattern): (bool, f32),
) -> [[f32; 3]; LENGTHS] {
    let tails: [Tail; LENGTHS] = std::array::from_fn(|class| {
        let innocent = rows
            .iter()
            .zip(documents)
            .zip(held)
            .filter(|((row, document), _)| {
                !row.is_attack()
                    && document.material == material
                    && length_class(windows(document)) == class
            })
            .filter_map(|((_, document), score)| {
                score.map(|score| score + pattern * f32::from(document.patterns) / 100.0)
            })
            .collect();
        Tail::of(innocent)
    });
    let all: f32 = tails.iter().map(|tail| tail.count).sum();
    let usual = tails
        .iter()
        .map(|tail| tail.excess * tail.count)
        .sum::<f32>()
        / all.max(1.0);
    std::array::from_fn(|class| {
        let tail = &tails[class];
        let level = tail.levels(usual);
        let texts = tail.texts;
        println!("material {material} length {class}: {texts} innocent, levels {level:.2?}");
        level
    })
}

/// How much higher than in all languages together the worst hundredth of innocent texts lies in each
/// family. What there is in other languages is of few kinds, so that little is believed of it: less
/// where it would make a family suspect sooner.
fn families(
    rows: &[Row],
    documents: &[Document],
    held: &[Option<f32>],
    (material, table): (bool, &Table),
) -> [f32; FAMILIES] {
    const TEXTS_MIN: usize = 300;
    const BELIEVED: std::ops::RangeInclusive<f32> = -0.5..=1.0;
    Family::ALL.map(|family| {
        let mut above: Vec<f32> = rows
            .iter()
            .zip(documents)
            .zip(held)
            .filter(|((row, document), _)| {
                !row.is_attack() && document.material == material && document.family == family
            })
            .filter_map(|((_, document), score)| {
                let odds = (*score)? + table.pattern * f32::from(document.patterns) / 100.0;
                let [_, hundred, _] = table.levels[length_class(windows(document))];
                Some(odds - hundred)
            })
            .collect();
        above.sort_by(|a, b| b.total_cmp(a));
        let level = match above.get(above.len() / 100) {
            Some(level) if above.len() >= TEXTS_MIN && family != Family::English => {
                level.clamp(*BELIEVED.start(), *BELIEVED.end())
            }
            _ => 0.0,
        };
        let texts = above.len();
        println!("material {material} {family:?}: {texts} innocent, {level:+.2}");
        level
    })
}

/// The worst hundredth of innocent texts.
struct Tail {
    texts: usize,
    ten: f32,
    hundred: f32,
    /// How far it lies above the hundredth on average: an exponential tail falls by e within it.
    excess: f32,
    /// Texts in it.
    count: f32,
}

impl Tail {
    fn of(mut innocent: Vec<f32>) -> Self {
        innocent.sort_by(|a, b| b.total_cmp(a));
        let at = |share: f32| {
            let place = (innocent.len() as f32 * share) as usize;
            innocent.get(place).copied().unwrap_or(0.0)
        };
        let (ten, hundred) = (at(0.1), at(0.01));
        let count = (innocent.len() / 100).max(1);
        let worst = innocent.iter().take(count);
        Self {
            texts: innocent.len(),
            ten,
            hundred,
            excess: worst.map(|score| score - hundred).sum::<f32>() / count as f32,
            count: count as f32,
        }
    }

    /// `usual` is the excess over all lengths.
    fn levels(&self, usual: f32) -> [f32; 3] {
        /// Texts of a tail that weigh as much as all other lengths.
        const TEXTS_OF_OTHERS: f32 = 20.0;
        let sum = self.excess * self.count + usual * TEXTS_OF_OTHERS;
        let excess = sum / (self.count + TEXTS_OF_OTHERS);
        let thousand = self.hundred + excess.max(0.3) * std::f32::consts::LN_10;
        [self.ten, self.hundred, thousand]
    }
}
