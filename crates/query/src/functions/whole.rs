//! Choice, absence, length, case and joining of texts on whole columns, where the types are those
//! that lie in the columns. Others are computed row by row; where both apply they give the same,
//! which a test compares.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringViewArray, StringViewBuilder,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::zip::zip;

use super::{Call, ColumnKernel, Kernel};
use crate::types::{self, Type};
use crate::value::Value;

/// The kernel on columns if there is one for the call, else that on rows.
pub(super) fn or_rows(
    columns: Option<ColumnKernel>,
    rows: fn(&[Value]) -> Option<Value>,
) -> Kernel {
    columns.map_or_else(|| Kernel::Rows(Box::new(rows)), Kernel::Columns)
}

/// A kernel that is null throughout where the columns are not what was planned.
fn kernel<F>(result: Type, body: F) -> Option<ColumnKernel>
where
    F: Fn(&[ArrayRef]) -> Option<ArrayRef> + Send + Sync + 'static,
{
    Some(Box::new(move |columns| {
        body(columns).unwrap_or_else(|| {
            let rows = columns.first().map_or(0, Array::len);
            arrow::array::new_null_array(&types::arrow_type(result), rows)
        })
    }))
}

/// `iff` and `case`: conditions with a value each, and a value at the end.
pub(super) fn choice(call: &Call<'_>) -> Option<ColumnKernel> {
    let (last, pairs) = call.args.split_last()?;
    let is_fitting = |pair: &[super::Arg]| matches!(pair, [when, then] if when.ty == Type::Bool && then.ty == call.result);
    if pairs.len() % 2 == 1 || last.ty != call.result || !pairs.chunks(2).all(is_fitting) {
        return None;
    }
    kernel(call.result, |columns| {
        let (last, pairs) = columns.split_last()?;
        let mut chosen = Arc::clone(last);
        for pair in pairs.chunks(2).rev() {
            let [when, then] = pair else { return None };
            let when = when.as_boolean_opt()?;
            // A condition that is null does not hold.
            let holds = match when.nulls() {
                Some(nulls) => BooleanArray::new(when.values() & nulls.inner(), None),
                None => when.clone(),
            };
            chosen = zip(&holds, then, &chosen).ok()?;
        }
        Some(chosen)
    })
}

fn texts(columns: &[ArrayRef]) -> Option<&StringViewArray> {
    columns.first()?.as_string_view_opt()
}

fn is_text(call: &Call<'_>) -> bool {
    call.args.iter().all(|arg| arg.ty == Type::String)
}

/// Whether values are null, or empty texts; or whether they are not.
pub(super) fn emptiness(call: &Call<'_>, wanted: bool) -> Option<ColumnKernel> {
    let [arg] = call.args else { return None };
    match arg.ty {
        Type::String => kernel(Type::Bool, move |columns| {
            let texts = texts(columns)?;
            let views = texts.views();
            // The lower half of a view's first word is the length.
            let is_empty = |row: usize| views[row] as u32 == 0 || texts.is_null(row);
            let flags = BooleanBuffer::collect_bool(texts.len(), |row| is_empty(row) == wanted);
            Some(Arc::new(BooleanArray::new(flags, None)))
        }),
        Type::Dynamic => None,
        _ => absence(call, wanted),
    }
}

/// Whether values are null, or whether they are not; a text never is.
pub(super) fn absence(call: &Call<'_>, wanted: bool) -> Option<ColumnKernel> {
    let [arg] = call.args else { return None };
    let is_text = arg.ty == Type::String;
    if arg.ty == Type::Dynamic {
        return None;
    }
    kernel(Type::Bool, move |columns| {
        let column = columns.first()?;
        let is_null = |row: usize| !is_text && column.is_null(row);
        let flags = BooleanBuffer::collect_bool(column.len(), |row| is_null(row) == wanted);
        Some(Arc::new(BooleanArray::new(flags, None)))
    })
}

/// A number for each text.
pub(super) fn measure(call: &Call<'_>, of: fn(&str) -> usize) -> Option<ColumnKernel> {
    if call.args.len() != 1 || !is_text(call) {
        return None;
    }
    kernel(Type::Long, move |columns| {
        let count = |text: Option<&str>| i64::try_from(of(text.unwrap_or(""))).unwrap_or(i64::MAX);
        let counts = texts(columns)?.iter().map(count);
        Some(Arc::new(Int64Array::from_iter_values(counts)))
    })
}

