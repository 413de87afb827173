//! `atalaya keys create|list|rotate|revoke`.

use std::time::Duration;

use atalaya_access::{LimitRules, Scopes, VirtualKey};
use atalaya_control::{CreatedKey, NewKey, Rotation};
use atalaya_model::Timestamp;
use serde_json::{Value, json};

use super::common::Place;
use super::control::{self, Author};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Virtual keys: what callers authenticate with
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a key; its secret is printed once. From then on the gateway refuses calls without a
    /// key, unless `callers.authentication` is `open`.
    Create(Box<CreateArgs>),
    /// List keys.
    List(ListArgs),
    /// Give a key another secret.
    Rotate(RotateArgs),
    /// End a key at once and for ever.
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// What it is for.
    name: String,
    /// The caller in the log (`UserId`); the name by default.
    #[arg(long)]
    caller: Option<String>,
    /// The caller's team.
    #[arg(long)]
    team: Option<String>,
    /// The agent in the log (`AgentId`).
    #[arg(long)]
    agent: Option<String>,
    /// A model that it may use, `*` for any text; repeat for several.
    #[arg(long = "model")]
    models: Vec<String>,
    /// A route that it may use.
    #[arg(long = "route")]
    routes: Vec<String>,
    /// A tool that it may use.
    #[arg(long = "tool")]
    tools: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// When it expires: 30s, 15m, 12h, 7d.
    #[arg(long, value_parser = control::duration)]
    expires_in: Option<Duration>,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct LimitArgs {
    /// Calls in any minute.
    #[arg(long)]
    requests_per_minute: Option<u64>,
    /// Calls in any 24 hours.
    #[arg(long)]
    requests_per_day: Option<u64>,
    /// Tokens in any minute.
    #[arg(long)]
    tokens_per_minute: Option<u64>,
    /// Tokens in any 24 hours.
    #[arg(long)]
    tokens_per_day: Option<u64>,
    /// US dollars in any minute.
    #[arg(long)]
    cost_usd_per_minute: Option<f64>,
    /// US dollars in any 24 hours.
    #[arg(long)]
    cost_usd_per_day: Option<f64>,
    /// Calls at the same time.
    #[arg(long)]
    concurrency_max: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RotateArgs {
    /// Id of the key.
    id: String,
    /// How long the old secret stays valid: 30s, 15m, 12h, 7d.
    #[arg(long, value_parser = control::duration, default_value = "24h")]
    overlap: Duration,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// Id of the key.
    id: String,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create(args),
        Command::List(args) => list(args),
        Command::Rotate(args) => {
            let rotation = Rotation {
                overlap_s: args.overlap.as_secs(),
            };
            let (id, author) = (&args.id, &args.author.author);
            let rotated = control::with(&args.place, async |control| {
                control.rotate_key(id, rotation, author).await
            })?;
            secret(&rotated)
        }
        Command::Revoke(args) => {
            let (id, reason, author) = (&args.id, &args.reason, &args.author.author);
            let key = control::with(&args.place, async |control| {
                control.revoke_key(id, reason, author).await
            })?;
            output::note(&format!("{} is revoked", key.id));
            Ok(Exit::Fine)
        }
    }
}

fn create(args: &CreateArgs) -> Result<Exit, Failure> {
    let limits = args.limits;
    let new = NewKey {
        name: args.name.clone(),
        caller: args.caller.clone(),
        team: args.team.clone(),
        agent: args.agent.clone(),
        scopes: Scopes {
            routes: args.routes.clone(),
            models: args.models.clone(),
            tools: args.tools.clone(),
        },
        limits: LimitRules {
            requests_per_minute: limits.requests_per_minute,
            requests_per_day: limits.requests_per_day,
            tokens_per_minute: limits.tokens_per_minute,
            tokens_per_day: limits.tokens_per_day,
            cost_usd_per_minute: limits.cost_usd_per_minute,
            cost_usd_per_day: limits.cost_usd_per_day,
            concurrency_max: limits.concurrency_max,
        },
        expires_in_s: args.expires_in.map(|time| time.as_secs()),
    };
    let author = &args.author.author;
    let created = control::with(&args.place, async |control| {
        control.create_key(new, author).await
    })?;
    secret(&created)
}

/// The secret alone on standard output, so that it can be piped; what it belongs to beside it.
fn secret(created: &CreatedKey) -> Result<Exit, Failure> {
    output::note(&format!(
        "{} of {}; the secret is shown this once:",
        created.key.id, created.key.caller
    ));
    control::print(&format!("{}\n", created.secret))
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let keys = control::with(&args.place, async |control| control.keys().await)?;
    let shown: Vec<Value> = keys.iter().map(shown).collect();
    let header = [
        "Id", "Name", "Caller", "Team", "Secrets", "State", "Expires", "Created",
    ];
    control::list(args.format, &header, &shown, |key| {
        let members = [
            "id",
            "name",
            "caller",
            "team",
            "secrets",
            "state",
            "expires_at",
            "created_at",
        ];
        members.map(|name| cell(&key[name])).to_vec()
    })
}

fn cell(value: &Value) -> String {
    match value {
        Value::Array(several) => several.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

/// A key without the hashes of its secrets.
fn shown(key: &VirtualKey) -> Value {
    let prefixes: Vec<&str> = key
        .secrets
        .iter()
        .map(|secret| secret.prefix.as_str())
        .collect();
    json!({
        "id": key.id, "name": key.name, "caller": key.caller, "team": key.team,
        "agent": key.agent, "secrets": prefixes, "state": key.state(Timestamp::now()).as_str(),
        "scopes": key.scopes, "limits": key.limits, "author": key.author,
        "created_at": key.created_at.to_rfc3339(),
        "expires_at": key.expires_at.map(Timestamp::to_rfc3339),
        "revoked_at": key.revoked_at.map(Timestamp::to_rfc3339),
        "revoked_by": key.revoked_by, "revoked_reason": key.revoked_reason,
    })
}
