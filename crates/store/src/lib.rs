//! Control state: what the product must remember besides its logs. Alerts and their status, what
//! each rule did last, and what the gateway is told: keys, enforcement, limits, policies. A restart
//! neither forgets an alert nor raises it twice, and nobody gains a minute's quota by it.
//!
//! Everything goes through the [`Store`], [`ControlStore`] and [`DocumentStore`] traits;
//! [`SqliteStore`] is the single-node form. A
//! PostgreSQL form has to pass the same conformance tests (`tests/`), which know only the trait.
//!
//! Trade-off: an alert is kept as one JSON document beside the few columns that lists are
//! filtered by. New fields of an alert then need no migration, at the price of a wider row.
//!
//! Left out: the logs themselves (`journal`, `lake`).

mod alerts;
mod control;
mod documents;
mod error;
mod rules;
mod sqlite;

use async_trait::async_trait;
use atalaya_model::{Alert, AlertStatus, Timestamp};

pub use alerts::{ALERTS_LISTED_MAX, AlertFilter, Growth, Insertion, NewAlert, StoredAlert};
pub use control::{
    AdminRole, AdminToken, CONTROL_LISTED_MAX, ControlStore, NewPolicyRevision, PolicyRevision,
};
pub use documents::{
    CustodyEntry, DOCUMENTS_LISTED_MAX, Document, DocumentFilter, DocumentStore, StepEntry,
};
pub use error::StoreError;
pub use rules::RuleState;
pub use sqlite::SqliteStore;

/// Where control state lives. Every method is one transaction.
#[async_trait]
pub trait Store: Send + Sync {
    /// Keeps a new alert. Inserting the same `dedup_key` again changes nothing and says so.
    async fn insert_alert(&self, alert: NewAlert) -> Result<Insertion, StoreError>;

    /// Adds later evidence to an alert that was raised before. False if there is no such alert.
    async fn grow_alert(&self, alert_id: &str, growth: Growth) -> Result<bool, StoreError>;

    /// The youngest alert of a group, if the group ever raised one.
    async fn latest_of_group(&self, group_key: &str) -> Result<Option<StoredAlert>, StoreError>;

    /// One alert.
    async fn alert(&self, alert_id: &str) -> Result<Option<Alert>, StoreError>;

    /// Alerts that match, youngest first.
    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError>;

    /// Moves an alert to another status. False if there is no such alert.
    async fn set_alert_status(
        &self,
        alert_id: &str,
        status: AlertStatus,
    ) -> Result<bool, StoreError>;

    /// Alerts that have not reached every sink yet, oldest first.
    async fn undelivered_alerts(&self, limit: u32) -> Result<Vec<Alert>, StoreError>;

    /// Notes that an alert has reached every sink.
    async fn mark_delivered(&self, alert_id: &str) -> Result<(), StoreError>;

    /// What a rule did last; `None` if it never ran.
    async fn rule_state(&self, rule_id: &str) -> Result<Option<RuleState>, StoreError>;

    /// Replaces what a rule did last.
    async fn put_rule_state(&self, state: &RuleState) -> Result<(), StoreError>;

    /// What every rule did last, by rule id.
    async fn rule_states(&self) -> Result<Vec<RuleState>, StoreError>;

    /// Deletes closed alerts that were raised before `before`; returns how many.
    async fn delete_closed_alerts(&self, before: Timestamp) -> Result<u64, StoreError>;
}
