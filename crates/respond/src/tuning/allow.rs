//! Allowlists and suppression: what does not become an alert, for how long, and who answers for it.
//!
//! An entry names an owner and an end: what nobody renews, comes back. It does not make the
//! gateway let anything through, and it does not keep anything from being logged; it only keeps it
//! from being counted and alerted on.

use atalaya_model::{Alert, Timestamp};
use atalaya_store::{DocumentFilter, DocumentStore, StoreError};
use serde::{Deserialize, Serialize};

use crate::condition::covers_technique;
use crate::context::kind_name;
use crate::ladder::{Ladder, Seen};
use crate::typed::{self, Stored};

/// Longest time until an entry ends.
pub const LASTS_MAX: std::time::Duration = std::time::Duration::from_secs(366 * 86_400);

/// Why something is on the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It is known to be good: a tool, a batch job, a test.
    #[default]
    Allow,
    /// It is being looked at, and more alerts would not help.
    Suppress,
}

/// One entry. Every member that is not empty must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub entry_id: String,
    /// Why it is here.
    #[serde(default)]
    pub purpose: Purpose,
    /// Any of these rules or ladders.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Any of these techniques; a parent includes its sub-techniques.
    #[serde(default)]
    pub techniques: Vec<String>,
    /// Kind of entity: `caller`, `key`, `agent`, `address`, …
    #[serde(default)]
    pub kind: String,
    /// Which one; `*` at its end stands for any text.
    #[serde(default)]
    pub value: String,
    /// SHA-256 of the content: this very input.
    #[serde(default)]
    pub fingerprint: String,
    /// Id of a detector (`RuleIds`): this finding.
    #[serde(default)]
    pub pattern: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl Stored for Entry {
    const KIND: &'static str = "allowlist";

    fn id(&self) -> String {
        self.entry_id.clone()
    }

    fn status(&self) -> String {
        "listed".to_owned()
    }

    fn facets(&self) -> Vec<(String, String)> {
        vec![
            ("owner".to_owned(), self.owner.clone()),
            ("value".to_owned(), self.value.clone()),
        ]
    }
}

/// Why an entry was refused.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is too broad, or lacks something.
    #[error("{0}")]
    Refused(String),
}

/// Adds an entry.
///
/// # Errors
/// If it would cover everything, or has no owner, reason or reasonable end.
pub async fn add(store: &dyn DocumentStore, entry: &Entry) -> Result<(), AllowError> {
    let refused = |why: &str| Err(AllowError::Refused(why.to_owned()));
    if entry.owner.trim().is_empty() || entry.reason.trim().is_empty() {
        return refused("an entry needs an owner and a reason");
    }
    let names_nobody = entry.value.trim_end_matches('*').is_empty();
    if names_nobody && entry.fingerprint.is_empty() && entry.pattern.is_empty() {
        let is_suppression = entry.purpose == Purpose::Suppress && !entry.rules.is_empty();
        if !is_suppression {
            return refused(
                "name an entity, a fingerprint or a detector: an entry must not cover everything",
            );
        }
    }
    if entry.kind.is_empty() != entry.value.is_empty() {
        return refused("an entity has a kind and a value, e.g. caller=batch-scoring");
    }
    let lasts = entry.expires.0.saturating_sub(entry.created.0);
    if lasts <= 0 || lasts > crate::duration::micros(LASTS_MAX) {
        return refused("an entry ends in the future, within a year");
    }
    typed::insert(store, entry, entry.created).await?;
    Ok(())
}

/// Removes an entry. False if there was none.
///
/// # Errors
/// If the store fails.
pub async fn remove(store: &dyn DocumentStore, entry_id: &str) -> Result<bool, StoreError> {
    store.delete_document(Entry::KIND, entry_id).await
}

/// All entries, ended ones included.
///
/// # Errors
/// If the store fails.
pub async fn entries(store: &dyn DocumentStore) -> Result<Vec<Entry>, StoreError> {
    typed::list(store, DocumentFilter::of(Entry::KIND)).await
}

/// The entries that are in force.
#[derive(Clone, Debug, Default)]
pub struct Allowlist {
    entries: Vec<Entry>,
}

