//! Arithmetic, comparison and rounding on whole columns, for types that lie flat in memory: whole
//! numbers, times and reals. Other types are computed row by row ([`super::operators`]); where both
//! apply they give the same, which a test compares.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::compute::kernels::arity::{binary, unary};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};

use super::operators::{Op, fraction, whole};
use super::{Arg, ColumnKernel};
use crate::types::{self, Type};
use crate::value::datetime;

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Whether values of a type are 64-bit whole numbers, or fit them.
const fn is_whole(ty: Type) -> bool {
    matches!(ty, Type::Int | Type::Long | Type::DateTime | Type::Timespan)
}

const fn is_number(ty: Type) -> bool {
    matches!(ty, Type::Int | Type::Long | Type::Real | Type::Decimal)
}

fn all(args: &[Arg], test: fn(Type) -> bool) -> bool {
    args.iter().all(|arg| test(arg.ty))
}

/// Columns as 64-bit whole numbers; nulls if one is something else.
fn longs<const N: usize>(columns: &[ArrayRef]) -> Option<[Int64Array; N]> {
    let wide = |column: &ArrayRef| as_longs(column);
    let wide: Option<Vec<Int64Array>> = columns.iter().map(wide).collect();
    wide?.try_into().ok()
}

fn as_longs(column: &ArrayRef) -> Option<Int64Array> {
    let wide = cast(column, &DataType::Int64).ok()?;
    wide.as_any().downcast_ref().cloned()
}

fn reals<const N: usize>(columns: &[ArrayRef]) -> Option<[Float64Array; N]> {
    let wide = |column: &ArrayRef| {
        let wide = cast(column, &DataType::Float64).ok()?;
        wide.as_any().downcast_ref::<Float64Array>().cloned()
    };
    let wide: Option<Vec<Float64Array>> = columns.iter().map(wide).collect();
    wide?.try_into().ok()
}

/// A kernel that is null throughout where the columns are not what was planned.
fn kernel<F>(result: Type, body: F) -> ColumnKernel
where
    F: Fn(&[ArrayRef]) -> Option<ArrayRef> + Send + Sync + 'static,
{
    Box::new(move |columns| {
        body(columns).unwrap_or_else(|| {
            let rows = columns.first().map_or(0, Array::len);
            arrow::array::new_null_array(&types::arrow_type(result), rows)
        })
    })
}

/// `+`, `-`, `*`, `/`, `%`.
pub(super) fn arithmetic(args: &[Arg], op: Op, result: Type) -> Option<ColumnKernel> {
    if args.len() != 2 {
        return None;
    }
    Some(match result {
        Type::Int if all(args, is_whole) => kernel(result, move |columns| {
            let computed = whole_columns(columns, op)?;
            let narrow = unary::<Int64Type, _, Int32Type>(&computed, |value| value as i32);
            Some(Arc::new(narrow) as ArrayRef)
        }),
        Type::Long | Type::Timespan if all(args, is_whole) => kernel(result, move |columns| {
            Some(Arc::new(whole_columns(columns, op)?))
        }),
        Type::DateTime if all(args, is_whole) && matches!(op, Op::Add | Op::Subtract) => {
            kernel(result, move |columns| moved_times(columns, op))
        }
        Type::Real | Type::Decimal if all(args, is_number) => kernel(result, move |columns| {
            let [left, right] = reals(columns)?;
            let computed = binary::<_, _, _, Float64Type>(&left, &right, |a, b| fraction(a, b, op));
            Some(Arc::new(computed.ok()?) as ArrayRef)
        }),
        _ => return None,
    })
}

fn whole_columns(columns: &[ArrayRef], op: Op) -> Option<Int64Array> {
    let [left, right] = longs(columns)?;
    let computed = match op {
        Op::Add => binary(&left, &right, i64::wrapping_add),
        Op::Subtract => binary(&left, &right, i64::wrapping_sub),
        Op::Multiply => binary(&left, &right, i64::wrapping_mul),
        // A division by zero is null.
        Op::Divide | Op::Remainder => {
            let pairs = left.iter().zip(right.iter());
            return Some(pairs.map(|(a, b)| whole(a?, b?, op)).collect());
        }
    };
    computed.ok()
}

fn moved_times(columns: &[ArrayRef], op: Op) -> Option<ArrayRef> {
    let [left, right] = longs(columns)?;
    let moved = |(a, b): (Option<i64>, Option<i64>)| {
        let ticks = match op {
            Op::Add => a?.checked_add(b?)?,
            _ => a?.checked_sub(b?)?,
        };
        datetime::in_range(ticks)
    };
    let moved: Int64Array = left.iter().zip(right.iter()).map(moved).collect();
    Some(Arc::new(moved))
}

