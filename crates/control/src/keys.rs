//! Virtual keys: made, rotated, revoked.

use atalaya_access::{KeySecret, KeyState, LimitRules, Remaining, Scopes, VirtualKey, new_secret};
use atalaya_model::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control::{Control, random};
use crate::enforcements::{end, text};
use crate::error::ControlError;

/// Secrets of one key that are valid at the same time, at most.
const SECRETS_MAX: usize = 8;

/// A key to be made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for, for people.
    pub name: String,
    /// `UserId` of its calls; the name if missing.
    #[serde(default)]
    pub caller: Option<String>,
    /// The caller's team.
    #[serde(default)]
    pub team: Option<String>,
    /// `AgentId` of its calls.
    #[serde(default)]
    pub agent: Option<String>,
    /// What it may use; anything if missing.
    #[serde(default)]
    pub scopes: Scopes,
    /// How much; without limits if missing.
    #[serde(default)]
    pub limits: LimitRules,
    /// Seconds until it expires; never if missing.
    #[serde(default)]
    pub expires_in_s: Option<u64>,
}

/// A key with its new secret, which is shown this once.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedKey {
    /// The key.
    pub key: VirtualKey,
    /// What callers send.
    pub secret: String,
}

/// How a key is rotated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// Seconds for which the old secret stays valid; 0 ends it at once.
    pub overlap_s: u64,
}

impl Control {
    /// Makes a key. As soon as there is one, calls without authentication are refused, unless the
    /// configuration says otherwise.
    ///
    /// # Errors
    /// If it cannot be made or kept.
    pub async fn create_key(&self, new: NewKey, author: &str) -> Result<CreatedKey, ControlError> {
        let now = self.now();
        let name = text("name", &new.name)?;
        let caller = new
            .caller
            .map_or_else(|| Ok(name.clone()), |caller| text("caller", &caller))?;
        let optional = |what, value: Option<String>| {
            value.map_or_else(|| Ok(String::new()), |value| text(what, &value))
        };
        let (secret, kept) = new_secret(&random()?, now);
        let key = VirtualKey {
            id: key_id()?,
            name,
            caller,
            team: optional("team", new.team)?,
            agent: optional("agent", new.agent)?,
            secrets: vec![kept],
            scopes: new.scopes,
            limits: new.limits,
            created_at: now,
            author: text("author", author)?,
            expires_at: new
                .expires_in_s
                .map(|seconds| end(now, seconds))
                .transpose()?,
            revoked_at: None,
            revoked_by: None,
            revoked_reason: None,
        };
        self.store.put_key(&key).await?;
        self.refresh().await?;
        tracing::info!(key = key.id, author, "a key was made");
        Ok(CreatedKey { key, secret })
    }

    /// Gives a key another secret; the old one stays valid for the overlap.
    ///
    /// # Errors
    /// If there is no such key, or it is not active.
    pub async fn rotate_key(
        &self,
        id: &str,
        rotation: Rotation,
        author: &str,
    ) -> Result<CreatedKey, ControlError> {
        let mut key = self.active_key(id).await?;
        let now = self.now();
        let overlap_end = match rotation.overlap_s {
            0 => now,
            seconds => end(now, seconds)?,
        };
        key.secrets
            .retain(|secret| secret.expires_at.is_none_or(|end| now < end));
        for secret in &mut key.secrets {
            let earlier = secret
                .expires_at
                .map_or(overlap_end, |end| end.min(overlap_end));
            secret.expires_at = Some(earlier);
        }
        let (secret, kept) = new_secret(&random()?, now);
        key.secrets.push(kept);
        if key.secrets.len() > SECRETS_MAX {
            key.secrets.remove(0);
        }
        self.store.put_key(&key).await?;
        self.refresh().await?;
        tracing::info!(key = key.id, author, "a key was rotated");
        Ok(CreatedKey { key, secret })
    }

