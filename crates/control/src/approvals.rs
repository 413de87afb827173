//! Calls that wait for a person: asked for by the gateway, decided by a person, used once.

use std::time::Duration;

use atalaya_access::{Approval, ApprovalStatus, KeyHash};
use atalaya_model::Timestamp;

use crate::control::{Control, new_id, random};
use crate::error::ControlError;

/// What the gateway knows of a call that needs approval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewApproval {
    /// Tools that need it.
    pub tools: Vec<String>,
    /// Rule of the policy that asks for it.
    pub rule: String,
    /// `UserId`.
    pub caller: String,
    /// `SessionId`.
    pub session: String,
    /// `ModelName`.
    pub model: String,
    /// Decision that asks.
    pub decision_id: String,
    /// SHA-256 of the call's body.
    pub content_sha256: String,
    /// Whether the call goes on if nobody decides in time.
    pub default_approve: bool,
    /// Seconds until somebody must have decided.
    pub timeout_s: u64,
}

impl Control {
    /// Asks for approval; gives the request and the token to repeat the call with.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn ask_approval(&self, new: NewApproval) -> Result<(Approval, String), ControlError> {
        use base64::Engine as _;
        let now = self.now();
        let random: [u8; 32] = random()?;
        let id = new_id();
        let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random);
        let token = format!("{id}.{encoded}");
        let timeout = i64::try_from(new.timeout_s)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000);
        let approval = Approval {
            id,
            token: KeyHash::of(token.as_bytes()),
            status: ApprovalStatus::Pending,
            tools: new.tools,
            rule: new.rule,
            caller: new.caller,
            session: new.session,
            model: new.model,
            decision_id: new.decision_id,
            content_sha256: new.content_sha256,
            default_approve: new.default_approve,
            created_at: now,
            expires_at: Timestamp(now.0.saturating_add(timeout)),
            decided_by: None,
            decided_at: None,
        };
        self.store.insert_approval(&approval).await?;
        tracing::info!(
            id = approval.id,
            rule = approval.rule,
            "a call waits for approval"
        );
        Ok((approval, token))
    }

    /// Waits until somebody decides or the time is over; what holds then.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn await_approval(&self, id: &str) -> Result<ApprovalStatus, ControlError> {
        loop {
            // Registered before looking, so that a decision in between is not missed.
            let decided = self.decided.notified();
            let approval = self.approval(id).await?;
            let outcome = approval.outcome(self.now());
            if outcome != ApprovalStatus::Pending {
                return Ok(outcome);
            }
            let left = approval.expires_at.0.saturating_sub(self.now().0).max(0);
            let left = Duration::from_micros(u64::try_from(left).unwrap_or(0) + 1_000);
            tokio::select! {
                () = decided => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Uses an approval for the call that it was given for; each works once.
    ///
    /// # Errors
    /// If the token is wrong, for another call, undecided, denied, or used before.
    pub async fn use_approval(
        &self,
        token: &str,
        content_sha256: &str,
        caller: &str,
    ) -> Result<Approval, ControlError> {
        let id = token.split_once('.').map_or("", |(id, _)| id);
        let unknown = || ControlError::NotFound {
            what: "approval",
            id: "of that token".to_owned(),
        };
        let approval = self.store.approval(id).await?.ok_or_else(unknown)?;
        if approval.token != KeyHash::of(token.as_bytes()) {
            return Err(unknown());
        }
        if approval.content_sha256 != content_sha256 || approval.caller != caller {
            return Err(ControlError::Conflict(
                "the approval is for another call; ask again".to_owned(),
            ));
        }
        let now = self.now();
        match approval.outcome(now) {
            ApprovalStatus::Approved => {}
            ApprovalStatus::Pending => {
                return Err(ControlError::Conflict("nobody has decided yet".to_owned()));
            }
            ApprovalStatus::Denied => {
                return Err(ControlError::Conflict("the approval was denied".to_owned()));
            }
            ApprovalStatus::Used => {
                return Err(ControlError::Conflict(
                    "the approval was used before".to_owned(),
                ));
            }
        }
        let used = (ApprovalStatus::Used, None, now);
        if !self.store.move_approval(id, approval.status, used).await? {
            return Err(ControlError::Conflict(
                "the approval was used before".to_owned(),
            ));
        }
        Ok(approval)
    }

    /// Says yes or no to a call that waits.
    ///
    /// # Errors
    /// If there is none, or it was decided before, or its time is over.
    pub async fn decide_approval(
        &self,
        id: &str,
        approve: bool,
        by: &str,
    ) -> Result<Approval, ControlError> {
        let by = crate::enforcements::text("author", by)?;
        let now = self.now();
        if self.approval(id).await?.outcome(now) != ApprovalStatus::Pending {
            return Err(ControlError::Conflict(format!(
                "the approval {id} was decided before"
            )));
        }
        let to = if approve {
            ApprovalStatus::Approved
        } else {
            ApprovalStatus::Denied
        };
        let moved = self
            .store
            .move_approval(id, ApprovalStatus::Pending, (to, Some(by), now))
            .await?;
        self.decided.notify_waiters();
        if !moved {
            return Err(ControlError::Conflict(format!(
                "the approval {id} was decided before"
            )));
        }
        self.approval(id).await
    }

    /// One request.
    ///
    /// # Errors
    /// If there is none.
    pub async fn approval(&self, id: &str) -> Result<Approval, ControlError> {
        let found = self.store.approval(id).await?;
        found.ok_or_else(|| ControlError::NotFound {
            what: "approval",
            id: id.to_owned(),
        })
    }

    /// Requests, youngest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn approvals(&self, limit: u32) -> Result<Vec<Approval>, ControlError> {
        Ok(self.store.approvals(limit).await?)
    }
}
