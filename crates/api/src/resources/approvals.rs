//! `/v1/approvals`: calls that wait for a person.

use std::sync::Arc;

use atalaya_access::Approval;
use atalaya_control::Control;
use serde_json::Value;

use crate::call::Call;
use crate::operation::{Operation, Resource, with};
use crate::problem::Problem;
use crate::reply::Reply;

/// How many are listed when nobody says.
const LISTED: u32 = 100;
/// How many are listed at most.
const LISTED_MAX: u32 = 10_000;

/// A request as it is shown: without the token's hash.
fn shown(approval: &Approval) -> Result<Value, Problem> {
    let mut value = serde_json::to_value(approval).map_err(Problem::internal)?;
    if let Some(members) = value.as_object_mut() {
        members.remove("token");
    }
    Ok(value)
}

async fn list(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let limit = call.number("limit", LISTED, LISTED_MAX)?;
    let found = control.approvals(limit).await?;
    Reply::json(&found.iter().map(shown).collect::<Result<Vec<_>, _>>()?)
}

async fn show(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    Reply::json(&shown(&control.approval(call.parameter("id")).await?)?)
}

async fn approve(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let id = call.parameter("id");
    Reply::json(&shown(
        &control.decide_approval(id, true, call.author()).await?,
    )?)
}

async fn deny(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let id = call.parameter("id");
    Reply::json(&shown(
        &control.decide_approval(id, false, call.author()).await?,
    )?)
}

/// Requests for approval.
#[must_use]
pub fn resource(control: &Arc<Control>) -> Resource {
    Resource {
        name: "approvals",
        doc: "Calls that wait for a person's yes.",
        operations: vec![
            Operation::get(
                "/v1/approvals",
                "List requests, newest first",
                with(control, list),
            )
            .query("limit", "most entries, 100 by default")
            .gives::<Vec<Approval>>(),
            Operation::get("/v1/approvals/{id}", "Show a request", with(control, show))
                .gives::<Approval>(),
            Operation::post(
                "/v1/approvals/{id}/approve",
                "Say yes",
                with(control, approve),
            )
            .gives::<Approval>(),
            Operation::post("/v1/approvals/{id}/deny", "Say no", with(control, deny))
                .gives::<Approval>(),
        ],
    }
}
