//! What a step of a runbook can do: one file per action, and the ordered list of them.
//!
//! An action is idempotent by its key: carried out again with the same key after a crash it
//! changes nothing more. Actions that only act on the product itself reach that by using the key
//! as the id of what they make. Calls to the outside carry the key, and look whether their object
//! is there already where the other side can be asked.

mod constrain;
mod deploy;
mod enforce;
mod escalate;
mod evidence;
mod key;
mod notify;
mod query;
mod review;
mod task;
mod ticket;
mod watchlist;

use async_trait::async_trait;
use serde_json::Value;

use crate::context::{RunContext, text_of};
use crate::egress::EgressError;
use crate::ports::{Parameters, PortError, Ports};

/// A parameter of an action.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name in `with:`.
    pub name: &'static str,
    /// Whether a step must give it.
    pub required: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// A parameter that may be left out.
pub(crate) const fn optional(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        required: false,
        meaning,
    }
}

/// A parameter that must be given.
pub(crate) const fn required(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        required: true,
        meaning,
    }
}

/// Why an action was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// It may work later.
    #[error("{0}")]
    Retry(String),
    /// It will not.
    #[error("{0}")]
    Final(String),
    /// There is nothing to do it to, or with; the run goes on, and says so.
    #[error("{0}")]
    Skipped(String),
}

impl From<PortError> for ActionError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Retry(why) => Self::Retry(why),
            PortError::Final(why) => Self::Final(why),
        }
    }
}

impl From<EgressError> for ActionError {
    fn from(error: EgressError) -> Self {
        match error {
            EgressError::Refused(_) => Self::Final(error.to_string()),
            EgressError::Failed(why) => Self::Retry(why),
        }
    }
}

impl From<atalaya_store::StoreError> for ActionError {
    fn from(error: atalaya_store::StoreError) -> Self {
        Self::Retry(error.to_string())
    }
}

/// One step, about to be carried out.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names this very step of this very run.
    pub key: String,
    /// The run.
    pub run_id: String,
    /// The runbook.
    pub runbook_id: String,
    /// The step's title.
    pub title: String,
    /// Who is responsible: `runbook:<id>`, or the analyst who started it.
    pub author: String,
    /// Parameters, filled in.
    pub with: Parameters,
    /// The facts of the run.
    pub context: RunContext,
}

impl Call {
    /// A parameter as text; empty if it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.with.get(name).map_or_else(String::new, text_of)
    }

    /// A parameter as text, or what stands in for it.
    #[must_use]
    pub fn text_or(&self, name: &str, default: &str) -> String {
        let text = self.text(name);
        if text.is_empty() {
            default.to_owned()
        } else {
            text
        }
    }

    /// A parameter as a list of texts; a single text is a list of one.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.with.get(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(text_of).collect(),
            Some(other) => vec![text_of(other)],
        }
    }

    /// A parameter as a whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.with.get(name)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// Something a step can do.
#[async_trait]
pub trait Action: Send + Sync {
    /// The name in `action:`.
    fn name(&self) -> &'static str;
    /// What it does, one line.
    fn summary(&self) -> &'static str;
    /// What stands in `with:`.
    fn parameters(&self) -> &'static [Parameter];
    /// The activity in CACAO's vocabulary.
    fn activity(&self) -> &'static str;
    /// Whether a person should agree before it is done: it costs others, or cannot be taken back.
    fn needs_a_gate(&self) -> bool {
        false
    }
    /// Whether [`Self::undo`] does something.
    fn can_be_undone(&self) -> bool {
        false
    }
    /// What it would do, for people.
    fn plan(&self, call: &Call) -> String;
    /// Does it; the output can be asked for by later steps.
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError>;
    /// Takes it back. `output` is what [`Self::run`] gave.
    async fn undo(&self, _call: &Call, _output: &Value, _: &Ports) -> Result<Value, ActionError> {
        Err(ActionError::Skipped(format!(
            "`{}` cannot be undone",
            self.name()
        )))
    }
}

/// Every action there is.
pub const ALL: &[&dyn Action] = &[
    &enforce::Block,
    &enforce::Quarantine,
    &enforce::RateLimit,
    &constrain::Constrain,
    &enforce::QuarantineInput,
    &enforce::Lift,
    &key::RotateKey,
    &evidence::PreserveEvidence,
    &review::FlagReview,
    &review::RecordPrediction,
    &deploy::Redeploy,
    &deploy::RollBack,
    &deploy::FreezeRetraining,
    &notify::Notify,
    &ticket::OpenTicket,
    &escalate::Escalate,
    &watchlist::Watch,
    &query::RunQuery,
    &task::AddTask,
];

/// The action of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Action> {
    ALL.iter().copied().find(|action| action.name() == name)
}
