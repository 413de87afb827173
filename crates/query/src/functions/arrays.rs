//! Arrays inside `dynamic`.

use std::collections::HashSet;

use super::{Function, long};
use crate::value::Value;

/// Most items that an array made by a function may have, as in Kusto.
const ITEMS_MAX: usize = 1_048_576;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("array_length", |a| count(a[0].as_array()?.len())),
    Function::rows("arraylength", |a| count(a[0].as_array()?.len())),
    Function::rows("pack_array", |a| Some(Value::array(a.to_vec()))),
    Function::rows("array_concat", |a| {
        let mut out = Vec::new();
        for value in a {
            out.extend(value.as_array().unwrap_or_default().iter().cloned());
        }
        Some(Value::array(out))
    }),
    Function::rows("array_slice", |a| {
        let items = a[0].as_array()?;
        let (start, end) = (at(items, long(a, 1)?), at(items, long(a, 2)?));
        let end = (end + 1).clamp(0, signed(items.len()));
        let start = start.clamp(0, end);
        Some(Value::array(items[index(start)..index(end)].to_vec()))
    }),
    Function::rows("array_split", |a| {
        let items = a[0].as_array()?;
        let single = [a[1].clone()];
        let cuts = a[1].as_array().unwrap_or(&single);
        let mut out = Vec::new();
        let mut from = 0;
        for cut in cuts {
            let to = index(at(items, cut.as_i64()?).clamp(0, signed(items.len()))).max(from);
            out.push(Value::array(items[from..to].to_vec()));
            from = to;
        }
        out.push(Value::array(items[from..].to_vec()));
        Some(Value::array(out))
    }),
    Function::rows("array_reverse", |a| {
        Some(Value::array(
            a[0].as_array()?.iter().rev().cloned().collect(),
        ))
    }),
    Function::rows("array_rotate_left", |a| rotate(a, 1)),
    Function::rows("array_rotate_right", |a| rotate(a, -1)),
    Function::rows("array_shift_left", |a| shift(a, 1)),
    Function::rows("array_shift_right", |a| shift(a, -1)),
    Function::rows("array_index_of", index_of),
    Function::rows("array_sum", |a| {
        let items = a[0].as_array()?;
        let numbers = items.iter().filter(|v| !v.is_null());
        let mut total = 0.0;
        let mut whole = true;
        for value in numbers {
            whole &= value.as_i64().is_some();
            total += value.as_f64()?;
        }
        Some(if whole {
            Value::Long(total as i64)
        } else {
            Value::Real(total)
        })
    }),
    Function::rows("array_iff", array_iff),
    Function::rows("array_iif", array_iff),
    Function::rows("repeat", |a| {
        let times = usize::try_from(long(a, 1)?.max(0)).ok()?.min(ITEMS_MAX);
        Some(Value::array(vec![a[0].clone(); times]))
    }),
    Function::rows("range", range),
    Function::rows("zip", |a| {
        let arrays: Vec<&[Value]> = a.iter().filter_map(Value::as_array).collect();
        if arrays.len() < a.len() {
            return None;
        }
        let longest = arrays.iter().map(|items| items.len()).max()?;
        let row = |i: usize| {
            let cells = arrays
                .iter()
                .map(|items| items.get(i).cloned().unwrap_or_default());
            Value::array(cells.collect())
        };
        Some(Value::array((0..longest).map(row).collect()))
    }),
    Function::rows("set_union", |a| {
        let all = a.iter().filter_map(Value::as_array).flatten();
        Some(Value::array(distinct(all)))
    }),
    Function::rows("set_intersect", |a| {
        let mut kept = distinct(a[0].as_array()?.iter());
        for other in &a[1..] {
            let other: HashSet<&Value> = other.as_array()?.iter().collect();
            kept.retain(|value| other.contains(value));
        }
        Some(Value::array(kept))
    }),
    Function::rows("set_difference", |a| {
        let mut kept = distinct(a[0].as_array()?.iter());
        for other in &a[1..] {
            let other: HashSet<&Value> = other.as_array()?.iter().collect();
            kept.retain(|value| !other.contains(value));
        }
        Some(Value::array(kept))
    }),
    Function::rows("set_has_element", |a| {
        Some(Value::Bool(a[0].as_array()?.contains(&a[1])))
    }),
    Function::rows("set_equals", |a| {
        let left: HashSet<&Value> = a[0].as_array()?.iter().collect();
        let right: HashSet<&Value> = a[1].as_array()?.iter().collect();
        Some(Value::Bool(left == right))
    }),
    Function::rows("jaccard_index", |a| {
        let left: HashSet<&Value> = a[0].as_array()?.iter().collect();
        let right: HashSet<&Value> = a[1].as_array()?.iter().collect();
        let both = left.intersection(&right).count();
        let either = left.union(&right).count();
        Some(Value::Real(if either == 0 {
            f64::NAN
        } else {
            both as f64 / either as f64
        }))
    }),
    Function::rows("array_sort_asc", |a| sorted(a, false)),
    Function::rows("array_sort_desc", |a| sorted(a, true)),
];

