//! A rule fired: what a rule says to an analyst.

use serde::{Deserialize, Serialize};

use crate::{Severity, Timestamp};

/// What kind of thing an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// A user, service or account.
    Caller,
    /// A key that a caller authenticates with (its id, never the key).
    Key,
    /// An agent.
    Agent,
    /// A conversation.
    Session,
    /// A model.
    Model,
    /// A tool.
    Tool,
    /// A document or data set.
    Document,
    /// A network address.
    Address,
}

/// Something that an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Which one.
    pub value: String,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// Nobody has looked yet.
    #[default]
    New,
    /// Somebody is looking.
    Active,
    /// Done.
    Closed,
}

/// One alert: which rule in which version fired on what, and which records prove it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// UUIDv7 of the alert.
    pub alert_id: String,
    /// When the rule fired.
    pub time_generated: Timestamp,
    /// Rule id.
    pub rule_id: String,
    /// Rule title.
    pub rule_name: String,
    /// Rule version.
    pub rule_version: String,
    /// SHA-256 of the rule file's bytes, hexadecimal.
    pub rule_hash: String,
    /// Severity.
    pub severity: Severity,
    /// ATLAS technique ids.
    pub techniques: Vec<String>,
    /// ATLAS release that the ids refer to.
    pub atlas_release: String,
    /// What the alert is about.
    pub entities: Vec<Entity>,
    /// Time of the first record behind it.
    pub first_seen: Timestamp,
    /// Time of the last record behind it.
    pub last_seen: Timestamp,
    /// Number of records behind it.
    pub count: u64,
    /// Ids of the records behind it (`DecisionId` or `EventId`), bounded; `count` is exact.
    pub record_ids: Vec<String>,
    /// The result row that fired, as column → value.
    pub details: std::collections::BTreeMap<String, String>,
    /// Where it stands.
    pub status: AlertStatus,
}
