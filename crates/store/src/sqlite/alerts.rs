//! Alerts as rows.

use atalaya_model::{Alert, AlertStatus, Severity, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params, params_from_iter};

use super::database;
use crate::{ALERTS_LISTED_MAX, AlertFilter, Growth, Insertion, NewAlert, StoreError, StoredAlert};

/// How many alerts a list gives when nobody says.
const LIMIT_DEFAULT: u32 = 100;

pub(super) fn insert(connection: &mut Connection, new: &NewAlert) -> Result<Insertion, StoreError> {
    let transaction = connection
        .transaction()
        .map_err(database("insert an alert"))?;
    let alert = &new.alert;
    let changed = transaction
        .execute(
            "INSERT INTO alerts (alert_id, dedup_key, group_key, rule_id, severity, status, raised_us, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (dedup_key) DO NOTHING",
            params![
                alert.alert_id,
                new.dedup_key,
                new.group_key,
                alert.rule_id,
                rank(alert.severity),
                status_name(alert.status),
                alert.time_generated.0,
                document(alert)?,
            ],
        )
        .map_err(database("insert an alert"))?;
    if changed == 0 {
        return Ok(Insertion::Duplicate);
    }
    insert_facets(&transaction, alert).map_err(database("insert an alert's facets"))?;
    transaction.commit().map_err(database("insert an alert"))?;
    Ok(Insertion::Inserted)
}

fn insert_facets(transaction: &Transaction<'_>, alert: &Alert) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR IGNORE INTO alert_facets (alert_id, kind, value) VALUES (?1, ?2, ?3)",
    )?;
    for technique in &alert.techniques {
        statement.execute(params![alert.alert_id, "technique", technique])?;
    }
    for entity in &alert.entities {
        statement.execute(params![alert.alert_id, "entity", entity.value])?;
    }
    Ok(())
}

pub(super) fn grow(
    connection: &mut Connection,
    alert_id: &str,
    growth: &Growth,
) -> Result<bool, StoreError> {
    update(connection, alert_id, |alert| growth.apply(alert))
}

pub(super) fn set_status(
    connection: &mut Connection,
    alert_id: &str,
    status: AlertStatus,
) -> Result<bool, StoreError> {
    update(connection, alert_id, |alert| alert.status = status)
}

fn update(
    connection: &mut Connection,
    alert_id: &str,
    change: impl FnOnce(&mut Alert),
) -> Result<bool, StoreError> {
    let transaction = connection
        .transaction()
        .map_err(database("change an alert"))?;
    let Some(mut alert) = find(&transaction, alert_id)? else {
        return Ok(false);
    };
    change(&mut alert);
    transaction
        .execute(
            "UPDATE alerts SET document = ?2, status = ?3 WHERE alert_id = ?1",
            params![alert_id, document(&alert)?, status_name(alert.status)],
        )
        .map_err(database("change an alert"))?;
    transaction.commit().map_err(database("change an alert"))?;
    Ok(true)
}

pub(super) fn find(connection: &Connection, alert_id: &str) -> Result<Option<Alert>, StoreError> {
    let text: Option<String> = connection
        .query_row(
            "SELECT document FROM alerts WHERE alert_id = ?1",
            [alert_id],
            |row| row.get(0),
        )
        .optional()
        .map_err(database("find an alert"))?;
    text.as_deref().map(parse).transpose()
}