fn count(value: usize) -> Option<Value> {
    i64::try_from(value).ok().map(Value::Long)
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn index(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// An index that counts from the end when it is negative.
fn at(items: &[Value], index: i64) -> i64 {
    if index < 0 {
        signed(items.len()) + index
    } else {
        index
    }
}

fn rotate(args: &[Value], direction: i64) -> Option<Value> {
    let mut items = args[0].as_array()?.to_vec();
    if !items.is_empty() {
        let by = (long(args, 1)? * direction).rem_euclid(signed(items.len()));
        items.rotate_left(index(by));
    }
    Some(Value::array(items))
}

fn shift(args: &[Value], direction: i64) -> Option<Value> {
    let items = args[0].as_array()?;
    let by = long(args, 1)?.checked_mul(direction)?;
    let fill = args.get(2).cloned().unwrap_or_else(|| match items.first() {
        Some(Value::String(_)) => Value::string(""),
        _ => Value::Null,
    });
    let source = |i: usize| {
        signed(i)
            .checked_add(by)
            .and_then(|from| usize::try_from(from).ok())
            .and_then(|from| items.get(from).cloned())
            .unwrap_or_else(|| fill.clone())
    };
    Some(Value::array((0..items.len()).map(source).collect()))
}

fn index_of(args: &[Value]) -> Option<Value> {
    let items = args[0].as_array()?;
    let start = index(at(items, long(args, 2).unwrap_or(0)).clamp(0, signed(items.len())));
    let length = long(args, 3).unwrap_or(-1);
    let end = if length < 0 {
        items.len()
    } else {
        (start + index(length)).min(items.len())
    };
    let mut occurrence = long(args, 4).unwrap_or(1);
    for (i, item) in items.iter().enumerate().take(end).skip(start) {
        if super::operators::equal(item, &args[1]) == Some(true) {
            occurrence -= 1;
            if occurrence == 0 {
                return count(i);
            }
        }
    }
    Some(Value::Long(-1))
}

fn array_iff(args: &[Value]) -> Option<Value> {
    let conditions = args[0].as_array()?;
    let pick = |value: &Value, i: usize| match value.as_array() {
        Some(items) => items.get(i).cloned().unwrap_or_default(),
        None => value.clone(),
    };
    let choose = |(i, condition): (usize, &Value)| match condition {
        Value::Bool(true) => pick(&args[1], i),
        Value::Bool(false) => pick(&args[2], i),
        other => match other.as_f64() {
            Some(v) if v != 0.0 => pick(&args[1], i),
            Some(_) => pick(&args[2], i),
            None => Value::Null,
        },
    };
    Some(Value::array(
        conditions.iter().enumerate().map(choose).collect(),
    ))
}

/// `range(start, stop, step)` as an array.
fn range(args: &[Value]) -> Option<Value> {
    let step = args.get(2).cloned().unwrap_or(match &args[0] {
        Value::DateTime(_) => Value::Timespan(36_000_000_000),
        Value::Timespan(_) => Value::Timespan(36_000_000_000),
        _ => Value::Long(1),
    });
    let mut out = Vec::new();
    if [&args[0], &args[1], &step]
        .iter()
        .any(|v| matches!(v, Value::Real(_)))
    {
        let (start, stop, step) = (args[0].as_f64()?, args[1].as_f64()?, step.as_f64()?);
        let mut i = 0.0;
        while step != 0.0 && out.len() < ITEMS_MAX {
            let value = start + i * step;
            if (step > 0.0 && value > stop) || (step < 0.0 && value < stop) || value.is_nan() {
                break;
            }
            out.push(Value::Real(value));
            i += 1.0;
        }
        return Some(Value::array(out));
    }
    let (start, stop, step) = (args[0].as_i64()?, args[1].as_i64()?, step.as_i64()?);
    let mut value = start;
    while step != 0 && out.len() < ITEMS_MAX && (step > 0) == (value <= stop) {
        if step < 0 && value < stop {
            break;
        }
        out.push(match &args[0] {
            Value::DateTime(_) => Value::DateTime(value),
            Value::Timespan(_) => Value::Timespan(value),
            _ => Value::Long(value),
        });
        let Some(next) = value.checked_add(step) else {
            break;
        };
        value = next;
    }
    Some(Value::array(out))
}

fn distinct<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    values
        .filter(|value| seen.insert(*value))
        .cloned()
        .collect()
}

/// Sorts by the first array; nulls last unless a trailing `false` asks otherwise.
fn sorted(args: &[Value], descending: bool) -> Option<Value> {
    let items = args[0].as_array()?;
    let nulls_last = !matches!(args.last(), Some(Value::Bool(false)));
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&items[*a], &items[*b]);
        match (a.is_null(), b.is_null()) {
            (true, true) => std::cmp::Ordering::Equal,
            (true, false) | (false, true) => a.is_null().cmp(&b.is_null()),
            _ if descending => b.sort_order(a),
            _ => a.sort_order(b),
        }
    });
    if !nulls_last {
        let (nulls, rest): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|i| items[*i].is_null());
        order = nulls.into_iter().chain(rest).collect();
    }
    let others: Vec<&Value> = args[1..]
        .iter()
        .filter(|v| !matches!(v, Value::Bool(_)))
        .collect();
    let permute = |source: &[Value]| {
        Value::array(
            order
                .iter()
                .map(|i| source.get(*i).cloned().unwrap_or_default())
                .collect(),
        )
    };
    if others.is_empty() {
        return Some(permute(items));
    }
    // Several arrays: an array of the reordered ones; the binder names them.
    let mut out = vec![permute(items)];
    for other in others {
        let other = other.as_array()?;
        if other.len() != items.len() {
            out.push(Value::Null);
        } else {
            out.push(permute(other));
        }
    }
    Some(Value::array(out))
}
