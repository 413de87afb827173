//! Property bags inside `dynamic`, and paths into them.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BinaryViewBuilder};

use super::{Call, Function, Kernel, Refusal, row_kernel, string, text};
use crate::types::Type;
use crate::value::{Value, binary, json};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("path", path),
    Function::rows("index", |a| step(&a[0], &a[1])),
    Function::rows("bag_pack", pack),
    Function::rows("pack", pack),
    Function::rows("pack_dictionary", pack),
    Function::rows("bag_pack_nonempty", |a| {
        let bag = pack(a)?;
        let is_kept = |v: &Value| !v.is_null() && v.as_str() != Some("");
        let kept = bag.as_bag()?.iter().filter(|(_, v)| is_kept(v)).cloned();
        Some(Value::bag(kept.collect()))
    }),
    Function::rows("bag_keys", |a| {
        let keys = a[0]
            .as_bag()?
            .iter()
            .map(|(key, _)| Value::String(key.clone()));
        Some(Value::array(keys.collect()))
    }),
    Function::rows("bag_has_key", |a| {
        let bag = a[0].as_bag()?;
        let key = text(a, 1)?;
        if let Some(path) = key.strip_prefix("$") {
            return Some(Value::Bool(!walk(&a[0], path)?.is_null()));
        }
        Some(Value::Bool(bag.iter().any(|(k, _)| *k == key)))
    }),
    Function::rows("bag_merge", |a| {
        let mut out: Vec<(Arc<str>, Value)> = Vec::new();
        for bag in a.iter().filter_map(Value::as_bag) {
            for (key, value) in bag {
                if !out.iter().any(|(k, _)| k == key) {
                    out.push((key.clone(), value.clone()));
                }
            }
        }
        Some(Value::bag(out))
    }),
    Function::rows("bag_set_key", |a| {
        let key = text(a, 1)?;
        let mut pairs = a[0].as_bag().unwrap_or_default().to_vec();
        match key.strip_prefix("$.") {
            Some(path) => {
                let steps: Vec<&str> = path.split('.').collect();
                Some(set_path(&a[0], &steps, &a[2]))
            }
            None => {
                pairs.push((key, a[2].clone()));
                Some(Value::bag(pairs))
            }
        }
    }),
    Function::rows("bag_remove_keys", |a| {
        let mut bag = a[0].clone();
        for key in a.get(1)?.as_array()? {
            let key = key.to_text();
            let steps: Vec<&str> = match key.strip_prefix("$.") {
                Some(path) => path.split('.').collect(),
                None => vec![&key],
            };
            bag = remove(&bag, &steps);
        }
        Some(bag)
    }),
    Function::rows("bag_zip", |a| {
        let keys = a[0].as_array()?;
        let values = a[1].as_array().unwrap_or_default();
        let pairs = keys.iter().enumerate().filter_map(|(i, key)| {
            let Value::String(key) = key else {
                return None;
            };
            Some((key.clone(), values.get(i).cloned().unwrap_or_default()))
        });
        Some(Value::bag(pairs.collect()))
    }),
    Function::bind("extract_json", extract_json),
    Function::bind("extractjson", extract_json),
];

/// `d.a.b[0]`: reads the binary form in place. Argument 0 is the value, the others are constant
/// steps (text or whole numbers).
fn path(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let steps: Vec<Value> = call.args[1..]
        .iter()
        .filter_map(|arg| arg.constant.clone())
        .collect();
    if call.args.first().map(|arg| arg.ty) != Some(Type::Dynamic)
        || steps.len() + 1 != call.args.len()
    {
        return row_kernel(|args| {
            args[1..]
                .iter()
                .try_fold(args[0].clone(), |at, by| step(&at, by))
        });
    }
    Ok(Kernel::Columns(Box::new(move |columns| {
        let mut out = BinaryViewBuilder::with_capacity(columns[0].len());
        let Some(bags) = columns[0].as_binary_view_opt() else {
            return Arc::new(out.finish());
        };
        for row in 0..bags.len() {
            let start = (!bags.is_null(row)).then(|| bags.value(row));
            let found = steps.iter().fold(start, |at, by| match by {
                Value::String(name) => binary::property(at?, name),
                by => binary::item(at?, by.as_i64()?),
            });
            match found {
                // Tag 0 is JSON null.
                Some(bytes) if bytes.first() != Some(&0) => out.append_value(bytes),
                _ => out.append_null(),
            }
        }
        Arc::new(out.finish())
    })))
}

fn step(at: &Value, by: &Value) -> Option<Value> {
    let found = match by {
        Value::String(name) => at.property(name),
        Value::Real(v) => at.item(*v as i64),
        other => at.item(other.as_i64()?),
    };
    (!found.is_null()).then_some(found)
}

fn pack(args: &[Value]) -> Option<Value> {
    let pairs = args
        .chunks_exact(2)
        .map(|pair| (pair[0].to_text(), pair[1].clone()));
    Some(Value::bag(pairs.collect()))
}

/// A JSON path: `$.a.b[0]['c']`. `None` when it is not one that we read.
fn parse_path(path: &str) -> Option<Vec<Value>> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            steps.push(Value::string(&after[..end]));
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = after.find(']')?;
            let inner = after[..end].trim();
            let quoted = inner
                .strip_prefix(['\'', '"'])
                .and_then(|t| t.strip_suffix(['\'', '"']));
            steps.push(match quoted {
                Some(name) => Value::string(name),
                None => Value::Long(inner.parse().ok()?),
            });
            rest = &after[end + 1..];
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Value::string(&rest[..end]));
            rest = &rest[end..];
        }
    }
    Some(steps)
}

fn walk(value: &Value, path: &str) -> Option<Value> {
    let steps = parse_path(path)?;
    Some(
        steps
            .iter()
            .try_fold(value.clone(), |at, by| step(&at, by))
            .unwrap_or_default(),
    )
}

fn extract_json(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let result = call.result;
    row_kernel(move |args| {
        let path = text(args, 0)?;
        let source = match &args[1] {
            Value::String(text) => json::parse(text)?,
            other => other.clone(),
        };
        let found = walk(&source, &path)?;
        if found.is_null() {
            return None;
        }
        match result {
            Type::Dynamic => Some(found),
            Type::String => string(found.to_text()),
            ty => super::patterns::convert(&found.to_text(), ty),
        }
    })
}

fn set_path(value: &Value, steps: &[&str], new: &Value) -> Value {
    let Some((first, rest)) = steps.split_first() else {
        return new.clone();
    };
    let mut pairs = value.as_bag().unwrap_or_default().to_vec();
    let inner = set_path(&value.property(first), rest, new);
    pairs.push((Arc::from(*first), inner));
    Value::bag(pairs)
}

fn remove(value: &Value, steps: &[&str]) -> Value {
    let (Some((first, rest)), Some(pairs)) = (steps.split_first(), value.as_bag()) else {
        return value.clone();
    };
    let kept = pairs.iter().filter_map(|(key, inner)| {
        if &**key != *first {
            return Some((key.clone(), inner.clone()));
        }
        (!rest.is_empty()).then(|| (key.clone(), remove(inner, rest)))
    });
    Value::bag(kept.collect())
}
