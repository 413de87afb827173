//! Sorting rows that are held.
//!
//! Every key becomes whole numbers that order as its values do (a text: its place among the
//! different texts), and the numbers are sorted by their digits, the last key first: each pass
//! keeps the order that the one before made. Keys that are in order already, as times of log rows
//! are, cost one look. What does not fit (many different long texts) and what outgrows the memory
//! is left to DataFusion, which compares rows and can spill.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::HashMap;

/// Rows between two chances to cancel.
const STRETCH_ROWS: usize = 1 << 17;
/// Rows of a batch that comes out.
const BATCH_ROWS: usize = 1 << 16;
/// Most different texts of a key.
const TEXTS_MAX: usize = 1 << 18;
/// Bits of a digit.
const DIGIT_BITS: u32 = 11;
/// A number of so few bits is one digit.
const WIDE_DIGIT_BITS: u32 = 16;
/// Bytes per row beside the rows themselves: numbers of a key, the order and its next version, one
/// column as a whole.
pub(super) const BYTES_PER_ROW: usize = 32;

/// How rows are ordered by a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) column: usize,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// Whether a column of this type can be a key here.
pub(super) const fn is_sortable(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Boolean
            | DataType::Int32
            | DataType::Int64
            | DataType::Float64
            | DataType::Utf8View
    )
}

/// What became of the rows.
pub(super) enum Sorted {
    /// The first columns of all rows, in order.
    Rows(Vec<RecordBatch>),
    /// The keys do not fit; the rows as they were.
    Unfit(Vec<RecordBatch>),
}

/// Sorts rows; the first `kept` columns come out. Rows with equal keys keep their order.
pub(super) async fn sorted(
    batches: Vec<RecordBatch>,
    keys: &[Key],
    kept: usize,
) -> Result<Sorted, ArrowError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let Some(schema) = batches.first().map(RecordBatch::schema) else {
        return Ok(Sorted::Rows(Vec::new()));
    };
    let Ok(count) = u32::try_from(rows) else {
        return Ok(Sorted::Unfit(batches));
    };
    let mut order: Option<Vec<u32>> = None;
    for key in keys.iter().rev() {
        let column = batches
            .iter()
            .map(|batch| Arc::clone(batch.column(key.column)));
        let column = whole(column.collect())?;
        let Some(numbers) = Numbers::of(&column, *key).await else {
            return Ok(Sorted::Unfit(batches));
        };
        if !numbers.are_sorted(order.as_deref()) {
            let so_far = order.take().unwrap_or_else(|| (0..count).collect());
            order = Some(numbers.sort(so_far).await);
        }
    }
    let fields: Vec<Arc<Field>> = schema.fields().iter().take(kept).cloned().collect();
    let schema = Arc::new(Schema::new(fields));
    gathered(batches, order, &schema).await.map(Sorted::Rows)
}

/// A column in one piece.
#[expect(clippy::needless_pass_by_value, reason = "the pieces are let go")]
fn whole(parts: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    let whole = concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
    // Short texts lie in their views: what was read around them is let go.
    match whole.as_string_view_opt() {
        Some(texts) if texts.total_buffer_bytes_used() == 0 => Ok(Arc::new(texts.gc())),
        _ => Ok(whole),
    }
}

/// The rows in their order, column by column: each is let go once it was put in order.
async fn gathered(
    batches: Vec<RecordBatch>,
    order: Option<Vec<u32>>,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>, ArrowError> {
    let kept = schema.fields().len();
    let Some(order) = order else {
        let first: Vec<usize> = (0..kept).collect();
        return batches.iter().map(|batch| batch.project(&first)).collect();
    };
    let order = UInt32Array::from(order);
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); kept];
    for batch in batches {
        for (column, parts) in batch.columns().iter().zip(&mut columns) {
            parts.push(Arc::clone(column));
        }
    }
    let starts: Vec<usize> = (0..order.len()).step_by(BATCH_ROWS).collect();
    let mut out: Vec<Vec<ArrayRef>> = vec![Vec::new(); starts.len()];
    for parts in columns {
        let whole = whole(parts)?;
        for (start, columns) in starts.iter().zip(&mut out) {
            let part = order.slice(*start, BATCH_ROWS.min(order.len() - start));
            columns.push(take(&whole, &part, None)?);
            tokio::task::yield_now().await;
        }
    }
    out.into_iter()
        .map(|columns| RecordBatch::try_new(Arc::clone(schema), columns))
        .collect()
}

/// Whole numbers that order as the values of a column do.
struct Numbers {
    values: Vec<u64>,
    /// All are below two to the power of this.
    bits: u32,
}

