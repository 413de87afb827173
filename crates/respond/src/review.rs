//! The review queue: what people say about decisions, findings and predictions.
//!
//! A label is what an analyst thinks of one subject: `true` (an attack), `benign` (looks like one
//! and was meant to happen) or `false` (the detector was wrong). Labels feed the figures of rules
//! and the fingerprint allowlist, and are exported for retraining. An item without a label waits
//! in the queue; runbooks put items there, and so do analysts.

use std::collections::BTreeMap;
use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_store::{DocumentFilter, DocumentStore, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tuning::allow::{self, AllowError, Entry};
use crate::typed::{self, Stored};

/// What an analyst says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// An attack.
    True,
    /// Looks like one, and was meant to happen.
    Benign,
    /// The detector was wrong.
    False,
}

impl Label {
    /// The name in lists and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::Benign => "benign",
            Self::False => "false",
        }
    }

    /// The label of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::True, Self::Benign, Self::False]
            .into_iter()
            .find(|label| label.as_str() == name)
    }
}

/// One subject of the queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReviewItem {
    /// `decision:<id>`, `finding:<fingerprint>`, `prediction:<id>`.
    pub subject: String,
    /// The record that it is about (`DecisionId`, `EventId`).
    #[serde(default)]
    pub record_id: String,
    /// Rules and detectors that saw it.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Who called.
    #[serde(default)]
    pub caller: String,
    /// SHA-256 of the content: equal content has the same.
    #[serde(default)]
    pub content_sha256: String,
    /// What the model said (class, or decision), never text of a call.
    #[serde(default)]
    pub model_output: Value,
    /// What a person expects it to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_output: Option<String>,
    /// Why it is here.
    #[serde(default)]
    pub reason: String,
    /// Who should look.
    #[serde(default)]
    pub queue: String,
    /// The incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
    /// When it was put here.
    pub added: Timestamp,
    /// What was said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// By whom.
    #[serde(default)]
    pub labelled_by: String,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled: Option<Timestamp>,
    /// A remark.
    #[serde(default)]
    pub note: String,
}

impl Stored for ReviewItem {
    const KIND: &'static str = "review";

    fn id(&self) -> String {
        self.subject.clone()
    }

    fn status(&self) -> String {
        if self.label.is_some() {
            "labelled".to_owned()
        } else {
            "waiting".to_owned()
        }
    }

    fn facets(&self) -> Vec<(String, String)> {
        let mut facets = vec![
            ("queue".to_owned(), self.queue.clone()),
            ("caller".to_owned(), self.caller.clone()),
        ];
        facets.extend(
            self.rules
                .iter()
                .map(|rule| ("rule".to_owned(), rule.clone())),
        );
        if let Some(label) = self.label {
            facets.push(("label".to_owned(), label.as_str().to_owned()));
        }
        facets
    }
}

/// Puts a subject into the queue; one that is there stays.
///
/// # Errors
/// If the store fails.
pub async fn add(store: &dyn DocumentStore, item: &ReviewItem) -> Result<(), StoreError> {
    typed::insert(store, item, item.added).await.map(|_| ())
}

/// Labels a subject, putting it into the queue first if need be.
///
/// # Errors
/// If the store fails.
pub async fn label(
    store: &dyn DocumentStore,
    item: &ReviewItem,
    label: Label,
    (expected, note): (Option<&str>, &str),
    (by, now): (&str, Timestamp),
) -> Result<ReviewItem, StoreError> {
    add(store, item).await?;
    let changed = typed::change(store, &item.subject, now, |known: &mut ReviewItem| {
        known.label = Some(label);
        known.labelled_by = by.to_owned();
        known.labelled = Some(now);
        if let Some(expected) = expected {
            known.expected_output = Some(expected.to_owned());
        }
        if !note.is_empty() {
            known.note = note.to_owned();
        }
        // Who put it into the queue may have known less of it.
        for (known, now) in [
            (&mut known.content_sha256, &item.content_sha256),
            (&mut known.caller, &item.caller),
        ] {
            if known.is_empty() {
                known.clone_from(now);
            }
        }
        for rule in &item.rules {
            if !known.rules.contains(rule) {
                known.rules.push(rule.clone());
            }
        }
        (true, ())
    })
    .await?;
    Ok(changed.map_or_else(|| item.clone(), |(item, ())| item))
}

