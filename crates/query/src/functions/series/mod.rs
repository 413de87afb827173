//! Arrays as series of numbers.

mod decompose;
mod element;
mod fill;
mod filter;
mod fit;
mod fourier;
mod poly;
mod stats;

use super::Function;
use crate::value::Value;

pub(super) static FUNCTIONS: &[&[Function]] = &[
    decompose::FUNCTIONS,
    element::FUNCTIONS,
    fill::FUNCTIONS,
    filter::FUNCTIONS,
    fit::FUNCTIONS,
    fourier::FUNCTIONS,
    poly::FUNCTIONS,
    stats::FUNCTIONS,
];

/// The numbers of an array; what is no number is missing.
fn numbers(value: &Value) -> Option<Vec<Option<f64>>> {
    Some(value.as_array()?.iter().map(Value::as_f64).collect())
}

/// The numbers of an array, missing ones left out.
fn present(value: &Value) -> Option<Vec<f64>> {
    Some(numbers(value)?.into_iter().flatten().collect())
}

fn reals(values: impl IntoIterator<Item = f64>) -> Value {
    Value::array(values.into_iter().map(Value::Real).collect())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Variance of a sample.
fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    squares / (values.len() - 1) as f64
}
