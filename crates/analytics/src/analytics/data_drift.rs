//! A new version of a data set is distributed differently: labels by chi-square and PSI, features
//! by PSI and Kolmogorov-Smirnov, each against the version before.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};
use crate::event::{Act, hash};
use crate::finding::{Reason, entity};
use crate::stats;
use crate::world::Dataset;

parameters! {
    /// Population stability index from which labels or a feature have drifted.
    psi_min: f64 = 0.25,
    /// Cramér's V of the labels: the size of a change that chi-square finds certain.
    effect_min: f64 = 0.15,
    /// Kolmogorov-Smirnov distance of a feature.
    ks_min: f64 = 0.15,
    /// Probability of either by chance, at most.
    probability_max: f64 = 0.000_001,
    /// Rows that both versions need.
    rows_min: f64 = 200.0,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let Some(act) = &case.event.act else { return };
    if act.labels.is_empty() && act.features.is_empty() {
        return;
    }
    let now = case.now;
    let Some(dataset) = case.world.datasets.dataset(act, now) else {
        return;
    };
    let mut reasons = Vec::new();
    labels(p, dataset, act, &mut reasons);
    let mut drifted = Vec::new();
    for (name, actual) in &act.features {
        let expected = dataset.features.iter().find(|known| known.0 == hash(name));
        if let Some((_, expected)) = expected
            && let Some(found) = feature(p, expected, actual)
        {
            reasons.extend(found);
            drifted.push(name.to_string());
        }
    }
    dataset.learn(act);
    if reasons.is_empty() {
        return;
    }
    let mut entities: Vec<_> = entity(EntityKind::Document, act.subject()).into_iter().collect();
    entities.extend(case.actor());
    let place = [case.place];
    let finding = case.about(Analytic::data_drift, now, 1, (entities, &place), reasons);
    if !drifted.is_empty() {
        finding.note("features", drifted.join(", "));
    }
}

fn labels(p: &Parameters, dataset: &Dataset, act: &Act<'_>, reasons: &mut Vec<Reason>) {
    if dataset.labels.is_empty() || act.labels.is_empty() {
        return;
    }
    let actual = crate::world::label_histogram(act);
    let mut keys: Vec<u64> = dataset.labels.iter().chain(&actual).map(|label| label.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let counts = |histogram: &[(u64, f64)]| -> Vec<f64> {
        let of = |key: &u64| histogram.iter().find(|label| label.0 == *key).map_or(0.0, |l| l.1);
        keys.iter().map(of).collect()
    };
    let (expected, actual) = (counts(&dataset.labels), counts(&actual));
    if expected.iter().sum::<f64>() < p.rows_min || actual.iter().sum::<f64>() < p.rows_min {
        return;
    }
    let psi = stats::psi(&expected, &actual);
    let (_, probability, effect) = stats::chi_square(&expected, &actual);
    let is_certain = probability <= p.probability_max && effect >= p.effect_min;
    if psi >= p.psi_min || is_certain {
        reasons.push(reason("label_psi", psi, p.psi_min));
        reasons.push(reason("label_effect", effect, p.effect_min));
    }
}

fn feature(p: &Parameters, expected: &[f64], actual: &[f64]) -> Option<[Reason; 2]> {
    let is_comparable = expected.len() == actual.len()
        && expected.iter().sum::<f64>() >= p.rows_min
        && actual.iter().sum::<f64>() >= p.rows_min;
    if !is_comparable {
        return None;
    }
    let psi = stats::psi(expected, actual);
    let (distance, probability) = stats::ks(expected, actual);
    let is_certain = distance >= p.ks_min && probability <= p.probability_max;
    (psi >= p.psi_min || is_certain).then(|| {
        [
            reason("feature_psi", psi, p.psi_min),
            reason("feature_ks", distance, p.ks_min),
        ]
    })
}
