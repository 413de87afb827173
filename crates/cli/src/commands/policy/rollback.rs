//! `atalaya policy rollback [NUMBER]`.

use crate::commands::common::Place;
use crate::commands::control::{self, Author};
use crate::exit::{Exit, Failure};
use crate::output;

/// Put an earlier policy in force again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its number in the history; the one before the present one by default.
    number: Option<i64>,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (number, author) = (args.number, &args.author.author);
    let applied = control::with(&args.place, async |control| {
        control.roll_back_policy(number, author).await
    })?;
    output::note(&format!("policy {} is in force", applied.number));
    control::print(&format!("{}\n", applied.hash))
}
