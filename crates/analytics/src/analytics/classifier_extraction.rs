//! One caller copies a classifier with synthetic inputs: distances between inputs of one class
//! stop looking normal (after PRADA). Inputs made by steps from earlier ones heap near zero, away
//! from the heap of natural ones.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::caller::NEAR_BITS;
use crate::engine::{Case, reason};
use crate::stats::normality;

parameters! {
    /// Classified inputs within a day that are not the same as one before.
    queries_min: u32 = 200,
    /// W' of Shapiro and Francia: from 1 (normal) downwards.
    normality_max: f64 = 0.88,
    /// Share of inputs that are a small step from an earlier one.
    near_share_min: f64 = 0.15,
    /// And at most this: a stream of nothing but variants is another analytic's.
    near_share_max: f64 = 0.97,
    /// Different classes.
    labels_min: u32 = 2,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if case.relation.nearest.is_none() || !case.event.is_classification() {
        return;
    }
    let distances = &case.caller.distances;
    let total = distances.total();
    if total < p.queries_min || !total.is_multiple_of(20) {
        return;
    }
    if !case.may_speak(Analytic::classifier_extraction) || distances.labels.count_ones() < p.labels_min {
        return;
    }
    let bins = distances.bins.map(u32::from);
    let near: u32 = bins.iter().take(NEAR_BITS as usize / 2 + 1).sum();
    let near_share = f64::from(near) / f64::from(total);
    let normality = normality(&bins);
    if normality > p.normality_max || !(p.near_share_min..=p.near_share_max).contains(&near_share) {
        return;
    }
    let reasons = vec![
        reason("distance_normality", normality, p.normality_max),
        reason("near_share", near_share, p.near_share_min),
        reason("queries", f64::from(total), f64::from(p.queries_min)),
    ];
    let since = case.caller.day.start();
    let model = case.event.model.clone();
    case.about_caller(Analytic::classifier_extraction, since, u64::from(total), reasons)
        .also(EntityKind::Model, &model);
}
