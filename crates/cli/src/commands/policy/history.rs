//! `atalaya policy history`.

use serde_json::{Value, json};

use crate::commands::common::Place;
use crate::commands::control;
use crate::exit::{Exit, Failure};
use crate::output::Format;

/// List the policies that were in force, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Most entries.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let limit = args.limit;
    let history = control::with(&args.place, async |control| {
        control.policy_history(limit).await
    })?;
    let shown: Vec<Value> = history
        .iter()
        .map(|entry| {
            json!({"number": entry.number, "id": entry.policy_id, "revision": entry.revision,
                "hash": entry.hash, "author": entry.author, "note": entry.note,
                "applied_at": entry.applied_at.to_rfc3339()})
        })
        .collect();
    let header = [
        "Number", "Id", "Revision", "Applied", "Author", "Note", "Hash",
    ];
    control::list(args.format, &header, &shown, |entry| {
        let members = [
            "number",
            "id",
            "revision",
            "applied_at",
            "author",
            "note",
            "hash",
        ];
        let cell = |name: &str| match &entry[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        members.map(cell).to_vec()
    })
}
