//! The history of policies as rows.

use atalaya_model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::database;
use crate::{NewPolicyRevision, PolicyRevision, StoreError};

const COLUMNS: &str = "number, hash, policy_id, revision, author, note, applied_us, text";

pub(super) fn append(
    connection: &Connection,
    policy: &NewPolicyRevision,
) -> Result<i64, StoreError> {
    connection
        .execute(
            "INSERT INTO policy_revisions (hash, policy_id, revision, author, note, applied_us, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                policy.hash,
                policy.policy_id,
                policy.revision,
                policy.author,
                policy.note,
                policy.applied_at.0,
                policy.text,
            ],
        )
        .map_err(database("write a policy"))?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn find(
    connection: &Connection,
    number: i64,
) -> Result<Option<PolicyRevision>, StoreError> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM policy_revisions WHERE number = ?1"),
            [number],
            read,
        )
        .optional()
        .map_err(database("find a policy"))
}

pub(super) fn list(connection: &Connection, limit: u32) -> Result<Vec<PolicyRevision>, StoreError> {
    let read_all = || -> rusqlite::Result<Vec<PolicyRevision>> {
        connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM policy_revisions ORDER BY number DESC LIMIT ?1"
            ))?
            .query_map([limit], read)?
            .collect()
    };
    read_all().map_err(database("list policies"))
}

fn read(row: &Row<'_>) -> rusqlite::Result<PolicyRevision> {
    Ok(PolicyRevision {
        number: row.get(0)?,
        hash: row.get(1)?,
        policy_id: row.get(2)?,
        revision: row.get(3)?,
        author: row.get(4)?,
        note: row.get(5)?,
        applied_at: Timestamp(row.get(6)?),
        text: row.get(7)?,
    })
}
