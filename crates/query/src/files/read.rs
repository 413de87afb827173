//! Text files into columns.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use atalaya_kql::bound::ColumnDef;

use super::infer::Inferred;
use super::{FileTable, FileTableError};
use crate::lower::type_of;
use crate::source::StoredTable;
use crate::types::{self, Type};
use crate::value::{Value, datetime, json as json_value, number, timespan};

/// The column that watchlists are joined by.
const SEARCH_KEY: &str = "SearchKey";
/// Most columns of a file.
const COLUMNS_MAX: usize = 2_000;

/// Column names in order of appearance, and values by column; shorter columns end in nulls.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    index: std::collections::HashMap<String, usize>,
    values: Vec<Vec<Value>>,
    rows: usize,
}

impl Columns {
    fn set(&mut self, name: &str, value: Value) -> Result<(), String> {
        let index = match self.index.get(name) {
            Some(index) => *index,
            None => {
                if self.names.len() == COLUMNS_MAX {
                    return Err(format!("more than {COLUMNS_MAX} columns"));
                }
                self.index.insert(name.to_owned(), self.names.len());
                self.names.push(name.to_owned());
                self.values.push(Vec::new());
                self.names.len() - 1
            }
        };
        let values = &mut self.values[index];
        values.resize(self.rows, Value::Null);
        values.push(value);
        Ok(())
    }
}

/// JSON lines, or one array of objects.
pub(super) fn json(
    bytes: &[u8],
    known: Option<Vec<ColumnDef>>,
    path: &Path,
) -> Result<FileTable, FileTableError> {
    let malformed = |line: usize, reason: String| FileTableError::Malformed {
        path: path.to_owned(),
        line: line as u64 + 1,
        reason,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        malformed(line, "this is not UTF-8".to_owned())
    })?;
    let mut columns = Columns::default();
    let trimmed = text.trim_start_matches('\u{feff}').trim_start();
    if trimmed.starts_with('[') {
        let Some(Value::Array(items)) = json_value::parse(trimmed) else {
            return Err(malformed(0, "the array is not valid JSON".to_owned()));
        };
        for item in items.iter() {
            object(item, &mut columns).map_err(|reason| malformed(columns.rows, reason))?;
        }
    } else {
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let value = json_value::parse(line)
                .ok_or_else(|| malformed(number, "the line is not valid JSON".to_owned()))?;
            object(&value, &mut columns).map_err(|reason| malformed(number, reason))?;
        }
    }
    Ok(table(columns, known))
}

fn object(value: &Value, columns: &mut Columns) -> Result<(), String> {
    let Value::Bag(pairs) = value else {
        return Err(format!(
            "a row must be an object, not {}",
            value.type_name()
        ));
    };
    for (name, value) in pairs.iter() {
        columns.set(name, value.clone())?;
    }
    columns.rows += 1;
    Ok(())
}

/// CSV with a header line.
pub(super) fn csv(
    bytes: &[u8],
    known: Option<Vec<ColumnDef>>,
    path: &Path,
) -> Result<FileTable, FileTableError> {
    let malformed = |line: u64, reason: String| FileTableError::Malformed {
        path: path.to_owned(),
        line,
        reason,
    };
    let line_of = |error: &csv::Error| error.position().map_or(1, csv::Position::line);
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header = reader
        .headers()
        .map_err(|error| malformed(line_of(&error), "the header cannot be read".to_owned()))?
        .clone();
    let mut columns = Columns::default();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let reason = "the row has another number of fields, or is not UTF-8".to_owned();
            malformed(line_of(&error), reason)
        })?;
        for (name, field) in header.iter().zip(&record) {
            let name = name.trim_start_matches('\u{feff}');
            columns
                .set(name, cell(field))
                .map_err(|reason| malformed(1, reason))?;
        }
        columns.rows += 1;
    }
    Ok(table(columns, known))
}

/// CSV whose columns are all text.
pub(super) fn watchlist(bytes: &[u8], path: &Path) -> Result<FileTable, FileTableError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header = reader.headers().map_err(|_| FileTableError::Malformed {
        path: path.to_owned(),
        line: 1,
        reason: "the header cannot be read".to_owned(),
    })?;
    let text = |name: &str| ColumnDef {
        name: name.trim_start_matches('\u{feff}').to_owned(),
        ty: atalaya_kql::bound::Type::String,
        range: None,
    };
    let mut columns: Vec<ColumnDef> = header.iter().map(text).collect();
    let key = columns.first().map(|first| first.name.clone());
    let has_key = columns.iter().any(|column| column.name == SEARCH_KEY);
    columns.retain(|column| !column.name.is_empty());
    let mut table = csv(bytes, Some(columns), path)?;
    if let Some(key) = key.filter(|_| !has_key) {
        repeat(&mut table, &key, SEARCH_KEY);
    }
    Ok(table)
}

