//! Answers to what the binder asks of the data: which keys bags have, which values a column has.

use std::collections::BTreeMap;

use atalaya_kql::QuestionKind;
use atalaya_kql::bound::{ColumnDef, Type};

use crate::engine::{QueryError, QueryResult};
use crate::value::Value;

/// Most columns that follow from data.
const COLUMNS_MAX: usize = 1_000;

pub(crate) fn columns(
    kind: QuestionKind,
    result: &QueryResult,
) -> Result<Vec<ColumnDef>, QueryError> {
    let mut found: BTreeMap<String, Type> = BTreeMap::new();
    for value in result.rows.iter().filter_map(|row| row.first()) {
        match kind {
            QuestionKind::Values => {
                found.insert(value.to_text().to_string(), Type::String);
            }
            QuestionKind::Keys => {
                for (key, value) in value.as_bag().unwrap_or_default() {
                    let Some(ty) = type_of(value) else { continue };
                    found
                        .entry(key.to_string())
                        .and_modify(|known| *known = common(*known, ty))
                        .or_insert(ty);
                }
            }
        }
        if found.len() > COLUMNS_MAX {
            return Err(QueryError::Failed(format!(
                "a plugin would make more than {COLUMNS_MAX} columns; declare those that you want"
            )));
        }
    }
    let column = |(name, ty)| ColumnDef {
        name,
        ty,
        range: None,
    };
    Ok(found.into_iter().map(column).collect())
}

/// The type of a column that holds the value; null says nothing.
const fn type_of(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) | Value::Long(_) => Type::Long,
        Value::Real(_) => Type::Real,
        Value::DateTime(_) => Type::DateTime,
        Value::Timespan(_) => Type::Timespan,
        Value::Guid(_) | Value::String(_) => Type::String,
        Value::Array(_) | Value::Bag(_) => Type::Dynamic,
    })
}

fn common(left: Type, right: Type) -> Type {
    match (left, right) {
        (left, right) if left == right => left,
        (Type::Long, Type::Real) | (Type::Real, Type::Long) => Type::Real,
        _ => Type::Dynamic,
    }
}
