//! Our judgement of what logs can show of a technique, and what that makes of it.
//!
//! Likelihood is mechanical: how often published case studies contain the technique, plus one
//! for repeated incidents. It measures publication, not how often *you* are attacked; a site
//! overrides it with its own history. Impact and detectability are judgement.
//!
//! Risk and build order are kept apart on purpose: a technique that logs cannot show has a low
//! build priority and may still be a high risk, one that needs another control.

use serde::Serialize;

/// How a technique shows in logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rating {
    /// Not at all.
    None,
    /// Only as a by-product that cannot be attributed to it alone.
    Indirect,
    /// Only against a baseline or as a sequence of events.
    Behavioural,
    /// The act itself leaves an event.
    Direct,
}

/// One of the four log sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// Decisions of the gateway.
    GatewayDecision,
    /// Inference logs of models.
    Inference,
    /// Audit logs of data and model pipelines.
    Pipeline,
    /// Access logs of APIs.
    ApiAccess,
}

impl LogSource {
    /// Every source.
    pub const ALL: [Self; 4] = [
        Self::GatewayDecision,
        Self::Inference,
        Self::Pipeline,
        Self::ApiAccess,
    ];

    /// The log table that holds it.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::GatewayDecision => "AIGuardrailDecisions",
            Self::Inference => "ModelInferenceLog",
            Self::Pipeline => "AuditLog",
            Self::ApiAccess => "APIAccessLog",
        }
    }

    /// The source that a log table holds.
    #[must_use]
    pub fn of_table(table: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.table() == table)
    }

    pub(crate) const fn letter(self) -> char {
        match self {
            Self::GatewayDecision => 'g',
            Self::Inference => 'i',
            Self::Pipeline => 'p',
            Self::ApiAccess => 'a',
        }
    }
}

/// What logs can show of a technique, and how it weighs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Visibility {
    /// How it shows.
    pub rating: Rating,
    /// Sources that show it.
    pub sources: Vec<LogSource>,
    /// 1 (nobody has published it) to 5 (ten case studies or more).
    pub likelihood: u8,
    /// 1 (preparation far from us) to 5 (loss of the system, its data or money).
    pub impact: u8,
    /// 0 (invisible), 1 (by-product), 2 (weak), 3 (usable with tuning), 4 (strong signal).
    pub detectability: u8,
    /// Number of published case studies that contain it or a sub-technique.
    pub case_studies: u16,
}

impl Visibility {
    /// From this detectability on a rule is worth writing.
    pub const USABLE: u8 = 3;

    /// Likelihood × impact, 1-25: what to worry about.
    #[must_use]
    pub const fn risk(&self) -> u8 {
        self.likelihood.saturating_mul(self.impact)
    }

    /// Likelihood × impact × detectability, 0-100: what to build next.
    #[must_use]
    pub const fn build_priority(&self) -> u8 {
        self.risk().saturating_mul(self.detectability)
    }

    /// Whether a rule is worth writing.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.detectability >= Self::USABLE
    }

    /// Whether logs can show it at all: directly or by behaviour.
    #[must_use]
    pub const fn is_within_ceiling(&self) -> bool {
        matches!(self.rating, Rating::Direct | Rating::Behavioural)
    }

    /// Why it has no rule, for a cell that stays grey. `None` if a rule is worth writing.
    #[must_use]
    pub const fn why_not(&self) -> Option<&'static str> {
        match (self.rating, self.detectability) {
            (Rating::None, _) => Some("leaves no trace in the four log sources"),
            (Rating::Indirect, _) => Some("shows only as a by-product that other causes share"),
            (_, 0..=2) => Some("weak signal: needs correlation, and misses many cases"),
            _ => None,
        }
    }

    /// The reason for the ratings in words.
    #[must_use]
    pub fn reason(&self) -> String {
        let seen = match self.case_studies {
            0 => "no published case study contains it".to_owned(),
            1 => "one published case study contains it".to_owned(),
            n => format!("{n} published case studies contain it"),
        };
        let logs = match self.detectability {
            0 => "no log source shows it",
            1 => "logs show it only incidentally",
            2 => "logs show it weakly",
            3 => "logs show it, with tuning",
            _ => "logs show it clearly",
        };
        format!("{seen}; impact {} of 5; {logs}", self.impact)
    }
}
