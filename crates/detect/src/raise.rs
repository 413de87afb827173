//! From hit to alert, once.
//!
//! Windows overlap, so the same records come back run after run. Hits of one rule version about
//! the same things are one story. The story's first hit raises an alert. While the alert is
//! younger than the rule's suppression, later hits only add their evidence to it. After that, a
//! hit raises again only if it holds records that the alert before had not seen. A hit more
//! severe than the alert before is raised at once: escalation must not be suppressed.
//!
//! The store's unique key makes this safe against a crash between run and write, and against a
//! second scheduler on the same store.

use atalaya_model::{Alert, AlertStatus, Timestamp};
use atalaya_store::{Growth, Insertion, NewAlert, Store, StoreError};
use sha2::{Digest as _, Sha256};

use crate::evaluate::{Hit, Limits};
use crate::rule::Rule;

/// What became of a hit.
#[derive(Clone, Debug, PartialEq)]
pub enum Raised {
    /// A new alert.
    New(Box<Alert>),
    /// Evidence for the alert of that id.
    Grown(String),
    /// Nothing that was not known.
    Known,
}

/// Raises a hit, or adds it to the alert that it continues.
pub(crate) async fn raise(
    rule: &Rule,
    hit: Hit,
    now: Timestamp,
    store: &dyn Store,
    limits: &Limits,
) -> Result<Raised, StoreError> {
    let group_key = key(&[&[rule.id.as_str(), &rule.version], &texts(&hit.group)[..]].concat());
    let before = store.latest_of_group(&group_key).await?.map(|s| s.alert);
    if let Some(before) = &before
        && hit.severity <= before.severity
    {
        let is_new = hit.last_seen > before.last_seen || hit.count > before.count;
        if !is_new {
            return Ok(Raised::Known);
        }
        if is_suppressed(rule, before, now) {
            let growth = Growth {
                last_seen: hit.last_seen,
                count: hit.count,
                record_ids: hit.record_ids,
                record_ids_max: limits.record_ids_max,
            };
            store.grow_alert(&before.alert_id, growth).await?;
            return Ok(Raised::Grown(before.alert_id.clone()));
        }
        if hit.last_seen <= before.last_seen {
            return Ok(Raised::Known);
        }
    }
    let predecessor = before.map(|b| b.alert_id).unwrap_or_default();
    let dedup_key = key(&[&group_key, &predecessor, hit.severity.as_str()]);
    let alert = alert(rule, hit, now);
    let new = NewAlert {
        alert: alert.clone(),
        group_key,
        dedup_key,
    };
    match store.insert_alert(new).await? {
        Insertion::Inserted => Ok(Raised::New(Box::new(alert))),
        Insertion::Duplicate => Ok(Raised::Known),
    }
}

fn is_suppressed(rule: &Rule, before: &Alert, now: Timestamp) -> bool {
    let age_micros = now.0.saturating_sub(before.time_generated.0);
    u128::try_from(age_micros).is_ok_and(|age| age < rule.suppression.as_micros())
}

fn alert(rule: &Rule, hit: Hit, now: Timestamp) -> Alert {
    Alert {
        alert_id: alert_id(now),
        time_generated: now,
        rule_id: rule.id.clone(),
        rule_name: rule.name.clone(),
        rule_version: rule.version.clone(),
        rule_hash: rule.hash.clone(),
        severity: hit.severity,
        techniques: rule.techniques.clone(),
        atlas_release: rule.atlas_release.clone(),
        entities: hit.entities,
        first_seen: hit.first_seen,
        last_seen: hit.last_seen,
        count: hit.count,
        record_ids: hit.record_ids,
        details: hit.details,
        status: AlertStatus::New,
    }
}

/// UUIDv7 of the time that was handed in, not of the system clock.
fn alert_id(now: Timestamp) -> String {
    let micros = u64::try_from(now.0).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
    let time = uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos);
    uuid::Uuid::new_v7(time).to_string()
}

fn texts(group: &[String]) -> Vec<&str> {
    group.iter().map(String::as_str).collect()
}

/// A hash of the parts; their lengths keep ("ab", "c") and ("a", "bc") apart.
fn key(parts: &[&str]) -> String {
    use std::fmt::Write as _;
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}
