//! `atalaya tokens create|list|revoke`: tokens of the admin API.

use atalaya_model::Timestamp;
use atalaya_store::AdminRole;
use serde_json::{Value, json};

use super::common::Place;
use super::control;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Tokens of the admin API
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a token; it is printed once.
    Create(CreateArgs),
    /// List tokens.
    List(ListArgs),
    /// End a token.
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// Whose it is: the author of what is done with it.
    name: String,
    /// What it may do: viewer or admin.
    #[arg(long, default_value = "admin")]
    role: AdminRole,
    #[command(flatten)]
    place: Place,
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
pub(crate) struct RevokeArgs {
    /// Id of the token.
    id: String,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => {
            let (name, role) = (&args.name, args.role);
            let created = control::with(&args.place, async |control| {
                control.create_admin_token(name, role).await
            })?;
            output::note(&format!(
                "{}; the token is shown this once:",
                created.kept.id
            ));
            control::print(&format!("{}\n", created.token))
        }
        Command::List(args) => {
            let tokens = control::with(&args.place, async |control| Ok(control.admin_tokens()))?;
            let shown: Vec<Value> = tokens
                .iter()
                .map(|token| {
                    json!({"id": token.id, "name": token.name, "role": token.role.as_str(),
                        "created_at": token.created_at.to_rfc3339(),
                        "revoked_at": token.revoked_at.map(Timestamp::to_rfc3339)})
                })
                .collect();
            let header = ["Id", "Name", "Role", "Created", "Revoked"];
            control::list(args.format, &header, &shown, |token| {
                let members = ["id", "name", "role", "created_at", "revoked_at"];
                members
                    .map(|name| token[name].as_str().unwrap_or("").to_owned())
                    .to_vec()
            })
        }
        Command::Revoke(args) => {
            let id = &args.id;
            control::with(&args.place, async |control| {
                control.revoke_admin_token(id).await
            })?;
            output::note(&format!("{id} is revoked"));
            Ok(Exit::Fine)
        }
    }
}
