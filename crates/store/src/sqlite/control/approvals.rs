//! Requests for approval as rows.

use atalaya_access::{Approval, ApprovalStatus};
use atalaya_model::Timestamp;
use rusqlite::{Connection, params};

use super::database;
use super::documents::{all, one, write};
use crate::StoreError;

pub(super) fn insert(connection: &Connection, approval: &Approval) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT INTO approvals (approval_id, created_us, document) VALUES (?1, ?2, ?3)",
            params![
                approval.id,
                approval.created_at.0,
                write("an approval", approval)?
            ],
        )
        .map(drop)
        .map_err(database("write an approval"))
}

pub(super) fn find(connection: &Connection, id: &str) -> Result<Option<Approval>, StoreError> {
    let sql = "SELECT document FROM approvals WHERE approval_id = ?";
    one(connection, "an approval", sql, id)
}

/// Two who decide at the same time: one of them is told that it was decided before.
pub(super) fn advance(
    connection: &mut Connection,
    id: &str,
    from: ApprovalStatus,
    (to, by, at): (ApprovalStatus, Option<String>, Timestamp),
) -> Result<bool, StoreError> {
    let what = "change an approval";
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(database(what))?;
    let Some(mut approval) = find(&transaction, id)?.filter(|found| found.status == from) else {
        return Ok(false);
    };
    approval.status = to;
    if by.is_some() {
        approval.decided_by = by;
        approval.decided_at = Some(at);
    }
    transaction
        .execute(
            "UPDATE approvals SET document = ?2 WHERE approval_id = ?1",
            params![id, write("an approval", &approval)?],
        )
        .map_err(database(what))?;
    transaction.commit().map_err(database(what))?;
    Ok(true)
}

pub(super) fn list(connection: &Connection, limit: u32) -> Result<Vec<Approval>, StoreError> {
    let sql = "SELECT document FROM
               (SELECT * FROM approvals ORDER BY created_us DESC, approval_id DESC LIMIT ?)
               ORDER BY created_us DESC, approval_id DESC LIMIT ?";
    all(
        connection,
        "an approval",
        sql,
        vec![i64::from(limit).into()],
    )
}
