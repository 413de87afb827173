//! Single calls in the extreme tail of their model, that cost many times what one in a thousand
//! costs.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Calls of the model by which its tail is known.
    calls_min: u64 = 1_000,
    /// The quantile that is compared with.
    quantile: f64 = 0.999,
    /// Times that quantile.
    factor: f64 = 3.0,
    /// Tokens of a call below which it is never extreme; read ones count an eighth, because they
    /// cost about that much less than written ones.
    tokens_min: f64 = 50_000.0,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let Some(tokens) = case.event.tokens() else { return };
    let tokens = tokens as f64;
    let Some(model) = case.world.models.get_mut(&case.event.model) else {
        return;
    };
    if tokens < p.tokens_min {
        return model.tokens.add(tokens);
    }
    let (total, usual) = (model.tokens.total(), model.tokens.quantile(p.quantile));
    model.tokens.add(tokens);
    let read = case.event.input_tokens.unwrap_or(0) as f64;
    let is_heavy = tokens - read * 7.0 / 8.0 >= p.tokens_min;
    let is_extreme = is_heavy && total >= p.calls_min && tokens >= p.factor * usual;
    if !is_extreme || !case.may_speak(Analytic::resource_intensive_calls) {
        return;
    }
    let reasons = vec![
        reason("tokens", tokens, usual),
        reason("calls_known", total as f64, p.calls_min as f64),
    ];
    let (now, model) = (case.now, case.event.model.clone());
    case.about_caller(Analytic::resource_intensive_calls, now, 1, reasons)
        .also(EntityKind::Model, &model);
}
