//! The beta distribution, and the test of Welch that rests on it. The regularised incomplete beta
//! function is the continued fraction of the NIST Digital Library of Mathematical Functions,
//! 8.17.22, by Lentz's method.

use super::{Function, real};
use crate::value::Value;

/// Steps of the continued fraction and of the search for a quantile.
const STEPS_MAX: usize = 500;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("beta_cdf", |a| {
        let (x, alpha, beta) = (real(a, 0)?, real(a, 1)?, real(a, 2)?);
        let is_known = (0.0..=1.0).contains(&x);
        Some(Value::Real(match is_known {
            true if alpha <= 0.0 || beta <= 0.0 => 1.0,
            true => cumulative(x, alpha, beta),
            false => f64::NAN,
        }))
    }),
    Function::rows("beta_pdf", |a| {
        let (x, alpha, beta) = (real(a, 0)?, real(a, 1)?, real(a, 2)?);
        if !(0.0..=1.0).contains(&x) || alpha <= 0.0 || beta <= 0.0 {
            return Some(Value::Real(f64::NAN));
        }
        let log = (alpha - 1.0) * x.ln() + (beta - 1.0) * (-x).ln_1p() - log_beta(alpha, beta);
        Some(Value::Real(log.exp()))
    }),
    Function::rows("beta_inv", |a| {
        let (p, alpha, beta) = (real(a, 0)?, real(a, 1)?, real(a, 2)?);
        if !(0.0..=1.0).contains(&p) {
            return None;
        }
        if alpha <= 0.0 || beta <= 0.0 {
            return Some(Value::Real(f64::NAN));
        }
        Some(Value::Real(quantile(p, alpha, beta)))
    }),
    Function::rows("welch_test", welch),
];

/// Regularised incomplete beta function.
fn cumulative(x: f64, alpha: f64, beta: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (alpha * x.ln() + beta * (-x).ln_1p() - log_beta(alpha, beta)).exp();
    // The fraction converges fast on one side of the mean only.
    if x < (alpha + 1.0) / (alpha + beta + 2.0) {
        front * fraction(x, alpha, beta) / alpha
    } else {
        1.0 - front * fraction(1.0 - x, beta, alpha) / beta
    }
}

fn fraction(x: f64, alpha: f64, beta: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guarded = |v: f64| if v.abs() < TINY { TINY } else { v };
    let (mut c, mut d) = (1.0, 1.0 / guarded(1.0 - (alpha + beta) * x / (alpha + 1.0)));
    let mut value = d;
    for step in 1..STEPS_MAX {
        let m = step as f64;
        let even = m * (beta - m) * x / ((alpha + 2.0 * m - 1.0) * (alpha + 2.0 * m));
        let odd =
            -(alpha + m) * (alpha + beta + m) * x / ((alpha + 2.0 * m) * (alpha + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / guarded(1.0 + term * d);
            c = guarded(1.0 + term / c);
            value *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

fn log_beta(alpha: f64, beta: f64) -> f64 {
    libm::lgamma(alpha) + libm::lgamma(beta) - libm::lgamma(alpha + beta)
}

/// By bisection: the distribution is monotone.
fn quantile(p: f64, alpha: f64, beta: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..STEPS_MAX {
        let middle = f64::midpoint(low, high);
        if middle == low || middle == high {
            break;
        }
        if cumulative(middle, alpha, beta) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// `welch_test(mean1, variance1, count1, mean2, variance2, count2)`: how probable it is that the
/// means are equal (B. L. Welch, 1947).
fn welch(args: &[Value]) -> Option<Value> {
    let number = |index| real(args, index);
    let (mean1, variance1, count1) = (number(0)?, number(1)?, number(2)?);
    let (mean2, variance2, count2) = (number(3)?, number(4)?, number(5)?);
    let (a, b) = (variance1 / count1, variance2 / count2);
    let t = (mean1 - mean2) / (a + b).sqrt();
    let freedom = (a + b).powi(2) / (a * a / (count1 - 1.0) + b * b / (count2 - 1.0));
    if !t.is_finite() || !freedom.is_finite() {
        return None;
    }
    let two_sided = cumulative(freedom / t.mul_add(t, freedom), freedom / 2.0, 0.5);
    Some(Value::Real(two_sided))
}
