//! What can be wrong with a change.

use atalaya_model::{Diagnostic, SourceFile};
use atalaya_store::StoreError;

/// A change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// What was asked for cannot be.
    #[error("{what}: {why}")]
    Invalid {
        /// Which part.
        what: &'static str,
        /// What is wrong with it, and the remedy.
        why: String,
    },
    /// It was decided or changed before.
    #[error("{0}")]
    Conflict(String),
    /// A policy is wrong.
    #[error("the policy has {} mistake(s)", .diagnostics.len())]
    Policy {
        /// The file.
        text: String,
        /// The mistakes.
        diagnostics: Vec<Diagnostic>,
    },
    /// It could not be kept or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no random bytes.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

impl ControlError {
    pub(crate) fn invalid(what: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid {
            what,
            why: why.into(),
        }
    }

    /// The mistakes of a policy with carets, for people; the plain text of anything else.
    #[must_use]
    pub fn render(&self, name: &str) -> String {
        let Self::Policy { text, diagnostics } = self else {
            return self.to_string();
        };
        let source = SourceFile { name, text };
        let each: Vec<String> = diagnostics.iter().map(|d| source.render(d)).collect();
        each.join("\n")
    }
}
