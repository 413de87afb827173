//! A search for an adversarial example: near-equal inputs to a classifier, by one caller or by
//! many, whose confidence in the first class sinks, or that walk along the border between two.
//!
//! Near-equal inputs alone prove nothing: a text classifier behind a prompt template sees nothing
//! else. What it does not see is a trend, or classes that change at low confidence.

use atalaya_model::{Entity, EntityKind};

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};
use crate::world::Series;

parameters! {
    /// Near-equal inputs within six hours.
    queries_min: u32 = 25,
    /// Correlation of confidence with the position in the series.
    correlation_max: f64 = -0.5,
    /// How certain the fall is, in standard errors.
    certainty_min: f64 = 5.0,
    /// Fall of confidence in the first class.
    fall_min: f64 = 0.2,
    /// Changes of the class, at low confidence.
    flips_min: u32 = 4,
    /// Share of confidences below 0.7.
    unsure_share_min: f64 = 0.4,
    /// Changes of the class where no confidence is told.
    flips_alone_min: u32 = 12,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let now = case.now;
    let Some(series) = case.world.similar.current() else {
        return;
    };
    let quiet = is_quiet(series.spoke, now);
    if series.count < p.queries_min || quiet {
        return;
    }
    let Some(sign) = sign(p, series) else { return };
    series.spoke = now;
    let series = series.clone();
    let reasons = vec![
        reason("queries", f64::from(series.count), f64::from(p.queries_min)),
        sign,
        reason("flips", f64::from(series.flips), 0.0),
        reason("callers", series.callers.len() as f64, 1.0),
    ];
    let callers = series.callers.iter().map(|name| Entity {
        kind: EntityKind::Caller,
        value: name.to_string(),
    });
    let model = case.event.model.clone();
    let about = (callers.collect(), &series.places[..]);
    let count = u64::from(series.count);
    case.about(Analytic::adversarial_query_stream, series.first, count, about, reasons)
        .also(EntityKind::Model, &model);
}

fn sign(p: &Parameters, series: &Series) -> Option<crate::finding::Reason> {
    if series.told * 2 < series.count {
        let flips = f64::from(series.flips);
        let is_border = series.flips >= p.flips_alone_min;
        return is_border.then(|| reason("flips_without_confidence", flips, f64::from(p.flips_alone_min)));
    }
    let correlation = series.trend.correlation();
    let is_fall = correlation <= p.correlation_max && -series.trend.certainty() >= p.certainty_min;
    // A stream of both classes has no first class whose confidence could fall.
    let has_one_class = series.flips * 4 <= series.count;
    if is_fall && has_one_class && f64::from(-series.trend.change()) >= p.fall_min {
        return Some(reason("confidence_correlation", correlation, p.correlation_max));
    }
    let unsure = f64::from(series.unsure) / f64::from(series.told.max(1));
    let is_border = series.flips >= p.flips_min && unsure >= p.unsure_share_min;
    is_border.then(|| reason("unsure_share", unsure, p.unsure_share_min))
}
