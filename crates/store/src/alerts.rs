//! What is said to and heard from the store about alerts.

use atalaya_model::{Alert, AlertStatus, Severity, Timestamp};

/// Most alerts that one list gives back, whatever was asked for.
pub const ALERTS_LISTED_MAX: u32 = 10_000;

/// An alert to be kept.
#[derive(Clone, Debug)]
pub struct NewAlert {
    /// The alert.
    pub alert: Alert,
    /// Rule and entities: alerts with the same key are one ongoing story.
    pub group_key: String,
    /// Identifies this very alert; a second insertion with the same key changes nothing.
    pub dedup_key: String,
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// The alert is new and kept.
    Inserted,
    /// An alert with that key was there before; nothing changed.
    Duplicate,
}

/// An alert with what the store knows about it besides.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAlert {
    /// The alert.
    pub alert: Alert,
    /// Whether it has reached every sink.
    pub delivered: bool,
}

/// Later evidence for an alert that was raised before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Growth {
    /// Time of the latest record.
    pub last_seen: Timestamp,
    /// Number of records now; the larger of the two is kept.
    pub count: u64,
    /// Ids of records; those not known yet are added.
    pub record_ids: Vec<String>,
    /// Most ids to keep.
    pub record_ids_max: usize,
}

impl Growth {
    /// Adds this evidence to an alert.
    pub(crate) fn apply(&self, alert: &mut Alert) {
        alert.last_seen = alert.last_seen.max(self.last_seen);
        alert.count = alert.count.max(self.count);
        for id in &self.record_ids {
            if alert.record_ids.len() >= self.record_ids_max {
                break;
            }
            if !alert.record_ids.contains(id) {
                alert.record_ids.push(id.clone());
            }
        }
        alert.count = alert
            .count
            .max(u64::try_from(alert.record_ids.len()).unwrap_or(u64::MAX));
    }
}

/// Which alerts to list. Empty fields match everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertFilter {
    /// Rule id.
    pub rule_id: Option<String>,
    /// Least severity.
    pub severity_min: Option<Severity>,
    /// Status.
    pub status: Option<AlertStatus>,
    /// ATLAS technique; a parent also matches its sub-techniques.
    pub technique: Option<String>,
    /// Value of any entity, exact.
    pub entity: Option<String>,
    /// Raised at or after.
    pub since: Option<Timestamp>,
    /// Raised before.
    pub until: Option<Timestamp>,
    /// Most alerts to give back; 0 means 100; never more than [`ALERTS_LISTED_MAX`].
    pub limit: u32,
}
