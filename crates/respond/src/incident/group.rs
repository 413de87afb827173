//! Which incident an alert belongs to: pure, so that the whole logic is a function of its inputs.
//!
//! Alerts belong together when they are about the same entity and the same technique within a
//! window of each other. The entity is the most telling one that the alert names: who, before
//! from where, before what. The technique is the parent of sub-techniques, so that variants of
//! one attack are one story. An alert without a technique is grouped by its rule.

use std::collections::BTreeSet;

use atalaya_model::{Alert, EntityKind, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ALERTS_MAX, Clocks, Disposition, Heading, Incident, IncidentStatus, TimelineEntry};
use crate::context::kind_name;
use crate::duration::micros;

/// How alerts are grouped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupingConfig {
    /// An alert joins an incident whose last activity is at most this long ago, minutes.
    pub window_min: u64,
    /// A closed incident is opened again by a new alert for this long, minutes; 0 never. One that
    /// was closed as a false positive is never opened again.
    pub reopen_min: u64,
    /// Least severity of an alert that opens an incident by itself.
    pub severity_min: String,
}

impl Default for GroupingConfig {
    fn default() -> Self {
        Self {
            window_min: 24 * 60,
            reopen_min: 7 * 24 * 60,
            severity_min: "medium".to_owned(),
        }
    }
}

/// What becomes of an alert.
#[derive(Clone, Debug, PartialEq)]
pub enum Grouping {
    /// It is in that incident already.
    Known(String),
    /// It joins that incident.
    Join(String),
    /// It opens that closed incident again.
    Reopen(String),
    /// It opens a new one.
    Open,
}

/// Order in which kinds of entities say what an alert is about.
const TELLING: [EntityKind; 8] = [
    EntityKind::Caller,
    EntityKind::Key,
    EntityKind::Agent,
    EntityKind::Session,
    EntityKind::Address,
    EntityKind::Tool,
    EntityKind::Model,
    EntityKind::Document,
];

/// What an alert is recognised by.
pub(super) fn group_keys(alert: &Alert) -> BTreeSet<String> {
    let entity = TELLING
        .iter()
        .find_map(|kind| alert.entities.iter().find(|entity| entity.kind == *kind))
        .map_or_else(
            || "none".to_owned(),
            |entity| format!("{}={}", kind_name(entity.kind), entity.value),
        );
    let parents = alert.techniques.iter().map(|id| parent(id));
    let mut keys: BTreeSet<String> = parents.map(|id| format!("{entity}|{id}")).collect();
    if keys.is_empty() {
        keys.insert(format!("{entity}|rule:{}", alert.rule_id));
    }
    keys
}

/// `AML.T0051.000` → `AML.T0051`.
fn parent(technique: &str) -> &str {
    let mut dots = technique.match_indices('.').map(|(at, _)| at);
    match (dots.next(), dots.next()) {
        (Some(_), Some(second)) => technique.get(..second).unwrap_or(technique),
        _ => technique,
    }
}

/// Decides about an alert, given the incidents that share a key with it.
#[must_use]
pub fn group_alert(
    alert: &Alert,
    candidates: &[Incident],
    config: &GroupingConfig,
    now: Timestamp,
) -> Grouping {
    let holds = |incident: &&Incident| incident.alert_ids.contains(&alert.alert_id);
    if let Some(incident) = candidates.iter().find(holds) {
        return Grouping::Known(incident.incident_id.clone());
    }
    let keys = group_keys(alert);
    let shares = |incident: &&Incident| !keys.is_disjoint(&incident.group_keys);
    let within = |since: Timestamp, minutes: u64| {
        let minutes = std::time::Duration::from_secs(minutes.saturating_mul(60));
        now.0.saturating_sub(since.0) <= micros(minutes)
    };
    let mut fitting: Vec<&Incident> = candidates.iter().filter(shares).collect();
    // The liveliest first.
    fitting.sort_by_key(|incident| std::cmp::Reverse(incident.last_activity));
    let open = fitting.iter().find(|incident| {
        let is_open = !matches!(
            incident.status,
            IncidentStatus::Closed | IncidentStatus::Merged
        );
        is_open
            && incident.alert_ids.len() < ALERTS_MAX
            && within(incident.last_activity, config.window_min)
    });
    if let Some(incident) = open {
        return Grouping::Join(incident.incident_id.clone());
    }
    let again = fitting.iter().find(|incident| {
        incident.status == IncidentStatus::Closed
            && incident.disposition != Disposition::FalsePositive
            && incident.alert_ids.len() < ALERTS_MAX
            && config.reopen_min > 0
            && within(
                incident.clocks.closed.unwrap_or(incident.last_activity),
                config.reopen_min,
            )
    });
    match again {
        Some(incident) => Grouping::Reopen(incident.incident_id.clone()),
        None => Grouping::Open,
    }
}