/// `==`, `<` and the like. One null makes `==` false, two make it null; an order with null is null.
pub(super) fn comparison(args: &[Arg], relation: Relation) -> Option<ColumnKernel> {
    if args.len() != 2 {
        return None;
    }
    if all(args, is_whole) {
        return Some(kernel(Type::Bool, move |columns| {
            let [left, right] = longs(columns)?;
            let (a, b) = (left.values(), right.values());
            let hits = compared(a, b, relation);
            Some(known(hits, (left.nulls(), right.nulls()), relation))
        }));
    }
    if all(args, is_number) {
        return Some(kernel(Type::Bool, move |columns| {
            let [left, right] = reals(columns)?;
            let hits = compared(left.values(), right.values(), relation);
            Some(known(hits, (left.nulls(), right.nulls()), relation))
        }));
    }
    None
}

fn compared<T: PartialOrd + Copy>(a: &[T], b: &[T], relation: Relation) -> BooleanBuffer {
    let rows = a.len().min(b.len());
    let (a, b) = (&a[..rows], &b[..rows]);
    match relation {
        Relation::Equal => BooleanBuffer::collect_bool(rows, |row| a[row] == b[row]),
        Relation::NotEqual => BooleanBuffer::collect_bool(rows, |row| a[row] != b[row]),
        Relation::Less => BooleanBuffer::collect_bool(rows, |row| a[row] < b[row]),
        Relation::LessOrEqual => BooleanBuffer::collect_bool(rows, |row| a[row] <= b[row]),
        Relation::Greater => BooleanBuffer::collect_bool(rows, |row| a[row] > b[row]),
        Relation::GreaterOrEqual => BooleanBuffer::collect_bool(rows, |row| a[row] >= b[row]),
    }
}

/// What is known of a comparison where a side is null.
fn known(
    hits: BooleanBuffer,
    (left, right): (Option<&NullBuffer>, Option<&NullBuffer>),
    relation: Relation,
) -> ArrayRef {
    if left.is_none() && right.is_none() {
        return Arc::new(BooleanArray::new(hits, None));
    }
    let rows = hits.len();
    let bits = |nulls: Option<&NullBuffer>| {
        nulls.map_or_else(
            || BooleanBuffer::new_set(rows),
            |nulls| nulls.inner().clone(),
        )
    };
    let (left, right) = (bits(left), bits(right));
    let (both, either) = (&left & &right, &left | &right);
    let (values, valid) = match relation {
        Relation::Equal => (&hits & &both, either),
        Relation::NotEqual => (&hits | &!&both, either),
        _ => (hits, both),
    };
    Arc::new(BooleanArray::new(values, Some(NullBuffer::new(valid))))
}

/// `between` and `!between`, both ends inclusive.
pub(super) fn between(args: &[Arg], negate: bool) -> Option<ColumnKernel> {
    let [value, low, high] = args else {
        return None;
    };
    let types = [value.ty, low.ty, high.ty];
    // That long after the start.
    let is_length = low.ty == Type::DateTime && high.ty == Type::Timespan;
    if types.into_iter().all(is_whole) {
        return Some(kernel(Type::Bool, move |columns| {
            let [value, low, mut high] = longs(columns)?;
            if is_length {
                let ends = low.iter().zip(high.iter());
                high = ends
                    .map(|(low, length)| low?.checked_add(length?))
                    .collect();
            }
            let nulls = NullBuffer::union(value.nulls(), low.nulls());
            let nulls = NullBuffer::union(nulls.as_ref(), high.nulls());
            let (v, l, h) = (value.values(), low.values(), high.values());
            let hits = BooleanBuffer::collect_bool(v.len(), |row| {
                (l[row] <= v[row] && v[row] <= h[row]) != negate
            });
            Some(Arc::new(BooleanArray::new(hits, nulls)) as ArrayRef)
        }));
    }
    None
}

/// `bin` of whole numbers and times; a size that is not positive gives null.
pub(super) fn bin(args: &[Arg], result: Type) -> Option<ColumnKernel> {
    let is_flat = matches!(result, Type::Long | Type::DateTime | Type::Timespan);
    if args.len() != 2 || !all(args, is_whole) || !is_flat {
        return None;
    }
    let is_time = result == Type::DateTime;
    let size = args[1]
        .constant
        .as_ref()
        .and_then(crate::value::Value::as_i64);
    Some(kernel(result, move |columns| {
        let one = |value: i64, size: i64| {
            let start = value.checked_sub(value.rem_euclid(size))?;
            if is_time {
                datetime::in_range(start)
            } else {
                Some(start)
            }
        };
        let [values, sizes] = longs(columns)?;
        let binned: Int64Array = match size {
            Some(size) if size > 0 => values.iter().map(|value| one(value?, size)).collect(),
            _ => {
                let pairs = values.iter().zip(sizes.iter());
                let binned = pairs.map(|(value, size)| one(value?, size.filter(|s| *s > 0)?));
                binned.collect()
            }
        };
        Some(Arc::new(binned) as ArrayRef)
    }))
}

