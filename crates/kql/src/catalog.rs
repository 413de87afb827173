//! What a query can see: tables by name.

use atalaya_tables::ColumnType;

use crate::bound::{ColumnDef, Type};

/// What the names of tables start with that are watchlists: a watchlist's alias follows.
pub const WATCHLIST: &str = "_Watchlist/";

/// The tables of an engine.
pub trait Catalog {
    /// The columns of a table of that exact name.
    fn table(&self, name: &str) -> Option<Vec<ColumnDef>>;
    /// Names of all tables, for wildcards and for suggestions.
    fn table_names(&self) -> Vec<String>;
    /// Whether `geo_info_from_ip_address` has a database to look into.
    fn has_places(&self) -> bool {
        false
    }
    /// The text of a stored function: a query, or `(parameters) { body }`.
    fn stored_function(&self, _name: &str) -> Option<String> {
        None
    }
}

/// The log tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogTables;

impl Catalog for LogTables {
    fn table(&self, name: &str) -> Option<Vec<ColumnDef>> {
        atalaya_tables::find(name).map(columns)
    }

    fn table_names(&self) -> Vec<String> {
        atalaya_tables::ALL
            .iter()
            .map(|table| table.name.to_owned())
            .collect()
    }
}

/// The columns of a log table.
#[must_use]
pub fn columns(table: &atalaya_tables::Table) -> Vec<ColumnDef> {
    table
        .columns
        .iter()
        .map(|column| ColumnDef {
            name: column.name.to_owned(),
            ty: column_type(column.ty),
            range: column.range,
        })
        .collect()
}

const fn column_type(ty: ColumnType) -> Type {
    match ty {
        ColumnType::Bool => Type::Bool,
        ColumnType::Int => Type::Int,
        ColumnType::Long => Type::Long,
        ColumnType::Real => Type::Real,
        ColumnType::String => Type::String,
        ColumnType::DateTime => Type::DateTime,
        ColumnType::Timespan => Type::Timespan,
        ColumnType::Guid => Type::Guid,
        ColumnType::Dynamic => Type::Dynamic,
    }
}
