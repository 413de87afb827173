//! Missing items.

use super::Function;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("series_fill_forward", |a| {
        let missing = a.get(1).cloned().unwrap_or_default();
        Some(Value::array(forward(a[0].as_array()?.iter(), &missing)))
    }),
    Function::rows("series_fill_backward", |a| {
        let missing = a.get(1).cloned().unwrap_or_default();
        let mut out = forward(a[0].as_array()?.iter().rev(), &missing);
        out.reverse();
        Some(Value::array(out))
    }),
    Function::rows("series_fill_const", |a| {
        let missing = a.get(2).cloned().unwrap_or_default();
        let fill = |item: &Value| {
            if *item == missing {
                a[1].clone()
            } else {
                item.clone()
            }
        };
        Some(Value::array(a[0].as_array()?.iter().map(fill).collect()))
    }),
    Function::rows("series_fill_linear", linear),
];

fn forward<'a>(items: impl Iterator<Item = &'a Value>, missing: &Value) -> Vec<Value> {
    let mut last = missing.clone();
    items
        .map(|item| {
            if item != missing {
                last = item.clone();
            }
            last.clone()
        })
        .collect()
}

/// `series_fill_linear(series, missing, fill_edges, constant)`
fn linear(args: &[Value]) -> Option<Value> {
    let items = args[0].as_array()?;
    let missing = args.get(1).cloned().unwrap_or_default();
    let fills_edges = args.get(2).and_then(Value::as_bool).unwrap_or(true);
    let known: Vec<usize> = (0..items.len())
        .filter(|at| items[*at] != missing)
        .collect();
    if known.is_empty() {
        let constant = args.get(3).cloned().unwrap_or(Value::Long(0));
        return Some(Value::array(vec![constant; items.len()]));
    }
    let filled = |at: usize| {
        if items[at] != missing {
            return items[at].clone();
        }
        let before = known.iter().rev().find(|known| **known < at);
        let after = known.iter().find(|known| **known > at);
        match (before, after) {
            (Some(before), Some(after)) => {
                let (low, high) = (items[*before].as_f64(), items[*after].as_f64());
                let part = (at - before) as f64 / (after - before) as f64;
                low.zip(high).map_or(Value::Null, |(low, high)| {
                    Value::Real((high - low).mul_add(part, low))
                })
            }
            (Some(edge), None) | (None, Some(edge)) if fills_edges => items[*edge].clone(),
            _ => items[at].clone(),
        }
    };
    Some(Value::array((0..items.len()).map(filled).collect()))
}
