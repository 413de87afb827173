//! Files that `externaldata` reads: columns by position in text, by name in JSON.

use std::io::Read as _;
use std::path::Path;

use arrow::array::RecordBatch;
use atalaya_kql::bound::ColumnDef;

use super::{FileTableError, TEXT_FILE_BYTES_MAX, io, open_text, read};
use crate::lower::type_of;
use crate::types;
use crate::value::{Value, json};

/// How the rows of a file are written.
enum Layout {
    /// A line is a row of one column.
    Lines,
    Separated(u8),
    Json,
}

/// The rows of a file, as the query declares their columns.
pub(crate) fn read_external(
    path: &Path,
    format: Option<&str>,
    skips_first: bool,
    columns: &[ColumnDef],
) -> Result<RecordBatch, FileTableError> {
    let mut name = path.to_string_lossy().to_lowercase();
    let mut bytes = open_text(path)?;
    if let Some(inner) = name.strip_suffix(".gz") {
        name = inner.to_owned();
        bytes = unpacked(&bytes, path)?;
    }
    let extension = name.rsplit('.').next().unwrap_or_default();
    let layout = match format.map_or(extension, |format| format) {
        "txt" | "raw" | "text" => Layout::Lines,
        "tsv" | "tsve" => Layout::Separated(b'\t'),
        "psv" => Layout::Separated(b'|'),
        "scsv" => Layout::Separated(b';'),
        "sohsv" => Layout::Separated(1),
        "json" | "multijson" | "jsonl" | "ndjson" | "singlejson" => Layout::Json,
        _ => Layout::Separated(b','),
    };
    let rows = match layout {
        Layout::Lines => lines(&bytes, skips_first),
        Layout::Separated(by) => separated(&bytes, by, skips_first, path)?,
        Layout::Json => objects(&bytes, columns, path)?,
    };
    Ok(batch(&rows, columns))
}

fn unpacked(bytes: &[u8], path: &Path) -> Result<Vec<u8>, FileTableError> {
    let mut out = Vec::new();
    let limit = TEXT_FILE_BYTES_MAX + 1;
    flate2::read::MultiGzDecoder::new(bytes)
        .take(limit)
        .read_to_end(&mut out)
        .map_err(io(path))?;
    if out.len() as u64 >= limit {
        return Err(FileTableError::TooLarge {
            path: path.to_owned(),
            bytes: limit,
        });
    }
    Ok(out)
}

fn lines(bytes: &[u8], skips_first: bool) -> Vec<Vec<Value>> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().skip(usize::from(skips_first));
    lines.map(|line| vec![Value::string(line)]).collect()
}

fn separated(
    bytes: &[u8],
    by: u8,
    skips_first: bool,
    path: &Path,
) -> Result<Vec<Vec<Value>>, FileTableError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(skips_first)
        .delimiter(by)
        .flexible(true)
        .from_reader(bytes);
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| FileTableError::Malformed {
            path: path.to_owned(),
            line: error.position().map_or(1, csv::Position::line),
            reason: "the row cannot be read".to_owned(),
        })?;
        let field = |field: &[u8]| Value::string(String::from_utf8_lossy(field).into_owned());
        rows.push(record.iter().map(field).collect());
    }
    Ok(rows)
}

fn objects(
    bytes: &[u8],
    columns: &[ColumnDef],
    path: &Path,
) -> Result<Vec<Vec<Value>>, FileTableError> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    let row = |value: &Value| {
        columns
            .iter()
            .map(|column| value.property(&column.name))
            .collect()
    };
    if let Some(value) = json::parse(text) {
        return Ok(match value.as_array() {
            Some(items) => items.iter().map(row).collect(),
            None => vec![row(&value)],
        });
    }
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let value = json::parse(line).ok_or_else(|| FileTableError::Malformed {
                path: path.to_owned(),
                line: number as u64 + 1,
                reason: "the line is not valid JSON".to_owned(),
            })?;
            Ok(row(&value))
        })
        .collect()
}

fn batch(rows: &[Vec<Value>], columns: &[ColumnDef]) -> RecordBatch {
    let arrays = columns.iter().enumerate().map(|(at, column)| {
        let ty = type_of(column.ty);
        let cell = |row: &Vec<Value>| {
            let mut value = row.get(at).cloned().unwrap_or_default();
            if ty == types::Type::Dynamic
                && let Some(parsed) = value.as_str().and_then(json::parse)
            {
                value = parsed;
            }
            if let Some(text) = value.as_str()
                && !matches!(ty, types::Type::String | types::Type::Dynamic)
            {
                value = read::cell(text.trim());
            }
            read::fit(&mut value, ty);
            value
        };
        let values: Vec<Value> = rows.iter().map(cell).collect();
        types::build(&values, ty)
    });
    let schema = crate::lower::rows::schema_of(columns);
    let arrays: Vec<_> = arrays.collect();
    RecordBatch::try_new(schema.clone(), arrays).unwrap_or_else(|_| RecordBatch::new_empty(schema))
}
