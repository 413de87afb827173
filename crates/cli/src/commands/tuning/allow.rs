//! `atalaya tuning allow|suppress`.

use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_respond::tuning::allow::{self, AllowError, Entry, Purpose};
use atalaya_server::open;
use atalaya_store::SqliteStore;

use crate::commands::common::{self, Place};
use crate::commands::listing::{self, Actor};
use crate::exit::{Exit, Failure};
use crate::output::Format;

/// Allowlist
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Add an entry: `--caller red-team --for 30d --reason "…"`.
    Add(Box<AddArgs>),
    /// List entries, ended ones included.
    List(ListArgs),
    /// Remove an entry.
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// A caller; `*` at its end stands for any text.
    #[arg(long, conflicts_with_all = ["entity"])]
    caller: Option<String>,
    /// Another entity, e.g. `agent=nightly-eval`, `address=10.1.2.3`, `key=key_12ab`.
    #[arg(long, value_name = "KIND=VALUE")]
    entity: Option<String>,
    /// This very input: its `ContentSha256`.
    #[arg(long)]
    fingerprint: Option<String>,
    /// This finding: the id of a detector (`RuleIds`).
    #[arg(long)]
    pattern: Option<String>,
    /// Only these rules or ladders.
    #[arg(long = "rule")]
    rules: Vec<String>,
    /// Only these techniques.
    #[arg(long = "technique")]
    techniques: Vec<String>,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who answers for it; you by default.
    #[arg(long)]
    owner: Option<String>,
    /// How long, e.g. 30d; at most a year.
    #[arg(long = "for", value_parser = listing::duration)]
    lasts: Duration,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Id of the entry.
    id: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SuppressArgs {
    /// The rule or ladder.
    rule: String,
    /// Only about this entity, e.g. `caller=batch`.
    #[arg(long, value_name = "KIND=VALUE")]
    entity: Option<String>,
    /// How long, e.g. 4h.
    #[arg(long = "for", value_parser = listing::duration)]
    lasts: Duration,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

impl From<AllowError> for Failure {
    fn from(error: AllowError) -> Self {
        match error {
            AllowError::Store(error) => Self::world("the store", error),
            AllowError::Refused(why) => Self::BadInput(format!("error: {why}")),
        }
    }
}

fn store(place: &Place) -> Result<Arc<SqliteStore>, Failure> {
    let config = place.load()?;
    open::require_data(&config)?;
    Ok(Arc::new(open::store(&config)?))
}

fn entity(text: Option<&str>) -> Result<(String, String), Failure> {
    let Some(text) = text else {
        return Ok(Default::default());
    };
    text.split_once('=')
        .filter(|(kind, _)| atalaya_respond::context::kind_of(kind).is_some())
        .map(|(kind, value)| (kind.to_owned(), value.to_owned()))
        .ok_or_else(|| {
            Failure::BadInput(format!(
                "error: `{text}` is no KIND=VALUE; kinds are caller, key, agent, session, model, tool, document, address"
            ))
        })
}

fn base(actor: &Actor, lasts: Duration) -> Entry {
    let now = Timestamp::now();
    let micros = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
    Entry {
        entry_id: atalaya_respond::uuid_of(&format!("allow/{}/{}", now.0, std::process::id())),
        owner: actor.name.clone(),
        created: now,
        expires: Timestamp(now.0.saturating_add(micros)),
        ..Entry::default()
    }
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Add(args) => add(args),
        Command::List(args) => list(args),
        Command::Remove(args) => {
            let store = store(&args.place)?;
            let removed = allow::remove(store.as_ref(), &args.id);
            let removed = common::runtime()?.block_on(removed);
            if removed.map_err(|error| Failure::world("the store", error))? {
                return listing::print("removed\n");
            }
            Err(Failure::BadInput(format!(
                "error: there is no entry {}; see `atalaya tuning allow list`",
                args.id
            )))
        }
    }
}

fn add(args: &AddArgs) -> Result<Exit, Failure> {
    let (kind, value) = match &args.caller {
        Some(caller) => ("caller".to_owned(), caller.clone()),
        None => entity(args.entity.as_deref())?,
    };
    let mut entry = Entry {
        kind,
        value,
        rules: args.rules.clone(),
        techniques: args.techniques.clone(),
        fingerprint: args.fingerprint.clone().unwrap_or_default(),
        pattern: args.pattern.clone().unwrap_or_default(),
        reason: args.reason.clone(),
        ..base(&args.actor, args.lasts)
    };
    if let Some(owner) = &args.owner {
        entry.owner.clone_from(owner);
    }
    keep(&entry, &args.place, args.format)
}

pub(super) fn suppress(args: &SuppressArgs) -> Result<Exit, Failure> {
    let (kind, value) = entity(args.entity.as_deref())?;
    let entry = Entry {
        purpose: Purpose::Suppress,
        kind,
        value,
        rules: vec![args.rule.clone()],
        reason: args.reason.clone(),
        ..base(&args.actor, args.lasts)
    };
    keep(&entry, &args.place, args.format)
}

fn keep(entry: &Entry, place: &Place, format: Option<Format>) -> Result<Exit, Failure> {
    let store = store(place)?;
    common::runtime()?.block_on(allow::add(store.as_ref(), entry))?;
    listing::one(format, entry, || {
        format!(
            "{} until {}; see its effect with `atalaya replay`\n",
            entry.entry_id,
            entry.expires.to_rfc3339()
        )
    })
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let store = store(&args.place)?;
    let entries = common::runtime()?
        .block_on(allow::entries(store.as_ref()))
        .map_err(|error| Failure::world("the store", error))?;
    let header = ["EntryId", "What", "Rules", "Owner", "Ends", "Reason"];
    listing::list(args.format, &header, &entries, |entry| {
        let mut what = Vec::new();
        if !entry.value.is_empty() {
            what.push(format!("{}={}", entry.kind, entry.value));
        }
        for (name, value) in [("content", &entry.fingerprint), ("pattern", &entry.pattern)] {
            if !value.is_empty() {
                what.push(format!("{name}={value}"));
            }
        }
        vec![
            entry.entry_id.clone(),
            what.join(" "),
            [entry.rules.clone(), entry.techniques.clone()]
                .concat()
                .join(" "),
            entry.owner.clone(),
            entry.expires.to_rfc3339(),
            entry.reason.clone(),
        ]
    })
}
