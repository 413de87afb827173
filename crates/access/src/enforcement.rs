//! Enforcement: somebody or something is stopped, isolated, slowed down or weakened, for a reason
//! and for a time.
//!
//! An enforcement names one subject. It is a decision of a person or a runbook, not of the policy:
//! it holds whatever the policy says, also in shadow mode, and it ends by itself at its expiry.

use atalaya_model::time::rfc3339;
use atalaya_model::{Constraints, EntityKind, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest value, reason or author, bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// What kind of thing is enforced against.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A user, service or account: `UserId` of the log.
    Caller,
    /// A team that callers belong to.
    Team,
    /// A key, by its id: `CallerKeyId` of the log.
    Key,
    /// A conversation: `SessionId`.
    Session,
    /// A network address or block (`10.0.0.0/8`): `SrcIpAddr`.
    Address,
    /// An agent: `AgentId`.
    Agent,
    /// A tool, `*` stands for any text.
    Tool,
    /// A model, `*` stands for any text: `ModelName`.
    Model,
    /// One input, by the SHA-256 of the request's body: `ContentSha256`.
    Input,
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Caller,
        Self::Team,
        Self::Key,
        Self::Session,
        Self::Address,
        Self::Agent,
        Self::Tool,
        Self::Model,
        Self::Input,
    ];

    /// The name in API, command line and log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Team => "team",
            Self::Key => "key",
            Self::Session => "session",
            Self::Address => "address",
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Model => "model",
            Self::Input => "input",
        }
    }

    /// The kind of an alert's entity; documents cannot be enforced against.
    #[must_use]
    pub const fn of_entity(kind: EntityKind) -> Option<Self> {
        match kind {
            EntityKind::Caller => Some(Self::Caller),
            EntityKind::Key => Some(Self::Key),
            EntityKind::Agent => Some(Self::Agent),
            EntityKind::Session => Some(Self::Session),
            EntityKind::Model => Some(Self::Model),
            EntityKind::Tool => Some(Self::Tool),
            EntityKind::Address => Some(Self::Address),
            EntityKind::Document => None,
        }
    }
}

impl std::str::FromStr for SubjectKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!(
                "`{text}` is no kind of subject; write one of {}",
                names.join(", ")
            )
        })
    }
}

/// Who or what.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// Which one, as the log writes it.
    pub value: String,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.value)
    }
}

impl std::str::FromStr for Subject {
    type Err = String;

    /// `kind:value`, e.g. `caller:alice`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = text
            .split_once(':')
            .ok_or("write KIND:VALUE, e.g. caller:alice or address:192.0.2.7")?;
        if value.is_empty() {
            return Err("the value is empty; write KIND:VALUE, e.g. caller:alice".to_owned());
        }
        Ok(Self {
            kind: kind.parse()?,
            value: value.to_owned(),
        })
    }
}

/// Requests in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls per minute, sliding.
    pub requests_per_minute: u64,
}

/// What happens to a subject's calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Refused at the door, without reading the call where the subject is known before.
    Block,
    /// Read, judged and logged like any call, so that evidence goes on growing, but never
    /// forwarded.
    Quarantine,
    /// At most so many calls; more are answered 429.
    RateLimit(RateLimit),
    /// Forwarded with less power.
    Constrain {
        /// How.
        #[schemars(with = "serde_json::Value")]
        constraints: Constraints,
    },
}

/// Names of the effects.
pub const EFFECTS: [&str; 4] = ["block", "quarantine", "rate_limit", "constrain"];

impl Effect {
    /// The name in API, command line and log.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Quarantine => "quarantine",
            Self::RateLimit(_) => "rate_limit",
            Self::Constrain { .. } => "constrain",
        }
    }
}

/// One enforcement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enforcement {
    /// UUIDv7.
    pub id: String,
    /// Against whom or what.
    pub subject: Subject,
    /// What happens.
    pub effect: Effect,
    /// Why, for people.
    pub reason: String,
    /// Person or runbook.
    pub author: String,
    /// Since when.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Until when; for ever if missing.
    #[serde(
        with = "rfc3339::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// When it was lifted before its expiry.
    #[serde(
        with = "rfc3339::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub lifted_at: Option<Timestamp>,
    /// Who lifted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_by: Option<String>,
    /// Incident or alert that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<String>,
}

impl Enforcement {
    /// Whether it holds at a time.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.lifted_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