/// `-x`.
pub(super) fn negated(args: &[Arg]) -> Option<ColumnKernel> {
    let [arg] = args else { return None };
    Some(match arg.ty {
        Type::Int => kernel(arg.ty, |columns| {
            let numbers = columns.first()?.as_any().downcast_ref::<Int32Array>()?;
            Some(Arc::new(unary::<_, _, Int32Type>(numbers, i32::wrapping_neg)) as ArrayRef)
        }),
        Type::Long | Type::Timespan => kernel(arg.ty, |columns| {
            let [numbers] = longs(columns)?;
            Some(Arc::new(unary::<_, _, Int64Type>(&numbers, i64::wrapping_neg)) as ArrayRef)
        }),
        Type::Real | Type::Decimal => kernel(arg.ty, |columns| {
            let [numbers] = reals(columns)?;
            Some(Arc::new(unary::<_, _, Float64Type>(&numbers, |value| -value)) as ArrayRef)
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::{Arg, Call, Kernel, find};
    use crate::types::{self, Type};
    use crate::value::Value;

    fn values(ty: Type) -> Vec<Value> {
        let whole = [0, 1, -1, 3, -7, 60, i64::MAX, i64::MIN];
        let mut values: Vec<Value> = match ty {
            Type::Int => [0, 1, -1, 3, i32::MAX, i32::MIN].map(Value::Int).to_vec(),
            Type::Real => [0.0, -0.0, 1.5, -7.25, f64::NAN, f64::INFINITY]
                .map(Value::Real)
                .to_vec(),
            Type::DateTime => [0, 1, 600_000_000, 638_000_000_000_000_000]
                .map(Value::DateTime)
                .to_vec(),
            Type::Timespan => whole.map(Value::Timespan).to_vec(),
            _ => whole.map(Value::Long).to_vec(),
        };
        values.push(Value::Null);
        values
    }

    /// Each operator on whole columns gives what it gives row by row.
    #[test]
    fn columns_and_rows_agree() {
        use Type::{DateTime, Int, Long, Real, Timespan};
        let operators = [
            "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "bin",
        ];
        let types = [Int, Long, Real, DateTime, Timespan];
        let mut compared = 0;
        for operator in operators {
            let is_test = "=!<>".contains(&operator[..1]);
            for (left, right) in types.iter().flat_map(|l| types.map(|r| (*l, r))) {
                let results: &[Type] = if is_test {
                    &[Type::Bool]
                } else {
                    &[Int, Long, Real, DateTime, Timespan]
                };
                for result in results {
                    compared += agree(operator, (left, right), *result);
                }
            }
        }
        assert!(compared > 2_000, "{compared} values were compared");
    }

    fn agree(operator: &str, (left, right): (Type, Type), result: Type) -> usize {
        let arg = |ty| Arg { ty, constant: None };
        let args = [arg(left), arg(right)];
        let call = Call {
            args: &args,
            result,
        };
        let function = find(operator).expect("it is there");
        let Ok(Kernel::Columns(columns)) = function.prepare(&call) else {
            return 0;
        };
        let rows = super::super::operators::rows_of(operator, result);
        let rows = rows.or_else(|| super::super::math::rows_of(operator, result));
        let rows = rows.expect("a computation by rows");
        let pairs: Vec<[Value; 2]> = values(left)
            .into_iter()
            .flat_map(|l| values(right).into_iter().map(move |r| [l.clone(), r]))
            .collect();
        let column = |at: usize, ty| {
            let values: Vec<Value> = pairs.iter().map(|pair| pair[at].clone()).collect();
            types::build(&values, ty)
        };
        let out = columns(&[column(0, left), column(1, right)]);
        for (row, pair) in pairs.iter().enumerate() {
            let expected = rows(pair).unwrap_or_default();
            let found = types::read(&out, result, row);
            let same = match (&found, &expected) {
                (Value::Real(a), Value::Real(b)) => {
                    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
                }
                (a, b) => a == b,
            };
            assert!(
                same,
                "{operator} {pair:?}: {found:?}, row by row {expected:?}"
            );
        }
        pairs.len()
    }
}
