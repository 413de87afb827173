//! JSON rows to Arrow columns.
//!
//! Written by hand instead of using Arrow's JSON reader for three reasons: a `dynamic` column
//! takes any JSON value as its text, one bad row must be refusable with a reason while the others
//! go on, and the keys of log rows come in the same order every time, which makes finding the
//! column of a key a comparison instead of a hash.

use std::collections::HashMap;
use std::fmt;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder,
    RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use atalaya_tables::{ColumnType, Table};
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::sync::Arc;

use crate::schema::arrow_schema;
use crate::time::{from_epoch, parse_datetime};

/// What to do with a value that does not fit its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadCell {
    /// Leave the cell empty and count it: rows of our own journal must not be lost.
    Null,
    /// Refuse the row.
    RefuseRow,
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowFault {
    #[error("not a JSON object: {0}")]
    NotJson(String),
    #[error("column {column}: expected {expected}")]
    Cell {
        column: &'static str,
        expected: &'static str,
    },
    #[error("TimeGenerated is missing")]
    NoTime,
}

impl RowFault {
    /// `TimeGenerated` is there, but is no point in time.
    pub(crate) fn time() -> Self {
        Self::Cell {
            column: "TimeGenerated",
            expected: ColumnType::DateTime.kusto_name(),
        }
    }
}

