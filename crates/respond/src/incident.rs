//! Incidents: alerts grouped for one analyst, with everything that happened about them.
//!
//! Headings follow NIST SP 800-61r3, which maps incident response to the functions of the
//! Cybersecurity Framework 2.0: Detect, Respond, Recover, and Improvement under Identify. Every
//! entry of the timeline and every task belongs to one of them.
//!
//! An incident is one document. Its alerts stay where they are and are named by id.

mod group;
mod manage;
mod report;
mod sla;

use std::collections::BTreeSet;

use atalaya_model::{Entity, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::context::kind_name;
use crate::typed::Stored;

pub use group::{Grouping, GroupingConfig, group_alert};
pub use manage::{IncidentError, IncidentFilter, Incidents, Update};
pub use report::report;
pub use sla::{CLOCKS, Clocks, SlaConfig, SlaState};

/// Most entries of a timeline, comments and tasks that one incident keeps.
pub const ENTRIES_MAX: usize = 2_000;
/// Most alerts that one incident names.
pub const ALERTS_MAX: usize = 2_000;

/// Where an incident stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Nobody has looked yet.
    #[default]
    New,
    /// Somebody is looking.
    Active,
    /// The attack can do no more harm.
    Contained,
    /// Done.
    Closed,
    /// Part of another incident now.
    Merged,
}

impl IncidentStatus {
    /// The name in lists and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Contained => "contained",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }
}

/// What it turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// An attack.
    TruePositive,
    /// The rule was right, and it was meant to happen (a test, a red team).
    BenignPositive,
    /// The rule was wrong.
    FalsePositive,
    /// Nobody knows.
    #[default]
    Undetermined,
}

impl Disposition {
    /// The name in lists and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::BenignPositive => "benign_positive",
            Self::FalsePositive => "false_positive",
            Self::Undetermined => "undetermined",
        }
    }

    /// The disposition of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}

/// A function of the Cybersecurity Framework, as the headings of SP 800-61r3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heading {
    /// Finding and analysing.
    Detect,
    /// Containing and eradicating.
    #[default]
    Respond,
    /// Bringing back.
    Recover,
    /// Learning (Identify: Improvement).
    Improve,
}

impl Heading {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 4] = [Self::Detect, Self::Respond, Self::Recover, Self::Improve];

    /// The title in a report.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Detect => "Detect (DE)",
            Self::Respond => "Respond (RS)",
            Self::Recover => "Recover (RC)",
            Self::Improve => "Identify: Improvement (ID.IM)",
        }
    }

    /// The heading of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When it happened (not when it was noted).
    pub time: Timestamp,
    /// Under which heading.
    pub heading: Heading,
    /// What kind: `first_probe`, `alert`, `block`, `action`, `status`, `comment`, …
    pub kind: String,
    /// What, in words.
    pub text: String,
    /// Who.
    pub actor: String,
    /// Makes noting it twice noting it once.
    #[serde(default)]
    pub key: String,
}

/// A remark of an analyst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// When.
    pub time: Timestamp,
    /// Who.
    pub author: String,
    /// What.
    pub text: String,
}

/// Something to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number in the incident, from 1.
    pub number: u32,
    /// Under which heading.
    pub heading: Heading,
    /// What is to be done.
    pub title: String,
    /// By whom.
    #[serde(default)]
    pub assignee: String,
    /// Whether it is done.
    pub done: bool,
    /// Makes adding it twice adding it once.
    #[serde(default)]
    pub key: String,
}

