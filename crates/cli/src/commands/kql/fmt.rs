//! `atalaya kql fmt`

use std::path::PathBuf;

use crate::commands::kql::read;
use crate::exit::{Exit, Failure};
use crate::output;

/// Format KQL files in place; `-` formats standard input to standard output
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing; name the files that are not formatted and end with 1.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut exit = Exit::Fine;
    for path in &args.files {
        let name = path.display().to_string();
        let text = read(path)?;
        let formatted = atalaya_kql::format(&text)
            .map_err(|problems| Failure::diagnostics(&name, &text, &problems))?;
        let is_input = path.as_os_str() == "-";
        if args.check {
            if formatted != text {
                output::note(&format!("{name}: not formatted"));
                exit = Exit::Found;
            }
        } else if is_input {
            output::data(&formatted).map_err(|error| Failure::world("writing", error))?;
        } else if formatted != text {
            std::fs::write(path, formatted)
                .map_err(|error| Failure::world(format!("writing {name}"), error))?;
        }
    }
    Ok(exit)
}