impl Numbers {
    /// Nothing if there are too many different values.
    async fn of(column: &ArrayRef, key: Key) -> Option<Self> {
        let mut values = match column.data_type() {
            DataType::Boolean => {
                let flags = column.as_boolean_opt()?;
                flags.values().iter().map(u64::from).collect()
            }
            DataType::Int32 => {
                let numbers = column.as_primitive_opt::<Int32Type>()?;
                numbers
                    .values()
                    .iter()
                    .map(|n| lifted(i64::from(*n)))
                    .collect()
            }
            DataType::Int64 => {
                let numbers = column.as_primitive_opt::<Int64Type>()?;
                numbers.values().iter().map(|n| lifted(*n)).collect()
            }
            DataType::Float64 => {
                let numbers = column.as_primitive_opt::<Float64Type>()?;
                numbers.values().iter().map(|n| float(*n)).collect()
            }
            DataType::Utf8View => places(column.as_string_view_opt()?).await?,
            _ => return None,
        };
        tokio::task::yield_now().await;
        let is_null = |row: usize| column.is_null(row);
        let has_nulls = column.null_count() > 0;
        let present = values.iter().enumerate();
        let present = present.filter(|(row, _)| !has_nulls || !is_null(*row));
        let (least, most) = present.fold((u64::MAX, 0), |(least, most), (_, value)| {
            (least.min(*value), most.max(*value))
        });
        // Room for nulls at both ends.
        let span = most.saturating_sub(least).checked_add(2)?;
        for (row, value) in values.iter_mut().enumerate() {
            *value = if has_nulls && is_null(row) {
                if key.nulls_first { 0 } else { span }
            } else if key.descending {
                1 + (most - *value)
            } else {
                1 + (*value - least)
            };
        }
        let bits = u64::BITS - span.leading_zeros();
        Some(Self { values, bits })
    }

    fn at(&self, row: u32) -> u64 {
        self.values[row as usize]
    }

    fn are_sorted(&self, order: Option<&[u32]>) -> bool {
        match order {
            None => self.values.is_sorted(),
            Some(order) => order.is_sorted_by_key(|row| self.at(*row)),
        }
    }

    /// Sorts by each digit, the lowest first, keeping the order of equal ones.
    async fn sort(&self, mut order: Vec<u32>) -> Vec<u32> {
        let digit_bits = if self.bits <= WIDE_DIGIT_BITS {
            self.bits
        } else {
            DIGIT_BITS
        };
        let mut next = vec![0; order.len()];
        let mut shift = 0;
        while shift < self.bits {
            let digit = |row: u32| ((self.at(row) >> shift) & ((1 << digit_bits) - 1)) as usize;
            let mut places = vec![0_usize; 1 << digit_bits];
            for stretch in order.chunks(STRETCH_ROWS) {
                stretch.iter().for_each(|row| places[digit(*row)] += 1);
                tokio::task::yield_now().await;
            }
            let mut start = 0;
            for place in &mut places {
                (start, *place) = (start + *place, start);
            }
            for stretch in order.chunks(STRETCH_ROWS) {
                for row in stretch {
                    let place = &mut places[digit(*row)];
                    next[*place] = *row;
                    *place += 1;
                }
                tokio::task::yield_now().await;
            }
            std::mem::swap(&mut order, &mut next);
            shift += digit_bits;
        }
        order
    }
}

/// A signed number as an unsigned one of the same order.
const fn lifted(number: i64) -> u64 {
    (number as u64) ^ (1 << 63)
}

