//! Lines through a series, by least squares; x is the position.

use std::sync::Arc;

use super::{Function, present, reals, variance};
use crate::value::Value;

/// Longest series that is fitted with two lines (the work grows with the square).
const TWO_LINES_MAX: usize = 16_384;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("series_fit_line", |a| {
        Some(Value::array(Line::of(&present(&a[0])?)?.values().into()))
    }),
    Function::rows("series_fit_line_dynamic", |a| {
        let values = Line::of(&present(&a[0])?)?.values();
        Some(bag(&LINE, values.into_iter()))
    }),
    Function::rows("series_fit_2lines", |a| {
        Some(Value::array(two_lines(&present(&a[0])?)?))
    }),
    Function::rows("series_fit_2lines_dynamic", |a| {
        let values = two_lines(&present(&a[0])?)?;
        Some(bag(&TWO_LINES, values.into_iter()))
    }),
];

/// Names of what a fitted line is described by, in order.
const LINE: [&str; 6] = [
    "rsquare",
    "slope",
    "variance",
    "rvariance",
    "interception",
    "line_fit",
];

/// Names of what two fitted lines are described by, in order.
const TWO_LINES: [&str; 15] = [
    "rsquare",
    "split_idx",
    "variance",
    "rvariance",
    "line_fit",
    "right.rsquare",
    "right.slope",
    "right.interception",
    "right.variance",
    "right.rvariance",
    "left.rsquare",
    "left.slope",
    "left.interception",
    "left.variance",
    "left.rvariance",
];

fn bag(names: &[&str], values: impl Iterator<Item = Value>) -> Value {
    let pairs = names.iter().zip(values);
    Value::bag(
        pairs
            .map(|(name, value)| (Arc::from(*name), value))
            .collect(),
    )
}

/// A line and how well it fits.
pub(super) struct Line {
    pub(super) slope: f64,
    pub(super) interception: f64,
    count: usize,
    variance: f64,
    rvariance: f64,
}

impl Line {
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let x_mean = (count - 1.0) / 2.0;
        let y_mean = super::mean(values);
        let (mut xy, mut xx) = (0.0, 0.0);
        for (at, y) in values.iter().enumerate() {
            let x = at as f64 - x_mean;
            xy += x * (y - y_mean);
            xx += x * x;
        }
        let slope = if xx == 0.0 { 0.0 } else { xy / xx };
        let interception = y_mean - slope * x_mean;
        let mut line = Self {
            slope,
            interception,
            count: values.len(),
            variance: variance(values),
            rvariance: 0.0,
        };
        let rest: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(at, y)| y - line.at(at))
            .collect();
        line.rvariance = variance(&rest);
        Some(line)
    }

    pub(super) fn at(&self, x: usize) -> f64 {
        self.slope.mul_add(x as f64, self.interception)
    }

    fn rsquare(&self) -> f64 {
        if self.variance == 0.0 {
            return 0.0;
        }
        1.0 - self.rvariance / self.variance
    }

    fn fitted(&self) -> Vec<f64> {
        (0..self.count).map(|x| self.at(x)).collect()
    }

    fn values(&self) -> [Value; 6] {
        [
            Value::Real(self.rsquare()),
            Value::Real(self.slope),
            Value::Real(self.variance),
            Value::Real(self.rvariance),
            Value::Real(self.interception),
            reals(self.fitted()),
        ]
    }
}

/// The split whose two lines leave the least variance.
fn two_lines(values: &[f64]) -> Option<Vec<Value>> {
    if values.len() < 4 || values.len() > TWO_LINES_MAX {
        return None;
    }
    let left_over = |at: usize| {
        let (left, right) = values.split_at(at);
        let sum = |part: &[f64]| {
            Line::of(part).map_or(0.0, |line| line.rvariance * (part.len() as f64 - 1.0))
        };
        sum(left) + sum(right)
    };
    let split = (2..values.len() - 1)
        .map(|at| (at, left_over(at)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?
        .0;
    let (left, right) = values.split_at(split);
    let (left, right) = (Line::of(left)?, Line::of(right)?);
    let fitted: Vec<f64> = left.fitted().into_iter().chain(right.fitted()).collect();
    let rest: Vec<f64> = values.iter().zip(&fitted).map(|(y, fit)| y - fit).collect();
    let (all, remaining) = (variance(values), variance(&rest));
    let rsquare = if all == 0.0 {
        0.0
    } else {
        1.0 - remaining / all
    };
    let side = |line: &Line| {
        [
            Value::Real(line.rsquare()),
            Value::Real(line.slope),
            Value::Real(line.variance),
            Value::Real(line.rvariance),
            Value::Real(line.interception),
        ]
    };
    let mut out = vec![
        Value::Real(rsquare),
        Value::Long(i64::try_from(split).ok()?),
        Value::Real(all),
        Value::Real(remaining),
        reals(fitted),
    ];
    out.extend(side(&right));
    out.extend(side(&left));
    Some(out)
}