/// Keeps content that was wrongly seen from being counted and alerted on for a time: an entry of
/// the fingerprint allowlist, in the name of who labelled it.
///
/// # Errors
/// If it was judged an attack, its content is not known, or the entry has no reason or end.
pub async fn allow(
    store: &dyn DocumentStore,
    item: &ReviewItem,
    (lasts, reason): (Duration, &str),
    (by, now): (&str, Timestamp),
) -> Result<Entry, AllowError> {
    let refused = |why: &str| Err(AllowError::Refused(why.to_owned()));
    match item.label {
        Some(Label::Benign | Label::False) => {}
        Some(Label::True) => return refused("what is an attack is not put on the allowlist"),
        None => return refused("label it benign or false first"),
    }
    if item.content_sha256.is_empty() {
        return refused(
            "its content is not known by a fingerprint; name a caller with `tuning allow add`",
        );
    }
    let entry = Entry {
        entry_id: crate::ids::uuid_of(&format!("allow/{}/{}", item.subject, now.0)),
        fingerprint: item.content_sha256.clone(),
        reason: reason.to_owned(),
        owner: by.to_owned(),
        created: now,
        expires: Timestamp(now.0.saturating_add(crate::duration::micros(lasts))),
        ..Entry::default()
    };
    allow::add(store, &entry).await?;
    Ok(entry)
}

/// Subjects, those that changed last first.
///
/// # Errors
/// If the store fails.
pub async fn list(
    store: &dyn DocumentStore,
    waiting: Option<bool>,
    queue: &str,
) -> Result<Vec<ReviewItem>, StoreError> {
    let mut filter = DocumentFilter::of(ReviewItem::KIND);
    if let Some(waiting) = waiting {
        filter.statuses = vec![if waiting { "waiting" } else { "labelled" }.to_owned()];
    }
    if !queue.is_empty() {
        filter = filter.facet("queue", queue);
    }
    typed::list(store, filter).await
}

/// One subject.
///
/// # Errors
/// If the store fails.
pub async fn find(
    store: &dyn DocumentStore,
    subject: &str,
) -> Result<Option<ReviewItem>, StoreError> {
    typed::get(store, subject).await
}

/// How often each label was given, by rule.
#[must_use]
pub fn counts(items: &[ReviewItem]) -> BTreeMap<String, BTreeMap<Label, u64>> {
    let mut counts: BTreeMap<String, BTreeMap<Label, u64>> = BTreeMap::new();
    for item in items {
        let Some(label) = item.label else { continue };
        for rule in &item.rules {
            let of_rule = counts.entry(rule.clone()).or_default();
            *of_rule.entry(label).or_default() += 1;
        }
    }
    counts
}

/// A labelled subject as a line for retraining. `text` only if it is stored and was asked for.
#[must_use]
pub fn export(item: &ReviewItem, text: Option<&str>) -> Option<Value> {
    let label = item.label?;
    let mut line = json!({
        "id": item.record_id, "subject": item.subject, "label": label.as_str(),
        "is_attack": label == Label::True, "rules": item.rules,
        "content_sha256": item.content_sha256, "model_output": item.model_output,
        "expected_output": item.expected_output, "labelled_by": item.labelled_by,
        "labelled": item.labelled.map(Timestamp::to_rfc3339), "note": item.note,
    });
    if let (Some(text), Some(line)) = (text, line.as_object_mut()) {
        line.insert("text".to_owned(), text.into());
    }
    Some(line)
}
