//! Numbers about a series.

use std::sync::Arc;

use super::{Function, mean, present, variance};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("series_sum", |a| {
        Some(Value::Real(present(&a[0])?.iter().sum()))
    }),
    Function::rows("series_product", |a| {
        Some(Value::Real(present(&a[0])?.iter().product()))
    }),
    Function::rows("series_magnitude", |a| {
        let values = present(&a[0])?;
        Some(Value::Real(dot(&values, &values).sqrt()))
    }),
    Function::rows("series_dot_product", |a| {
        let (left, right) = (present(&a[0])?, present(&a[1])?);
        (left.len() == right.len()).then(|| Value::Real(dot(&left, &right)))
    }),
    Function::rows("series_cosine_similarity", |a| {
        let (left, right) = (present(&a[0])?, present(&a[1])?);
        let lengths = dot(&left, &left).sqrt() * dot(&right, &right).sqrt();
        (left.len() == right.len()).then(|| Value::Real(dot(&left, &right) / lengths))
    }),
    Function::rows("series_pearson_correlation", |a| {
        let (left, right) = (present(&a[0])?, present(&a[1])?);
        if left.len() != right.len() || left.is_empty() {
            return None;
        }
        let (l, r) = (mean(&left), mean(&right));
        let pairs = left.iter().zip(&right);
        let both: f64 = pairs.map(|(x, y)| (x - l) * (y - r)).sum();
        let count = (left.len() - 1) as f64;
        Some(Value::Real(
            both / count / (variance(&left) * variance(&right)).sqrt(),
        ))
    }),
    Function::rows("series_stats", |a| {
        let stats = Stats::of(&a[0])?;
        Some(Value::array(stats.values()[..7].to_vec()))
    }),
    Function::rows("series_stats_dynamic", |a| {
        let stats = Stats::of(&a[0])?;
        let names = [
            "min", "min_idx", "max", "max_idx", "avg", "stdev", "variance", "sum", "len",
        ];
        let pairs = names.iter().zip(stats.values());
        Some(Value::bag(
            pairs
                .map(|(name, value)| (Arc::from(*name), value))
                .collect(),
        ))
    }),
];

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(x, y)| x * y).sum()
}

struct Stats {
    values: Vec<f64>,
    least: usize,
    greatest: usize,
}

impl Stats {
    fn of(series: &Value) -> Option<Self> {
        let values = present(series)?;
        let first = |better: fn(f64, f64) -> bool| {
            (0..values.len()).reduce(|best, at| {
                if better(values[at], values[best]) {
                    at
                } else {
                    best
                }
            })
        };
        let (least, greatest) = (first(|a, b| a < b)?, first(|a, b| a > b)?);
        Some(Self {
            values,
            least,
            greatest,
        })
    }

    fn values(&self) -> [Value; 9] {
        let whole = |value: usize| Value::Long(i64::try_from(value).unwrap_or(i64::MAX));
        let variance = variance(&self.values);
        [
            Value::Real(self.values[self.least]),
            whole(self.least),
            Value::Real(self.values[self.greatest]),
            whole(self.greatest),
            Value::Real(mean(&self.values)),
            Value::Real(variance.sqrt()),
            Value::Real(variance),
            Value::Real(self.values.iter().sum()),
            whole(self.values.len()),
        ]
    }
}
