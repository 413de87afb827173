//! `atalaya rules check`: file, line, caret, remedy; with `--fix`, mended where a remedy is an
//! edit.

use std::path::PathBuf;

use atalaya_detect::RuleCatalogue;
use atalaya_sigma::Level;

use super::files::{self, RuleFile};
use super::fix;
use crate::exit::{Exit, Failure};
use crate::output;

/// Check rule files or folders: file, line, caret, remedy
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Mend what can be mended by an edit of the file (comments are kept).
    #[arg(long)]
    fix: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.fix {
        fix::mend(&args.paths, false)?;
    }
    let (sigma, others): (Vec<RuleFile>, Vec<RuleFile>) = files::read(&args.paths)?
        .into_iter()
        .partition(RuleFile::is_sigma);
    let mut catalogue = RuleCatalogue::default();
    for file in &others {
        catalogue.add_file(&file.path);
    }
    let texts = sigma.iter().map(|file| file.text.as_str());
    let (collection, mut problems) = atalaya_sigma::parse_files(texts);
    problems.extend(atalaya_sigma::check(&collection));
    problems.sort_by_key(|problem| (problem.file, problem.diagnostic.span.start));
    let mut errors: Vec<String> = Vec::new();
    let mut warnings = 0;
    let remarks = catalogue
        .problems()
        .iter()
        .map(|p| (p.is_error(), p.render()));
    let found = problems.iter().map(|problem| {
        let is_error = problem.diagnostic.level == Level::Error;
        (is_error, sigma[problem.file].render(problem))
    });
    for (is_error, rendered) in remarks.chain(found) {
        if is_error {
            errors.push(rendered);
        } else {
            warnings += 1;
            output::note(&rendered);
        }
    }
    if !errors.is_empty() {
        return Err(Failure::BadInput(errors.join("\n")));
    }
    let rules = catalogue.len() + collection.rules.len() + collection.correlations.len();
    output::note(&format!("{rules} rules are fine, {warnings} remarks"));
    Ok(Exit::Fine)
}
