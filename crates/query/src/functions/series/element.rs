//! Item by item.

use super::{Function, numbers};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("series_abs", |a| each(a, f64::abs)),
    Function::rows("series_acos", |a| each(a, f64::acos)),
    Function::rows("series_asin", |a| each(a, f64::asin)),
    Function::rows("series_atan", |a| each(a, f64::atan)),
    Function::rows("series_ceiling", |a| each(a, f64::ceil)),
    Function::rows("series_cos", |a| each(a, f64::cos)),
    Function::rows("series_exp", |a| each(a, f64::exp)),
    Function::rows("series_floor", |a| each(a, f64::floor)),
    Function::rows("series_log", |a| each(a, f64::ln)),
    Function::rows("series_sign", |a| {
        each(a, |v| f64::from(i8::from(v > 0.0) - i8::from(v < 0.0)))
    }),
    Function::rows("series_sin", |a| each(a, f64::sin)),
    Function::rows("series_tan", |a| each(a, f64::tan)),
    Function::rows("series_add", |a| whole(a, i64::wrapping_add, |x, y| x + y)),
    Function::rows("series_subtract", |a| {
        whole(a, i64::wrapping_sub, |x, y| x - y)
    }),
    Function::rows("series_multiply", |a| {
        whole(a, i64::wrapping_mul, |x, y| x * y)
    }),
    Function::rows("series_divide", |a| pairs(a, |x, y| Value::Real(x / y))),
    Function::rows("series_pow", |a| pairs(a, |x, y| Value::Real(x.powf(y)))),
    Function::rows("series_equals", |a| pairs(a, |x, y| Value::Bool(x == y))),
    Function::rows("series_not_equals", |a| {
        pairs(a, |x, y| Value::Bool(x != y))
    }),
    Function::rows("series_less", |a| pairs(a, |x, y| Value::Bool(x < y))),
    Function::rows("series_less_equals", |a| {
        pairs(a, |x, y| Value::Bool(x <= y))
    }),
    Function::rows("series_greater", |a| pairs(a, |x, y| Value::Bool(x > y))),
    Function::rows("series_greater_equals", |a| {
        pairs(a, |x, y| Value::Bool(x >= y))
    }),
];

fn each(args: &[Value], op: fn(f64) -> f64) -> Option<Value> {
    let out = numbers(&args[0])?.into_iter();
    let out = out.map(|v| v.map_or(Value::Null, |v| Value::Real(op(v))));
    Some(Value::array(out.collect()))
}

fn pairs(args: &[Value], op: fn(f64, f64) -> Value) -> Option<Value> {
    let (left, right) = (numbers(&args[0])?, numbers(&args[1])?);
    let out = (0..left.len().max(right.len())).map(|at| {
        let (left, right) = (left.get(at).copied(), right.get(at).copied());
        match (left.flatten(), right.flatten()) {
            (Some(left), Some(right)) => op(left, right),
            _ => Value::Null,
        }
    });
    Some(Value::array(out.collect()))
}

/// Whole numbers stay whole.
fn whole(args: &[Value], op: fn(i64, i64) -> i64, real: fn(f64, f64) -> f64) -> Option<Value> {
    let (left, right) = (args[0].as_array()?, args[1].as_array()?);
    let out = (0..left.len().max(right.len())).map(|at| {
        let (Some(left), Some(right)) = (left.get(at), right.get(at)) else {
            return Value::Null;
        };
        match (left.as_i64(), right.as_i64(), left.as_f64(), right.as_f64()) {
            (Some(left), Some(right), ..) => Value::Long(op(left, right)),
            (.., Some(left), Some(right)) => Value::Real(real(left, right)),
            _ => Value::Null,
        }
    });
    Some(Value::array(out.collect()))
}
