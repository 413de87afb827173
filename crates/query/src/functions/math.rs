//! Numbers: rounding, powers, trigonometry, bits.

use super::{Call, Function, Kernel, Refusal, long, real, row_kernel};
use crate::types::Type;
use crate::value::{Value, number};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("abs", |a| match &a[0] {
        Value::Int(v) => Some(Value::Long(i64::from(*v).wrapping_abs())),
        Value::Long(v) => Some(Value::Long(v.wrapping_abs())),
        Value::Timespan(v) => Some(Value::Timespan(v.wrapping_abs())),
        other => other.as_f64().map(|v| Value::Real(v.abs())),
    }),
    Function::rows("sign", |a| {
        let v = real(a, 0)?;
        let sign = i32::from(v > 0.0) - i32::from(v < 0.0);
        Some(Value::Real(f64::from(sign)))
    }),
    Function::bind("bin", bin),
    Function::bind("floor", bin),
    Function::rows("bin_at", bin_at),
    Function::rows("ceiling", |a| real(a, 0).map(|v| Value::Real(v.ceil()))),
    Function::rows("round", |a| {
        let digits = a.get(1).map_or(Some(0), Value::as_i64)?;
        match &a[0] {
            Value::Int(_) | Value::Long(_) if digits >= 0 => Some(a[0].clone()),
            other => Some(Value::Real(number::round_half_away(
                other.as_f64()?,
                digits,
            ))),
        }
    }),
    Function::rows("sqrt", |a| math(real(a, 0)?.sqrt())),
    Function::rows("exp", |a| math(real(a, 0)?.exp())),
    Function::rows("exp2", |a| math(real(a, 0)?.exp2())),
    Function::rows("exp10", |a| math(10_f64.powf(real(a, 0)?))),
    Function::rows("log", |a| logarithm(real(a, 0)?.ln())),
    Function::rows("log2", |a| logarithm(real(a, 0)?.log2())),
    Function::rows("log10", |a| logarithm(real(a, 0)?.log10())),
    Function::rows("pow", |a| Some(Value::Real(real(a, 0)?.powf(real(a, 1)?)))),
    Function::rows("pi", |_| Some(Value::Real(std::f64::consts::PI))),
    Function::rows("sin", |a| Some(Value::Real(real(a, 0)?.sin()))),
    Function::rows("cos", |a| Some(Value::Real(real(a, 0)?.cos()))),
    Function::rows("tan", |a| Some(Value::Real(real(a, 0)?.tan()))),
    Function::rows("cot", |a| Some(Value::Real(1.0 / real(a, 0)?.tan()))),
    Function::rows("asin", |a| math(real(a, 0)?.asin())),
    Function::rows("acos", |a| math(real(a, 0)?.acos())),
    Function::rows("atan", |a| Some(Value::Real(real(a, 0)?.atan()))),
    Function::rows("atan2", |a| {
        Some(Value::Real(real(a, 0)?.atan2(real(a, 1)?)))
    }),
    Function::rows("degrees", |a| Some(Value::Real(real(a, 0)?.to_degrees()))),
    Function::rows("radians", |a| Some(Value::Real(real(a, 0)?.to_radians()))),
    Function::rows("isnan", |a| Some(Value::Bool(real(a, 0)?.is_nan()))),
    Function::rows("isinf", |a| Some(Value::Bool(real(a, 0)?.is_infinite()))),
    Function::rows("isfinite", |a| Some(Value::Bool(real(a, 0)?.is_finite()))),
    Function::rows("binary_and", |a| bits(a, |x, y| x & y)),
    Function::rows("binary_or", |a| bits(a, |x, y| x | y)),
    Function::rows("binary_xor", |a| bits(a, |x, y| x ^ y)),
    Function::rows("binary_not", |a| long(a, 0).map(|v| Value::Long(!v))),
    Function::rows("binary_shift_left", |a| {
        let by = u32::try_from(long(a, 1)?.rem_euclid(64)).ok()?;
        Some(Value::Long(long(a, 0)? << by))
    }),
    Function::rows("binary_shift_right", |a| {
        let by = u32::try_from(long(a, 1)?.rem_euclid(64)).ok()?;
        Some(Value::Long(long(a, 0)? >> by))
    }),
    Function::rows("bitset_count_ones", |a| {
        long(a, 0).map(|v| Value::Long(i64::from(v.count_ones())))
    }),
    Function::rows("gamma", |a| Some(Value::Real(gamma(real(a, 0)?)))),
    Function::rows("loggamma", |a| Some(Value::Real(ln_gamma(real(a, 0)?)))),
    Function::rows("erf", |a| Some(Value::Real(erf(real(a, 0)?)))),
    Function::rows("erfc", |a| Some(Value::Real(erfc(real(a, 0)?)))),
];

