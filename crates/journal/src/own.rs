//! The records that a journal writes about itself: its birth, every opening, every outage.
//!
//! They are ordinary records in the chain, so that a verifier sees when a process took over and
//! when nothing could be written. Their `"$table"` is [`OWN_TABLE`]; `"$event"` says which.

use atalaya_model::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::segment::FORMAT_VERSION;

/// The table name of records that the journal writes about itself. Not a log table.
pub const OWN_TABLE: &str = "$journal";

pub(crate) fn genesis(chain_id: Uuid, now: Timestamp) -> Vec<u8> {
    json!({
        "$table": OWN_TABLE,
        "$event": "genesis",
        "ChainId": chain_id.to_string(),
        "FormatVersion": FORMAT_VERSION,
        "TimeGenerated": now.to_rfc3339(),
    })
    .to_string()
    .into_bytes()
}

/// Everything before this record was written by a process that has ended.
pub(crate) fn opened(now: Timestamp, torn_bytes: u64) -> Vec<u8> {
    json!({
        "$table": OWN_TABLE,
        "$event": "opened",
        "TornBytes": torn_bytes,
        "TimeGenerated": now.to_rfc3339(),
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn outage(began: Timestamp, reason: &str) -> Vec<u8> {
    json!({
        "$table": OWN_TABLE,
        "$event": "outage",
        "Began": began.to_rfc3339(),
        "Reason": reason,
    })
    .to_string()
    .into_bytes()
}