/// A value on its way into a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Null,
    /// JSON text of the value.
    Json(&'a str),
    /// Plain text, as a CSV file has it.
    Text(&'a str),
}

/// Collects rows of one table into columns.
pub(crate) struct RowDecoder {
    table: &'static Table,
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    names: Names,
    rows: usize,
    bad_cell: BadCell,
    /// Cells that were left empty because their value did not fit.
    pub(crate) cells_refused: u64,
}

impl RowDecoder {
    pub(crate) fn new(table: &'static Table, bad_cell: BadCell) -> Self {
        Self {
            table,
            schema: arrow_schema(table),
            columns: table
                .columns
                .iter()
                .map(|column| ColumnBuilder::new(column.ty))
                .collect(),
            names: Names::new(table),
            rows: 0,
            bad_cell,
            cells_refused: 0,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends one row given as JSON objects that complement each other, and as further cells
    /// (column, value). Keys that are no columns are skipped.
    pub(crate) fn append_json(
        &mut self,
        objects: &[&[u8]],
        further: &[(usize, &str)],
    ) -> Result<(), RowFault> {
        let mut values = vec![Cell::Null; self.columns.len()];
        for (column, text) in further {
            values[*column] = Cell::Text(text);
        }
        for object in objects {
            let mut deserializer = serde_json::Deserializer::from_slice(object);
            let cells = Cells {
                names: &mut self.names,
                extra: None,
            }
            .deserialize(&mut deserializer)
            .map_err(|error| RowFault::NotJson(json_fault(&error)))?;
            for (column, raw) in cells {
                values[column] = Cell::Json(raw);
            }
        }
        self.append_cells(&values)
    }

    /// Appends one row given as a cell per column. On a fault nothing is appended.
    pub(crate) fn append_cells(&mut self, cells: &[Cell<'_>]) -> Result<(), RowFault> {
        if self.bad_cell == BadCell::RefuseRow {
            self.check(cells)?;
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if !column.append(*cell) {
                self.cells_refused += 1;
                column.append_null();
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Looks for a bad cell before anything is appended: builders cannot take a value back.
    fn check(&self, cells: &[Cell<'_>]) -> Result<(), RowFault> {
        let bad = self
            .table
            .columns
            .iter()
            .zip(cells)
            .find(|(column, cell)| !fits(column.ty, **cell));
        match bad {
            None => Ok(()),
            Some((column, _)) => Err(RowFault::Cell {
                column: column.name,
                expected: column.ty.kusto_name(),
            }),
        }
    }

    /// The rows so far as a batch; the decoder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        let arrays = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

/// The message without the excerpt that a JSON error may carry.
pub(crate) fn json_fault(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "syntax error",
        serde_json::error::Category::Data => "not an object",
        serde_json::error::Category::Io => "cannot be read",
    };
    format!("{kind} at column {}", error.column())
}

/// Finds the column of a key.
pub(crate) struct Names {
    exact: HashMap<&'static str, usize>,
    lower: HashMap<String, usize>,
    columns: &'static [atalaya_tables::Column],
    /// Column found for the key at each position of the row before.
    order: Vec<Option<usize>>,
}

impl Names {
    pub(crate) fn new(table: &'static Table) -> Self {
        let numbered = || table.columns.iter().enumerate();
        Self {
            exact: numbered()
                .map(|(index, column)| (column.name, index))
                .collect(),
            lower: numbered()
                .map(|(index, column)| (column.name.to_ascii_lowercase(), index))
                .collect(),
            columns: table.columns,
            order: Vec::new(),
        }
    }

    pub(crate) fn find_any_case(&self, key: &str) -> Option<usize> {
        let exact = self.exact.get(key).copied();
        exact.or_else(|| self.lower.get(&key.to_ascii_lowercase()).copied())
    }

    fn find(&mut self, position: usize, key: &str) -> Option<usize> {
        if let Some(Some(guess)) = self.order.get(position)
            && self.columns[*guess].name == key
        {
            return Some(*guess);
        }
        let found = self.exact.get(key).copied();
        if self.order.len() <= position {
            self.order.resize(position + 1, None);
        }
        self.order[position] = found;
        found
    }
}

/// Cells of one JSON object: (column, JSON text of the value).
pub(crate) struct Cells<'a, 'de> {
    pub(crate) names: &'a mut Names,
    /// Where to put fields without a column; then names are also found in any case.
    pub(crate) extra: Option<&'a mut Vec<(String, &'de str)>>,
}

impl<'de> DeserializeSeed<'de> for Cells<'_, 'de> {
    type Value = Vec<(usize, &'de str)>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Cells<'_, 'de> {
    type Value = Vec<(usize, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cells = Vec::with_capacity(self.names.order.len());
        let mut position = 0;
        loop {
            let key = Key {
                names: self.names,
                position,
                keep: self.extra.is_some(),
            };
            let Some(found) = map.next_key_seed(key)? else {
                return Ok(cells);
            };
            position += 1;
            let value: &'de RawValue = map.next_value()?;
            match (found, self.extra.as_mut()) {
                (Found::Column(index), _) => cells.push((index, value.get())),
                (Found::Other(name), Some(extra)) => extra.push((name, value.get())),
                (Found::Other(_), None) => {}
            }
        }
    }
}

enum Found {
    Column(usize),
    Other(String),
}

struct Key<'a> {
    names: &'a mut Names,
    position: usize,
    keep: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Found;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Found, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Found, E> {
        if let Some(index) = self.names.find(self.position, key) {
            return Ok(Found::Column(index));
        }
        if !self.keep {
            return Ok(Found::Other(String::new()));
        }
        Ok(self
            .names
            .find_any_case(key)
            .map_or_else(|| Found::Other(key.to_owned()), Found::Column))
    }
}

enum ColumnBuilder {
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Real(Float64Builder),
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Dynamic(StringBuilder),
}

impl ColumnBuilder {
    fn new(ty: ColumnType) -> Self {
        match ty {
            ColumnType::Bool => Self::Bool(BooleanBuilder::new()),
            ColumnType::Int => Self::Int(Int32Builder::new()),
            ColumnType::Long | ColumnType::Timespan => Self::Long(Int64Builder::new()),
            ColumnType::Real => Self::Real(Float64Builder::new()),
            ColumnType::String | ColumnType::Guid => Self::Text(StringBuilder::new()),
            ColumnType::DateTime => {
                Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            ColumnType::Dynamic => Self::Dynamic(StringBuilder::new()),
        }
    }

    /// Appends a cell; false, and nothing appended, if its value does not fit.
    fn append(&mut self, cell: Cell<'_>) -> bool {
        if is_empty(cell) {
            self.append_null();
            return true;
        }
        self.append_value(cell)
    }

    fn append_value(&mut self, cell: Cell<'_>) -> bool {
        match self {
            Self::Bool(builder) => to_bool(cell).map(|value| builder.append_value(value)),
            Self::Int(builder) => to_long(cell)
                .and_then(|value| i32::try_from(value).ok())
                .map(|value| builder.append_value(value)),
            Self::Long(builder) => to_long(cell).map(|value| builder.append_value(value)),
            Self::Real(builder) => to_real(cell).map(|value| builder.append_value(value)),
            Self::Time(builder) => to_time(cell).map(|value| builder.append_value(value)),
            Self::Text(builder) => with_text(cell, |text| builder.append_value(text)),
            Self::Dynamic(builder) => append_dynamic(builder, cell),
        }
        .is_some()
    }

    fn append_null(&mut self) {
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Long(builder) => builder.append_null(),
            Self::Real(builder) => builder.append_null(),
            Self::Text(builder) | Self::Dynamic(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => ArrayBuilder::finish(builder),
            Self::Int(builder) => ArrayBuilder::finish(builder),
            Self::Long(builder) => ArrayBuilder::finish(builder),
            Self::Real(builder) => ArrayBuilder::finish(builder),
            Self::Text(builder) | Self::Dynamic(builder) => ArrayBuilder::finish(builder),
            Self::Time(builder) => ArrayBuilder::finish(builder),
        }
    }
}

/// Whether a cell says nothing; an empty CSV field does not.
pub(crate) fn is_empty(cell: Cell<'_>) -> bool {
    matches!(cell, Cell::Null | Cell::Json("null") | Cell::Text(""))
}

fn fits(ty: ColumnType, cell: Cell<'_>) -> bool {
    if is_empty(cell) {
        return true;
    }
    match ty {
        ColumnType::Bool => to_bool(cell).is_some(),
        ColumnType::Int => to_long(cell).is_some_and(|value| i32::try_from(value).is_ok()),
        ColumnType::Long | ColumnType::Timespan => to_long(cell).is_some(),
        ColumnType::Real => to_real(cell).is_some(),
        ColumnType::DateTime => to_time(cell).is_some(),
        ColumnType::String | ColumnType::Guid | ColumnType::Dynamic => {
            with_text(cell, |_| ()).is_some()
        }
    }
}

/// The text inside a cell, if it is or can be one.
fn with_text<T>(cell: Cell<'_>, take: impl FnOnce(&str) -> T) -> Option<T> {
    match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(take(text)),
        Cell::Json(raw) => match plain_string(raw) {
            Some(text) => Some(take(text)),
            None if raw.starts_with('"') => {
                let text: String = serde_json::from_str(raw).ok()?;
                Some(take(&text))
            }
            // Numbers, booleans and nested values in a text column keep their JSON form.
            None => Some(take(raw)),
        },
    }
}

/// The inside of a JSON string without escapes.
fn plain_string(raw: &str) -> Option<&str> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.as_bytes().contains(&b'\\')).then_some(inner)
}

fn scalar_text(cell: Cell<'_>) -> Option<&str> {
    match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(text.trim()),
        Cell::Json(raw) => Some(plain_string(raw).unwrap_or(raw)),
    }
}

fn to_bool(cell: Cell<'_>) -> Option<bool> {
    match scalar_text(cell)? {
        "true" | "True" | "TRUE" | "1" => Some(true),
        "false" | "False" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}

fn to_long(cell: Cell<'_>) -> Option<i64> {
    let text = scalar_text(cell)?;
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    // 3.0 and 1e3 are whole numbers that some writers emit; 3.5 is not one.
    let value: f64 = text.parse().ok()?;
    let whole = value.fract() == 0.0 && value.abs() < 9.0e15;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and in range, checked above"
    )]
    whole.then_some(value as i64)
}

fn to_real(cell: Cell<'_>) -> Option<f64> {
    scalar_text(cell)?.parse().ok()
}

pub(crate) fn to_time(cell: Cell<'_>) -> Option<i64> {
    let text = scalar_text(cell)?;
    if let Some(time) = parse_datetime(text) {
        return Some(time);
    }
    text.parse().ok().and_then(from_epoch)
}

fn append_dynamic(builder: &mut StringBuilder, cell: Cell<'_>) -> Option<()> {
    match cell {
        Cell::Null => return None,
        Cell::Json(raw) if !raw.starts_with('"') => builder.append_value(raw),
        Cell::Json(raw) => {
            // Exports of other systems carry dynamic values as text that holds JSON.
            let text: String = serde_json::from_str(raw).ok()?;
            builder.append_value(if is_nested_json(&text) { &text } else { raw });
        }
        Cell::Text(text) if is_nested_json(text) => builder.append_value(text),
        Cell::Text(text) => builder.append_value(serde_json::to_string(text).ok()?),
    }
    Some(())
}

fn is_nested_json(text: &str) -> bool {
    text.starts_with(['[', '{']) && serde_json::from_str::<&RawValue>(text).is_ok()
}
