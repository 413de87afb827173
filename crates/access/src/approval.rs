//! A call that waits for a person's yes.

use atalaya_model::Timestamp;
use atalaya_model::time::rfc3339;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::KeyHash;

/// Where an approval stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Nobody has decided yet.
    #[default]
    Pending,
    /// The call may be made, once.
    Approved,
    /// The call may not be made.
    Denied,
    /// It was approved, and the call has been made.
    Used,
}

impl ApprovalStatus {
    /// The name in API and command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Used => "used",
        }
    }
}

/// One request for approval. What the call says is not in it: approvers look it up by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// UUIDv7.
    pub id: String,
    /// Hash of the token that the caller repeats the call with.
    #[schemars(skip)]
    pub token: KeyHash,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// Tools that need it.
    pub tools: Vec<String>,
    /// Rule of the policy that asks for it.
    pub rule: String,
    /// `UserId` of the call.
    pub caller: String,
    /// `SessionId` of the call.
    #[serde(default)]
    pub session: String,
    /// `ModelName` of the call.
    #[serde(default)]
    pub model: String,
    /// Decision that asked.
    pub decision_id: String,
    /// SHA-256 of the call's body: an approval is for this call and no other.
    pub content_sha256: String,
    /// Whether the call goes on if nobody decides in time.
    pub default_approve: bool,
    /// Since when.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Until when somebody must decide.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// Who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When.
    #[serde(
        with = "rfc3339::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub decided_at: Option<Timestamp>,
}

impl Approval {
    /// What holds now: a person's answer, or after the time the default.
    #[must_use]
    pub fn outcome(&self, now: Timestamp) -> ApprovalStatus {
        match self.status {
            ApprovalStatus::Pending if now >= self.expires_at && self.default_approve => {
                ApprovalStatus::Approved
            }
            ApprovalStatus::Pending if now >= self.expires_at => ApprovalStatus::Denied,
            other => other,
        }
    }
}
