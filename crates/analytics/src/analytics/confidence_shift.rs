//! A model becomes unsure: the mean confidence of an hour falls far below that of the hours
//! before, over all callers. Evasion at scale, a drifting input, or a broken feature.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};
use crate::finding::entity;

parameters! {
    /// Predictions in the hour.
    predictions_min: u32 = 200,
    /// Hours of history.
    hours_min: u16 = 24,
    /// Fall of the mean.
    fall_min: f64 = 0.1,
    /// The fall in mean deviations of the hourly means.
    deviations_min: f64 = 6.0,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if case.event.confidence.is_none() || !case.event.opens() {
        return;
    }
    let now = case.now;
    let Some(model) = case.world.models.get_mut(&case.event.model) else {
        return;
    };
    let level = model.confidence;
    let is_due = level.count >= p.predictions_min && level.count.is_multiple_of(50);
    let quiet = is_quiet(model.spoke[0], now);
    if !is_due || quiet || level.hours < p.hours_min {
        return;
    }
    let fall = f64::from(level.mean - level.now());
    let deviations = fall / f64::from(level.deviation).max(0.005);
    if fall < p.fall_min || deviations < p.deviations_min {
        return;
    }
    model.spoke[0] = now;
    let (unsure, places) = (model.unsure, model.places);
    let reasons = vec![
        reason("mean_confidence", f64::from(level.now()), f64::from(level.mean)),
        reason("deviations", deviations, p.deviations_min),
        reason("unsure_share", f64::from(unsure.now()), f64::from(unsure.mean)),
        reason("predictions", f64::from(level.count), f64::from(p.predictions_min)),
    ];
    let entities = entity(EntityKind::Model, &case.event.model).into_iter().collect();
    let since = now - now % 3_600;
    case.about(Analytic::confidence_shift, since, u64::from(level.count), (entities, &places), reasons);
}
