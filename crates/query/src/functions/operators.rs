//! Comparison, arithmetic and logic with Kusto's rules where they differ from SQL's: null on one
//! side of `==` is false, longs wrap, `%` is never negative, a whole number divided by zero is
//! null.

use std::cmp::Ordering;

use super::vectors::{self, Relation};
use super::{Call, Function, Kernel, Refusal, row_kernel};
use crate::types::Type;
use crate::value::{Value, datetime};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("==", |call| comparison(call, Relation::Equal)),
    Function::bind("!=", |call| comparison(call, Relation::NotEqual)),
    Function::bind("<", |call| comparison(call, Relation::Less)),
    Function::bind("<=", |call| comparison(call, Relation::LessOrEqual)),
    Function::bind(">", |call| comparison(call, Relation::Greater)),
    Function::bind(">=", |call| comparison(call, Relation::GreaterOrEqual)),
    Function::bind("between", |call| match vectors::between(call.args, false) {
        Some(columns) => Ok(Kernel::Columns(columns)),
        None => row_kernel(between),
    }),
    Function::bind("!between", |call| match vectors::between(call.args, true) {
        Some(columns) => Ok(Kernel::Columns(columns)),
        None => row_kernel(|a| match between(a)? {
            Value::Bool(v) => Some(Value::Bool(!v)),
            _ => None,
        }),
    }),
    Function::rows("and", |a| match (a[0].as_bool(), a[1].as_bool()) {
        (Some(false), _) | (_, Some(false)) => Some(Value::Bool(false)),
        (Some(true), Some(true)) => Some(Value::Bool(true)),
        _ => None,
    }),
    Function::rows("or", |a| match (a[0].as_bool(), a[1].as_bool()) {
        (Some(true), _) | (_, Some(true)) => Some(Value::Bool(true)),
        (Some(false), Some(false)) => Some(Value::Bool(false)),
        _ => None,
    }),
    Function::rows("not", |a| a[0].as_bool().map(|v| Value::Bool(!v))),
    Function::bind("+", |call| arithmetic(call, Op::Add)),
    Function::bind("-", |call| arithmetic(call, Op::Subtract)),
    Function::bind("*", |call| arithmetic(call, Op::Multiply)),
    Function::bind("/", |call| arithmetic(call, Op::Divide)),
    Function::bind("%", |call| arithmetic(call, Op::Remainder)),
    Function::bind("unary-", |call| match vectors::negated(call.args) {
        Some(columns) => Ok(Kernel::Columns(columns)),
        None => row_kernel(|a| match &a[0] {
            Value::Int(v) => Some(Value::Int(v.wrapping_neg())),
            Value::Long(v) => Some(Value::Long(v.wrapping_neg())),
            Value::Real(v) => Some(Value::Real(-v)),
            Value::Timespan(v) => Some(Value::Timespan(v.wrapping_neg())),
            _ => None,
        }),
    }),
    Function::rows("unary+", |a| Some(a[0].clone())),
];

/// Kusto's `==`: `None` when both sides are null, false when one is.
pub(super) fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Null, Value::Null) => None,
        (Value::Null, _) | (_, Value::Null) => Some(false),
        _ => Some(compare(a, b) == Some(Ordering::Equal)),
    }
}

/// Order of two values that can be compared; NaN cannot.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a) | Value::Guid(a), Value::String(b) | Value::Guid(b)) => Some(a.cmp(b)),
        (Value::Array(_) | Value::Bag(_), Value::Array(_) | Value::Bag(_)) => {
            (a == b).then_some(Ordering::Equal)
        }
        // A boolean compares with numbers as 0 and 1.
        (Value::Bool(a), _) => compare(&Value::Long(i64::from(*a)), b),
        (_, Value::Bool(b)) => compare(a, &Value::Long(i64::from(*b))),
        _ => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
    }
}

fn ordered(args: &[Value], test: fn(Ordering) -> bool) -> Option<Value> {
    if args[0].is_null() || args[1].is_null() {
        return None;
    }
    Some(Value::Bool(compare(&args[0], &args[1]).is_some_and(test)))
}

fn between(args: &[Value]) -> Option<Value> {
    let high = match (&args[1], &args[2]) {
        // `between (datetime .. timespan)` means that long after the start.
        (Value::DateTime(low), Value::Timespan(length)) => {
            Value::DateTime(low.checked_add(*length)?)
        }
        (_, high) => high.clone(),
    };
    if args[0].is_null() || args[1].is_null() || high.is_null() {
        return None;
    }
    let above = compare(&args[0], &args[1]).is_some_and(Ordering::is_ge);
    let below = compare(&args[0], &high).is_some_and(Ordering::is_le);
    Some(Value::Bool(above && below))
}

fn comparison(call: &Call<'_>, relation: Relation) -> Result<Kernel, Refusal> {
    match vectors::comparison(call.args, relation) {
        Some(columns) => Ok(Kernel::Columns(columns)),
        None => row_kernel(move |args| related(args, relation)),
    }
}

