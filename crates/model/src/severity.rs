//! How urgently a person should look.

use serde::{Deserialize, Serialize};

/// Severity of a rule, an alert or a risk level; same five steps as Sigma's `level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, nothing to do.
    Informational,
    /// Look when there is time.
    Low,
    /// Look today.
    Medium,
    /// Look within the hour.
    High,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// The name used in rules, alerts and queries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The risk level of a `ThreatScore` (0-100), in the bands that ASIM and OCSF use.
    #[must_use]
    pub const fn of_score(score: u8) -> Self {
        match score {
            0..=19 => Self::Informational,
            20..=39 => Self::Low,
            40..=69 => Self::Medium,
            70..=89 => Self::High,
            _ => Self::Critical,
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