/// A new incident of one alert.
pub(super) fn open(alert: &Alert, incident_id: String, now: Timestamp) -> Incident {
    let mut incident = Incident {
        incident_id,
        title: title(alert),
        opened: now,
        first_seen: alert.first_seen,
        last_seen: alert.last_seen,
        clocks: Clocks {
            started: now,
            ..Clocks::default()
        },
        ..Incident::default()
    };
    incident.note(TimelineEntry {
        time: alert.first_seen,
        heading: Heading::Detect,
        kind: "first_probe".to_owned(),
        text: "first record behind the first alert".to_owned(),
        actor: String::new(),
        key: "first_probe".to_owned(),
    });
    incident.note(TimelineEntry {
        time: now,
        heading: Heading::Detect,
        kind: "opened".to_owned(),
        text: format!("opened by alert {}", alert.alert_id),
        actor: "atalaya".to_owned(),
        key: "opened".to_owned(),
    });
    add(&mut incident, alert, now);
    incident
}

fn title(alert: &Alert) -> String {
    let entity = TELLING
        .iter()
        .find_map(|kind| alert.entities.iter().find(|entity| entity.kind == *kind));
    match entity {
        Some(entity) => format!(
            "{}: {} {}",
            alert.rule_name,
            kind_name(entity.kind),
            entity.value
        ),
        None => alert.rule_name.clone(),
    }
}

/// Adds an alert to an incident; false if it was there.
pub(super) fn add(incident: &mut Incident, alert: &Alert, now: Timestamp) -> bool {
    if incident.alert_ids.contains(&alert.alert_id) {
        return false;
    }
    incident.alert_ids.push(alert.alert_id.clone());
    incident.group_keys.extend(group_keys(alert));
    for entity in &alert.entities {
        if !incident.entities.contains(entity) {
            incident.entities.push(entity.clone());
        }
    }
    for technique in &alert.techniques {
        if !incident.techniques.contains(technique) {
            incident.techniques.push(technique.clone());
        }
    }
    if !incident.rule_ids.contains(&alert.rule_id) {
        incident.rule_ids.push(alert.rule_id.clone());
    }
    if !incident.severity_is_set {
        incident.severity = incident.severity.max(Some(alert.severity));
    }
    if alert.first_seen < incident.first_seen {
        incident.first_seen = alert.first_seen;
        for entry in &mut incident.timeline {
            if entry.key == "first_probe" {
                entry.time = alert.first_seen;
            }
        }
        incident.timeline.sort_by_key(|entry| entry.time);
    }
    incident.last_seen = incident.last_seen.max(alert.last_seen);
    incident.last_activity = now;
    incident.note(TimelineEntry {
        time: alert.time_generated,
        heading: Heading::Detect,
        kind: "alert".to_owned(),
        text: format!(
            "{} ({}): {} records",
            alert.rule_name, alert.severity, alert.count
        ),
        actor: alert.rule_id.clone(),
        key: format!("alert:{}", alert.alert_id),
    });
    true
}

/// Opens a closed incident again; its clocks start anew.
pub(super) fn reopen(incident: &mut Incident, alert_id: &str, now: Timestamp) {
    incident.status = IncidentStatus::New;
    incident.reopened += 1;
    incident.clocks = Clocks {
        started: now,
        ..Clocks::default()
    };
    incident.note(TimelineEntry {
        time: now,
        heading: Heading::Detect,
        kind: "reopened".to_owned(),
        text: format!("opened again by alert {alert_id}"),
        actor: "atalaya".to_owned(),
        key: format!("reopened:{alert_id}"),
    });
}
