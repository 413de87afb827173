//! `atalaya rules explain`: why an event matched a rule, or did not, line by line.

use std::fmt::Write as _;
use std::path::PathBuf;

use atalaya_sigma::explain::{Explanation, explain};

use super::files;
use crate::exit::{Exit, Failure};
use crate::output;

/// Say why events matched a Sigma rule, or did not
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file of Sigma rules.
    rule: PathBuf,
    /// Events, one JSON object per line; `-` is standard input.
    #[arg(long)]
    events: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (collection, _) = files::sigma(std::slice::from_ref(&args.rule), false)?;
    files::lines(&args.events, &mut |number, event| {
        for rule in &collection.rules {
            let explanation = match explain(rule, event) {
                Ok(explanation) => explanation,
                Err(error) => {
                    output::note(&format!("event {number}: {error}"));
                    break;
                }
            };
            let text = render(&rule.metadata.title, number, &explanation);
            output::data(&text).map_err(|error| Failure::world("writing", error))?;
        }
        Ok(())
    })?;
    Ok(Exit::Fine)
}

fn render(title: &str, number: u64, explanation: &Explanation) -> String {
    let mark = |holds: bool| if holds { "yes" } else { "no " };
    let verdict = if explanation.matches {
        "matches"
    } else {
        "does not match"
    };
    let mut out = format!("event {number} {verdict} `{title}`\n");
    for (text, holds) in &explanation.conditions {
        let _ = writeln!(out, "  {}  condition: {text}", mark(*holds));
    }
    for selection in &explanation.selections {
        let _ = writeln!(out, "  {}  {}", mark(selection.holds), selection.name);
        for line in &selection.lines {
            let has = if line.key == "keywords" {
                String::new()
            } else if line.values.is_empty() {
                "  (absent)".to_owned()
            } else {
                format!("  has {}", line.values.join(" | "))
            };
            let _ = writeln!(out, "  {}    {}{has}", mark(line.holds), line.key);
        }
    }
    out
}
