//! `atalaya completions SHELL`: completion scripts, made from the same definitions as the help.

use clap::CommandFactory as _;

use crate::exit::{Exit, Failure};
use crate::output;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell.
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut crate::Cli::command(),
        "atalaya",
        &mut script,
    );
    output::data(&String::from_utf8_lossy(&script))
        .map_err(|error| Failure::world("writing the script", error))?;
    Ok(Exit::Fine)
}
