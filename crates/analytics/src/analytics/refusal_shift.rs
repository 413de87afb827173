//! Refusals or errors become common where they were rare: for one caller, who has begun to try
//! things, or for a model, whose behaviour has changed.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};
use crate::finding::entity;

parameters! {
    /// Calls of a caller within an hour.
    calls_min: u32 = 40,
    /// Share of refusals or of errors among them.
    share_min: f64 = 0.3,
    /// Times the usual share of the caller.
    usual_factor: f64 = 4.0,
    /// Earlier calls by which the usual share is known.
    history_min: u32 = 200,
    /// Calls of a model within an hour.
    model_calls_min: u32 = 200,
    /// Hours of history of a model.
    model_hours_min: u16 = 24,
    /// Rise of a model's share.
    model_rise_min: f64 = 0.15,
    /// The rise in mean deviations of the hourly shares.
    model_deviations_min: f64 = 6.0,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let is_error = (400..500).contains(&case.event.status) && case.event.status != 429;
    let is_refused = case.event.is_refused();
    if !(is_error || is_refused) || !case.event.closes() || !case.event.is_model_call() {
        return;
    }
    caller(p, case);
    if case.event.is_refused_by_model() {
        model(p, case);
    }
}

fn caller(p: &Parameters, case: &mut Case<'_>) {
    let caller = &case.caller;
    let calls = caller.hour.total(|hour| u32::from(hour.calls));
    let is_known = caller.calls >= calls.saturating_add(p.history_min);
    if calls < p.calls_min || !is_known || !case.may_speak(Analytic::refusal_shift) {
        return;
    }
    let refused = f64::from(caller.hour.total(|hour| u32::from(hour.refused))) / f64::from(calls);
    let errors = f64::from(caller.hour.total(|hour| u32::from(hour.errors))) / f64::from(calls);
    // What the share was before this hour: the exponential mean without this hour's part.
    let weight = 1.0 - 0.996_f64.powi(calls as i32);
    let before = |now: f32, share: f64| ((f64::from(now) - weight * share) / (1.0 - weight).max(0.05)).clamp(0.0, 1.0);
    let usual_refused = before(caller.usual_refused, refused);
    let usual_errors = before(caller.usual_errors, errors);
    let shifted = |share: f64, usual: f64| share >= p.share_min && share >= p.usual_factor * usual;
    let (signal, share, usual) = if shifted(refused, usual_refused) {
        ("refusal_share", refused, usual_refused)
    } else if shifted(errors, usual_errors) && crate::caller::Hour::different(caller.hour.sum().models) >= 2.5 {
        // Errors about one thing are a broken client; about many, somebody tries.
        ("error_share", errors, usual_errors)
    } else {
        return;
    };
    let reasons = vec![
        reason(signal, share, usual),
        reason("calls", f64::from(calls), f64::from(p.calls_min)),
    ];
    let since = caller.hour.start();
    case.about_caller(Analytic::refusal_shift, since, u64::from(calls), reasons);
}

fn model(p: &Parameters, case: &mut Case<'_>) {
    let now = case.now;
    let Some(model) = case.world.models.get_mut(&case.event.model) else {
        return;
    };
    let level = model.refused;
    let quiet = is_quiet(model.spoke[2], now);
    if quiet || level.count < p.model_calls_min || level.hours < p.model_hours_min {
        return;
    }
    let rise = f64::from(level.now() - level.mean);
    let deviations = rise / f64::from(level.deviation).max(0.01);
    if rise < p.model_rise_min || deviations < p.model_deviations_min {
        return;
    }
    model.spoke[2] = now;
    let places = model.places;
    let reasons = vec![
        reason("model_refusal_share", f64::from(level.now()), f64::from(level.mean)),
        reason("deviations", deviations, p.model_deviations_min),
    ];
    let entities = entity(EntityKind::Model, &case.event.model).into_iter().collect();
    let since = now - now % 3_600;
    case.about(Analytic::refusal_shift, since, u64::from(level.count), (entities, &places), reasons);
}
