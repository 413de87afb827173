//! What a model predicts is distributed differently than on the days before: poisoned, replaced,
//! or fed with something else. Two days in a row, because one day may be a holiday.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};
use crate::finding::entity;

parameters! {
    /// Population stability index of a day's classes against the days before.
    psi_min: f64 = 0.25,
    /// Days in a row.
    days_min: u16 = 2,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if case.event.label.is_empty() {
        return;
    }
    let now = case.now;
    let Some(model) = case.world.models.get_mut(&case.event.model) else {
        return;
    };
    let is_drift = model.drifted >= p.days_min && f64::from(model.drift) >= p.psi_min;
    let quiet = model.spoke[1] != 0 && now.saturating_sub(model.spoke[1]) < 3 * 86_400;
    if !is_drift || quiet {
        return;
    }
    model.spoke[1] = now;
    let (days, drift) = (model.drifted, model.drift);
    let reasons = vec![
        reason("psi", f64::from(drift), p.psi_min),
        reason("days", f64::from(days), f64::from(p.days_min)),
    ];
    let entities = entity(EntityKind::Model, &case.event.model).into_iter().collect();
    let since = now.saturating_sub(u32::from(days) * 86_400);
    let place = [case.place];
    case.about(Analytic::label_drift, since, u64::from(days), (entities, &place), reasons);
}