fn math(value: f64) -> Option<Value> {
    Some(Value::Real(value))
}

/// The logarithm of a negative number is null in Kusto.
fn logarithm(value: f64) -> Option<Value> {
    (!value.is_nan()).then_some(Value::Real(value))
}

fn bits(args: &[Value], op: fn(i64, i64) -> i64) -> Option<Value> {
    Some(Value::Long(op(long(args, 0)?, long(args, 1)?)))
}

fn bin(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let result = call.result;
    match super::vectors::bin(call.args, result) {
        Some(columns) => Ok(Kernel::Columns(columns)),
        None => row_kernel(move |args| binned(args, result)),
    }
}

fn binned(args: &[Value], result: Type) -> Option<Value> {
    let (value, size) = (args.first()?, args.get(1)?);
    match result {
        Type::Real | Type::Decimal => {
            let (value, size) = (value.as_f64()?, size.as_f64()?);
            (size > 0.0).then(|| Value::Real((value / size).floor() * size))
        }
        _ => {
            let (value, size) = (whole(value)?, whole(size)?);
            if size <= 0 {
                return None;
            }
            typed(value.checked_sub(value.rem_euclid(size))?, result)
        }
    }
}

/// `bin` row by row, to compare with.
#[cfg(test)]
pub(super) fn rows_of(name: &str, result: Type) -> Option<super::RowKernel> {
    (name == "bin")
        .then(|| Box::new(move |args: &[Value]| binned(args, result)) as super::RowKernel)
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Real(v) => Some(v.round() as i64),
        other => other.as_i64(),
    }
}

fn typed(value: i64, ty: Type) -> Option<Value> {
    Some(match ty {
        Type::DateTime => Value::DateTime(crate::value::datetime::in_range(value)?),
        Type::Timespan => Value::Timespan(value),
        Type::Int => Value::Int(i32::try_from(value).ok()?),
        _ => Value::Long(value),
    })
}

fn bin_at(args: &[Value]) -> Option<Value> {
    let (value, size, origin) = (args.first()?, args.get(1)?, args.get(2)?);
    if let (Value::Real(_), _, _) | (_, Value::Real(_), _) | (_, _, Value::Real(_)) =
        (value, size, origin)
    {
        let (value, size, origin) = (value.as_f64()?, size.as_f64()?, origin.as_f64()?);
        return (size > 0.0)
            .then(|| Value::Real(((value - origin) / size).floor() * size + origin));
    }
    let (v, s, o) = (value.as_i64()?, size.as_i64()?, origin.as_i64()?);
    if s <= 0 {
        return None;
    }
    let binned = v - (v - o).rem_euclid(s);
    Some(match value {
        Value::DateTime(_) => Value::DateTime(crate::value::datetime::in_range(binned)?),
        Value::Timespan(_) => Value::Timespan(binned),
        Value::Int(_) => Value::Int(i32::try_from(binned).ok()?),
        _ => Value::Long(binned),
    })
}

/// Lanczos approximation (g = 7, 9 terms), relative error below 1e-14.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin().abs()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let t = x + 7.5;
    let mut sum = 0.999_999_999_999_809_9;
    let mut divisor = x;
    for term in TERMS {
        divisor += 1.0;
        sum += term / divisor;
    }
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

fn gamma(x: f64) -> f64 {
    if x.fract() == 0.0 && (1.0..=171.0).contains(&x) {
        return (2..x as u64).fold(1.0, |product, factor| product * factor as f64);
    }
    let magnitude = ln_gamma(x).exp();
    let negative = x < 0.0 && (x.floor() as i64).rem_euclid(2) == 1;
    if negative { -magnitude } else { magnitude }
}

/// Error function by its series below 2.5 and a continued fraction above.
fn erf(x: f64) -> f64 {
    if x.abs() > 2.5 {
        return (1.0 - erfc(x.abs())).copysign(x);
    }
    let (mut sum, mut term, mut n) = (x, x, 0.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 1.0;
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn erfc(x: f64) -> f64 {
    if x < 2.5 {
        return 1.0 - erf(x);
    }
    let mut fraction = 0.0;
    for k in (1..=60).rev() {
        fraction = f64::from(k) / 2.0 / (x + fraction);
    }
    (-x * x).exp() / (std::f64::consts::PI.sqrt() * (x + fraction))
}
