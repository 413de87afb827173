//! `atalaya canary check|make`: canaries that the gateway puts into system prompts.
//!
//! Where a leaked text turned up elsewhere (a ticket, a paste, another system's log), this says
//! whether it carries a canary of this installation, and whose.

use std::io::Read as _;
use std::path::PathBuf;

use atalaya_model::Timestamp;
use atalaya_server::open::{self, Bearer, CANARY_SECRET, CanaryKey};
use serde::Serialize;

use super::common::{self, Place};
use super::control;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Longest text, bytes.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Canaries in system prompts: is one in a text, and whose is it
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Look for canaries of this installation in a text; exit code 1 if there is one.
    Check(CheckArgs),
    /// Print the canary of a caller, to plant it by hand in a document or a prompt.
    Make(MakeArgs),
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// The caller as in the log (`UserId`).
    #[arg(long)]
    caller: Option<String>,
    /// The session as in the log (`SessionId`).
    #[arg(long, default_value = "", requires = "caller")]
    session: String,
    /// Decision of the call, where every call has a canary of its own.
    #[arg(long, default_value = "", requires = "caller")]
    decision: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The text; `-` reads standard input.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    text: Option<String>,
    /// File with the text.
    #[arg(long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    whose: Whose,
    /// Output format; lines of text by default.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MakeArgs {
    /// The caller as in the log (`UserId`).
    caller: String,
    /// The session as in the log (`SessionId`).
    #[arg(long, default_value = "")]
    session: String,
    #[command(flatten)]
    place: Place,
}

/// A canary in a text.
#[derive(Serialize)]
struct Found {
    canary: String,
    start: usize,
    end: usize,
    /// Whether it is the canary of the caller that was asked about.
    is_callers: Option<bool>,
    /// From when on that caller had it.
    since: Option<String>,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => check(args),
        Command::Make(args) => make(args),
    }
}

fn key(place: &Place) -> Result<CanaryKey, Failure> {
    let config = place.load()?;
    open::require_data(&config).map_err(|error| Failure::CouldNotRun(error.to_string()))?;
    let secret = control::with(place, async |control| {
        control.node_secret(CANARY_SECRET).await
    })?;
    Ok(CanaryKey::new(&secret))
}

fn make(args: &MakeArgs) -> Result<Exit, Failure> {
    let canaries = args.place.load()?.gateway.canaries;
    let bearer = Bearer {
        caller: &args.caller,
        session: &args.session,
        call: "",
    };
    let period = canaries.period(Timestamp::now().0);
    let token = key(&args.place)?.token(&bearer, period);
    output::data(&format!("{token}\n"))
        .map_err(|error| Failure::world("writing the canary", error))?;
    Ok(Exit::Fine)
}

fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let text = read(args)?;
    let key = key(&args.place)?;
    let canaries = args.place.load()?.gateway.canaries;
    let now = canaries.period(Timestamp::now().0);
    let found: Vec<Found> = key
        .find(&text)
        .into_iter()
        .map(|(span, canary)| {
            let period = args.whose.caller.as_ref().map(|caller| {
                let bearer = Bearer {
                    caller,
                    session: &args.whose.session,
                    call: &args.whose.decision,
                };
                key.belongs(&canary, &bearer, now)
            });
            let start_us = |period: i64| {
                let seconds = i64::try_from(canaries.rotation_s).unwrap_or(i64::MAX);
                Timestamp(period.saturating_mul(seconds).saturating_mul(1_000_000)).to_rfc3339()
            };
            Found {
                canary,
                start: span.start,
                end: span.end,
                is_callers: period.map(|period| period.is_some()),
                since: period.flatten().map(start_us),
            }
        })
        .collect();
    write(args.format, &found)?;
    Ok(if found.is_empty() {
        Exit::Fine
    } else {
        Exit::Found
    })
}

fn read(args: &CheckArgs) -> Result<String, Failure> {
    match (&args.file, args.text.as_deref()) {
        (Some(path), _) => common::read(path),
        (None, Some("-")) => {
            let mut text = String::new();
            std::io::stdin()
                .take(TEXT_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(|error| Failure::world("reading standard input", error))?;
            Ok(text)
        }
        (None, text) => Ok(text.unwrap_or("").to_owned()),
    }
}

fn write(format: Option<Format>, found: &[Found]) -> Result<(), Failure> {
    let text = match format {
        Some(Format::Json | Format::Ndjson) => serde_json::to_string_pretty(found)
            .map(|text| text + "\n")
            .map_err(|error| Failure::world("writing the result", error))?,
        _ if found.is_empty() => "no canary of this installation\n".to_owned(),
        _ => found.iter().map(line).collect(),
    };
    output::data(&text).map_err(|error| Failure::world("writing the result", error))
}

fn line(found: &Found) -> String {
    let whose = match (&found.is_callers, &found.since) {
        (Some(true), Some(since)) => format!(", of that caller, in use from {since} on"),
        (Some(_), _) => ", not of that caller".to_owned(),
        (None, _) => String::new(),
    };
    format!(
        "canary {} at bytes {} to {}{whose}\n",
        found.canary, found.start, found.end
    )
}
