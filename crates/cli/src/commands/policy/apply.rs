//! `atalaya policy apply FILE`.

use std::path::PathBuf;

use crate::commands::common::{self, Place};
use crate::commands::control::{self, Author};
use crate::exit::{Exit, Failure};
use crate::output;

/// Put a policy in force; a running node takes it over within 50 ms
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file.
    file: PathBuf,
    /// Why.
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let text = common::read(&args.file)?;
    let name = args.file.display().to_string();
    // Mistakes are shown with the file's name before anything is opened.
    atalaya_policy::Policy::parse(&text)
        .map_err(|problems| Failure::diagnostics(&name, &text, &problems))?;
    let (author, note) = (&args.author.author, &args.note);
    let applied = control::with(&args.place, async |control| {
        control.apply_policy(&text, author, note).await
    })?;
    let what = if applied.is_unchanged {
        "was in force already"
    } else {
        "is in force"
    };
    output::note(&format!("policy {} {what}", applied.number));
    control::print(&format!("{}\n", applied.hash))
}
