//! One column under construction, and how values of other forms become values of its type.

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use atalaya_tables::ColumnType;
use serde_json::value::RawValue;

use crate::time::{from_epoch, parse_datetime};

/// A value on its way into a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Null,
    /// JSON text of the value.
    Json(&'a str),
    /// Plain text, as a CSV file has it.
    Text(&'a str),
}

pub(super) enum ColumnBuilder {
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Real(Float64Builder),
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Dynamic(StringBuilder),
}

impl ColumnBuilder {
    pub(super) fn new(ty: ColumnType) -> Self {
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
    pub(super) fn append(&mut self, cell: Cell<'_>) -> bool {
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

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Long(builder) => builder.append_null(),
            Self::Real(builder) => builder.append_null(),
            Self::Text(builder) | Self::Dynamic(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
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

pub(super) fn fits(ty: ColumnType, cell: Cell<'_>) -> bool {
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
