//! The engine reads the lake.

use atalaya_kql::bound::ColumnDef;
use atalaya_lake::{DataFile, Lake};
use atalaya_model::Timestamp;
use atalaya_query::value::datetime;
use atalaya_query::{SourceError, StoredFile, StoredTable, TableSource};

/// The lake's tables as the engine's.
pub struct LakeTables(pub Lake);

impl TableSource for LakeTables {
    fn columns(&self, name: &str) -> Option<Vec<ColumnDef>> {
        atalaya_tables::find(name).map(atalaya_kql::columns)
    }

    fn names(&self) -> Vec<String> {
        self.0.tables().into_iter().map(str::to_owned).collect()
    }

    fn snapshot(&self, name: &str) -> Result<StoredTable, SourceError> {
        let snapshot = self.0.snapshot(name).map_err(|error| SourceError {
            table: name.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(StoredTable {
            schema: snapshot.schema,
            files: snapshot.files.iter().map(stored_file).collect(),
            batches: snapshot.tail,
        })
    }
}

fn stored_file(file: &DataFile) -> StoredFile {
    StoredFile {
        path: file.path.clone(),
        size_bytes: file.size_bytes,
        times: ticks(file.time_min).zip(ticks(file.time_max)),
    }
}

/// The engine's time of an instant; `None` where Kusto has no such date.
pub(crate) fn ticks(time: Timestamp) -> Option<i64> {
    datetime::from_unix_micros(time.0)
}
