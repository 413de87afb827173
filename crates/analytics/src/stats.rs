//! Statistics over histograms: how far two distributions are apart, and how normal one is.
//!
//! Public because they are useful by themselves (a job that checks a data set before training).
//! All take counts, so that a numeric feature costs the bins of its histogram and no more.

/// Population stability index of two histograms over the same bins; empty bins count as half an
/// observation. By convention 0.1 is worth watching, 0.25 worth acting on.
#[must_use]
pub fn psi(expected: &[f64], actual: &[f64]) -> f64 {
    let (expected_sum, actual_sum) = (expected.iter().sum::<f64>(), actual.iter().sum::<f64>());
    if expected_sum <= 0.0 || actual_sum <= 0.0 {
        return 0.0;
    }
    let pairs = expected.iter().zip(actual);
    pairs
        .map(|(e, a)| {
            let (e, a) = (e.max(0.5) / expected_sum, a.max(0.5) / actual_sum);
            (a - e) * (a / e).ln()
        })
        .sum()
}

/// Two-sample Kolmogorov-Smirnov statistic of histograms over the same ordered bins, and the
/// probability of one at least as large by chance (asymptotic).
#[must_use]
pub fn ks(expected: &[f64], actual: &[f64]) -> (f64, f64) {
    let (expected_sum, actual_sum) = (expected.iter().sum::<f64>(), actual.iter().sum::<f64>());
    if expected_sum <= 0.0 || actual_sum <= 0.0 {
        return (0.0, 1.0);
    }
    let (mut e, mut a, mut largest) = (0.0, 0.0, 0.0_f64);
    for (expected, actual) in expected.iter().zip(actual) {
        e += expected / expected_sum;
        a += actual / actual_sum;
        largest = largest.max((e - a).abs());
    }
    let size = expected_sum * actual_sum / (expected_sum + actual_sum);
    let lambda = (size.sqrt() + 0.12 + 0.11 / size.sqrt()) * largest;
    (largest, kolmogorov_tail(lambda))
}

fn kolmogorov_tail(lambda: f64) -> f64 {
    if lambda < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(k * k) * lambda * lambda).exp()
    };
    (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

/// Chi-square statistic of two histograms being of one distribution, the probability of one at
/// least as large by chance, and Cramér's V: the size of the effect, from 0 to 1.
#[must_use]
pub fn chi_square(expected: &[f64], actual: &[f64]) -> (f64, f64, f64) {
    let (expected_sum, actual_sum) = (expected.iter().sum::<f64>(), actual.iter().sum::<f64>());
    let total = expected_sum + actual_sum;
    if expected_sum <= 0.0 || actual_sum <= 0.0 {
        return (0.0, 1.0, 0.0);
    }
    let (mut statistic, mut bins) = (0.0, 0.0_f64);
    for (e, a) in expected.iter().zip(actual) {
        let both = e + a;
        if both <= 0.0 {
            continue;
        }
        bins += 1.0;
        let (e_fit, a_fit) = (both * expected_sum / total, both * actual_sum / total);
        statistic += (e - e_fit).powi(2) / e_fit + (a - a_fit).powi(2) / a_fit;
    }
    let freedom = (bins - 1.0).max(1.0);
    (
        statistic,
        chi_tail(statistic, freedom),
        (statistic / total).sqrt(),
    )
}

/// Upper tail of the chi-square distribution by Wilson and Hilferty's cube root: good to three
/// digits, which is more than a threshold needs.
fn chi_tail(statistic: f64, freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    let z = ((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt();
    normal_tail(z)
}

/// Upper tail of the normal distribution (Abramowitz and Stegun 26.2.17, error below 1e-7).
fn normal_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal_tail(-z);
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series
}

/// How normal a histogram is: Shapiro and Francia's W', the squared correlation of the observed
/// values with what a normal sample of that size would have, from 0 to 1. Computed over bins
/// (a bin's observations share their mean normal score), which is what the distances between
/// SimHashes are: small integers.
#[must_use]
pub fn normality(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    if total < 3.0 {
        return 1.0;
    }
    let (mut mean, mut below) = (0.0, 0.0);
    for (value, count) in counts.iter().enumerate() {
        mean += value as f64 * f64::from(*count) / total;
    }
    let (mut products, mut scores, mut squares) = (0.0, 0.0, 0.0);
    for (value, count) in counts.iter().enumerate() {
        let count = f64::from(*count);
        if count == 0.0 {
            continue;
        }
        let low = normal_density(quantile((below + 0.0) / total));
        below += count;
        let high = normal_density(quantile(below / total));
        // The mean of a normal variable between two of its quantiles.
        let score = (low - high) * total / count;
        let off = value as f64 - mean;
        products += count * off * score;
        scores += count * score * score;
        squares += count * off * off;
    }
    if scores <= 0.0 || squares <= 0.0 {
        return 1.0;
    }
    products * products / (scores * squares)
}

fn normal_density(z: Option<f64>) -> f64 {
    z.map_or(0.0, |z| {
        (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    })
}

/// Quantile of the normal distribution (Acklam's rational approximation, error below 1.2e-9);
/// `None` at the ends, which lie at infinity.
fn quantile(p: f64) -> Option<f64> {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    let fold = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    if p <= 1e-12 || p >= 1.0 - 1e-12 {
        return None;
    }
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        fold(&C, q) / (fold(&D, q) * q + 1.0)
    };
    Some(if p < 0.024_25 {
        tail(p)
    } else if p > 1.0 - 0.024_25 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        fold(&A, q * q) * q / (fold(&B, q * q) * q * q + 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_distributions_do_not_drift_and_different_ones_do() {
        let (even, same, skewed) = (
            [100.0; 4],
            [52.0, 48.0, 50.0, 50.0],
            [10.0, 20.0, 170.0, 200.0],
        );
        assert!(psi(&even, &same) < 0.01 && psi(&even, &skewed) > 0.25);
        assert!(ks(&even, &same).1 > 0.5 && ks(&even, &skewed).1 < 1e-6);
        assert!(chi_square(&even, &same).1 > 0.5 && chi_square(&even, &skewed).1 < 1e-6);
        assert!(chi_square(&even, &skewed).2 > 0.3);
        assert_eq!(psi(&[], &[]), 0.0);
        assert_eq!(ks(&[0.0], &[0.0]).1, 1.0);
    }

    #[test]
    fn published_values_are_met() {
        // Critical values of tables: chi-square 0.05 at 3 degrees is 7.815, normal 0.025 at 1.96.
        assert!((chi_tail(7.815, 3.0) - 0.05).abs() < 2e-3);
        assert!((normal_tail(1.959_964) - 0.025).abs() < 1e-6);
        assert!((quantile(0.975).unwrap() - 1.959_964).abs() < 1e-6);
        assert!((quantile(0.01).unwrap() + 2.326_348).abs() < 1e-6);
        assert!((kolmogorov_tail(1.358) - 0.05).abs() < 1e-3);
    }

    #[test]
    fn a_bell_is_normal_and_two_heaps_are_not() {
        let bell = [1, 4, 12, 30, 55, 70, 80, 70, 55, 30, 12, 4, 1];
        let heaps = [0, 150, 90, 10, 0, 0, 0, 0, 0, 10, 60, 40, 5];
        assert!(normality(&bell) > 0.98, "{}", normality(&bell));
        assert!(normality(&heaps) < 0.9, "{}", normality(&heaps));
    }
}
