//! Policies: adopted from a file, applied by a person, rolled back; each with its place in the
//! history.
//!
//! The newest entry of the history is in force. A configured file enters it whenever its bytes are
//! others than those of the file entry before, so that applying and rolling back by command hold
//! until somebody edits the file.

use atalaya_policy::Policy;
use atalaya_store::{NewPolicyRevision, PolicyRevision};

use crate::control::Control;
use crate::enforcements::text;
use crate::error::ControlError;

/// Author of entries that came from the configured file.
const FILE: &str = "file";
/// Author of the policy that is there when nobody gave one.
const BUILTIN: &str = "built-in";
/// How far back the last file entry is looked for.
const HISTORY_MAX: u32 = 10_000;

/// A policy that came into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedPolicy {
    /// Its place in the history.
    pub number: i64,
    /// SHA-256 of its text.
    pub hash: String,
    /// Whether it was in force before.
    pub is_unchanged: bool,
}

impl Control {
    /// Takes over the configured file (or, without one, the built-in policy) if it has changed,
    /// and puts the newest entry of the history in force.
    ///
    /// # Errors
    /// If the file is wrong; the policy in force stays.
    pub async fn adopt_policy(&self, file: Option<&str>) -> Result<(), ControlError> {
        let (text, author) = match file {
            Some(text) => (text, FILE),
            None => (Policy::builtin_text(), BUILTIN),
        };
        let policy = parse(text)?;
        let history = self.store.policies(HISTORY_MAX).await?;
        let before = match author {
            // Without a file, whatever was applied stays; only a new release's text replaces
            // the one of the old release.
            BUILTIN => history
                .first()
                .map(|newest| (newest.author == BUILTIN, newest)),
            _ => history
                .iter()
                .find(|entry| entry.author == FILE)
                .map(|entry| (true, entry)),
        };
        let is_known =
            before.is_some_and(|(is_ours, entry)| !is_ours || entry.hash == policy.hash());
        if !is_known {
            let note = "read at start or reload".to_owned();
            self.store
                .append_policy(self.entry(&policy, text, author, note))
                .await?;
        }
        self.refresh_policy().await
    }

    /// Puts a policy in force.
    ///
    /// # Errors
    /// If it is wrong, with every mistake; the policy in force stays.
    pub async fn apply_policy(
        &self,
        source: &str,
        author: &str,
        note: &str,
    ) -> Result<AppliedPolicy, ControlError> {
        let policy = parse(source)?;
        let author = text("author", author)?;
        if author == FILE || author == BUILTIN {
            return Err(ControlError::invalid("author", "this name is taken"));
        }
        if let Some(latest) = self.store.latest_policy().await?
            && latest.hash == policy.hash()
        {
            return Ok(AppliedPolicy {
                number: latest.number,
                hash: latest.hash,
                is_unchanged: true,
            });
        }
        let entry = self.entry(&policy, source, &author, note.to_owned());
        let number = self.store.append_policy(entry).await?;
        let hash = policy.hash().to_owned();
        self.put_in_force(policy);
        Ok(AppliedPolicy {
            number,
            hash,
            is_unchanged: false,
        })
    }

    /// Puts an earlier policy in force again: the one of that number, or the one before.
    ///
    /// # Errors
    /// If there is none, or this release does not read it any more.
    pub async fn roll_back_policy(
        &self,
        number: Option<i64>,
        author: &str,
    ) -> Result<AppliedPolicy, ControlError> {
        let earlier = match number {
            Some(number) => self.policy_revision(number).await?,
            None => {
                let history = self.store.policies(HISTORY_MAX).await?;
                let newest = history.first().map(|entry| entry.hash.clone());
                let before = history
                    .into_iter()
                    .find(|entry| Some(&entry.hash) != newest.as_ref());
                before.ok_or_else(|| {
                    ControlError::Conflict("there is no other policy in the history".to_owned())
                })?
            }
        };
        let note = format!("rolled back to {}", earlier.number);
        self.apply_policy(&earlier.text, author, &note).await
    }

    /// One policy of the history.
    ///
    /// # Errors
    /// If there is none.
    pub async fn policy_revision(&self, number: i64) -> Result<PolicyRevision, ControlError> {
        let found = self.store.policy(number).await?;
        found.ok_or_else(|| ControlError::NotFound {
            what: "policy",
            id: number.to_string(),
        })
    }

    /// The history, youngest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn policy_history(&self, limit: u32) -> Result<Vec<PolicyRevision>, ControlError> {
        Ok(self.store.policies(limit).await?)
    }

    /// Puts the newest entry in force. One that this release does not read leaves the old one.
    pub(crate) async fn refresh_policy(&self) -> Result<(), ControlError> {
        let Some(latest) = self.store.latest_policy().await? else {
            return Ok(());
        };
        if latest.hash == self.policy.load().hash() {
            return Ok(());
        }
        match Policy::parse(&latest.text) {
            Ok(policy) => self.put_in_force(policy),
            Err(problems) => tracing::error!(
                number = latest.number,
                problems = problems.len(),
                "the newest policy of the history cannot be read; the one before stays in force"
            ),
        }
        Ok(())
    }

    fn entry(&self, policy: &Policy, text: &str, author: &str, note: String) -> NewPolicyRevision {
        NewPolicyRevision {
            hash: policy.hash().to_owned(),
            policy_id: policy.id().to_owned(),
            revision: policy.version().to_owned(),
            author: author.to_owned(),
            note,
            applied_at: self.now(),
            text: text.to_owned(),
        }
    }
}

fn parse(text: &str) -> Result<Policy, ControlError> {
    Policy::parse(text).map_err(|diagnostics| ControlError::Policy {
        text: text.to_owned(),
        diagnostics,
    })
}
