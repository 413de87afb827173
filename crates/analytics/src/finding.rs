//! What an analytic says: who, what was seen, what would have been usual, and which rows prove it.

use atalaya_model::{Entity, EntityKind, Timestamp};

/// One number that spoke for a finding, beside what it was compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// What was measured, e.g. `output_input_ratio`.
    pub signal: &'static str,
    /// What was seen.
    pub observed: f64,
    /// What would have been usual, or the threshold.
    pub baseline: f64,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Name of the analytic, as in the rule file.
    pub analytic: &'static str,
    /// What it is about.
    pub entities: Vec<Entity>,
    /// Begin of the window.
    pub first_seen: Timestamp,
    /// Time of the event that completed it.
    pub last_seen: Timestamp,
    /// Number of events behind it.
    pub count: u64,
    /// Why, the strongest first.
    pub reasons: Vec<Reason>,
    /// Ids of the last rows behind it, newest first, bounded.
    pub evidence: Vec<String>,
    /// Things that are not numbers: which field of a manifest was broken, which country.
    pub notes: Vec<(&'static str, String)>,
}

impl Finding {
    /// Says what else is known.
    pub fn note(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.notes.push((name, value.into()));
        self
    }

    /// Adds something that it is about.
    pub(crate) fn also(&mut self, kind: EntityKind, value: &str) -> &mut Self {
        if let Some(entity) = entity(kind, value)
            && !self.entities.contains(&entity)
        {
            self.entities.push(entity);
        }
        self
    }

    /// One line for people.
    #[must_use]
    pub fn explain(&self) -> String {
        let number = |n: f64| {
            if n.abs() >= 100.0 || n.fract() == 0.0 {
                format!("{n:.0}")
            } else {
                format!("{n:.3}")
            }
        };
        let reasons = self.reasons.iter().map(|reason| {
            let (observed, baseline) = (number(reason.observed), number(reason.baseline));
            format!("{} {observed} (against {baseline})", reason.signal)
        });
        let notes = self
            .notes
            .iter()
            .map(|(name, value)| format!("{name} {value}"));
        reasons.chain(notes).collect::<Vec<_>>().join(", ")
    }
}

/// An entity, unless its name is empty.
pub(crate) fn entity(kind: EntityKind, value: &str) -> Option<Entity> {
    (!value.is_empty()).then(|| Entity {
        kind,
        value: value.to_owned(),
    })
}
