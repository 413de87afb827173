//! The `atalaya` binary: parse the command line, run one command, end with its exit code.
//!
//! Exit codes: 0 fine · 1 it ran and found something · 2 bad input · 3 it could not run.
//! Data goes to standard output, everything else to standard error.

mod commands;
mod exit;
mod output;

use clap::Parser;

use crate::commands::Command;

/// Memory is returned to the system sooner and fragments less than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A watchtower for AI systems: every call to a model is inspected before it executes, decided,
/// logged, and hunted with KQL and Sigma.
#[derive(Debug, Parser)]
#[command(name = "atalaya", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    match cli.command.run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::note(&failure.to_string());
            failure.exit().into()
        }
    }
}
