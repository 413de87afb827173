//! Admin tokens and node secrets as rows.

use atalaya_model::Timestamp;
use rusqlite::{Connection, Row, params};

use super::database;
use crate::{AdminRole, AdminToken, StoreError};

pub(super) fn insert(connection: &Connection, token: &AdminToken) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT INTO admin_tokens (token_id, hash, name, role, created_us, revoked_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                token.id,
                token.hash,
                token.name,
                token.role.as_str(),
                token.created_at.0,
                token.revoked_at.map(|at| at.0),
            ],
        )
        .map(drop)
        .map_err(database("write an admin token"))
}

pub(super) fn list(connection: &Connection) -> Result<Vec<AdminToken>, StoreError> {
    let read_all = || -> rusqlite::Result<Vec<AdminToken>> {
        connection
            .prepare_cached(
                "SELECT token_id, hash, name, role, created_us, revoked_us FROM admin_tokens
                 ORDER BY created_us, token_id",
            )?
            .query_map([], read)?
            .collect()
    };
    read_all().map_err(database("list admin tokens"))
}

fn read(row: &Row<'_>) -> rusqlite::Result<AdminToken> {
    let role: String = row.get(3)?;
    Ok(AdminToken {
        id: row.get(0)?,
        hash: row.get(1)?,
        name: row.get(2)?,
        // A role that this program does not know may only look.
        role: role.parse().unwrap_or(AdminRole::Viewer),
        created_at: Timestamp(row.get(4)?),
        revoked_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
    })
}

pub(super) fn revoke(connection: &Connection, id: &str, at: Timestamp) -> Result<bool, StoreError> {
    connection
        .execute(
            "UPDATE admin_tokens SET revoked_us = ?2 WHERE token_id = ?1 AND revoked_us IS NULL",
            params![id, at.0],
        )
        .map(|count| count > 0)
        .map_err(database("revoke an admin token"))
}

/// The first who asks decides; everybody after gets the same.
pub(super) fn secret(
    connection: &Connection,
    name: &str,
    fresh: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let what = "read a secret";
    connection
        .execute(
            "INSERT INTO node_secrets (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
            params![name, fresh],
        )
        .map_err(database(what))?;
    connection
        .query_row(
            "SELECT value FROM node_secrets WHERE name = ?1",
            [name],
            |row| row.get(0),
        )
        .map_err(database(what))
}
