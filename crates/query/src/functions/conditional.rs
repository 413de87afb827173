//! Choice and tests for absence.

use std::cmp::Ordering;

use super::{Function, Kernel, operators::compare};
use crate::types::Type;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("iff", choose),
    Function::rows("iif", choose),
    Function::rows("case", |a| {
        let (branches, otherwise) = a.split_at(a.len() - 1);
        let hit = branches
            .chunks_exact(2)
            .find(|pair| pair[0].as_bool() == Some(true));
        Some(hit.map_or(&otherwise[0], |pair| &pair[1]).clone())
    }),
    Function::rows("coalesce", |a| {
        a.iter()
            .find(|v| !v.is_null() && v.as_str() != Some(""))
            .cloned()
    }),
    Function::rows("isnull", |a| Some(Value::Bool(a[0].is_null()))),
    Function::rows("isnotnull", |a| Some(Value::Bool(!a[0].is_null()))),
    Function::rows("isempty", |a| Some(Value::Bool(is_empty(&a[0])))),
    Function::rows("isnotempty", |a| Some(Value::Bool(!is_empty(&a[0])))),
    Function::rows("notempty", |a| Some(Value::Bool(!is_empty(&a[0])))),
    Function::rows("notnull", |a| Some(Value::Bool(!a[0].is_null()))),
    Function::rows("max_of", |a| extreme(a, Ordering::Greater)),
    Function::rows("min_of", |a| extreme(a, Ordering::Less)),
    Function::bind("assert", |call| {
        let holds = call.args[0].constant.as_ref().and_then(Value::as_bool);
        match holds {
            Some(true) => Ok(Kernel::Rows(Box::new(|_| Some(Value::Bool(true))))),
            Some(false) => {
                let message = call.text(1).unwrap_or_default();
                Err(format!("an assertion does not hold: {message}"))
            }
            None => Err("the condition of `assert` must be a constant".to_owned()),
        }
    }),
    Function::bind("gettype", |call| {
        let ty = call.args.first().map(|arg| arg.ty);
        Ok(Kernel::Rows(Box::new(move |a| {
            Some(Value::string(match (ty, &a[0]) {
                (Some(Type::Decimal), Value::Real(_)) => "decimal",
                (Some(Type::Dynamic), Value::Real(_)) => "double",
                (_, value) => value.type_name(),
            }))
        })))
    }),
];

fn choose(args: &[Value]) -> Option<Value> {
    // A condition that is null counts as false.
    let truth = match &args[0] {
        Value::Bool(v) => *v,
        other => other.as_i64().is_some_and(|v| v != 0),
    };
    Some(args[if truth { 1 } else { 2 }].clone())
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn extreme(args: &[Value], wanted: Ordering) -> Option<Value> {
    let mut best: Option<&Value> = None;
    for value in args.iter().filter(|v| !v.is_null()) {
        if best.is_none_or(|b| compare(value, b) == Some(wanted)) {
            best = Some(value);
        }
    }
    best.cloned()
}
