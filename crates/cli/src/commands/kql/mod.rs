//! `atalaya kql`: KQL as code — checked, formatted, listed — without running it.

mod check;
mod explain;
mod fmt;
mod functions;
mod lsp;

use std::io::Read as _;
use std::path::Path;

use atalaya_model::Timestamp;
use atalaya_query::value::datetime;

use crate::exit::{Exit, Failure};

/// Check and format KQL, list what is supported
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Check(check::Args),
    Explain(Box<explain::Args>),
    Fmt(fmt::Args),
    Lsp(lsp::Args),
    Functions(functions::Args),
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Lsp(args) => lsp::run(args),
        Command::Fmt(args) => fmt::run(args),
        Command::Functions(args) => functions::run(args),
    }
}

/// What `now()` means while queries are only looked at.
fn now_ticks() -> i64 {
    datetime::from_unix_micros(Timestamp::now().0).unwrap_or_default()
}

/// The text of a file; `-` is standard input.
fn read(path: &Path) -> Result<String, Failure> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|error| Failure::BadInput(format!("error: {}: {error}", path.display())))
}
