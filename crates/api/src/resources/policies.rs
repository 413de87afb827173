//! `/v1/policies`: the policy in force, its history, and changing it.

use std::sync::Arc;

use atalaya_control::{AppliedPolicy, Control, ControlError};
use atalaya_policy::Policy;
use atalaya_store::PolicyRevision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::operation::{Operation, Resource, Right, with};
use crate::problem::Problem;
use crate::reply::Reply;

/// How many entries of the history are listed when nobody says.
const LISTED: u32 = 100;
/// How many are listed at most.
const LISTED_MAX: u32 = 10_000;

/// An entry of the history.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Revision {
    number: i64,
    /// SHA-256 of the text: `PolicyHash`.
    hash: String,
    id: String,
    revision: String,
    author: String,
    note: String,
    applied_at: String,
    /// The file; only when one entry is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A policy to be checked or put in force.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// The file, YAML.
    text: String,
    /// Why, for people.
    #[serde(default)]
    note: String,
}

/// Which policy comes back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollback {
    /// Its number in the history; the one before the present one if missing.
    number: Option<i64>,
}

/// What came into force.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Applied {
    number: i64,
    hash: String,
    /// It was in force before.
    is_unchanged: bool,
}

/// A policy without mistakes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Checked {
    id: String,
    revision: String,
    hash: String,
}

fn shown(entry: PolicyRevision, with_text: bool) -> Revision {
    Revision {
        number: entry.number,
        hash: entry.hash,
        id: entry.policy_id,
        revision: entry.revision,
        author: entry.author,
        note: entry.note,
        applied_at: entry.applied_at.to_rfc3339(),
        text: with_text.then_some(entry.text),
    }
}

fn applied(policy: AppliedPolicy) -> Result<Reply, Problem> {
    Reply::json(&Applied {
        number: policy.number,
        hash: policy.hash,
        is_unchanged: policy.is_unchanged,
    })
}

async fn check(_: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let new: NewPolicy = call.json()?;
    let policy = Policy::parse(&new.text).map_err(|diagnostics| ControlError::Policy {
        text: new.text,
        diagnostics,
    })?;
    Reply::json(&Checked {
        id: policy.id().to_owned(),
        revision: policy.version().to_owned(),
        hash: policy.hash().to_owned(),
    })
}

async fn list(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let limit = call.number("limit", LISTED, LISTED_MAX)?;
    let history = control.policy_history(limit).await?;
    let history = history.into_iter().map(|entry| shown(entry, false));
    Reply::json(&history.collect::<Vec<_>>())
}

async fn show(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let number = call.parameter("number").parse();
    let number = number.map_err(|_| Problem::invalid("`number` is no number"))?;
    Reply::json(&shown(control.policy_revision(number).await?, true))
}

async fn apply(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let new: NewPolicy = call.json()?;
    applied(
        control
            .apply_policy(&new.text, call.author(), &new.note)
            .await?,
    )
}

async fn roll_back(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let rollback: Rollback = call.json_or_default()?;
    applied(
        control
            .roll_back_policy(rollback.number, call.author())
            .await?,
    )
}

/// Policies.
#[must_use]
pub fn resource(control: &Arc<Control>) -> Resource {
    let all = "/v1/policies";
    let history = "The history, newest first; the first is in force";
    let one = "/v1/policies/{number}";
    Resource {
        name: "policies",
        doc: "The policy in force, its history, and changing it.",
        operations: vec![
            Operation::get(all, history, with(control, list))
                .query("limit", "most entries, 100 by default")
                .gives::<Vec<Revision>>(),
            Operation::get(one, "One policy with its text", with(control, show))
                .gives::<Revision>(),
            Operation::post(all, "Put a policy in force", with(control, apply))
                .takes::<NewPolicy>()
                .gives::<Applied>(),
            Operation::post(
                "/v1/policies/check",
                "Look for mistakes, change nothing",
                with(control, check),
            )
            .right(Right::Read)
            .takes::<NewPolicy>()
            .gives::<Checked>(),
            Operation::post(
                "/v1/policies/rollback",
                "Put an earlier policy in force",
                with(control, roll_back),
            )
            .takes::<Rollback>()
            .gives::<Applied>(),
        ],
    }
}
