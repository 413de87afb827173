//! Single calls in the extreme tail of their model: several within an hour that cost many times
//! what one in a thousand costs.

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
    /// Tokens of a call below which it is never extreme.
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
    let is_extreme = total >= p.calls_min && tokens >= p.factor * usual;
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
