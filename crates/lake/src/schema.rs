//! The tables' columns as Arrow and Delta Lake types. Nobody else spells them.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use atalaya_tables::{ColumnType, Table};
use deltalake_core::kernel::{DataType as DeltaType, StructField};

/// The partition column of every table: the UTC day of `TimeGenerated`. Only in the Delta log and
/// in the folder names, not in the Parquet files, and not in [`arrow_schema`].
pub const DAY_COLUMN: &str = "_day";

static SCHEMAS: LazyLock<Vec<(&'static str, SchemaRef)>> = LazyLock::new(|| {
    atalaya_tables::ALL
        .iter()
        .map(|table| (table.name, Arc::new(build(table))))
        .collect()
});

/// Columns of a table as they are in its Parquet files and in the tail: `datetime` is
/// microseconds UTC, `dynamic` and `guid` are text, `timespan` is 100 ns ticks.
#[must_use]
pub fn arrow_schema(table: &Table) -> SchemaRef {
    SCHEMAS
        .iter()
        .find(|(name, _)| *name == table.name)
        .map_or_else(|| Arc::new(build(table)), |(_, schema)| Arc::clone(schema))
}

fn build(table: &Table) -> Schema {
    Schema::new(
        table
            .columns
            .iter()
            .map(|column| Field::new(column.name, arrow_type(column.ty), true))
            .collect::<Vec<_>>(),
    )
}

fn arrow_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int => DataType::Int32,
        ColumnType::Long | ColumnType::Timespan => DataType::Int64,
        ColumnType::Real => DataType::Float64,
        ColumnType::String | ColumnType::Guid | ColumnType::Dynamic => DataType::Utf8,
        ColumnType::DateTime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// Columns as the Delta log declares them, the partition column last.
pub(crate) fn delta_columns(table: &Table) -> Vec<StructField> {
    let day = StructField::nullable(DAY_COLUMN, DeltaType::DATE);
    table
        .columns
        .iter()
        .map(|column| StructField::nullable(column.name, delta_type(column.ty)))
        .chain([day])
        .collect()
}

fn delta_type(ty: ColumnType) -> DeltaType {
    match ty {
        ColumnType::Bool => DeltaType::BOOLEAN,
        ColumnType::Int => DeltaType::INTEGER,
        ColumnType::Long | ColumnType::Timespan => DeltaType::LONG,
        ColumnType::Real => DeltaType::DOUBLE,
        ColumnType::String | ColumnType::Guid | ColumnType::Dynamic => DeltaType::STRING,
        ColumnType::DateTime => DeltaType::TIMESTAMP,
    }
}
