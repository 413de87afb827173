//! Inputs are moved, step by step, to where the model is surest of one class: what comes out
//! looks like its training data. Seen as a series of near-equal inputs whose confidence rises.

use atalaya_model::{Entity, EntityKind};

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};

parameters! {
    /// Near-equal inputs in a series.
    queries_min: u32 = 40,
    /// Correlation of confidence with the position in the series.
    correlation_min: f64 = 0.6,
    /// How certain the rise is, in standard errors.
    certainty_min: f64 = 5.0,
    /// Rise of confidence from the first to the last.
    rise_min: f64 = 0.2,
    /// Changes of the class on the way.
    flips_max: u32 = 2,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let now = case.now;
    let Some(series) = case.world.similar.current() else {
        return;
    };
    let trend = series.trend;
    let is_due = trend.count() >= p.queries_min && series.flips <= p.flips_max;
    let quiet = is_quiet(series.spoke_inversion, now);
    if !is_due || quiet || f64::from(trend.change()) < p.rise_min {
        return;
    }
    let correlation = trend.correlation();
    if correlation < p.correlation_min || trend.certainty() < p.certainty_min {
        return;
    }
    series.spoke_inversion = now;
    let series = series.clone();
    let reasons = vec![
        reason("queries", f64::from(series.count), f64::from(p.queries_min)),
        reason("confidence_rise", f64::from(trend.change()), p.rise_min),
        reason("correlation", correlation, p.correlation_min),
        reason("flips", f64::from(series.flips), f64::from(p.flips_max)),
    ];
    let callers = series.callers.iter().map(|name| Entity {
        kind: EntityKind::Caller,
        value: name.to_string(),
    });
    let model = case.event.model.clone();
    let about = (callers.collect(), &series.places[..]);
    case.about(Analytic::model_inversion, series.first, u64::from(series.count), about, reasons)
        .also(EntityKind::Model, &model);
}