impl Allowlist {
    /// A list of these entries.
    #[must_use]
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// The list as it is in the store.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn load(store: &dyn DocumentStore) -> Result<Self, StoreError> {
        Ok(Self::new(entries(store).await?))
    }

    /// The entry that keeps a decision from being counted on a ladder.
    #[must_use]
    pub fn of_decision(&self, seen: &Seen, ladder: &Ladder) -> Option<&Entry> {
        self.in_force(seen.time).find(|entry| {
            let by_technique = entry.techniques.is_empty()
                || covers(&entry.techniques, &seen.techniques)
                || covers(&entry.techniques, &ladder.techniques);
            let names = |kind: &str, value: &str| {
                seen.entities
                    .iter()
                    .any(|entity| kind_name(entity.kind) == kind && fits(value, &entity.value))
            };
            by_technique
                && (entry.rules.is_empty() || entry.rules.contains(&ladder.id))
                && (entry.value.is_empty() || names(&entry.kind, &entry.value))
                && (entry.fingerprint.is_empty() || entry.fingerprint == seen.content_sha256)
                && (entry.pattern.is_empty() || only(&seen.patterns, &entry.pattern))
        })
    }

    /// The entry that keeps an alert from being one. What is known by its content or finding
    /// only cannot be seen in an alert of many records, and is left out of them before.
    #[must_use]
    pub fn of_alert(&self, alert: &Alert, now: Timestamp) -> Option<&Entry> {
        self.in_force(now).find(|entry| {
            let names = |kind: &str, value: &str| {
                alert
                    .entities
                    .iter()
                    .any(|entity| kind_name(entity.kind) == kind && fits(value, &entity.value))
            };
            let by_technique =
                entry.techniques.is_empty() || covers(&entry.techniques, &alert.techniques);
            entry.fingerprint.is_empty()
                && entry.pattern.is_empty()
                && by_technique
                && (entry.rules.is_empty() || entry.rules.contains(&alert.rule_id))
                && (entry.value.is_empty() || names(&entry.kind, &entry.value))
        })
    }

    /// The entry that keeps an alert from being one because every record behind it is allowed by
    /// its content or finding. `records` are all that the alert counted, or nothing is kept.
    #[must_use]
    pub fn of_records(&self, alert: &Alert, records: &[Seen], now: Timestamp) -> Option<&Entry> {
        if records.is_empty() || (records.len() as u64) < alert.count {
            return None;
        }
        let mut first = None;
        for seen in records {
            let covering = self.in_force(now).find(|entry| {
                let is_by_content = !entry.fingerprint.is_empty() || !entry.pattern.is_empty();
                let names = |entity: &atalaya_model::Entity| {
                    kind_name(entity.kind) == entry.kind && fits(&entry.value, &entity.value)
                };
                is_by_content
                    && (entry.rules.is_empty() || entry.rules.contains(&alert.rule_id))
                    && (entry.techniques.is_empty() || covers(&entry.techniques, &alert.techniques))
                    && (entry.value.is_empty() || alert.entities.iter().any(names))
                    && (entry.fingerprint.is_empty() || entry.fingerprint == seen.content_sha256)
                    && (entry.pattern.is_empty() || only(&seen.patterns, &entry.pattern))
            });
            first = first.or(Some(covering?));
        }
        first
    }

    /// Whether an entry in force knows something by its content or finding.
    #[must_use]
    pub fn knows_content(&self, now: Timestamp) -> bool {
        self.in_force(now)
            .any(|entry| !entry.fingerprint.is_empty() || !entry.pattern.is_empty())
    }

    fn in_force(&self, at: Timestamp) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.created <= at.max(entry.created) && at < entry.expires)
    }
}

fn covers(wanted: &[String], found: &[String]) -> bool {
    found
        .iter()
        .any(|id| wanted.iter().any(|wanted| covers_technique(wanted, id)))
}

/// A decision with other findings besides is still worth counting.
fn only(patterns: &[String], pattern: &str) -> bool {
    !patterns.is_empty() && patterns.iter().all(|found| found == pattern)
}

fn fits(pattern: &str, value: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => value.starts_with(prefix),
        None => pattern == value,
    }
}