/// Gives a column a second name.
fn repeat(table: &mut FileTable, from: &str, to: &str) {
    let Some(def) = table.columns.iter().find(|def| def.name == from).cloned() else {
        return;
    };
    table.columns.push(ColumnDef {
        name: to.to_owned(),
        ..def
    });
    let mut fields: Vec<Field> = Vec::new();
    for field in table.stored.schema.fields() {
        fields.push(field.as_ref().clone());
    }
    fields.extend(
        table
            .stored
            .schema
            .field_with_name(from)
            .cloned()
            .map(|field| field.with_name(to)),
    );
    let schema = Arc::new(Schema::new(fields));
    for batch in &mut table.stored.batches {
        let mut columns = batch.columns().to_vec();
        columns.extend(batch.column_by_name(from).cloned());
        if let Ok(wider) = RecordBatch::try_new(Arc::clone(&schema), columns) {
            *batch = wider;
        }
    }
    table.stored.schema = schema;
}

pub(super) fn cell(text: &str) -> Value {
    let whole = || text.parse::<i64>().ok().map(Value::Long);
    let real = || text.parse::<f64>().ok().map(Value::Real);
    match text {
        "" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        // A leading zero or a letter marks a name (`007`, `1e5`, `inf`), not a number.
        _ if text
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'-' || b == b'.')
            && !(text.len() > 1 && text.starts_with('0') && !text.starts_with("0.")) =>
        {
            whole().or_else(real).unwrap_or_else(|| Value::string(text))
        }
        _ => Value::string(text),
    }
}

fn table(mut columns: Columns, known: Option<Vec<ColumnDef>>) -> FileTable {
    let mut defs = known.unwrap_or_default();
    for (name, values) in columns.names.iter().zip(&columns.values) {
        if defs.iter().any(|def| def.name == *name) {
            continue;
        }
        let mut inferred = Inferred::default();
        values.iter().for_each(|value| inferred.see(value));
        defs.push(ColumnDef {
            name: name.clone(),
            ty: inferred.finish(),
            range: None,
        });
    }
    let rows = columns.rows;
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for def in &defs {
        let Some(index) = columns.index.get(&def.name) else {
            continue; // A column of the log table that the file does not have is null.
        };
        let mut values = std::mem::take(&mut columns.values[*index]);
        values.resize(rows, Value::Null);
        let ty = type_of(def.ty);
        values.iter_mut().for_each(|value| fit(value, ty));
        fields.push(Field::new(&def.name, types::arrow_type(ty), true));
        arrays.push(types::build(&values, ty));
    }
    let schema = Arc::new(Schema::new(fields));
    let batches = RecordBatch::try_new(Arc::clone(&schema), arrays).ok();
    FileTable {
        columns: defs,
        stored: StoredTable {
            schema,
            files: Vec::new(),
            batches: batches.into_iter().collect(),
        },
    }
}

/// A value as the column's type.
pub(super) fn fit(value: &mut Value, ty: Type) {
    let fitted = match (ty, &*value) {
        (Type::DateTime, Value::String(text)) => {
            datetime::parse(text).map_or(Value::Null, Value::DateTime)
        }
        (Type::Timespan, Value::String(text)) => {
            timespan::parse(text).map_or(Value::Null, Value::Timespan)
        }
        (Type::Guid, Value::String(text)) => Value::Guid(Arc::from(text.to_ascii_lowercase())),
        (Type::Dynamic, Value::String(text)) if text.starts_with(['[', '{']) => {
            json_value::parse(text).unwrap_or_else(|| value.clone())
        }
        (Type::Real | Type::Decimal, Value::String(text)) => {
            number::parse_real(text).map_or(Value::Null, Value::Real)
        }
        (Type::Long | Type::Int, Value::String(text)) => {
            number::parse_long(text).map_or(Value::Null, Value::Long)
        }
        (Type::Long | Type::Int, Value::Real(v)) if v.fract() == 0.0 => Value::Long(*v as i64),
        (Type::String, Value::String(_)) | (Type::Dynamic, _) => return,
        (Type::String, other) => Value::String(other.to_text()),
        _ => return,
    };
    *value = fitted;
}
