//! Kusto's types and the Arrow types that carry them inside the engine.
//!
//! | Kusto | Arrow | note |
//! |---|---|---|
//! | `bool` `int` `long` `real` | Boolean Int32 Int64 Float64 | |
//! | `decimal` | Float64 | 15 significant digits; longer literals are refused |
//! | `string` | Utf8View | never null |
//! | `datetime` `timespan` | Int64 | ticks of 100 ns |
//! | `guid` | Utf8View | lower case |
//! | `dynamic` | BinaryView | [`crate::value::binary`] |

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, BooleanArray, Float64Array, Int32Array,
    Int64Array, StringViewBuilder,
};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use datafusion::common::ScalarValue;

use crate::value::{Value, binary};

/// A scalar type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `long`
    Long,
    /// `real`
    Real,
    /// `decimal`
    Decimal,
    /// `string`
    String,
    /// `datetime`
    DateTime,
    /// `timespan`
    Timespan,
    /// `guid`
    Guid,
    /// `dynamic`
    Dynamic,
}

impl Type {
    /// Kusto's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Long => "long",
            Self::Real => "real",
            Self::Decimal => "decimal",
            Self::String => "string",
            Self::DateTime => "datetime",
            Self::Timespan => "timespan",
            Self::Guid => "guid",
            Self::Dynamic => "dynamic",
        }
    }

    /// `int`, `long`, `real` or `decimal`.
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Real | Self::Decimal)
    }
}

/// Arrow type that carries a Kusto type inside the engine.
#[must_use]
pub const fn arrow_type(ty: Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Int => DataType::Int32,
        Type::Long | Type::DateTime | Type::Timespan => DataType::Int64,
        Type::Real | Type::Decimal => DataType::Float64,
        Type::String | Type::Guid => DataType::Utf8View,
        Type::Dynamic => DataType::BinaryView,
    }
}

/// Reads one value of a column.
#[must_use]
pub fn read(array: &dyn Array, ty: Type, row: usize) -> Value {
    if row >= array.len() || array.is_null(row) {
        return if ty == Type::String {
            Value::string("")
        } else {
            Value::Null
        };
    }
    let number = || array.as_primitive_opt::<Int64Type>().map(|a| a.value(row));
    match ty {
        Type::Bool => array
            .as_boolean_opt()
            .map_or(Value::Null, |a| Value::Bool(a.value(row))),
        Type::Int => array
            .as_primitive_opt::<Int32Type>()
            .map_or(Value::Null, |a| Value::Int(a.value(row))),
        Type::Long => number().map_or(Value::Null, Value::Long),
        Type::DateTime => number().map_or(Value::Null, Value::DateTime),
        Type::Timespan => number().map_or(Value::Null, Value::Timespan),
        Type::Real | Type::Decimal => array
            .as_primitive_opt::<Float64Type>()
            .map_or(Value::Null, |a| Value::Real(a.value(row))),
        Type::String => array
            .as_string_view_opt()
            .map_or_else(|| Value::string(""), |a| Value::string(a.value(row))),
        Type::Guid => array
            .as_string_view_opt()
            .map_or(Value::Null, |a| Value::Guid(Arc::from(a.value(row)))),
        Type::Dynamic => array
            .as_binary_view_opt()
            .map_or(Value::Null, |a| binary::decode(a.value(row))),
    }
}

/// Builds a column; a value of another type than the column's becomes null (`string`: its text).
#[must_use]
pub fn build(values: &[Value], ty: Type) -> ArrayRef {
    let longs = || values.iter().map(Value::as_i64);
    match ty {
        Type::Bool => Arc::new(values.iter().map(Value::as_bool).collect::<BooleanArray>()),
        Type::Int => Arc::new(
            longs()
                .map(|v| v.and_then(|v| i32::try_from(v).ok()))
                .collect::<Int32Array>(),
        ),
        Type::Long | Type::DateTime | Type::Timespan => Arc::new(longs().collect::<Int64Array>()),
        Type::Real | Type::Decimal => {
            Arc::new(values.iter().map(Value::as_f64).collect::<Float64Array>())
        }
        Type::String => {
            let mut builder = StringViewBuilder::with_capacity(values.len());
            for value in values {
                builder.append_value(value.to_text());
            }
            Arc::new(builder.finish())
        }
        Type::Guid => {
            let mut builder = StringViewBuilder::with_capacity(values.len());
            for value in values {
                builder.append_option(value.as_str());
            }
            Arc::new(builder.finish())
        }
        Type::Dynamic => {
            let mut builder = BinaryViewBuilder::with_capacity(values.len());
            for value in values {
                if value.is_null() {
                    builder.append_null();
                } else {
                    builder.append_value(binary::encode(value));
                }
            }
            Arc::new(builder.finish())
        }
    }
}

/// A literal for DataFusion.
#[must_use]
pub fn scalar(value: &Value, ty: Type) -> ScalarValue {
    match ty {
        Type::Bool => ScalarValue::Boolean(value.as_bool()),
        Type::Int => ScalarValue::Int32(value.as_i64().and_then(|v| i32::try_from(v).ok())),
        Type::Long | Type::DateTime | Type::Timespan => ScalarValue::Int64(value.as_i64()),
        Type::Real | Type::Decimal => ScalarValue::Float64(value.as_f64()),
        Type::String => ScalarValue::Utf8View(Some(value.to_text().to_string())),
        Type::Guid => ScalarValue::Utf8View(value.as_str().map(str::to_owned)),
        Type::Dynamic => ScalarValue::BinaryView((!value.is_null()).then(|| binary::encode(value))),
    }
}
