//! Rule state as rows.

use atalaya_model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::database;
use crate::{RuleState, StoreError};

const COLUMNS: &str = "rule_id, rule_version, rule_hash, last_run_us, cursor_us, last_fired_us, \
     last_error, failures_in_a_row, last_duration_ms, runs_total, failures_total, alerts_total, \
     skipped_ms_total";

pub(super) fn find(
    connection: &Connection,
    rule_id: &str,
) -> Result<Option<RuleState>, StoreError> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM rule_states WHERE rule_id = ?1"),
            [rule_id],
            read,
        )
        .optional()
        .map_err(database("read a rule's state"))
}

pub(super) fn all(connection: &Connection) -> Result<Vec<RuleState>, StoreError> {
    let read_all = || -> rusqlite::Result<Vec<RuleState>> {
        connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM rule_states ORDER BY rule_id"
            ))?
            .query_map([], read)?
            .collect()
    };
    read_all().map_err(database("read the rules' states"))
}

pub(super) fn put(connection: &Connection, state: &RuleState) -> Result<(), StoreError> {
    connection
        .execute(
            &format!(
                "INSERT OR REPLACE INTO rule_states ({COLUMNS})
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
            ),
            params![
                state.rule_id,
                state.rule_version,
                state.rule_hash,
                state.last_run.map(|t| t.0),
                state.cursor.map(|t| t.0),
                state.last_fired.map(|t| t.0),
                state.last_error,
                state.failures_in_a_row,
                number(state.last_duration_ms),
                number(state.runs_total),
                number(state.failures_total),
                number(state.alerts_total),
                number(state.skipped_ms_total),
            ],
        )
        .map(|_| ())
        .map_err(database("write a rule's state"))
}

fn read(row: &Row<'_>) -> rusqlite::Result<RuleState> {
    let time = |index| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp))
    };
    let count = |index| -> rusqlite::Result<u64> {
        Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0))
    };
    Ok(RuleState {
        rule_id: row.get(0)?,
        rule_version: row.get(1)?,
        rule_hash: row.get(2)?,
        last_run: time(3)?,
        cursor: time(4)?,
        last_fired: time(5)?,
        last_error: row.get(6)?,
        failures_in_a_row: row.get(7)?,
        last_duration_ms: count(8)?,
        runs_total: count(9)?,
        failures_total: count(10)?,
        alerts_total: count(11)?,
        skipped_ms_total: count(12)?,
    })
}

/// SQLite has signed integers only.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
