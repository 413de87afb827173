//! Fast Fourier transforms of complex series, forward and back. What is no number counts as 0.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::{Function, numbers, reals};
use crate::value::Value;

/// Longest series that is transformed.
const POINTS_MAX: usize = 1 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("series_fft", |a| transformed(a, false)),
    Function::rows("series_ifft", |a| transformed(a, true)),
];

/// Real and imaginary parts.
fn transformed(args: &[Value], back: bool) -> Option<Value> {
    let real = numbers(args.first()?)?;
    let imaginary = match args.get(1) {
        Some(series) => numbers(series)?,
        None => Vec::new(),
    };
    let count = real.len();
    if count > POINTS_MAX {
        return None;
    }
    let part = |series: &[Option<f64>], at: usize| series.get(at).copied().flatten().unwrap_or(0.0);
    let point = |at| Complex::new(part(&real, at), part(&imaginary, at));
    let mut points: Vec<Complex<f64>> = (0..count).map(point).collect();
    let mut planner = FftPlanner::new();
    if back {
        planner.plan_fft_inverse(count).process(&mut points);
        let scale = 1.0 / count.max(1) as f64;
        points.iter_mut().for_each(|point| *point *= scale);
    } else {
        planner.plan_fft_forward(count).process(&mut points);
    }
    Some(Value::array(vec![
        reals(points.iter().map(|point| point.re)),
        reals(points.iter().map(|point| point.im)),
    ]))
}
