//! The narrowest type that all values of a column fit.

use atalaya_kql::bound::Type;

use crate::value::{Value, datetime};

/// What the values seen so far have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inferred(Option<Type>);

impl Inferred {
    pub(super) fn see(&mut self, value: &Value) {
        let Some(seen) = type_of(value) else {
            return;
        };
        self.0 = Some(match self.0 {
            None => seen,
            Some(before) => common(before, seen),
        });
    }

    pub(super) fn finish(self) -> Type {
        self.0.unwrap_or(Type::String)
    }
}

fn type_of(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) | Value::Long(_) => Type::Long,
        Value::Real(_) => Type::Real,
        Value::DateTime(_) => Type::DateTime,
        Value::Timespan(_) => Type::Timespan,
        Value::Guid(_) => Type::Guid,
        Value::String(text) if looks_like_time(text) => Type::DateTime,
        Value::String(_) => Type::String,
        Value::Array(_) | Value::Bag(_) => Type::Dynamic,
    })
}

/// ISO 8601 with at least a whole date; a bare number is no time.
fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && datetime::parse(text).is_some()
}

const fn common(a: Type, b: Type) -> Type {
    match (a, b) {
        (Type::Long, Type::Real) | (Type::Real, Type::Long) => Type::Real,
        (Type::Dynamic, _) | (_, Type::Dynamic) => Type::Dynamic,
        _ if a as u8 == b as u8 => a,
        _ => Type::String,
    }
}
