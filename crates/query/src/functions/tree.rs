//! The shape of dynamic values.

use super::{Function, string};
use crate::value::Value;

/// Most paths of one value.
const PATHS_MAX: usize = 10_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("treepath", |a| {
        let mut paths = Vec::new();
        walk(&a[0], &mut String::new(), &mut paths);
        Some(Value::array(paths))
    }),
    Function::rows("array_strcat", |a| {
        let items = a[0].as_array()?.iter().map(Value::to_text);
        let items: Vec<_> = items.collect();
        string(items.join(&*a[1].to_text()))
    }),
];

/// The path of every value inside, parents before children.
fn walk(value: &Value, path: &mut String, into: &mut Vec<Value>) {
    use std::fmt::Write as _;
    let length = path.len();
    let mut visit = |step: std::fmt::Arguments<'_>, child: &Value, into: &mut Vec<Value>| {
        if into.len() < PATHS_MAX {
            let _ = path.write_fmt(step);
            into.push(Value::string(path.as_str()));
            walk(child, path, into);
            path.truncate(length);
        }
    };
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                visit(format_args!("[{at}]"), item, into);
            }
        }
        Value::Bag(pairs) => {
            for (key, item) in pairs.iter() {
                visit(format_args!("['{key}']"), item, into);
            }
        }
        _ => {}
    }
}
