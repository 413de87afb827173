//! `/v1/enforcements`: who or what is stopped, isolated, slowed down or weakened.

use std::sync::Arc;

use atalaya_access::Enforcement;
use atalaya_control::{Control, NewEnforcement};

use crate::call::Call;
use crate::operation::{Operation, Resource, with};
use crate::problem::Problem;
use crate::reply::Reply;

async fn list(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let holding = match call.query("state") {
        None | Some("active") => true,
        Some("all") => false,
        Some(_) => return Err(Problem::invalid("`state` is active or all")),
    };
    Reply::json(&control.enforcements(holding).await?)
}

async fn create(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let new: NewEnforcement = call.json()?;
    Reply::created(&control.enforce(new, call.author()).await?)
}

async fn show(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    Reply::json(&control.enforcement(call.parameter("id")).await?)
}

async fn lift(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    Reply::json(&control.lift(call.parameter("id"), call.author()).await?)
}

/// Enforcements.
#[must_use]
pub fn resource(control: &Arc<Control>) -> Resource {
    let (all, one) = ("/v1/enforcements", "/v1/enforcements/{id}");
    Resource {
        name: "enforcements",
        doc: "Who or what is stopped, isolated, slowed down or weakened.",
        operations: vec![
            Operation::get(all, "List enforcements, newest first", with(control, list))
                .query("state", "`active` (default) or `all`")
                .gives::<Vec<Enforcement>>(),
            Operation::post(all, "Enforce from the next call on", with(control, create))
                .takes::<NewEnforcement>()
                .gives::<Enforcement>(),
            Operation::get(one, "Show an enforcement", with(control, show)).gives::<Enforcement>(),
            Operation::post(
                "/v1/enforcements/{id}/lift",
                "End an enforcement",
                with(control, lift),
            )
            .gives::<Enforcement>(),
        ],
    }
}
