//! Choice and tests for absence.

use std::cmp::Ordering;

use super::whole::{self, or_rows};
use super::{Call, Function, Kernel, Refusal, operators::compare};
use crate::types::Type;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("iff", |call| Ok(or_rows(whole::choice(call), choose))),
    Function::bind("iif", |call| Ok(or_rows(whole::choice(call), choose))),
    Function::bind("case", |call| Ok(or_rows(whole::choice(call), first_case))),
    Function::rows("coalesce", |a| {
        a.iter()
            .find(|v| !v.is_null() && v.as_str() != Some(""))
            .cloned()
    }),
    Function::bind("isnull", |call| {
        Ok(or_rows(whole::absence(call, true), |a| {
            Some(Value::Bool(a[0].is_null()))
        }))
    }),
    Function::bind("isnotnull", is_present),
    Function::bind("isempty", |call| {
        Ok(or_rows(whole::emptiness(call, true), |a| {
            Some(Value::Bool(is_empty(&a[0])))
        }))
    }),
    Function::bind("isnotempty", is_full),
    Function::bind("notempty", is_full),
    Function::bind("notnull", is_present),
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

fn first_case(args: &[Value]) -> Option<Value> {
    let (otherwise, branches) = args.split_last()?;
    let hit = branches
        .chunks_exact(2)
        .find(|pair| pair[0].as_bool() == Some(true));
    Some(hit.map_or(otherwise, |pair| &pair[1]).clone())
}

fn is_present(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let rows = |a: &[Value]| Some(Value::Bool(!a[0].is_null()));
    Ok(or_rows(whole::absence(call, false), rows))
}

fn is_full(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let rows = |a: &[Value]| Some(Value::Bool(!is_empty(&a[0])));
    Ok(or_rows(whole::emptiness(call, false), rows))
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
