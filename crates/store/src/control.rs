//! Control state of the gateway: keys, enforcement, limits, policies, approvals, admin tokens.
//!
//! Several processes may write (`atalaya enforce` beside a node): [`ControlStore::version`] moves
//! whenever somebody else did, which a node asks often because asking costs next to nothing.

use async_trait::async_trait;
use atalaya_access::{Approval, ApprovalStatus, Enforcement, MeterState, VirtualKey};
use atalaya_model::Timestamp;

use crate::StoreError;

/// Most entries that one list gives back.
pub const CONTROL_LISTED_MAX: u32 = 100_000;

/// A policy that is or was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRevision {
    /// Its place in the history, from 1; the highest is in force.
    pub number: i64,
    /// SHA-256 of its text, hexadecimal: `PolicyHash`.
    pub hash: String,
    /// `PolicyId`.
    pub policy_id: String,
    /// `PolicyVersion`.
    pub revision: String,
    /// Who put it in force.
    pub author: String,
    /// Why.
    pub note: String,
    /// When.
    pub applied_at: Timestamp,
    /// The file.
    pub text: String,
}

/// A policy to be put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPolicyRevision {
    /// SHA-256 of its text, hexadecimal.
    pub hash: String,
    /// `PolicyId`.
    pub policy_id: String,
    /// `PolicyVersion`.
    pub revision: String,
    /// Who puts it in force.
    pub author: String,
    /// Why.
    pub note: String,
    /// When.
    pub applied_at: Timestamp,
    /// The file.
    pub text: String,
}

/// What a bearer of an admin token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdminRole {
    /// Look.
    Viewer,
    /// Look and change.
    Admin,
}

impl AdminRole {
    /// The name in API and command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for AdminRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "admin" => Ok(Self::Admin),
            other => Err(format!("`{other}` is no role; write viewer or admin")),
        }
    }
}

/// A token of the admin API, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// UUIDv7.
    pub id: String,
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    /// Whose it is: the author of what is done with it.
    pub name: String,
    /// What it may do.
    pub role: AdminRole,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Where control state lives. Every method is one transaction.
#[async_trait]
pub trait ControlStore: Send + Sync {
    /// A number that changes when another process, or another connection, has written.
    async fn version(&self) -> Result<i64, StoreError>;

    /// Keeps or replaces a key.
    async fn put_key(&self, key: &VirtualKey) -> Result<(), StoreError>;
    /// One key.
    async fn key(&self, id: &str) -> Result<Option<VirtualKey>, StoreError>;
    /// All keys, oldest first.
    async fn keys(&self) -> Result<Vec<VirtualKey>, StoreError>;

    /// Keeps or replaces an enforcement.
    async fn put_enforcement(&self, enforcement: &Enforcement) -> Result<(), StoreError>;
    /// One enforcement.
    async fn enforcement(&self, id: &str) -> Result<Option<Enforcement>, StoreError>;
    /// Enforcements, youngest first; with `holding_at` only those that have not ended by then.
    async fn enforcements(
        &self,
        holding_at: Option<Timestamp>,
    ) -> Result<Vec<Enforcement>, StoreError>;

    /// Replaces the counts of limits.
    async fn put_usage(&self, usage: Vec<(String, Vec<MeterState>)>) -> Result<(), StoreError>;
    /// The counts of limits.
    async fn usage(&self) -> Result<Vec<(String, Vec<MeterState>)>, StoreError>;

    /// Appends to the history of policies; the number of the new entry.
    async fn append_policy(&self, policy: NewPolicyRevision) -> Result<i64, StoreError>;
    /// The policy in force.
    async fn latest_policy(&self) -> Result<Option<PolicyRevision>, StoreError>;
    /// One policy of the history.
    async fn policy(&self, number: i64) -> Result<Option<PolicyRevision>, StoreError>;
    /// The history, youngest first.
    async fn policies(&self, limit: u32) -> Result<Vec<PolicyRevision>, StoreError>;

    /// Keeps a request for approval.
    async fn insert_approval(&self, approval: &Approval) -> Result<(), StoreError>;
    /// One request for approval.
    async fn approval(&self, id: &str) -> Result<Option<Approval>, StoreError>;
    /// Moves a request from one status to another, by whom; false if it does not stand there.
    async fn move_approval(
        &self,
        id: &str,
        from: ApprovalStatus,
        to: (ApprovalStatus, Option<String>, Timestamp),
    ) -> Result<bool, StoreError>;
    /// Requests, youngest first.
    async fn approvals(&self, limit: u32) -> Result<Vec<Approval>, StoreError>;

    /// Keeps an admin token.
    async fn insert_admin_token(&self, token: AdminToken) -> Result<(), StoreError>;
    /// All admin tokens, oldest first.
    async fn admin_tokens(&self) -> Result<Vec<AdminToken>, StoreError>;
    /// Revokes an admin token; false if there is none that is valid.
    async fn revoke_admin_token(&self, id: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// The secret of that name; `fresh` becomes it if there is none yet.
    async fn node_secret(&self, name: &str, fresh: Vec<u8>) -> Result<Vec<u8>, StoreError>;
}
