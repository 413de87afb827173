//! `/v1/keys`: virtual keys.

use std::sync::Arc;

use atalaya_access::{KeyState, LimitRules, Remaining, Scopes, VirtualKey};
use atalaya_control::{Control, CreatedKey, NewKey, Rotation};
use atalaya_model::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::operation::{Operation, Resource, with};
use crate::problem::Problem;
use crate::reply::Reply;

/// A key as it is shown: its secrets by their beginnings only.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Key {
    id: String,
    name: String,
    caller: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    team: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    agent: String,
    state: KeyState,
    secrets: Vec<Secret>,
    scopes: Scopes,
    limits: LimitRules,
    created_at: String,
    author: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_reason: Option<String>,
    /// What is left of its limits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remaining: Vec<Left>,
}

/// A secret by its beginning.
#[derive(Debug, Serialize, JsonSchema)]
struct Secret {
    prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// What is left of a limit.
#[derive(Debug, Serialize, JsonSchema)]
struct Left {
    meter: &'static str,
    limit: u64,
    remaining: u64,
}

/// A key with its new secret.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyWithSecret {
    #[serde(flatten)]
    key: Key,
    /// What callers send; shown this once.
    secret: String,
}

/// Why a key is revoked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// For people.
    reason: String,
}

impl Key {
    /// What is shown of a key.
    #[must_use]
    pub fn of(key: VirtualKey, control: &Control) -> Self {
        let state = control.key_state(&key);
        let left = control.key_remaining(&key);
        let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
        Self {
            state,
            remaining: left.iter().map(Left::of).collect(),
            id: key.id,
            name: key.name,
            caller: key.caller,
            team: key.team,
            agent: key.agent,
            secrets: key
                .secrets
                .into_iter()
                .map(|secret| Secret {
                    expires_at: time(secret.expires_at),
                    prefix: secret.prefix,
                })
                .collect(),
            scopes: key.scopes,
            limits: key.limits,
            created_at: key.created_at.to_rfc3339(),
            author: key.author,
            expires_at: time(key.expires_at),
            revoked_at: time(key.revoked_at),
            revoked_by: key.revoked_by,
            revoked_reason: key.revoked_reason,
        }
    }
}

impl Left {
    fn of(left: &Remaining) -> Self {
        Self {
            meter: left.meter.as_str(),
            limit: left.limit,
            remaining: left.remaining,
        }
    }
}

fn with_secret(created: CreatedKey, control: &Control) -> Result<Reply, Problem> {
    Reply::created(&KeyWithSecret {
        secret: created.secret,
        key: Key::of(created.key, control),
    })
}

async fn list(control: Arc<Control>, _: Call) -> Result<Reply, Problem> {
    let keys = control.keys().await?;
    let keys = keys.into_iter().map(|key| Key::of(key, &control));
    Reply::json(&keys.collect::<Vec<_>>())
}

async fn create(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let new: NewKey = call.json()?;
    with_secret(control.create_key(new, call.author()).await?, &control)
}

async fn show(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let key = control.key(call.parameter("id")).await?;
    Reply::json(&Key::of(key, &control))
}

async fn rotate(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let rotation: Rotation = call.json_or_default()?;
    let id = call.parameter("id");
    let rotated = control.rotate_key(id, rotation, call.author()).await?;
    with_secret(rotated, &control)
}

async fn revoke(control: Arc<Control>, call: Call) -> Result<Reply, Problem> {
    let why: Revocation = call.json()?;
    let id = call.parameter("id");
    let key = control.revoke_key(id, &why.reason, call.author()).await?;
    Reply::json(&Key::of(key, &control))
}

/// Virtual keys.
#[must_use]
pub fn resource(control: &Arc<Control>) -> Resource {
    Resource {
        name: "keys",
        doc: "Virtual keys: what callers authenticate with.",
        operations: vec![
            Operation::get("/v1/keys", "List keys", with(control, list)).gives::<Vec<Key>>(),
            Operation::post(
                "/v1/keys",
                "Make a key; its secret is shown once",
                with(control, create),
            )
            .takes::<NewKey>()
            .gives::<KeyWithSecret>(),
            Operation::get("/v1/keys/{id}", "Show a key", with(control, show)).gives::<Key>(),
            Operation::post(
                "/v1/keys/{id}/rotate",
                "Give a key another secret",
                with(control, rotate),
            )
            .takes::<Rotation>()
            .gives::<KeyWithSecret>(),
            Operation::post(
                "/v1/keys/{id}/revoke",
                "End a key at once",
                with(control, revoke),
            )
            .takes::<Revocation>()
            .gives::<Key>(),
        ],
    }
}
