//! `atalaya approvals list|approve|deny`: calls that wait for a person.

use atalaya_access::{Approval, ApprovalStatus};
use atalaya_model::Timestamp;
use serde_json::{Value, json};

use super::common::Place;
use super::control::{self, Author};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Calls that wait for a person's yes
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List requests, newest first.
    List(ListArgs),
    /// Say yes.
    Approve(DecideArgs),
    /// Say no.
    Deny(DecideArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Also what is decided.
    #[arg(long)]
    all: bool,
    /// Most entries.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DecideArgs {
    /// Id of the request.
    id: String,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list(args),
        Command::Approve(args) => decide(args, true),
        Command::Deny(args) => decide(args, false),
    }
}

fn decide(args: &DecideArgs, approve: bool) -> Result<Exit, Failure> {
    let (id, author) = (&args.id, &args.author.author);
    let decided = control::with(&args.place, async |control| {
        control.decide_approval(id, approve, author).await
    })?;
    output::note(&format!("{} is {}", decided.id, decided.status.as_str()));
    Ok(Exit::Fine)
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let limit = args.limit;
    let found = control::with(&args.place, async |control| control.approvals(limit).await)?;
    let now = Timestamp::now();
    let is_shown =
        |approval: &&Approval| args.all || approval.outcome(now) == ApprovalStatus::Pending;
    let shown: Vec<Value> = found
        .iter()
        .filter(is_shown)
        .map(|a| shown(a, now))
        .collect();
    let header = [
        "Id", "Status", "Tools", "Rule", "Caller", "Session", "Until",
    ];
    control::list(args.format, &header, &shown, |approval| {
        let members = [
            "id",
            "status",
            "tools",
            "rule",
            "caller",
            "session",
            "expires_at",
        ];
        members
            .map(|name| approval[name].as_str().unwrap_or("").to_owned())
            .to_vec()
    })
}

fn shown(approval: &Approval, now: Timestamp) -> Value {
    json!({
        "id": approval.id, "status": approval.outcome(now).as_str(),
        "tools": approval.tools.join(" "), "rule": approval.rule, "caller": approval.caller,
        "session": approval.session, "model": approval.model,
        "decision_id": approval.decision_id, "content_sha256": approval.content_sha256,
        "created_at": approval.created_at.to_rfc3339(),
        "expires_at": approval.expires_at.to_rfc3339(), "decided_by": approval.decided_by,
    })
}
