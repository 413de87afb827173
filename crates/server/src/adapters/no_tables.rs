//! The log tables of a node that has no data yet: queries over literals and files run, and one that
//! reads a table says what is missing.

use atalaya_kql::bound::ColumnDef;
use atalaya_query::{SourceError, StoredTable, TableSource};

/// The log tables, none of which can be read.
pub(crate) struct NoTables {
    /// Why, and what to do.
    pub(crate) reason: String,
}

impl TableSource for NoTables {
    fn columns(&self, name: &str) -> Option<Vec<ColumnDef>> {
        atalaya_tables::find(name).map(atalaya_kql::columns)
    }

    fn names(&self) -> Vec<String> {
        let tables = atalaya_tables::ALL.iter();
        tables.map(|table| table.name.to_owned()).collect()
    }

    fn snapshot(&self, name: &str) -> Result<StoredTable, SourceError> {
        Err(SourceError {
            table: name.to_owned(),
            reason: self.reason.clone(),
        })
    }
}
