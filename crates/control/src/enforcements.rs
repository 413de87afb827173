//! Stopping, isolating, slowing down and weakening subjects, and ending it.

use atalaya_access::{Cidr, Effect, Enforcement, Subject, SubjectKind, TEXT_BYTES_MAX};
use atalaya_model::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control::{Control, new_id};
use crate::error::ControlError;

/// Longest time that an enforcement can be given, seconds: ten years.
const EXPIRES_IN_S_MAX: u64 = 10 * 366 * 86_400;

/// An enforcement to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnforcement {
    /// Against whom or what.
    pub subject: Subject,
    /// What happens.
    pub effect: Effect,
    /// Why, for people.
    pub reason: String,
    /// Seconds until it ends by itself; without it, it has no end.
    #[serde(default)]
    pub expires_in_s: Option<u64>,
    /// Incident or alert that it belongs to.
    #[serde(default)]
    pub case_id: Option<String>,
}

impl Control {
    /// Enforces from the next call on.
    ///
    /// # Errors
    /// If it cannot be, or cannot be kept; then nothing is enforced.
    pub async fn enforce(
        &self,
        new: NewEnforcement,
        author: &str,
    ) -> Result<Enforcement, ControlError> {
        self.enforce_as(new_id(), new, author).await
    }

    /// The same under an id that follows from what is done: enforced again, it stays what it was,
    /// also if it has ended meanwhile.
    ///
    /// # Errors
    /// As [`Self::enforce`].
    pub async fn enforce_once(
        &self,
        id: &str,
        new: NewEnforcement,
        author: &str,
    ) -> Result<Enforcement, ControlError> {
        match self.store.enforcement(id).await? {
            Some(known) => Ok(known),
            None => self.enforce_as(id.to_owned(), new, author).await,
        }
    }

    async fn enforce_as(
        &self,
        id: String,
        new: NewEnforcement,
        author: &str,
    ) -> Result<Enforcement, ControlError> {
        let subject = checked_subject(&new.subject)?;
        check_effect(&new.effect)?;
        let now = self.now();
        let enforcement = Enforcement {
            id,
            subject,
            effect: new.effect,
            reason: text("reason", &new.reason)?,
            author: text("author", author)?,
            created_at: now,
            expires_at: new
                .expires_in_s
                .map(|seconds| end(now, seconds))
                .transpose()?,
            lifted_at: None,
            lifted_by: None,
            case_id: new.case_id,
        };
        self.store.put_enforcement(&enforcement).await?;
        self.refresh().await?;
        tracing::warn!(
            id = enforcement.id,
            kind = enforcement.subject.kind.as_str(),
            effect = enforcement.effect.as_str(),
            author = enforcement.author,
            "enforcement"
        );
        Ok(enforcement)
    }

    /// Ends an enforcement.
    ///
    /// # Errors
    /// If there is none, or it has ended.
    pub async fn lift(&self, id: &str, by: &str) -> Result<Enforcement, ControlError> {
        let mut enforcement = self.enforcement(id).await?;
        let now = self.now();
        if !enforcement.is_active(now) {
            return Err(ControlError::Conflict(format!(
                "the enforcement {id} has ended already"
            )));
        }
        enforcement.lifted_at = Some(now);
        enforcement.lifted_by = Some(text("author", by)?);
        self.store.put_enforcement(&enforcement).await?;
        self.refresh().await?;
        tracing::warn!(id = enforcement.id, by, "an enforcement was lifted");
        Ok(enforcement)
    }

    /// One enforcement.
    ///
    /// # Errors
    /// If there is none.
    pub async fn enforcement(&self, id: &str) -> Result<Enforcement, ControlError> {
        let found = self.store.enforcement(id).await?;
        found.ok_or_else(|| ControlError::NotFound {
            what: "enforcement",
            id: id.to_owned(),
        })
    }

    /// Enforcements, youngest first: those that hold now, or all that ever were.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn enforcements(&self, holding: bool) -> Result<Vec<Enforcement>, ControlError> {
        Ok(self.store.enforcements(holding.then(|| self.now())).await?)
    }
}

fn checked_subject(subject: &Subject) -> Result<Subject, ControlError> {
    let value = text("subject", &subject.value)?;
    if subject.kind == SubjectKind::Address {
        let block: Cidr = value
            .parse()
            .map_err(|why: String| ControlError::invalid("subject", why))?;
        return Ok(Subject {
            kind: subject.kind,
            value: block.to_string(),
        });
    }
    if value == "*" {
        return Err(ControlError::invalid(
            "subject",
            "`*` would stop everybody; stop the gateway or name a subject",
        ));
    }
    Ok(Subject {
        kind: subject.kind,
        value,
    })
}

fn check_effect(effect: &Effect) -> Result<(), ControlError> {
    match effect {
        Effect::Constrain { constraints } if constraints.is_empty() => Err(ControlError::invalid(
            "effect",
            "the constraints are empty; name max_output_tokens, temperature_max, safety_message, redact or drop_tools",
        )),
        _ => Ok(()),
    }
}

/// A text that a person gave.
pub(crate) fn text(what: &'static str, value: &str) -> Result<String, ControlError> {
    let trimmed = value.trim();
    if trimmed.is_empty() {
        return Err(ControlError::invalid(what, "it is empty"));
    }
    if trimmed.len() > TEXT_BYTES_MAX || trimmed.chars().any(char::is_control) {
        return Err(ControlError::invalid(
            what,
            format!("it must be one line of at most {TEXT_BYTES_MAX} bytes"),
        ));
    }
    Ok(trimmed.to_owned())
}

/// The end of a time that begins now.
pub(crate) fn end(now: Timestamp, seconds: u64) -> Result<Timestamp, ControlError> {
    if seconds == 0 || seconds > EXPIRES_IN_S_MAX {
        return Err(ControlError::invalid(
            "expiry",
            format!("it must be 1 to {EXPIRES_IN_S_MAX} seconds"),
        ));
    }
    let micros = i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    Ok(Timestamp(now.0.saturating_add(micros)))
}
