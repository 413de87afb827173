//! Linear filters.

use super::{Function, numbers, present, reals};
use crate::value::Value;

/// Most coefficients of a filter.
const COEFFICIENTS_MAX: usize = 1024;

pub(super) const FUNCTIONS: &[Function] = &[
    // y[i] = (Σ b[k]·x[i-k] − Σ a[k]·y[i-k]) / a[0]
    Function::rows("series_iir", |args| {
        let source = series(&args[0])?;
        let (b, a) = (coefficients(&args[1])?, coefficients(&args[2])?);
        let lead = a.first().copied().filter(|lead| *lead != 0.0)?;
        let mut out: Vec<f64> = Vec::with_capacity(source.len());
        for at in 0..source.len() {
            let fed: f64 = (0..b.len().min(at + 1))
                .map(|k| b[k] * source[at - k])
                .sum();
            let back: f64 = (1..a.len().min(at + 1)).map(|k| a[k] * out[at - k]).sum();
            out.push((fed - back) / lead);
        }
        Some(reals(out))
    }),
    Function::rows("series_fir", |args| {
        let source = series(&args[0])?;
        let filter = coefficients(&args[1])?;
        let normalizes = args.get(2).and_then(Value::as_bool).unwrap_or(true);
        let centers = args.get(3).and_then(Value::as_bool).unwrap_or(false);
        let sum: f64 = filter.iter().sum();
        let scale = if normalizes && sum != 0.0 {
            1.0 / sum
        } else {
            1.0
        };
        let ahead = if centers { filter.len() / 2 } else { 0 };
        let item = |at: usize| -> f64 {
            let taps = filter.iter().enumerate();
            let terms = taps.filter_map(|(k, tap)| {
                let from = (at + ahead).checked_sub(k)?;
                Some(tap * scale * source.get(from)?)
            });
            terms.sum()
        };
        Some(reals((0..source.len()).map(item)))
    }),
];

fn series(value: &Value) -> Option<Vec<f64>> {
    Some(
        numbers(value)?
            .into_iter()
            .map(|v| v.unwrap_or(0.0))
            .collect(),
    )
}

fn coefficients(value: &Value) -> Option<Vec<f64>> {
    present(value).filter(|list| list.len() <= COEFFICIENTS_MAX)
}
