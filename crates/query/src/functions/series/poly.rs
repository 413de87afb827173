//! Polynomials through a series, by least squares (Householder QR on centred, scaled abscissas, so
//! that high degrees stay well conditioned).

use super::{Function, numbers, reals, variance};
use crate::value::Value;

/// Highest degree.
const DEGREE_MAX: usize = 15;

pub(super) const FUNCTIONS: &[Function] = &[Function::rows("series_fit_poly", |a| {
    // The degree stands last, with or without abscissas before it.
    let (abscissas, degree) = match a {
        [_] => (None, 1),
        [_, x] if x.as_array().is_some() => (Some(x), 1),
        [_, degree] => (None, degree.as_i64()?),
        [_, x, degree] => (Some(x), degree.as_i64()?),
        _ => return None,
    };
    let y = numbers(a.first()?)?;
    let x = match abscissas {
        Some(x) => numbers(x)?,
        None => (0..y.len()).map(|at| Some(at as f64)).collect(),
    };
    let degree = usize::try_from(degree).ok()?;
    fitted(&x, &y, degree)
})];

fn fitted(x: &[Option<f64>], y: &[Option<f64>], degree: usize) -> Option<Value> {
    let points: Vec<(f64, f64)> = x
        .iter()
        .zip(y)
        .filter_map(|(x, y)| Some(((*x)?, (*y)?)))
        .collect();
    if !(1..=DEGREE_MAX).contains(&degree) || points.len() <= degree {
        return None;
    }
    let (low, high) = points
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), (x, _)| {
            (low.min(*x), high.max(*x))
        });
    let (centre, half) = (
        f64::midpoint(low, high),
        ((high - low) / 2.0).max(f64::MIN_POSITIVE),
    );
    let scaled = |x: f64| (x - centre) / half;
    let rows: Vec<Vec<f64>> = points
        .iter()
        .map(|(x, _)| {
            (0..=degree)
                .map(|power| scaled(*x).powi(power as i32))
                .collect()
        })
        .collect();
    let targets: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    let inner = least_squares(rows, targets.clone())?;
    let at = |x: f64| inner.iter().rev().fold(0.0, |sum, c| sum * scaled(x) + c);
    let fit: Vec<f64> = x.iter().map(|x| x.map_or(f64::NAN, at)).collect();
    let rest: Vec<f64> = points.iter().map(|(x, y)| y - at(*x)).collect();
    let (all, left) = (variance(&targets), variance(&rest));
    let rsquare = if all == 0.0 { 0.0 } else { 1.0 - left / all };
    let mut coefficients = unscaled(&inner, centre, half);
    coefficients.reverse();
    Some(Value::array(vec![
        Value::Real(rsquare),
        reals(coefficients),
        Value::Real(all),
        Value::Real(left),
        reals(fit),
    ]))
}

/// Coefficients in powers of x from those in powers of `(x - centre) / half`, lowest first.
fn unscaled(inner: &[f64], centre: f64, half: f64) -> Vec<f64> {
    let mut sum = vec![0.0; inner.len()];
    let mut power = vec![1.0];
    for coefficient in inner {
        for (into, term) in sum.iter_mut().zip(&power) {
            *into += coefficient * term;
        }
        let mut next = vec![0.0; power.len() + 1];
        for (at, term) in power.iter().enumerate() {
            next[at + 1] += term / half;
            next[at] -= term * centre / half;
        }
        power = next;
    }
    sum
}

/// The solution of an overdetermined system.
fn least_squares(mut rows: Vec<Vec<f64>>, mut targets: Vec<f64>) -> Option<Vec<f64>> {
    let columns = rows.first()?.len();
    for column in 0..columns {
        let norm = rows[column..]
            .iter()
            .map(|row| row[column].powi(2))
            .sum::<f64>()
            .sqrt();
        if norm == 0.0 {
            return None;
        }
        let norm = if rows[column][column] > 0.0 {
            -norm
        } else {
            norm
        };
        let mut reflector: Vec<f64> = rows[column..].iter().map(|row| row[column]).collect();
        reflector[0] -= norm;
        let length: f64 = reflector.iter().map(|v| v * v).sum();
        if length == 0.0 {
            continue;
        }
        for other in column..columns {
            let dot: f64 = reflector
                .iter()
                .zip(&rows[column..])
                .map(|(v, row)| v * row[other])
                .sum();
            for (v, row) in reflector.iter().zip(&mut rows[column..]) {
                row[other] -= 2.0 * dot / length * v;
            }
        }
        let dot: f64 = reflector
            .iter()
            .zip(&targets[column..])
            .map(|(v, t)| v * t)
            .sum();
        for (v, target) in reflector.iter().zip(&mut targets[column..]) {
            *target -= 2.0 * dot / length * v;
        }
    }
    let mut solution = vec![0.0; columns];
    for column in (0..columns).rev() {
        let known: f64 = (column + 1..columns)
            .map(|k| rows[column][k] * solution[k])
            .sum();
        solution[column] = (targets[column] - known) / rows[column][column];
    }
    solution.iter().all(|v| v.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn a_polynomial_is_found_again() {
        let x: Vec<Option<f64>> = (0..40).map(|i| Some(f64::from(i) * 0.25 - 3.0)).collect();
        let y: Vec<Option<f64>> = x
            .iter()
            .map(|x| x.map(|x| x.powi(5) - 8.0 * x.powi(3) + 10.0 * x + 6.0))
            .collect();
        let fit = fitted(&x, &y, 5).unwrap();
        let found = fit.item(1);
        let found = found
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap());
        for (found, wanted) in found.zip([1.0, 0.0, -8.0, 0.0, 10.0, 6.0]) {
            assert!((found - wanted).abs() < 1e-8, "{found} {wanted}");
        }
        assert!(fitted(&x[..3], &y[..3], 5).is_none());
    }
}
