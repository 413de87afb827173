//! Escalation ladders: one hit is noise, ten in an hour are an alert, fifty are an incident.
//!
//! A ladder is data: which decisions count, by whom they are counted, in which window, and what
//! each rung means. It is evaluated on every decision as the journal makes it readable, with
//! nothing but counters in memory, so that a burst is seen within milliseconds; queries over the
//! tables see more, and later.
//!
//! Counters are not stored: after a start they are counted again from the journal. Raising is
//! idempotent by the record that crossed the rung, so counting twice raises once.

mod count;
mod file;
mod seen;

use std::time::Duration;

use atalaya_model::{
    Alert, AlertStatus, Decision, Diagnostic, Entity, EntityKind, Severity, Timestamp,
};
use atalaya_store::NewAlert;

use crate::condition::covers_technique;
use crate::ids::{sha256_hex, uuid_of};

pub use count::{Counters, ENTITIES_MAX};
pub use file::{LadderProblem, Ladders};
pub use seen::Seen;

/// What reaching a rung means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// It stays in the log.
    Log,
    /// An alert.
    Alert,
    /// An alert that opens an incident.
    Incident,
}

impl Meaning {
    /// The name in files and alerts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Alert => "alert",
            Self::Incident => "incident",
        }
    }
}

/// One rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// From this many hits in the window on.
    pub at: u32,
    /// What that means.
    pub meaning: Meaning,
    /// How severe it is.
    pub severity: Severity,
}

/// Which decisions count: every member that is there must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Any of these decisions.
    pub decisions: Vec<Decision>,
    /// Any of these values of `ThreatDetection`.
    pub detections: Vec<String>,
    /// Any of these techniques; a parent includes its sub-techniques.
    pub techniques: Vec<String>,
    /// At least this `ThreatScore`.
    pub score_min: u8,
}

impl Match {
    /// Whether a decision counts.
    #[must_use]
    pub fn covers(&self, seen: &Seen) -> bool {
        let any = |list: &[String], found: &str| list.is_empty() || list.iter().any(|w| w == found);
        let by_technique = self.techniques.is_empty()
            || seen
                .techniques
                .iter()
                .any(|found| self.techniques.iter().any(|w| covers_technique(w, found)));
        seen.score >= self.score_min
            && (self.decisions.is_empty() || self.decisions.contains(&seen.decision))
            && any(&self.detections, &seen.detection)
            && by_technique
    }
}

/// One ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Id; alerts name it as their rule.
    pub id: String,
    /// Title.
    pub title: String,
    /// What it finds.
    pub description: String,
    /// Version.
    pub version: String,
    /// SHA-256 of the file.
    pub hash: String,
    /// Whether it is evaluated.
    pub enabled: bool,
    /// Which decisions count.
    pub matches: Match,
    /// By whom they are counted.
    pub by: EntityKind,
    /// In which time.
    pub window: Duration,
    /// Rungs, lowest first.
    pub rungs: Vec<Rung>,
    /// Techniques of its alerts; those of the decisions besides.
    pub techniques: Vec<String>,
    /// The whole file.
    pub text: String,
}

impl Ladder {
    /// Reads a ladder file.
    ///
    /// # Errors
    /// What is wrong with it; spans lie in `text`.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        file::parse(text)
    }
}

/// A rung was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The ladder.
    pub ladder_id: String,
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: String,
    /// Its hash.
    pub hash: String,
    /// The rung.
    pub rung: Rung,
    /// Who was counted.
    pub entity: Entity,
    /// What else the last decision named.
    pub others: Vec<Entity>,
    /// Techniques.
    pub techniques: Vec<String>,
    /// Hits in the window.
    pub count: u32,
    /// Time of the first hit in the window.
    pub first_seen: Timestamp,
    /// Time of the last one.
    pub last_seen: Timestamp,
    /// Ids of the decisions, bounded.
    pub record_ids: Vec<String>,
    /// The decision that crossed the rung.
    pub crossed_by: String,
    /// The window, for people.
    pub window: Duration,
}

impl Signal {
    /// The alert that it is. The same crossing gives the same alert, also when counted again.
    #[must_use]
    pub fn alert(&self, now: Timestamp) -> NewAlert {
        let name = format!(
            "ladder\0{}\0{}\0{}\0{}\0{}",
            self.ladder_id, self.version, self.entity.value, self.rung.at, self.crossed_by
        );
        let mut entities = vec![self.entity.clone()];
        entities.extend(self.others.iter().cloned());
        let window = crate::duration::format(self.window);
        let alert = Alert {
            alert_id: uuid_of(&name),
            time_generated: now,
            rule_id: self.ladder_id.clone(),
            rule_name: self.title.clone(),
            rule_version: self.version.clone(),
            rule_hash: self.hash.clone(),
            severity: self.rung.severity,
            techniques: self.techniques.clone(),
            atlas_release: atalaya_atlas::RELEASE.to_owned(),
            entities,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            count: u64::from(self.count),
            record_ids: self.record_ids.clone(),
            details: [
                (
                    "Escalation".to_owned(),
                    self.rung.meaning.as_str().to_owned(),
                ),
                ("Rung".to_owned(), format!("{} in {window}", self.rung.at)),
                ("Count".to_owned(), self.count.to_string()),
            ]
            .into(),
            status: AlertStatus::New,
        };
        let group = format!("ladder\0{}\0{}", self.ladder_id, self.entity.value);
        NewAlert {
            alert,
            group_key: sha256_hex(group.as_bytes()),
            dedup_key: sha256_hex(name.as_bytes()),
        }
    }
}
