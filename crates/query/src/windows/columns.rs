//! `prev` and `next` on whole columns: rows of the batches before or behind, then the batch itself.

use arrow::array::{Array, ArrayRef, StringViewArray, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use std::sync::Arc;

use crate::types::{self, Type};
use crate::value::Value;

/// What rows get that have no row so far before or behind them.
pub(super) struct Missing<'a> {
    /// The third argument, row by row.
    pub(super) default: Option<&'a ArrayRef>,
    pub(super) result: Type,
}

impl Missing<'_> {
    /// The values for rows from `first` on.
    fn rows(&self, first: usize, count: usize) -> Result<ArrayRef, ArrowError> {
        let ty = types::arrow_type(self.result);
        match self.default {
            Some(default) => cast(&default.slice(first, count), &ty),
            // A `string` is never null.
            None if self.result == Type::String => {
                let empty = std::iter::repeat_n("", count);
                Ok(Arc::new(StringViewArray::from_iter_values(empty)))
            }
            None => Ok(new_null_array(&ty, count)),
        }
    }
}

fn joined(parts: &[ArrayRef], ty: &DataType) -> Result<ArrayRef, ArrowError> {
    let parts = parts.iter().filter(|part| !part.is_empty());
    let parts: Vec<ArrayRef> = parts.map(|part| cast(part, ty)).collect::<Result<_, _>>()?;
    match parts.as_slice() {
        [] => Ok(new_null_array(ty, 0)),
        [one] => Ok(Arc::clone(one)),
        many => concat(&many.iter().map(AsRef::as_ref).collect::<Vec<_>>()),
    }
}

/// The value `by` rows before each row; `carried` are the rows before the batch, and becomes what
/// the next batch needs.
pub(super) fn before(
    column: &ArrayRef,
    carried: &mut Option<ArrayRef>,
    by: usize,
    missing: &Missing<'_>,
) -> Result<ArrayRef, ArrowError> {
    let ty = types::arrow_type(missing.result);
    let rows = column.len();
    let known = match carried.take() {
        Some(carried) => joined(&[carried, Arc::clone(column)], &ty)?,
        None => cast(column, &ty)?,
    };
    let lacking = by.saturating_sub(known.len() - rows).min(rows);
    let first = (known.len() - rows + lacking).saturating_sub(by);
    let found = known.slice(first, rows - lacking);
    let out = joined(&[missing.rows(0, lacking)?, found], &ty)?;
    let kept = by.min(known.len());
    *carried = Some(known.slice(known.len() - kept, kept));
    Ok(out)
}

/// The value `by` rows behind each row; `following` are the rows behind the batch, as many as there
/// are or are needed.
pub(super) fn behind(
    column: &ArrayRef,
    following: &[ArrayRef],
    by: usize,
    missing: &Missing<'_>,
) -> Result<ArrayRef, ArrowError> {
    let ty = types::arrow_type(missing.result);
    let rows = column.len();
    let mut parts = vec![column.slice(by.min(rows), rows - by.min(rows))];
    let mut skipped = by.saturating_sub(rows);
    let mut found = parts[0].len();
    for part in following {
        let from = skipped.min(part.len());
        skipped -= from;
        let taken = (part.len() - from).min(rows - found);
        parts.push(part.slice(from, taken));
        found += taken;
    }
    parts.push(missing.rows(found, rows - found)?);
    joined(&parts, &ty)
}

/// The same where the second argument differs from row to row, over all rows at once.
pub(super) fn everywhere(columns: &[Vec<Value>], rows: usize, next: bool) -> Vec<Value> {
    let cell = |column: usize, row: usize| columns.get(column).and_then(|values| values.get(row));
    let one = |row: usize| {
        let by = cell(1, row).and_then(Value::as_i64).unwrap_or(1);
        let by = if next { Some(by) } else { by.checked_neg() };
        let from = i64::try_from(row).ok().and_then(|row| row.checked_add(by?));
        let from = from.and_then(|from| usize::try_from(from).ok());
        match from.and_then(|from| cell(0, from)) {
            Some(value) => value.clone(),
            None => cell(2, row).cloned().unwrap_or_default(),
        }
    };
    (0..rows).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{Missing, before, behind};
    use crate::types::Type;
    use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use std::sync::Arc;

    fn numbers(from: i64, count: usize) -> ArrayRef {
        let last = from + i64::try_from(count).unwrap();
        Arc::new(Int64Array::from_iter_values(from..last))
    }

    /// Whatever the batches, a row gets the value of the row that is `by` away.
    #[test]
    fn the_cut_into_batches_does_not_matter() {
        let missing = Missing {
            default: None,
            result: Type::Long,
        };
        for by in 0..9 {
            for sizes in [
                vec![10],
                vec![1; 10],
                vec![3, 4, 3],
                vec![0, 9, 1],
                vec![1, 2, 7],
            ] {
                let mut start = 0;
                let batches: Vec<ArrayRef> = sizes
                    .iter()
                    .map(|size| {
                        start += *size;
                        numbers(i64::try_from(start - size).unwrap(), *size)
                    })
                    .collect();
                let (mut back, mut on, mut carried) = (Vec::new(), Vec::new(), None);
                for (at, batch) in batches.iter().enumerate() {
                    let found = before(batch, &mut carried, by, &missing).unwrap();
                    back.extend(found.as_primitive::<Int64Type>().iter());
                    let found = behind(batch, &batches[at + 1..], by, &missing).unwrap();
                    assert_eq!(found.len(), batch.len());
                    on.extend(found.as_primitive::<Int64Type>().iter());
                }
                let by = i64::try_from(by).unwrap();
                let expected = |shift: i64| {
                    (0..10).map(move |row| Some(row + shift).filter(|at| (0..10).contains(at)))
                };
                assert_eq!(
                    back,
                    expected(-by).collect::<Vec<_>>(),
                    "{by} back, {sizes:?}"
                );
                assert_eq!(on, expected(by).collect::<Vec<_>>(), "{by} on, {sizes:?}");
            }
        }
    }
}