pub(super) fn latest_of_group(
    connection: &Connection,
    group_key: &str,
) -> Result<Option<StoredAlert>, StoreError> {
    let row: Option<(String, bool)> = connection
        .query_row(
            "SELECT document, delivered FROM alerts WHERE group_key = ?1
             ORDER BY raised_us DESC, alert_id DESC LIMIT 1",
            [group_key],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .map_err(database("find an alert"))?;
    let Some((text, delivered)) = row else {
        return Ok(None);
    };
    Ok(Some(StoredAlert {
        alert: parse(&text)?,
        delivered,
    }))
}

pub(super) fn list(
    connection: &Connection,
    filter: &AlertFilter,
) -> Result<Vec<Alert>, StoreError> {
    let (conditions, values) = conditions(filter);
    let limit = match filter.limit {
        0 => LIMIT_DEFAULT,
        wanted => wanted.min(ALERTS_LISTED_MAX),
    };
    let sql = format!(
        "SELECT document FROM alerts WHERE {conditions}
         ORDER BY raised_us DESC, alert_id DESC LIMIT {limit}"
    );
    documents(connection, &sql, values)
}

/// The `WHERE` of a filter; values only ever travel as parameters.
fn conditions(filter: &AlertFilter) -> (String, Vec<Value>) {
    let mut sql = vec!["1 = 1"];
    let mut values: Vec<Value> = Vec::new();
    if let Some(rule) = &filter.rule_id {
        sql.push("rule_id = ?");
        values.push(rule.clone().into());
    }
    if let Some(least) = filter.severity_min {
        sql.push("severity >= ?");
        values.push(rank(least).into());
    }
    if let Some(status) = filter.status {
        sql.push("status = ?");
        values.push(status_name(status).to_owned().into());
    }
    if let Some(since) = filter.since {
        sql.push("raised_us >= ?");
        values.push(since.0.into());
    }
    if let Some(until) = filter.until {
        sql.push("raised_us < ?");
        values.push(until.0.into());
    }
    if let Some(technique) = &filter.technique {
        sql.push(
            "EXISTS (SELECT 1 FROM alert_facets f WHERE f.alert_id = alerts.alert_id
             AND f.kind = 'technique' AND (f.value = ? OR substr(f.value, 1, length(?)) = ?))",
        );
        let sub_techniques = format!("{technique}.");
        values.push(technique.clone().into());
        values.push(sub_techniques.clone().into());
        values.push(sub_techniques.into());
    }
    if let Some(entity) = &filter.entity {
        sql.push(
            "EXISTS (SELECT 1 FROM alert_facets f WHERE f.alert_id = alerts.alert_id
             AND f.kind = 'entity' AND f.value = ?)",
        );
        values.push(entity.clone().into());
    }
    (sql.join(" AND "), values)
}

pub(super) fn undelivered(connection: &Connection, limit: u32) -> Result<Vec<Alert>, StoreError> {
    let sql = "SELECT document FROM alerts WHERE delivered = 0 ORDER BY raised_us LIMIT ?";
    documents(connection, sql, vec![i64::from(limit).into()])
}

fn documents(
    connection: &Connection,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<Alert>, StoreError> {
    let read = || -> rusqlite::Result<Vec<String>> {
        connection
            .prepare_cached(sql)?
            .query_map(params_from_iter(values), |row| row.get(0))?
            .collect()
    };
    read()
        .map_err(database("list alerts"))?
        .iter()
        .map(|text| parse(text))
        .collect()
}

pub(super) fn mark_delivered(connection: &Connection, alert_id: &str) -> Result<(), StoreError> {
    connection
        .execute(
            "UPDATE alerts SET delivered = 1 WHERE alert_id = ?1",
            [alert_id],
        )
        .map(|_| ())
        .map_err(database("change an alert"))
}

pub(super) fn delete_closed(connection: &Connection, before: Timestamp) -> Result<u64, StoreError> {
    connection
        .execute(
            "DELETE FROM alerts WHERE status = 'closed' AND raised_us < ?1",
            [before.0],
        )
        .map(|count| u64::try_from(count).unwrap_or(u64::MAX))
        .map_err(database("delete alerts"))
}

fn document(alert: &Alert) -> Result<String, StoreError> {
    serde_json::to_string(alert).map_err(|source| StoreError::Document {
        what: "an alert",
        source,
    })
}

fn parse(text: &str) -> Result<Alert, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Document {
        what: "an alert",
        source,
    })
}

/// Severity as a number, so that "at least" is a comparison.
const fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Informational => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

const fn status_name(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::New => "new",
        AlertStatus::Active => "active",
        AlertStatus::Closed => "closed",
    }
}
