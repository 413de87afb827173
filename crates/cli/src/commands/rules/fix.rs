//! `atalaya rules fix`: what `check --fix` does, alone: dead comparisons, ranges and thresholds,
//! and old aggregations, are written as the specification says.
//!
//! A file that could not be read any more after an edit stays as it is.

use std::path::PathBuf;

use atalaya_sigma::ir::Edit;

use super::files::{self, RuleFile};
use crate::exit::{Exit, Failure};
use crate::output;

/// Mend rule files: valid but dead parts and old forms become what is meant
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print the mended text instead of writing the files.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    mend(&args.paths, args.dry_run)?;
    Ok(Exit::Fine)
}

/// Mends files in place, or prints what they would become.
pub(super) fn mend(paths: &[PathBuf], dry_run: bool) -> Result<(), Failure> {
    let mut mended = 0;
    for file in files::read(paths)?.iter().filter(|file| file.is_sigma()) {
        let Some((text, count)) = mended_text(file) else {
            continue;
        };
        mended += 1;
        if dry_run {
            output::data(&text).map_err(|error| Failure::world("writing the rules", error))?;
        } else {
            let path = file.path.display();
            std::fs::write(&file.path, text)
                .map_err(|error| Failure::world(format!("writing {path}"), error))?;
            output::note(&format!("{path}: {count} parts mended"));
        }
    }
    output::note(&format!("{mended} files mended"));
    Ok(())
}

/// The text after all edits, and how many they were.
fn mended_text(file: &RuleFile) -> Option<(String, usize)> {
    let (collection, _) = atalaya_sigma::parse_files([file.text.as_str()]);
    let edits: &[Edit] = &collection.fixes;
    if edits.is_empty() {
        return None;
    }
    let text = atalaya_sigma::apply_edits(&file.text, edits);
    let (after, _) = atalaya_sigma::parse_files([text.as_str()]);
    let all = |c: &atalaya_sigma::ir::Collection| (c.rules.len(), c.correlations.len());
    if all(&after) != all(&collection) {
        output::note(&format!(
            "{}: cannot be mended by an edit",
            file.path.display()
        ));
        return None;
    }
    Some((text, edits.len()))
}
