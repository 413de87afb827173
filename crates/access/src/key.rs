//! Virtual keys: what callers authenticate with instead of a provider's key.
//!
//! A secret is shown once, when it is made, and kept as a SHA-256 hash: it has 256 random bits, so
//! that there is nothing to guess and a slow hash would only slow down calls. Its beginning is
//! kept in the clear, so that a person can tell keys apart. A key keeps its id when its secret is
//! rotated; the old secret stays valid for an overlap that the rotator chooses.

use atalaya_model::Timestamp;
use atalaya_model::time::rfc3339;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::entitlement::Scopes;
use crate::limits::LimitRules;

/// How every secret begins, so that scanners for leaked secrets know one when they see it.
pub const KEY_MARK: &str = "atk_";
/// Characters of a secret that are shown.
const PREFIX_BYTES: usize = 12;

/// SHA-256 of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Hashes a presented secret.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        use std::fmt::Write as _;
        hash.0
            .iter()
            .fold(Self::with_capacity(64), |mut out, byte| {
                let _ = write!(out, "{byte:02x}");
                out
            })
    }
}

impl TryFrom<String> for KeyHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut hash = [0; 32];
        for (index, byte) in hash.iter_mut().enumerate() {
            let digits = text
                .get(index * 2..index * 2 + 2)
                .ok_or("a hash is too short")?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| "a hash is not hexadecimal")?;
        }
        Ok(Self(hash))
    }
}

/// One secret of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySecret {
    /// Its hash.
    #[schemars(skip)]
    pub hash: KeyHash,
    /// Its beginning, for people.
    pub prefix: String,
    /// Since when.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Until when, after a rotation.
    #[serde(
        with = "rfc3339::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VirtualKey {
    /// `CallerKeyId` of the log.
    pub id: String,
    /// What it is for, for people.
    pub name: String,
    /// `UserId` of its calls.
    pub caller: String,
    /// The caller's team; empty if none.
    #[serde(default)]
    pub team: String,
    /// `AgentId` of its calls; empty lets the `x-atalaya-agent` header say.
    #[serde(default)]
    pub agent: String,
    /// Its secrets, the newest last.
    pub secrets: Vec<KeySecret>,
    /// What it may use.
    #[serde(default)]
    pub scopes: Scopes,
    /// How much.
    #[serde(default)]
    pub limits: LimitRules,
    /// Since when.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Who made it.
    pub author: String,
    /// Until when; for ever if missing.
    #[serde(
        with = "rfc3339::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(
        with = "rfc3339::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub revoked_at: Option<Timestamp>,
    /// Who revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_reason: Option<String>,
}

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It can.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl KeyState {
    /// The name in API and command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl VirtualKey {
    /// Whether it can be used at a time.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.expires_at.is_some_and(|end| now >= end) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}

/// A new secret and what is kept of it, from 32 random bytes.
#[must_use]
pub fn new_secret(random: &[u8; 32], now: Timestamp) -> (String, KeySecret) {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random);
    let secret = format!("{KEY_MARK}{encoded}");
    let kept = KeySecret {
        hash: KeyHash::of(secret.as_bytes()),
        prefix: secret.get(..PREFIX_BYTES).unwrap_or(KEY_MARK).to_owned(),
        created_at: now,
        expires_at: None,
    };
    (secret, kept)
}