    /// Ends every secret of a key at a time, without making another. Asked for again with the same
    /// time it changes nothing; a secret that ends earlier still does.
    ///
    /// # Errors
    /// If there is no such key, or it is not active.
    pub async fn end_secrets(
        &self,
        id: &str,
        until: Timestamp,
        author: &str,
    ) -> Result<VirtualKey, ControlError> {
        let mut key = self.active_key(id).await?;
        for secret in &mut key.secrets {
            let earlier = secret.expires_at.map_or(until, |end| end.min(until));
            secret.expires_at = Some(earlier);
        }
        self.store.put_key(&key).await?;
        self.refresh().await?;
        tracing::warn!(key = key.id, author, "the secrets of a key were ended");
        Ok(key)
    }

    /// Gives back secrets as they were before [`Self::end_secrets`]. False, and nothing changes,
    /// if the key was given another secret since: its owner has moved on.
    ///
    /// # Errors
    /// If there is no such key, or it is not active.
    pub async fn revive_secrets(
        &self,
        id: &str,
        before: &[KeySecret],
        author: &str,
    ) -> Result<bool, ControlError> {
        let mut key = self.active_key(id).await?;
        let is_known = |secret: &KeySecret| before.iter().any(|known| known.hash == secret.hash);
        if !key.secrets.iter().all(is_known) {
            return Ok(false);
        }
        key.secrets = before.to_vec();
        self.store.put_key(&key).await?;
        self.refresh().await?;
        tracing::warn!(
            key = key.id,
            author,
            "the old secrets of a key are good again"
        );
        Ok(true)
    }

    /// Ends a key at once and for ever.
    ///
    /// # Errors
    /// If there is no such key, or it was revoked before.
    pub async fn revoke_key(
        &self,
        id: &str,
        reason: &str,
        by: &str,
    ) -> Result<VirtualKey, ControlError> {
        let mut key = self.key(id).await?;
        if key.revoked_at.is_some() {
            return Err(ControlError::Conflict(format!(
                "the key {id} was revoked before"
            )));
        }
        key.revoked_at = Some(self.now());
        key.revoked_by = Some(text("author", by)?);
        key.revoked_reason = Some(text("reason", reason)?);
        self.store.put_key(&key).await?;
        self.refresh().await?;
        tracing::warn!(key = key.id, by, "a key was revoked");
        Ok(key)
    }

    /// One key.
    ///
    /// # Errors
    /// If there is none.
    pub async fn key(&self, id: &str) -> Result<VirtualKey, ControlError> {
        let found = self.store.key(id).await?;
        found.ok_or_else(|| ControlError::NotFound {
            what: "key",
            id: id.to_owned(),
        })
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn keys(&self) -> Result<Vec<VirtualKey>, ControlError> {
        Ok(self.store.keys().await?)
    }

    /// How a key stands now.
    #[must_use]
    pub fn key_state(&self, key: &VirtualKey) -> KeyState {
        key.state(self.now())
    }

    /// What is left of a key's own limits.
    #[must_use]
    pub fn key_remaining(&self, key: &VirtualKey) -> Vec<Remaining> {
        if key.limits.is_empty() {
            return Vec::new();
        }
        let usage = self.access().usage(&atalaya_access::key_subject(&key.id));
        usage.remaining(&key.limits, self.now())
    }

    async fn active_key(&self, id: &str) -> Result<VirtualKey, ControlError> {
        let key = self.key(id).await?;
        match self.key_state(&key) {
            KeyState::Active => Ok(key),
            other => Err(ControlError::Conflict(format!(
                "the key {id} is {}; make a new one",
                other.as_str()
            ))),
        }
    }
}

/// A short id: it is read, typed and logged.
fn key_id() -> Result<String, ControlError> {
    use std::fmt::Write as _;
    let random: [u8; 6] = random()?;
    Ok(random.iter().fold("key_".to_owned(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    }))
}
