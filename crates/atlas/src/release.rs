//! One release of ATLAS.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Visibility;

/// How much a technique is known to be used (MITRE's judgement).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Maturity {
    /// Shown to work in research only.
    Feasible,
    /// Shown to work against a real system in an exercise.
    Demonstrated,
    /// Used by an adversary in an incident.
    Realized,
}

impl Maturity {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "feasible" => Some(Self::Feasible),
            "demonstrated" => Some(Self::Demonstrated),
            "realized" => Some(Self::Realized),
            _ => None,
        }
    }

    /// MITRE's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Feasible => "feasible",
            Self::Demonstrated => "demonstrated",
            Self::Realized => "realized",
        }
    }
}

/// What an adversary is after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tactic {
    /// `AML.TA0005`.
    pub id: String,
    /// Name.
    pub name: String,
    /// Name in lower case with hyphens, as Navigator spells it.
    pub shortname: String,
    /// The ATT&CK tactic that it corresponds to, if any.
    pub attack: Option<String>,
}

/// How an adversary goes about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Technique {
    /// `AML.T0051` or, for a sub-technique, `AML.T0051.001`.
    pub id: String,
    /// Name, without that of the parent.
    pub name: String,
    /// Ids of tactics that it serves.
    pub tactics: Vec<String>,
    /// MITRE's judgement; unknown for a few that are new.
    pub maturity: Option<Maturity>,
    /// ATT&CK technique that it corresponds to, if any.
    pub attack: Option<String>,
    /// Release in which it appeared.
    pub since: String,
    /// Our judgement of what logs can show of it; unknown for techniques of a later release.
    pub visibility: Option<Visibility>,
}

impl Technique {
    /// Id of the technique that this one is a sub-technique of.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        parent_of(&self.id)
    }

    /// Whether it is a sub-technique.
    #[must_use]
    pub fn is_sub_technique(&self) -> bool {
        self.parent_id().is_some()
    }
}

/// `AML.T0051.001` → `AML.T0051`.
fn parent_of(id: &str) -> Option<&str> {
    let number = id.strip_prefix("AML.T")?;
    let (parent, _) = number.split_once('.')?;
    id.get(.."AML.T".len() + parent.len())
}

/// What an id means in a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// It is in force.
    Current(&'a Technique),
    /// It was retired; use the successor.
    Retired {
        /// What to use instead.
        successor: &'a Technique,
        /// Release that retired it.
        release: &'a str,
        /// Why, one sentence.
        note: &'a str,
    },
    /// No release knows it.
    Unknown {
        /// The known id that looks most alike: same number without sub-technique, if there is one.
        parent: Option<&'a Technique>,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Retired {
    pub(crate) successor: String,
    pub(crate) release: String,
    pub(crate) note: String,
}

/// One release of ATLAS.
#[derive(Clone, Debug, Default)]
pub struct Release {
    pub(crate) name: String,
    pub(crate) tactics: Vec<Tactic>,
    pub(crate) techniques: Vec<Technique>,
    pub(crate) retired: BTreeMap<String, Retired>,
    pub(crate) former_names: Vec<(String, String)>,
}

impl Release {
    /// `2026.09`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tactics in the order of the matrix.
    #[must_use]
    pub fn tactics(&self) -> &[Tactic] {
        &self.tactics
    }

    /// Techniques and sub-techniques by id.
    #[must_use]
    pub fn techniques(&self) -> &[Technique] {
        &self.techniques
    }

    /// The tactic of that exact id.
    #[must_use]
    pub fn tactic(&self, id: &str) -> Option<&Tactic> {
        self.tactics.iter().find(|t| t.id == id)
    }

    /// The technique of that exact id.
    #[must_use]
    pub fn technique(&self, id: &str) -> Option<&Technique> {
        self.techniques
            .binary_search_by(|t| t.id.as_str().cmp(id))
            .ok()
            .and_then(|i| self.techniques.get(i))
    }

    /// Sub-techniques of a technique.
    pub fn sub_techniques<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Technique> {
        self.techniques
            .iter()
            .filter(move |t| t.parent_id() == Some(id))
    }

    /// What an id means in this release.
    #[must_use]
    pub fn resolve(&self, id: &str) -> Resolution<'_> {
        if let Some(technique) = self.technique(id) {
            return Resolution::Current(technique);
        }
        if let Some(retired) = self.retired.get(id)
            && let Some(successor) = self.technique(&retired.successor)
        {
            return Resolution::Retired {
                successor,
                release: &retired.release,
                note: &retired.note,
            };
        }
        Resolution::Unknown {
            parent: parent_of(id).and_then(|parent| self.technique(parent)),
        }
    }

    /// Technique or tactic ids that have, or once had, this name (any case).
    pub fn ids_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let techniques = self.techniques.iter().map(|t| (&t.id, &t.name));
        let tactics = self.tactics.iter().map(|t| (&t.id, &t.name));
        let former = self.former_names.iter().map(|(id, name)| (id, name));
        techniques
            .chain(tactics)
            .chain(former)
            .filter(move |(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(id, _)| id.as_str())
    }
}
