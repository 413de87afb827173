//! `/v1/tokens`: tokens of this API.

use std::sync::Arc;

use atalaya_control::Control;
use atalaya_model::Timestamp;
use atalaya_store::{AdminRole, AdminToken};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::operation::{Operation, Resource, Right, with};
use crate::problem::Problem;
use crate::reply::Reply;

/// A token as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Token {
    id: String,
    name: String,
    /// `viewer` or `admin`.
    role: &'static str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    /// What clients send; shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// A token to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Whose it is: the author of what is done with it.
    name: String,
    /// `viewer` or `admin`.
    role: String,
}

fn shown(kept: &AdminToken, token: Option<String>) -> Token {
    Token {
        id: kept.id.clone(),
        name: kept.name.clone(),
        role: kept.role.as_str(),
        created_at: kept.created_at.to_rfc3339(),
        revoked_at: kept.revoked_at.map(Timestamp::to_rfc3339),
        token,
    }
}

async fn list(control: Arc<Control>, _: Call) -> Result<Reply, Problem> {
    let tokens = control.admin_tokens();
    let tokens = tokens.iter().map(|kept| shown(kept, None));
    Reply::json(&tokens.collect::<Vec<_>>())
}

async fn create(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let new: NewToken = call.json()?;
    let role: AdminRole = new
        .role
        .parse()
        .map_err(|why: String| Problem::invalid(why))?;
    let created = control.create_admin_token(&new.name, role).await?;
    Reply::created(&shown(&created.kept, Some(created.token)))
}

async fn revoke(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    control.revoke_admin_token(call.parameter("id")).await?;
    Ok(Reply::bytes(StatusCode::NO_CONTENT, "application/json", ""))
}

/// Admin tokens.
#[must_use]
pub fn resource(control: &Arc<Control>) -> Resource {
    Resource {
        name: "tokens",
        doc: "Tokens of this API.",
        operations: vec![
            Operation::get("/v1/tokens", "List tokens", with(control, list))
                .right(Right::Write)
                .gives::<Vec<Token>>(),
            Operation::post(
                "/v1/tokens",
                "Make a token; it is shown once",
                with(control, create),
            )
            .takes::<NewToken>()
            .gives::<Token>(),
            Operation::post(
                "/v1/tokens/{id}/revoke",
                "End a token",
                with(control, revoke),
            ),
        ],
    }
}
