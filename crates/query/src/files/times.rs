//! Between which times the rows of a Parquet file lie, as its footer says: a query of other times
//! never opens it.

use arrow::array::{Array as _, AsArray as _};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::reader::ChunkReader;

use crate::value::datetime;

/// The column that says when something happened.
const TIME: &str = "TimeGenerated";

/// Earliest and latest time in ticks; nothing where a row group does not say.
pub(super) fn times<R: ChunkReader>(
    reader: &ParquetRecordBatchReaderBuilder<R>,
) -> Option<(i64, i64)> {
    let field = reader.schema().field_with_name(TIME).ok()?;
    if !matches!(field.data_type(), DataType::Timestamp(..)) {
        return None;
    }
    let statistics =
        StatisticsConverter::try_new(TIME, reader.schema(), reader.parquet_schema()).ok()?;
    let groups = reader.metadata().row_groups();
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let least = cast(&statistics.row_group_mins(groups).ok()?, &micros).ok()?;
    let most = cast(&statistics.row_group_maxes(groups).ok()?, &micros).ok()?;
    if least.null_count() > 0 || most.null_count() > 0 {
        return None;
    }
    // Finer times are cut: the next microsecond is still the file's.
    let first = min(least.as_primitive::<TimestampMicrosecondType>())?.saturating_sub(1);
    let last = max(most.as_primitive::<TimestampMicrosecondType>())?.saturating_add(1);
    Some((
        datetime::from_unix_micros(first)?,
        datetime::from_unix_micros(last)?,
    ))
}
