//! Keys, enforcements and counts: one JSON document a row, beside what lists are filtered by.

use atalaya_access::{Enforcement, MeterState, VirtualKey};
use atalaya_model::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::database;
use crate::{CONTROL_LISTED_MAX, StoreError};

pub(super) fn put_key(connection: &Connection, key: &VirtualKey) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT OR REPLACE INTO virtual_keys (key_id, created_us, document) VALUES (?1, ?2, ?3)",
            params![key.id, key.created_at.0, write("a key", key)?],
        )
        .map(drop)
        .map_err(database("write a key"))
}

pub(super) fn key(connection: &Connection, id: &str) -> Result<Option<VirtualKey>, StoreError> {
    one(
        connection,
        "a key",
        "SELECT document FROM virtual_keys WHERE key_id = ?",
        id,
    )
}

pub(super) fn keys(connection: &Connection) -> Result<Vec<VirtualKey>, StoreError> {
    let sql = "SELECT document FROM virtual_keys ORDER BY created_us, key_id LIMIT ?";
    all(connection, "a key", sql, vec![])
}

pub(super) fn put_enforcement(
    connection: &Connection,
    enforcement: &Enforcement,
) -> Result<(), StoreError> {
    let ends = enforcement.lifted_at.or(enforcement.expires_at);
    connection
        .execute(
            "INSERT OR REPLACE INTO enforcements
             (enforcement_id, kind, value, created_us, ends_us, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                enforcement.id,
                enforcement.subject.kind.as_str(),
                enforcement.subject.value,
                enforcement.created_at.0,
                ends.map(|end| end.0),
                write("an enforcement", enforcement)?,
            ],
        )
        .map(drop)
        .map_err(database("write an enforcement"))
}

pub(super) fn enforcement(
    connection: &Connection,
    id: &str,
) -> Result<Option<Enforcement>, StoreError> {
    one(
        connection,
        "an enforcement",
        "SELECT document FROM enforcements WHERE enforcement_id = ?",
        id,
    )
}

pub(super) fn enforcements(
    connection: &Connection,
    holding_at: Option<Timestamp>,
) -> Result<Vec<Enforcement>, StoreError> {
    // Without a time, everything ends later than the beginning of time.
    let after = holding_at.map_or(i64::MIN, |at| at.0);
    let sql = "SELECT document FROM enforcements WHERE ends_us IS NULL OR ends_us > ?
               ORDER BY created_us DESC, enforcement_id DESC LIMIT ?";
    all(connection, "an enforcement", sql, vec![after.into()])
}

pub(super) fn put_usage(
    connection: &mut Connection,
    usage: &[(String, Vec<MeterState>)],
) -> Result<(), StoreError> {
    let what = "write the use of limits";
    let transaction = connection.transaction().map_err(database(what))?;
    transaction
        .execute("DELETE FROM usage", [])
        .map_err(database(what))?;
    {
        let mut insert = transaction
            .prepare_cached("INSERT INTO usage (subject, document) VALUES (?1, ?2)")
            .map_err(database(what))?;
        for (subject, states) in usage {
            insert
                .execute(params![subject, write("the use of limits", states)?])
                .map_err(database(what))?;
        }
    }
    transaction.commit().map_err(database(what))
}

pub(super) fn usage(connection: &Connection) -> Result<Vec<(String, Vec<MeterState>)>, StoreError> {
    let read_all = || -> rusqlite::Result<Vec<(String, String)>> {
        connection
            .prepare_cached("SELECT subject, document FROM usage")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    };
    let rows = read_all().map_err(database("read the use of limits"))?;
    rows.into_iter()
        .map(|(subject, text)| Ok((subject, read("the use of limits", &text)?)))
        .collect()
}

pub(super) fn one<T: DeserializeOwned>(
    connection: &Connection,
    what: &'static str,
    sql: &str,
    id: &str,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = connection
        .query_row(sql, [id], |row| row.get(0))
        .optional()
        .map_err(database("find a document"))?;
    text.as_deref().map(|text| read(what, text)).transpose()
}

/// The last parameter of `sql` is the limit.
pub(super) fn all<T: DeserializeOwned>(
    connection: &Connection,
    what: &'static str,
    sql: &str,
    mut values: Vec<Value>,
) -> Result<Vec<T>, StoreError> {
    values.push(i64::from(CONTROL_LISTED_MAX).into());
    let texts = || -> rusqlite::Result<Vec<String>> {
        connection
            .prepare_cached(sql)?
            .query_map(params_from_iter(values), |row| row.get(0))?
            .collect()
    };
    let texts = texts().map_err(database("list documents"))?;
    texts.iter().map(|text| read(what, text)).collect()
}

pub(super) fn write<T: Serialize + ?Sized>(
    what: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Document { what, source })
}

fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Document { what, source })
}
