//! `atalaya enforce block|quarantine|rate-limit|constrain|list|lift`.

use std::time::Duration;

use atalaya_access::{Effect, Enforcement, RateLimit, Subject};
use atalaya_control::NewEnforcement;
use atalaya_model::{Constraints, Timestamp};

use super::common::Place;
use super::control::{self, Author};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Stop, isolate, slow down or weaken callers, keys, sessions, addresses, agents, tools, models
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Refuse every call.
    Block(Args),
    /// Judge and log every call, forward none.
    Quarantine(Args),
    /// Let so many calls a minute through.
    RateLimit(RateArgs),
    /// Forward with less power.
    Constrain(ConstrainArgs),
    /// List what is in force.
    List(ListArgs),
    /// End an enforcement.
    Lift(LiftArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whom or what: KIND:VALUE, e.g. caller:alice, key:key_12ab, address:192.0.2.0/24,
    /// session:…, agent:…, team:…, tool:send_*, model:gpt-4*.
    subject: Subject,
    /// Why.
    #[arg(long)]
    reason: String,
    /// When it ends by itself: 30s, 15m, 12h, 7d; never without it.
    #[arg(long, value_parser = control::duration)]
    expires_in: Option<Duration>,
    /// Incident or alert that it belongs to.
    #[arg(long)]
    case: Option<String>,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RateArgs {
    /// Calls a minute.
    #[arg(long)]
    requests_per_minute: u64,
    #[command(flatten)]
    args: Args,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ConstrainArgs {
    /// Most output tokens.
    #[arg(long)]
    max_output_tokens: Option<u64>,
    /// Highest temperature.
    #[arg(long)]
    temperature_max: Option<f64>,
    /// Remove tools.
    #[arg(long)]
    drop_tools: bool,
    /// Text that is added as a system instruction.
    #[arg(long)]
    safety_message: Option<String>,
    #[command(flatten)]
    args: Args,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Also what has ended.
    #[arg(long)]
    all: bool,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LiftArgs {
    /// Id of the enforcement.
    id: String,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Block(args) => enforce(args, Effect::Block),
        Command::Quarantine(args) => enforce(args, Effect::Quarantine),
        Command::RateLimit(rate) => {
            let requests_per_minute = rate.requests_per_minute;
            enforce(
                &rate.args,
                Effect::RateLimit(RateLimit {
                    requests_per_minute,
                }),
            )
        }
        Command::Constrain(constrain) => {
            let constraints = Constraints {
                max_output_tokens: constrain.max_output_tokens,
                temperature_max: constrain.temperature_max,
                safety_message: constrain.safety_message.clone(),
                drop_tools: constrain.drop_tools,
                ..Constraints::default()
            };
            enforce(&constrain.args, Effect::Constrain { constraints })
        }
        Command::List(args) => list(args),
        Command::Lift(args) => {
            let (id, author) = (&args.id, &args.author.author);
            let lifted =
                control::with(&args.place, async |control| control.lift(id, author).await)?;
            output::note(&format!("{} is free again", lifted.subject));
            Ok(Exit::Fine)
        }
    }
}

fn enforce(args: &Args, effect: Effect) -> Result<Exit, Failure> {
    let new = NewEnforcement {
        subject: args.subject.clone(),
        effect,
        reason: args.reason.clone(),
        expires_in_s: args.expires_in.map(|time| time.as_secs()),
        case_id: args.case.clone(),
    };
    let author = &args.author.author;
    let made = control::with(&args.place, async |control| {
        control.enforce(new, author).await
    })?;
    output::note(&format!(
        "{}: {} from the next call on",
        made.subject,
        made.effect.as_str()
    ));
    control::print(&format!("{}\n", made.id))
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let holding = !args.all;
    let found = control::with(&args.place, async |control| {
        control.enforcements(holding).await
    })?;
    let header = [
        "Id", "Subject", "Effect", "Reason", "Author", "Since", "Until",
    ];
    control::list(args.format, &header, &found, row)
}

fn row(enforcement: &Enforcement) -> Vec<String> {
    let end = enforcement.lifted_at.or(enforcement.expires_at);
    vec![
        enforcement.id.clone(),
        enforcement.subject.to_string(),
        enforcement.effect.as_str().to_owned(),
        enforcement.reason.clone(),
        enforcement.author.clone(),
        enforcement.created_at.to_rfc3339(),
        end.map(Timestamp::to_rfc3339).unwrap_or_default(),
    ]
}