/// One incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// UUIDv7.
    pub incident_id: String,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub status: IncidentStatus,
    /// How urgent: that of its worst alert, or what an analyst set.
    pub severity: Option<Severity>,
    /// Whether an analyst set the severity: alerts then do not change it.
    #[serde(default)]
    pub severity_is_set: bool,
    /// Who works on it.
    #[serde(default)]
    pub owner: String,
    /// What it turned out to be.
    pub disposition: Disposition,
    /// What it is about.
    pub entities: Vec<Entity>,
    /// ATLAS techniques.
    pub techniques: Vec<String>,
    /// Rules that fired.
    pub rule_ids: Vec<String>,
    /// Alerts in it.
    pub alert_ids: Vec<String>,
    /// What later alerts are recognised by: `caller=mallory|AML.T0051`.
    pub group_keys: BTreeSet<String>,
    /// When it was opened.
    pub opened: Timestamp,
    /// Time of the first record behind it.
    pub first_seen: Timestamp,
    /// Time of the last record behind it.
    pub last_seen: Timestamp,
    /// Last time an alert came in or somebody worked on it.
    pub last_activity: Timestamp,
    /// The clocks of its service level.
    pub clocks: Clocks,
    /// What happened.
    pub timeline: Vec<TimelineEntry>,
    /// Remarks.
    #[serde(default)]
    pub comments: Vec<Comment>,
    /// What is to be done.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Runs of runbooks.
    #[serde(default)]
    pub run_ids: Vec<String>,
    /// Evidence bundles.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// The incident that this one became part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// The incident that this one was split from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_from: Option<String>,
    /// How often it was opened again.
    #[serde(default)]
    pub reopened: u32,
}

impl Incident {
    /// Severity, informational if there never was an alert.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity.unwrap_or(Severity::Informational)
    }

    /// The first clock of its service level that still runs, for lists: `contain by …`, `contain
    /// BREACHED since …`; empty if none does.
    #[must_use]
    pub fn next_due(&self, sla: &SlaConfig, now: Timestamp) -> String {
        if self.status == IncidentStatus::Merged {
            return String::new();
        }
        let states = self.clocks.read(self.severity(), sla, now);
        let running = states.iter().find(|state| state.stopped.is_none());
        running.map_or_else(String::new, |state| {
            let word = if state.breached {
                "BREACHED since"
            } else {
                "by"
            };
            format!("{} {word} {}", state.clock, state.due.to_rfc3339())
        })
    }

    /// The clocks that ran out and still run; those of what became part of another incident count
    /// there.
    #[must_use]
    pub fn overdue(&self, sla: &SlaConfig, now: Timestamp) -> Vec<SlaState> {
        if self.status == IncidentStatus::Merged {
            return Vec::new();
        }
        let mut states = self.clocks.read(self.severity(), sla, now);
        states.retain(|state| state.breached && state.stopped.is_none());
        states
    }

    /// Adds a task under the next number, once per key.
    pub(crate) fn add_task(&mut self, task: &Task) -> bool {
        let known = !task.key.is_empty() && self.tasks.iter().any(|t| t.key == task.key);
        if known || self.tasks.len() >= ENTRIES_MAX {
            return false;
        }
        let last = self.tasks.iter().map(|task| task.number).max().unwrap_or(0);
        self.tasks.push(Task {
            number: last + 1,
            ..task.clone()
        });
        true
    }

    /// Notes that something happened, once per key.
    pub(crate) fn note(&mut self, entry: TimelineEntry) -> bool {
        let known = !entry.key.is_empty() && self.timeline.iter().any(|e| e.key == entry.key);
        if known || self.timeline.len() >= ENTRIES_MAX {
            return false;
        }
        let at = self.timeline.partition_point(|e| e.time <= entry.time);
        self.timeline.insert(at, entry);
        true
    }
}

impl Stored for Incident {
    const KIND: &'static str = "incident";

    fn id(&self) -> String {
        self.incident_id.clone()
    }

    fn status(&self) -> String {
        self.status.as_str().to_owned()
    }

    fn facets(&self) -> Vec<(String, String)> {
        let mut facets = Vec::new();
        let mut push = |name: &str, value: &str| facets.push((name.to_owned(), value.to_owned()));
        self.alert_ids.iter().for_each(|id| push("alert", id));
        self.group_keys.iter().for_each(|key| push("group", key));
        for entity in &self.entities {
            push("entity", &entity.value);
            push(kind_name(entity.kind), &entity.value);
        }
        self.techniques.iter().for_each(|id| push("technique", id));
        push("owner", &self.owner);
        push("severity", self.severity().as_str());
        push("disposition", self.disposition.as_str());
        facets
    }
}
