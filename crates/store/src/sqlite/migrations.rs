//! The schema, step by step. A step that was ever released is never changed, only followed.

use rusqlite::{Connection, TransactionBehavior};

use super::database;
use crate::StoreError;

/// Step `n` brings version `n` to `n + 1`; the version is SQLite's `user_version`.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_alerts_and_rules.sql"),
    include_str!("migrations/0002_control.sql"),
    include_str!("migrations/0003_response.sql"),
];

/// Runs the steps that the file has not seen, all or none.
pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(database("lock the database for migration"))?;
    let found: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(database("read the schema version"))?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::FromTheFuture { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        transaction
            .execute_batch(step)
            .map_err(database("migrate the database"))?;
    }
    if found < known {
        transaction
            .pragma_update(None, "user_version", known)
            .map_err(database("write the schema version"))?;
    }
    transaction
        .commit()
        .map_err(database("commit the migration"))
}
