//! Records are scored again and again in slightly different forms, with probabilities: whether
//! they were in the training data shows in how sure the model is.
//!
//! A precursor of low severity: no API-side sign of it is dependable. What is asked for here is
//! scores, the same record repeatedly, and variants of it, all within an hour.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Calls with log-probabilities or a confidence.
    scored_min: u16 = 100,
    /// The same input again.
    repeats_min: u16 = 20,
    /// Variants of one of the last inputs.
    pairs_min: u16 = 30,
    /// Repeats and variants among the scored calls.
    share_min: f64 = 0.4,
    /// Variants that are enough by themselves, without repeats.
    pairs_alone_min: u16 = 150,
    /// Share of log-probabilities among earlier calls of a caller for whom they are usual.
    usual_logprobs_max: f64 = 0.5,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let is_scored = case.event.logprobs || case.event.confidence.is_some();
    let is_again = case.relation.is_repeat || case.relation.variants > 0;
    if !is_scored || !is_again || !case.event.opens() {
        return;
    }
    let caller = &case.caller;
    let scored = caller.hour.total(|hour| u32::from(hour.scored));
    let repeats = caller.hour.total(|hour| u32::from(hour.repeats));
    let pairs = caller.hour.total(|hour| u32::from(hour.pairs));
    if scored < u32::from(p.scored_min) || !case.may_speak(Analytic::membership_inference) {
        return;
    }
    let share = f64::from(repeats + pairs) / f64::from(scored);
    let both = repeats >= u32::from(p.repeats_min) && pairs >= u32::from(p.pairs_min);
    let is_enough = both || pairs >= u32::from(p.pairs_alone_min);
    // Half an hour's worth of calls moves the usual share by a fifth: what it was before counts.
    let is_usual = caller.calls > 2_000 && f64::from(caller.usual_logprobs) > p.usual_logprobs_max;
    if !is_enough || share < p.share_min || is_usual {
        return;
    }
    let reasons = vec![
        reason("scored_calls", f64::from(scored), f64::from(p.scored_min)),
        reason("repeats", f64::from(repeats), f64::from(p.repeats_min)),
        reason("variants", f64::from(pairs), f64::from(p.pairs_min)),
        reason("share", share, p.share_min),
    ];
    let since = caller.hour.start();
    let model = case.event.model.clone();
    case.about_caller(Analytic::membership_inference, since, u64::from(scored), reasons)
        .also(EntityKind::Model, &model);
}
