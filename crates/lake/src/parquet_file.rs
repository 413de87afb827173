//! Writing batches as Parquet files, one per day, sorted by time.
//!
//! A file is written to its final name and synced before any Delta commit names it; a crash in
//! between leaves a file that no table refers to, which the vacuum removes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array,
};
use arrow::compute::{
    SortOptions, cast, concat_batches, filter_record_batch, sort_to_indices, take_record_batch,
};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use atalaya_model::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error::LakeError;
use crate::snapshot::DataFile;
use crate::time::{day_of, day_text};

/// Rows per row group: small enough that a needle search with a bloom filter skips a lot.
const ROW_GROUP_ROWS: usize = 65_536;

/// Pages of columns that people search for, bytes: a search for one value reads a page of each.
const SEARCHED_PAGE_BYTES: usize = 64 << 10;

/// Columns with many distinct values that people search for: they get a bloom filter, for whoever
/// reads the files, and an index of where their values lie.
const SEARCHED_COLUMNS: [&str; 12] = [
    "DecisionId",
    "EventId",
    "RecordId",
    "SystemAlertId",
    "RequestId",
    "TraceId",
    "SessionId",
    "UserId",
    "CallerKeyId",
    "AgentId",
    "SrcIpAddr",
    "DetectedPattern",
];

/// Columns of text that people search for words: their terms are indexed by row group.
const TEXT_COLUMNS: [&str; 3] = ["PromptText", "CommandLine", "HttpUserAgent"];

/// Writes `batches` under `table_dir`, one file per UTC day of `TimeGenerated`, each sorted.
/// `stem` makes the names unique. Rows without a time are put at 1970-01-01.
pub(crate) fn write(
    table_dir: &Path,
    schema: &SchemaRef,
    batches: &[RecordBatch],
    stem: &str,
) -> Result<Vec<DataFile>, LakeError> {
    let rows = concat_batches(schema, batches)?;
    if rows.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let rows = sorted(rows)?;
    let mut files = Vec::new();
    for (day, rows) in by_day(&rows)? {
        let dir = table_dir.join(format!("day={}", day_text(day)));
        let path = dir.join(format!("{stem}.zstd.parquet"));
        files.push(write_file(&path, &rows, day)?);
    }
    Ok(files)
}

/// Sorts by the first column, `TimeGenerated`, if it is not sorted already.
fn sorted(rows: RecordBatch) -> Result<RecordBatch, LakeError> {
    let times = times(&rows);
    let is_sorted =
        times.null_count() == 0 && times.values().windows(2).all(|pair| pair[0] <= pair[1]);
    if is_sorted {
        return Ok(rows);
    }
    let options = SortOptions {
        descending: false,
        nulls_first: true,
    };
    let order: UInt32Array = sort_to_indices(rows.column(0), Some(options), None)?;
    Ok(take_record_batch(&rows, &order)?)
}

fn by_day(rows: &RecordBatch) -> Result<Vec<(i32, RecordBatch)>, LakeError> {
    let days: Vec<i32> = times(rows)
        .iter()
        .map(|time| day_of(time.unwrap_or_default()))
        .collect();
    let mut distinct = days.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if let [day] = distinct[..] {
        return Ok(vec![(day, rows.clone())]);
    }
    let mut parts = Vec::new();
    for day in distinct {
        let mask: BooleanArray = days.iter().map(|other| Some(*other == day)).collect();
        parts.push((day, filter_record_batch(rows, &mask)?));
    }
    Ok(parts)
}

fn times(rows: &RecordBatch) -> &arrow::array::PrimitiveArray<TimestampMicrosecondType> {
    rows.column(0).as_primitive()
}

/// Writes one file of one day and makes it durable.
pub(crate) fn write_file(path: &Path, rows: &RecordBatch, day: i32) -> Result<DataFile, LakeError> {
    let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
    fs::create_dir_all(&dir).map_err(LakeError::io("creating", &dir))?;
    let file = File::create(path).map_err(LakeError::io("creating", path))?;
    let properties = properties(rows);
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties))
        .map_err(LakeError::parquet("writing", path))?;
    let texts = TEXT_COLUMNS
        .into_iter()
        .filter(|name| has_values(rows, name));
    let mut terms = atalaya_terms::index::Builder::new(texts);
    let searched = SEARCHED_COLUMNS
        .into_iter()
        .filter(|name| has_values(rows, name));
    let mut values = atalaya_terms::values::Builder::new(searched);
    for start in (0..rows.num_rows()).step_by(ROW_GROUP_ROWS) {
        let group = rows.slice(start, ROW_GROUP_ROWS.min(rows.num_rows() - start));
        terms.add_row_group(&group);
        values.add_row_group(&group);
        writer
            .write(&group)
            .map_err(LakeError::parquet("writing", path))?;
    }
    terms
        .finish(&mut writer)
        .and_then(|()| values.finish(&mut writer))
        .map_err(LakeError::io("writing", path))?;
    let file = writer
        .into_inner()
        .map_err(LakeError::parquet("writing", path))?;
    file.sync_all().map_err(LakeError::io("syncing", path))?;
    sync_dir(&dir)?;
    if let Some(table_dir) = dir.parent() {
        sync_dir(table_dir)?;
    }
    let size_bytes = file
        .metadata()
        .map_err(LakeError::io("reading", path))?
        .len();
    let (time_min, time_max) = time_range(rows);
    Ok(DataFile {
        path: path.to_owned(),
        size_bytes,
        rows: rows.num_rows() as u64,
        day,
        time_min,
        time_max,
    })
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), LakeError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(LakeError::io("syncing", PathBuf::from(dir)))
}

fn time_range(rows: &RecordBatch) -> (Timestamp, Timestamp) {
    let times = times(rows);
    let min = arrow::compute::min(times).unwrap_or_default();
    let max = arrow::compute::max(times).unwrap_or_default();
    (Timestamp(min), Timestamp(max))
}

fn properties(rows: &RecordBatch) -> WriterProperties {
    let distinct_max = rows.num_rows().min(ROW_GROUP_ROWS) as u64;
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by("atalaya".to_owned());
    for name in SEARCHED_COLUMNS {
        if has_values(rows, name) {
            let path = ColumnPath::from(name);
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_max_ndv(path.clone(), distinct_max)
                .set_column_data_page_size_limit(path.clone(), SEARCHED_PAGE_BYTES);
            let column = rows.column_by_name(name);
            if column.is_some_and(|column| atalaya_terms::values::is_mostly_unique(column)) {
                builder = builder.set_column_dictionary_enabled(path, false);
            }
        }
    }
    builder.build()
}

fn has_values(rows: &RecordBatch, name: &str) -> bool {
    let column = rows.column_by_name(name);
    column.is_some_and(|column: &ArrayRef| column.null_count() < column.len())
}

/// An empty batch list is not an error for callers that only sometimes have rows.
pub(crate) fn row_count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// All rows of a file, with the columns of `schema`: an older file may lack some.
pub(crate) fn read(path: &Path, schema: &SchemaRef) -> Result<RecordBatch, LakeError> {
    let file = File::open(path).map_err(LakeError::io("opening", path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(8_192).build())
        .map_err(LakeError::parquet("reading", path))?;
    let mut batches = Vec::new();
    for batch in reader {
        batches.push(with_columns(&batch?, schema)?);
    }
    Ok(concat_batches(schema, &batches)?)
}

fn with_columns(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, LakeError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