/// A real as a number of the same order, that of `total_cmp`.
const fn float(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

/// The place of each text among the different ones.
async fn places(texts: &StringViewArray) -> Option<Vec<u64>> {
    // A view of a text of up to twelve bytes is the text.
    const INLINE_MAX: u128 = 12;
    let mut short: HashMap<u128, u64> = HashMap::new();
    let mut long: HashMap<&str, u64> = HashMap::new();
    let mut firsts: Vec<usize> = Vec::new();
    let mut numbers = Vec::with_capacity(texts.len());
    let mut last: Option<(u128, u64)> = None;
    for (row, view) in texts.views().iter().enumerate() {
        if row % STRETCH_ROWS == STRETCH_ROWS - 1 {
            tokio::task::yield_now().await;
        }
        let is_short = view & u128::from(u32::MAX) <= INLINE_MAX;
        let number = match last {
            Some((same, number)) if same == *view => number,
            _ => {
                let new = firsts.len() as u64;
                let number = if is_short {
                    *short.entry(*view).or_insert(new)
                } else if texts.is_null(row) {
                    0
                } else {
                    *long.entry(texts.value(row)).or_insert(new)
                };
                if number == new {
                    firsts.push(row);
                }
                number
            }
        };
        if firsts.len() > TEXTS_MAX {
            return None;
        }
        last = Some((*view, number));
        numbers.push(number);
    }
    let mut by_text: Vec<(&str, usize)> = firsts
        .iter()
        .enumerate()
        .map(|(number, row)| {
            (
                if texts.is_null(*row) {
                    ""
                } else {
                    texts.value(*row)
                },
                number,
            )
        })
        .collect();
    by_text.sort_unstable();
    let mut places = vec![0; by_text.len()];
    for (place, (_, number)) in by_text.iter().enumerate() {
        places[*number] = place as u64;
    }
    tokio::task::yield_now().await;
    for number in &mut numbers {
        *number = places
            .get(usize::try_from(*number).ok()?)
            .copied()
            .unwrap_or(0);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::{Key, Sorted, sorted};
    use arrow::array::{
        ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    };
    use arrow::compute::{
        SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch,
    };
    use std::sync::Arc;

    /// Values that are hard to order, in an order of their own for each `seed`.
    fn batch(rows: usize, seed: usize) -> RecordBatch {
        let at = |row: usize, count: usize| (row * 7919 + seed * 104_729 + row * row * 31) % count;
        let texts = [
            "",
            "a",
            "b",
            "a longer text than a view",
            "a longer text than a vieW",
            "é",
        ];
        let reals = [
            0.0,
            -0.0,
            1.5,
            -1.5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let wholes = [0, 1, -1, i64::MAX, i64::MIN, 600_000_000];
        let some = |row: usize| at(row, 5) > 0;
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "row",
                Arc::new(Int64Array::from_iter_values(
                    (0..rows).map(|r| i64::try_from(r + seed * 100_000).unwrap()),
                )),
            ),
            (
                "text",
                Arc::new(StringViewArray::from_iter_values(
                    (0..rows).map(|r| texts[at(r, 6)]),
                )),
            ),
            (
                "real",
                Arc::new(Float64Array::from_iter(
                    (0..rows).map(|r| some(r).then(|| reals[at(r, 7)])),
                )),
            ),
            (
                "whole",
                Arc::new(Int64Array::from_iter(
                    (0..rows).map(|r| some(r + 1).then(|| wholes[at(r, 6)])),
                )),
            ),
            (
                "int",
                Arc::new(Int32Array::from_iter((0..rows).map(|r| {
                    some(r + 2).then(|| i32::try_from(at(r, 100)).unwrap() - 50)
                }))),
            ),
            (
                "flag",
                Arc::new(BooleanArray::from_iter(
                    (0..rows).map(|r| some(r + 3).then(|| at(r, 2) == 0)),
                )),
            ),
        ];
        RecordBatch::try_from_iter_with_nullable(
            columns
                .into_iter()
                .map(|(name, column)| (name, column, true)),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn rows_are_ordered_as_arrow_orders_them_and_equal_ones_stay_in_order() {
        let batches = vec![batch(300, 1), batch(0, 2), batch(500, 3)];
        let all = concat_batches(&batches[0].schema(), &batches).unwrap();
        for columns in [
            vec![1],
            vec![2],
            vec![3],
            vec![4],
            vec![5],
            vec![1, 2],
            vec![5, 1, 3],
            vec![4, 2],
            vec![0],
        ] {
            for options in 0..4 {
                let (descending, nulls_first) = (options % 2 == 1, options / 2 == 1);
                let key = |column: &usize| Key {
                    column: *column,
                    descending,
                    nulls_first,
                };
                let keys: Vec<Key> = columns.iter().map(key).collect();
                let Sorted::Rows(found) = sorted(batches.clone(), &keys, 6).await.unwrap() else {
                    panic!("it fits")
                };
                let found = concat_batches(&all.schema(), &found).unwrap();
                let by = |column: usize, options| SortColumn {
                    values: Arc::clone(all.column(column)),
                    options,
                };
                let options = Some(SortOptions {
                    descending,
                    nulls_first,
                });
                let mut wanted: Vec<SortColumn> = columns.iter().map(|c| by(*c, options)).collect();
                // Arrow's own sort keeps no order: the row's number decides.
                wanted.push(by(0, None));
                let order = lexsort_to_indices(&wanted, None).unwrap();
                assert_eq!(
                    found,
                    take_record_batch(&all, &order).unwrap(),
                    "{columns:?} {options:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn too_many_texts_are_left_to_others() {
        let texts = (0..=super::TEXTS_MAX).map(|n| format!("text {n}"));
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let key = Key {
            column: 0,
            descending: false,
            nulls_first: true,
        };
        let Sorted::Unfit(rows) = sorted(vec![batch.clone()], &[key], 1).await.unwrap() else {
            panic!("it does not fit")
        };
        assert_eq!(rows, [batch]);
    }
}
