//! One caller copies a model: many calls, ever new inputs in the same mould, long answers to
//! short questions, one turn each.

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Calls within a day from which the rest is looked at.
    calls_min: u32 = 1_500,
    /// Different inputs per call.
    coverage_min: f64 = 0.6,
    /// Output tokens per input token.
    output_ratio_min: f64 = 2.0,
    /// Share of the commonest prompt template.
    template_share_min: f64 = 0.6,
    /// Mean distance of inputs to their centroid that still counts as one mould, bits.
    centroid_distance_max: f64 = 18.0,
    /// Share of calls with a single turn.
    single_turn_share_min: f64 = 0.8,
    /// A caller with three days of history must exceed its busiest day this many times.
    usual_factor: f64 = 3.0,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let caller = &case.caller;
    let calls = caller.day.total(|day| day.calls);
    let is_due = case.event.is_model_call() && calls >= p.calls_min && calls.is_multiple_of(16);
    if !is_due || case.event.is_classification() || !case.may_speak(Analytic::model_extraction) {
        return;
    }
    let day = caller.day.sum();
    let count = f64::from(calls);
    let coverage = day.inputs.estimate() / count;
    let ratio = f64::from(day.output_tokens) / f64::from(day.input_tokens).max(1.0);
    if day.told * 2 < calls || coverage < p.coverage_min || ratio < p.output_ratio_min {
        return;
    }
    let usual = f64::from(caller.day_calls);
    if caller.days >= 6 && count < p.usual_factor * usual {
        return;
    }
    let template_share = f64::from(day.templates.most()) / f64::from(day.templated.max(1));
    let distance = f64::from(day.distance) / f64::from(day.measured.max(1));
    let single = f64::from(day.single) / count;
    let is_templated = day.templated * 2 >= calls && template_share >= p.template_share_min;
    let is_moulded = day.measured * 2 >= calls && distance <= p.centroid_distance_max;
    if !is_templated && !is_moulded && single < p.single_turn_share_min {
        return;
    }
    let mut reasons = vec![
        reason("calls", count, if caller.days > 0 { usual } else { f64::from(p.calls_min) }),
        reason("coverage", coverage.min(1.0), p.coverage_min),
        reason("output_input_ratio", ratio, p.output_ratio_min),
        reason("single_turn_share", single, p.single_turn_share_min),
    ];
    if is_templated {
        reasons.push(reason("template_share", template_share.min(1.0), p.template_share_min));
    }
    if is_moulded {
        reasons.push(reason("centroid_distance_bits", distance, p.centroid_distance_max));
    }
    reasons.push(reason("input_buckets", day.buckets.estimate(), 0.0));
    let since = caller.day.start();
    let model = case.event.model.clone();
    case.about_caller(Analytic::model_extraction, since, u64::from(calls), reasons)
        .also(atalaya_model::EntityKind::Model, &model);
}
