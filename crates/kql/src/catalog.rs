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

/// The log tables, and watchlists whose entries are only known when a query runs: what rules and
/// runbooks are checked against.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleTables;

impl Catalog for RuleTables {
    fn table(&self, name: &str) -> Option<Vec<ColumnDef>> {
        match name.strip_prefix(WATCHLIST) {
            Some(alias) => Some(live_watchlist(alias)),
            None => LogTables.table(name),
        }
    }

    fn table_names(&self) -> Vec<String> {
        LogTables.table_names()
    }
}

/// The columns of a watchlist that the product fills: `Baselines` has what is normal for a caller
/// on a route, every other one what analysts and runbooks put there.
#[must_use]
pub fn live_watchlist(alias: &str) -> Vec<ColumnDef> {
    let columns: &[(&str, Type)] = if alias == "Baselines" {
        &[
            ("SearchKey", Type::String),
            ("Caller", Type::String),
            ("Route", Type::String),
            ("Hour", Type::DateTime),
            ("Median", Type::Real),
            ("Deviation", Type::Real),
            ("Limit", Type::Real),
            ("Basis", Type::String),
            ("Samples", Type::Long),
        ]
    } else {
        &[
            ("SearchKey", Type::String),
            ("Kind", Type::String),
            ("Value", Type::String),
            ("Reason", Type::String),
            ("Author", Type::String),
            ("Added", Type::DateTime),
        ]
    };
    columns
        .iter()
        .map(|(name, ty)| ColumnDef {
            name: (*name).to_owned(),
            ty: *ty,
            range: None,
        })
        .collect()
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
