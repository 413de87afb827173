//! `atalaya policy check|diff|history|rollback|apply`, one file each.

mod apply;
mod check;
mod diff;
mod history;
mod rollback;

use crate::exit::{Exit, Failure};

/// Policies: check, compare, put in force, roll back
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Check(check::Args),
    Diff(diff::Args),
    History(history::Args),
    Apply(apply::Args),
    Rollback(rollback::Args),
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Diff(args) => diff::run(args),
        Command::History(args) => history::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Rollback(args) => rollback::run(args),
    }
}
