//! Cross-validation by source: what the model knows about attacks by authors it never saw.

use std::collections::BTreeMap;

use atalaya_inspect::classifier::length_class;

use crate::corpus::{Document, Row};
use crate::learn::{Settings, learn_pair};

/// Number of folds.
pub(crate) const FOLDS: usize = 6;

/// Authors that copy from each other stay together.
const FAMILIES: &[(&str, usize)] = &[
    ("verazuo", 0),
    ("garak_dan", 0),
    ("self_reminder", 0),
    ("arcanum", 0),
    ("aisafetylab", 1),
    ("deepinception", 1),
    ("gptfuzzer", 1),
    ("garak_autodan", 1),
    ("hinglish_stealth", 1),
    ("tasktracker", 2),
    ("garak_latent", 2),
    ("garak_sysprompt", 2),
    ("pallms", 2),
    ("goodwiins", 3),
    ("taksec", 3),
    ("hackaprompt", 3),
    ("pyrit", 3),
    ("payloadsallthethings", 3),
    ("trust_aware", 3),
    ("llmail", 3),
    ("synth_direct", 4),
    ("synth_encoded", 4),
    ("synth_indirect", 5),
    ("synth_benign", 5),
    ("synth_hard", 4),
];

/// The fold that a source belongs to; generated texts (`own_…`) are in none.
pub(crate) fn fold(source: &str) -> Option<usize> {
    if source.starts_with("own_") {
        return None;
    }
    let family = FAMILIES.iter().find(|(name, _)| source.starts_with(name));
    Some(family.map_or_else(
        || {
            source.bytes().fold(0_usize, |sum, b| {
                sum.wrapping_mul(31).wrapping_add(usize::from(b))
            }) % FOLDS
        },
        |(_, fold)| *fold,
    ))
}

/// Scores of every document by a model that saw nothing of its source.
pub(crate) fn scores(
    rows: &[Row],
    documents: &[Document],
    settings: Settings,
    attacks_from_own_only: bool,
) -> Vec<Option<f32>> {
    let mut scores = vec![None; documents.len()];
    for held in 0..FOLDS {
        let training: Vec<&Document> = rows
            .iter()
            .zip(documents)
            .filter(|(row, document)| {
                let own = fold(&row.source).is_none();
                fold(&row.source) != Some(held)
                    && (own || !attacks_from_own_only || !document.attack)
            })
            .map(|(_, document)| document)
            .collect();
        let weights = learn_pair(&training, settings);
        for ((row, document), slot) in rows.iter().zip(documents).zip(&mut scores) {
            if fold(&row.source) == Some(held)
                && !row.id.ends_with("-document")
                && !row.id.ends_with("-tool_output")
            {
                *slot = Some(weights.score(document));
            }
        }
    }
    scores
}

/// Takes from every score what the worst hundredth of innocent texts of its kind (role, length)
/// reaches: a long document has more chances to look bad than a short question.
pub(crate) fn level(rows: &[Row], documents: &[Document], scores: &mut [Option<f32>]) {
    let kind = |document: &Document| {
        let windows = u32::try_from(document.windows.len()).unwrap_or(u32::MAX);
        let length = length_class(windows);
        usize::from(document.material) * 4 + length
    };
    for wanted in 0..8 {
        let of_kind = |(at, document): (usize, &Document)| (kind(document) == wanted).then_some(at);
        let places: Vec<usize> = documents.iter().enumerate().filter_map(of_kind).collect();
        let mut benign: Vec<f32> = places
            .iter()
            .filter(|at| rows.get(**at).is_some_and(|row| !row.is_attack()))
            .filter_map(|at| scores.get(*at).copied().flatten())
            .collect();
        benign.sort_by(|a, b| b.total_cmp(a));
        let Some(top) = benign.get(benign.len() / 100).copied() else {
            continue;
        };
        println!(
            "kind {wanted}: {} innocent, worst hundredth {top:.2}",
            benign.len()
        );
        for at in places {
            if let Some(Some(score)) = scores.get_mut(at) {
                *score -= top;
            }
        }
    }
}

/// Recall by source at thresholds that let through a share of the benign texts.
pub(crate) fn report(rows: &[Row], scores: &[Option<f32>]) -> String {
    use std::fmt::Write as _;
    let mut benign: Vec<f32> = rows
        .iter()
        .zip(scores)
        .filter(|(row, _)| !row.is_attack())
        .filter_map(|(_, score)| *score)
        .collect();
    benign.sort_by(|a, b| b.total_cmp(a));
    let threshold = |per_mille: usize| {
        benign
            .get(benign.len() * per_mille / 1000)
            .copied()
            .unwrap_or(f32::INFINITY)
    };
    let (one, tenth) = (threshold(10), threshold(1));
    let mut groups: BTreeMap<(String, String), (usize, usize, usize)> = BTreeMap::new();
    for (row, score) in rows.iter().zip(scores) {
        let Some(score) = score else { continue };
        let key = if row.is_attack() {
            (format!("attack {}", row.kind), row.source.clone())
        } else {
            ("benign".to_owned(), row.source.clone())
        };
        let group = groups.entry(key).or_default();
        group.0 += 1;
        group.1 += usize::from(*score > one);
        group.2 += usize::from(*score > tenth);
    }
    let mut text = String::new();
    let (mut sum_one, mut sum_tenth, mut sets) = (0.0, 0.0, 0.0);
    for ((kind, source), (all, at_one, at_tenth)) in &groups {
        let share = |part: &usize| 100.0 * *part as f64 / *all as f64;
        let is_benign = kind == "benign";
        if !is_benign || share(at_one) >= 2.0 {
            let _ = writeln!(
                text,
                "{kind:30} {source:34} {all:6} {:6.1} {:6.1}",
                share(at_one),
                share(at_tenth)
            );
        }
        if !is_benign && *all >= 18 {
            sum_one += share(at_one);
            sum_tenth += share(at_tenth);
            sets += 1.0;
        }
    }
    let _ = writeln!(
        text,
        "thresholds {one:.2} {tenth:.2}; mean over attack sets: {:.1} % at 1 %, {:.1} % at 0.1 %",
        sum_one / sets,
        sum_tenth / sets
    );
    text
}