fn related(args: &[Value], relation: Relation) -> Option<Value> {
    match relation {
        Relation::Equal => equal(args.first()?, args.get(1)?).map(Value::Bool),
        Relation::NotEqual => equal(args.first()?, args.get(1)?).map(|e| Value::Bool(!e)),
        Relation::Less => ordered(args, Ordering::is_lt),
        Relation::LessOrEqual => ordered(args, Ordering::is_le),
        Relation::Greater => ordered(args, Ordering::is_gt),
        Relation::GreaterOrEqual => ordered(args, Ordering::is_ge),
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

fn arithmetic(call: &Call<'_>, op: Op) -> Result<Kernel, Refusal> {
    let result = call.result;
    match vectors::arithmetic(call.args, op, result) {
        Some(columns) => Ok(Kernel::Columns(columns)),
        None => row_kernel(move |args| calculated(args, op, result)),
    }
}

fn calculated(args: &[Value], op: Op, result: Type) -> Option<Value> {
    let (a, b) = (args.first()?, args.get(1)?);
    if a.is_null() || b.is_null() {
        return None;
    }
    compute(a, b, op, result)
}

fn compute(a: &Value, b: &Value, op: Op, result: Type) -> Option<Value> {
    match result {
        Type::Int => {
            let wide = whole(a.as_i64()?, b.as_i64()?, op)?;
            Some(Value::Int(wide as i32))
        }
        Type::Long => Some(Value::Long(whole(number(a)?, number(b)?, op)?)),
        Type::Real | Type::Decimal => match (a, b) {
            (Value::Timespan(a), Value::Timespan(b)) => {
                (*b != 0).then(|| Value::Real(*a as f64 / *b as f64))
            }
            _ => Some(Value::Real(fraction(a.as_f64()?, b.as_f64()?, op))),
        },
        Type::DateTime => {
            let ticks = match op {
                Op::Add => a.as_i64()?.checked_add(b.as_i64()?)?,
                Op::Subtract => a.as_i64()?.checked_sub(b.as_i64()?)?,
                _ => return None,
            };
            datetime::in_range(ticks).map(Value::DateTime)
        }
        Type::Timespan => timespan(a, b, op),
        _ => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(v) => Some(i64::from(*v)),
        other => other.as_i64(),
    }
}

pub(super) fn whole(a: i64, b: i64, op: Op) -> Option<i64> {
    Some(match op {
        Op::Add => a.wrapping_add(b),
        Op::Subtract => a.wrapping_sub(b),
        Op::Multiply => a.wrapping_mul(b),
        Op::Divide if b == 0 => return None,
        Op::Divide => a.wrapping_div(b),
        Op::Remainder if b == 0 => return None,
        // The sign of the divisor is dropped as well: 7 % -3 is 1.
        Op::Remainder => a.wrapping_rem_euclid(b),
    })
}

pub(super) fn fraction(a: f64, b: f64, op: Op) -> f64 {
    match op {
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        Op::Remainder => a.rem_euclid(b),
    }
}

fn timespan(a: &Value, b: &Value, op: Op) -> Option<Value> {
    let ticks = match (a, b) {
        (Value::Timespan(_) | Value::DateTime(_), Value::Timespan(_) | Value::DateTime(_)) => {
            whole(a.as_i64()?, b.as_i64()?, op)?
        }
        (_, Value::Real(_)) | (Value::Real(_), _) => {
            let exact = fraction(a.as_f64()?, b.as_f64()?, op);
            if !exact.is_finite() {
                return None;
            }
            exact.round() as i64
        }
        _ => whole(a.as_i64()?, b.as_i64()?, op)?,
    };
    Some(Value::Timespan(ticks))
}

/// A binary operator row by row, to compare with.
#[cfg(test)]
pub(super) fn rows_of(name: &str, result: Type) -> Option<super::RowKernel> {
    let relation = match name {
        "==" => Relation::Equal,
        "!=" => Relation::NotEqual,
        "<" => Relation::Less,
        "<=" => Relation::LessOrEqual,
        ">" => Relation::Greater,
        ">=" => Relation::GreaterOrEqual,
        _ => {
            let op = match name {
                "+" => Op::Add,
                "-" => Op::Subtract,
                "*" => Op::Multiply,
                "/" => Op::Divide,
                "%" => Op::Remainder,
                _ => return None,
            };
            return Some(Box::new(move |args| calculated(args, op, result)));
        }
    };
    Some(Box::new(move |args| related(args, relation)))
}

#[cfg(test)]
mod tests {
    use super::{Op, equal, whole};
    use crate::value::Value;

    #[test]
    fn null_meets_equality() {
        assert_eq!(equal(&Value::Null, &Value::Null), None);
        assert_eq!(equal(&Value::Null, &Value::Long(1)), Some(false));
        assert_eq!(
            equal(&Value::Real(f64::NAN), &Value::Real(f64::NAN)),
            Some(false)
        );
        assert_eq!(equal(&Value::Long(1), &Value::Real(1.0)), Some(true));
    }

    #[test]
    fn whole_numbers_wrap_and_divide_as_kusto_does() {
        assert_eq!(whole(i64::MAX, 1, Op::Add), Some(i64::MIN));
        assert_eq!(whole(-7, 3, Op::Remainder), Some(2));
        assert_eq!(whole(7, -3, Op::Remainder), Some(1));
        assert_eq!(whole(-7, -3, Op::Remainder), Some(2));
        assert_eq!(whole(1, 0, Op::Divide), None);
        assert_eq!(whole(i64::MIN, -1, Op::Divide), Some(i64::MIN));
    }
}
