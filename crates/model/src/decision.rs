//! The four answers a guardrail can give, ordered by how much they interfere.

use serde::{Deserialize, Serialize};

/// What is done with a call. The order is the strictness: `ALLOW < LOG < CONSTRAIN < BLOCK`,
/// so the strictest of several opinions is their maximum.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decision {
    /// Nothing suspicious: forwarded as it came.
    #[default]
    Allow,
    /// Suspicious enough to be worth an analyst's look: forwarded as it came.
    Log,
    /// Forwarded with less power: clamped, redacted, warned, without tools.
    Constrain,
    /// Never reaches the model.
    Block,
}

impl Decision {
    /// Every decision, from the mildest to the strictest.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Log, Self::Constrain, Self::Block];

    /// The name used in every log, API and query.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Log => "LOG",
            Self::Constrain => "CONSTRAIN",
            Self::Block => "BLOCK",
        }
    }
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a decision is carried out or only recorded as `WouldDecision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The decision is carried out.
    #[default]
    Enforce,
    /// Every call is forwarded unchanged; what would have happened is recorded.
    Shadow,
}