/// A text for each text, without an allocation where it is ASCII.
pub(super) fn letters(
    call: &Call<'_>,
    ascii: fn(&mut str),
    other: fn(&str) -> String,
) -> Option<ColumnKernel> {
    if call.args.len() != 1 || !is_text(call) {
        return None;
    }
    kernel(Type::String, move |columns| {
        let texts = texts(columns)?;
        let mut out = StringViewBuilder::with_capacity(texts.len());
        let mut scratch = String::new();
        for text in texts {
            let text = text.unwrap_or("");
            if text.is_ascii() {
                scratch.clear();
                scratch.push_str(text);
                ascii(&mut scratch);
                out.append_value(&scratch);
            } else {
                out.append_value(other(text));
            }
        }
        Some(Arc::new(out.finish()))
    })
}

/// Texts one behind the other.
pub(super) fn joined(call: &Call<'_>) -> Option<ColumnKernel> {
    if call.args.is_empty() || !is_text(call) {
        return None;
    }
    kernel(Type::String, |columns| {
        let all = columns.iter().map(|column| column.as_string_view_opt());
        let all: Vec<&StringViewArray> = all.collect::<Option<_>>()?;
        let rows = all.first()?.len();
        let mut out = StringViewBuilder::with_capacity(rows);
        let mut scratch = String::new();
        for row in 0..rows {
            scratch.clear();
            for column in &all {
                if column.is_valid(row) {
                    scratch.push_str(column.value(row));
                }
            }
            out.append_value(&scratch);
        }
        Some(Arc::new(out.finish()))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::{Arg, Call, Kernel, find};
    use crate::types::{self, Type};
    use crate::value::Value;

    fn values(ty: Type) -> Vec<Value> {
        match ty {
            Type::Bool => vec![Value::Bool(true), Value::Null, Value::Bool(false)],
            Type::String => ["", "aBC", "ΣΑΣ", "a longer text, İ", "x"]
                .map(Value::string)
                .to_vec(),
            Type::Real => vec![Value::Real(1.5), Value::Null],
            Type::DateTime => vec![Value::DateTime(7), Value::Null],
            _ => vec![Value::Long(-3), Value::Null, Value::Long(9)],
        }
    }

    /// What a call gives on columns is what it gives row by row.
    #[test]
    fn columns_and_rows_agree() {
        use Type::{Bool, DateTime, Long, Real, String};
        let cases: [(&str, &[Type], Type); 21] = [
            ("iff", &[Bool, String, String], String),
            ("iif", &[Bool, Long, Long], Long),
            ("iff", &[Bool, Real, Real], Real),
            ("case", &[Bool, String, Bool, String, String], String),
            ("case", &[Bool, DateTime, DateTime], DateTime),
            ("isempty", &[String], Bool),
            ("isempty", &[Long], Bool),
            ("isnotempty", &[String], Bool),
            ("notempty", &[Real], Bool),
            ("isnull", &[String], Bool),
            ("isnull", &[DateTime], Bool),
            ("isnotnull", &[String], Bool),
            ("notnull", &[Bool], Bool),
            ("strlen", &[String], Long),
            ("string_size", &[String], Long),
            ("tolower", &[String], String),
            ("toupper", &[String], String),
            ("strcat", &[String], String),
            ("strcat", &[String, String], String),
            ("strcat", &[String, String, String], String),
            ("isnotempty", &[Bool], Bool),
        ];
        for (name, types, result) in cases {
            agree(name, types, result);
        }
    }

    fn agree(name: &str, types: &[Type], result: Type) {
        let args: Vec<Arg> = types
            .iter()
            .map(|ty| Arg {
                ty: *ty,
                constant: None,
            })
            .collect();
        let function = find(name).expect(name);
        let call = Call {
            args: &args,
            result,
        };
        let Ok(Kernel::Columns(columns)) = function.prepare(&call) else {
            panic!("{name} {types:?} is computed row by row");
        };
        // As a dynamic argument would make it.
        let none = Call { args: &[], result };
        let Ok(Kernel::Rows(rows)) = function.prepare(&none) else {
            panic!("{name} has no kernel for rows");
        };
        let mut table: Vec<Vec<Value>> = vec![Vec::new()];
        for ty in types {
            let longer = |row: &Vec<Value>| {
                let row = row.clone();
                values(*ty)
                    .into_iter()
                    .map(move |value| [row.clone(), vec![value]].concat())
            };
            table = table.iter().flat_map(longer).collect();
        }
        let column = |at: usize| {
            let values: Vec<Value> = table.iter().map(|row| row[at].clone()).collect();
            types::build(&values, types[at])
        };
        let arrays: Vec<_> = (0..types.len()).map(column).collect();
        let out = columns(&arrays);
        for (at, row) in table.iter().enumerate() {
            let wanted = rows(row).unwrap_or_default();
            assert_eq!(types::read(&out, result, at), wanted, "{name} {row:?}");
        }
    }
}
