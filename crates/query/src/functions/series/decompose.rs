//! Season, trend and what is left; anomalies and forecasts from them.
//!
//! The season is the median of each phase, the trend the mean or a fitted line, as Kusto documents
//! them; a season that is not given is the lag of the greatest autocorrelation. Anomalies lie
//! outside of Tukey's fences around the 10th and the 90th percentile of what is left.

use super::fit::Line;
use super::{Function, mean, present, reals};
use crate::value::Value;

/// Longest series that is searched for a season.
const SEARCHED_MAX: usize = 16_384;
/// Autocorrelation that a season needs.
const SEASON_MIN: f64 = 0.6;
/// How far outside of the percentiles an anomaly lies, in their distance.
const FENCE: f64 = 1.5;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("series_seasonal", |a| {
        let values = present(&a[0])?;
        let period = period(&values, a.get(1));
        Some(reals(seasonal(&values, period)))
    }),
    Function::rows("series_decompose", |a| {
        let parts = Parts::of(&present(&a[0])?, a.get(1), a.get(2), 0, "avg");
        let arrays = [
            parts.baseline(),
            parts.seasonal,
            parts.trend,
            parts.residual,
        ];
        Some(Value::array(arrays.map(reals).into()))
    }),
    Function::rows("series_decompose_anomalies", |a| {
        let values = present(&a[0])?;
        let fence = a.get(1).and_then(Value::as_f64).unwrap_or(FENCE);
        let parts = Parts::of(&values, a.get(2), a.get(3), points(a.get(4)), "avg");
        let scores = scores(&parts.residual, 10.0, 90.0);
        let flag = |score: &f64| {
            let sign = i64::from(*score > 0.0) - i64::from(*score < 0.0);
            Value::Long(if score.abs() > fence { sign } else { 0 })
        };
        let flags = Value::array(scores.iter().map(flag).collect());
        let baseline = parts.baseline();
        Some(Value::array(vec![flags, reals(scores), reals(baseline)]))
    }),
    Function::rows("series_decompose_forecast", |a| {
        let values = present(&a[0])?;
        let ahead = points(a.get(1));
        let parts = Parts::of(&values, a.get(2), a.get(3), ahead, "linefit");
        Some(reals(parts.baseline()))
    }),
    Function::rows("series_outliers", |a| {
        let low = a.get(3).and_then(Value::as_f64).unwrap_or(10.0);
        let high = a.get(4).and_then(Value::as_f64).unwrap_or(90.0);
        Some(reals(scores(&present(&a[0])?, low, high)))
    }),
];

fn points(value: Option<&Value>) -> usize {
    let count = value.and_then(Value::as_i64).unwrap_or(0);
    usize::try_from(count).unwrap_or(0)
}

struct Parts {
    seasonal: Vec<f64>,
    trend: Vec<f64>,
    residual: Vec<f64>,
}

impl Parts {
    /// Learned from all but the last points.
    fn of(
        values: &[f64],
        season: Option<&Value>,
        trend: Option<&Value>,
        ahead: usize,
        usual_trend: &str,
    ) -> Self {
        let learned = &values[..values.len().saturating_sub(ahead)];
        let kind = trend.and_then(Value::as_str).unwrap_or(usual_trend);
        let line = |of: &[f64]| -> Vec<f64> {
            let all = 0..values.len();
            match kind {
                "none" => vec![0.0; values.len()],
                "linefit" => match Line::of(of) {
                    Some(line) => all.map(|x| line.at(x)).collect(),
                    None => vec![0.0; values.len()],
                },
                _ if of.is_empty() => vec![0.0; values.len()],
                _ => vec![mean(of); values.len()],
            }
        };
        let rough = line(learned);
        let minus = |from: &[f64], what: &[f64]| -> Vec<f64> {
            from.iter().zip(what).map(|(a, b)| a - b).collect()
        };
        let detrended = minus(learned, &rough);
        let period = period(&detrended, season);
        let phase = seasonal(&detrended, period);
        let seasonal: Vec<f64> = (0..values.len())
            .map(|at| match period {
                Some(period) => phase.get(at % period).copied().unwrap_or(0.0),
                None => 0.0,
            })
            .collect();
        let trend = line(&minus(learned, &seasonal));
        let residual = minus(&minus(values, &seasonal), &trend);
        Self {
            seasonal,
            trend,
            residual,
        }
    }

    fn baseline(&self) -> Vec<f64> {
        self.seasonal
            .iter()
            .zip(&self.trend)
            .map(|(a, b)| a + b)
            .collect()
    }
}

/// The season: given, none, or found.
fn period(values: &[f64], given: Option<&Value>) -> Option<usize> {
    match given.and_then(Value::as_i64) {
        Some(0) => None,
        Some(period) if period > 0 => usize::try_from(period).ok().filter(|p| *p < values.len()),
        _ => found(values),
    }
}

fn found(values: &[f64]) -> Option<usize> {
    if values.len() < 8 || values.len() > SEARCHED_MAX {
        return None;
    }
    let centre = mean(values);
    let whole: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    let likeness = |lag: usize| {
        let pairs = values.iter().zip(&values[lag..]);
        let sum: f64 = pairs.map(|(a, b)| (a - centre) * (b - centre)).sum();
        let share = values.len() as f64 / (values.len() - lag) as f64;
        sum * share / whole
    };
    let lags: Vec<f64> = (0..=values.len() / 2).map(likeness).collect();
    (2..lags.len().saturating_sub(1))
        .filter(|lag| lags[*lag] > SEASON_MIN)
        .filter(|lag| lags[*lag] >= lags[lag - 1] && lags[*lag] >= lags[lag + 1])
        .max_by(|a, b| lags[*a].total_cmp(&lags[*b]).then(b.cmp(a)))
}

/// The median of each phase, repeated.
fn seasonal(values: &[f64], period: Option<usize>) -> Vec<f64> {
    let Some(period) = period.filter(|period| *period > 0) else {
        return vec![0.0; values.len()];
    };
    let medians: Vec<f64> = (0..period)
        .map(|phase| {
            let mut of: Vec<f64> = values.iter().skip(phase).step_by(period).copied().collect();
            percentile(&mut of, 50.0)
        })
        .collect();
    (0..values.len()).map(|at| medians[at % period]).collect()
}

/// Percentile between the neighbouring values.
fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return 0.0;
    };
    let at = percent / 100.0 * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    let part = at - at.floor();
    values[low] + (values[high.min(last)] - values[low]) * part
}

/// How far each value lies outside of the percentiles, in their distance.
fn scores(values: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut sorted = values.to_vec();
    let (low, high) = (percentile(&mut sorted, low), percentile(&mut sorted, high));
    let distance = high - low;
    let score = |value: &f64| {
        let beyond = (value - high).max(0.0) + (value - low).min(0.0);
        if beyond == 0.0 {
            0.0
        } else if distance > 0.0 {
            beyond / distance
        } else {
            beyond.signum() * f64::INFINITY
        }
    };
    values.iter().map(score).collect()
}
