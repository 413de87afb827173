//! Tokens of the admin API: made, shown once, kept as hashes.

use std::sync::Arc;

use atalaya_access::KeyHash;
use atalaya_store::{AdminRole, AdminToken};
use base64::Engine as _;

use crate::control::{Control, new_id, random};
use crate::enforcements::text;
use crate::error::ControlError;

/// How every admin token begins.
const TOKEN_MARK: &str = "ata_";

/// Who uses the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminIdentity {
    /// The author of what is done.
    pub name: String,
    /// What may be done.
    pub role: AdminRole,
}

/// A token, which is shown this once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedToken {
    /// What is kept.
    pub kept: AdminToken,
    /// What clients send.
    pub token: String,
}

impl Control {
    /// Makes the first admin token if there is none that is valid.
    ///
    /// # Errors
    /// If it cannot be made or kept.
    pub async fn first_admin_token(&self) -> Result<Option<CreatedToken>, ControlError> {
        let has_admin =
            |token: &AdminToken| token.revoked_at.is_none() && token.role == AdminRole::Admin;
        if self.tokens.load().iter().any(has_admin) {
            return Ok(None);
        }
        self.create_admin_token("admin", AdminRole::Admin)
            .await
            .map(Some)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// If it cannot be made or kept.
    pub async fn create_admin_token(
        &self,
        name: &str,
        role: AdminRole,
    ) -> Result<CreatedToken, ControlError> {
        let random: [u8; 32] = random()?;
        let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random);
        let token = format!("{TOKEN_MARK}{encoded}");
        let kept = AdminToken {
            id: new_id(),
            hash: KeyHash::of(token.as_bytes()).into(),
            name: text("name", name)?,
            role,
            created_at: self.now(),
            revoked_at: None,
        };
        self.store.insert_admin_token(kept.clone()).await?;
        self.tokens
            .store(Arc::new(self.store.admin_tokens().await?));
        Ok(CreatedToken { kept, token })
    }

    /// Ends a token.
    ///
    /// # Errors
    /// If there is none that is valid.
    pub async fn revoke_admin_token(&self, id: &str) -> Result<(), ControlError> {
        let revoked = self.store.revoke_admin_token(id, self.now()).await?;
        self.tokens
            .store(Arc::new(self.store.admin_tokens().await?));
        if revoked {
            return Ok(());
        }
        Err(ControlError::NotFound {
            what: "valid admin token",
            id: id.to_owned(),
        })
    }

    /// All tokens, oldest first.
    #[must_use]
    pub fn admin_tokens(&self) -> Arc<Vec<AdminToken>> {
        self.tokens.load_full()
    }

    /// Whose token it is, if it is valid. Looked up by hash: what an attacker could learn from the
    /// time it takes is about the hash, not about the token.
    #[must_use]
    pub fn authenticate_admin(&self, token: &str) -> Option<AdminIdentity> {
        let hash: String = KeyHash::of(token.as_bytes()).into();
        let tokens = self.tokens.load();
        let found = tokens
            .iter()
            .find(|known| known.hash == hash && known.revoked_at.is_none())?;
        Some(AdminIdentity {
            name: found.name.clone(),
            role: found.role,
        })
    }

    /// A secret of this installation, made when it is first asked for.
    ///
    /// # Errors
    /// If it cannot be made or kept.
    pub async fn node_secret(&self, name: &str) -> Result<Vec<u8>, ControlError> {
        let fresh: [u8; 32] = random()?;
        Ok(self.store.node_secret(name, fresh.to_vec()).await?)
    }
}
