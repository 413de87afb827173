//! The chain of custody: who did what with which evidence, as a hash chain.

use atalaya_model::Timestamp;
use atalaya_store::{CustodyEntry, DocumentStore, StoreError};
use serde_json::Value;

/// Writes a line.
///
/// # Errors
/// If the store fails.
pub async fn record(
    store: &dyn DocumentStore,
    (actor, action, subject): (&str, &str, &str),
    details: &Value,
    now: Timestamp,
) -> Result<CustodyEntry, StoreError> {
    store
        .append_custody(CustodyEntry {
            time: now,
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            details: details.to_string(),
            ..CustodyEntry::default()
        })
        .await
}

/// Number of the first line of the whole log that does not follow from the one before.
#[must_use]
pub fn check(entries: &[CustodyEntry]) -> Option<u64> {
    let mut before = String::new();
    for (index, entry) in entries.iter().enumerate() {
        let expected = u64::try_from(index).unwrap_or(u64::MAX) + 1;
        if entry.seq != expected || entry.chain_hash(&before) != entry.hash {
            return Some(entry.seq);
        }
        before.clone_from(&entry.hash);
    }
    None
}
