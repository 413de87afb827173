//! `atalaya rules convert`: Sigma rules as queries of another language.

use std::path::PathBuf;

use atalaya_model::SourceFile;
use atalaya_sigma::convert::kql;

use super::files::{self, RuleFile};
use crate::exit::{Exit, Failure};
use crate::output;

/// Convert Sigma rules to queries
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The language.
    #[arg(long, value_parser = ["kql"], default_value = "kql")]
    to: String,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut refused = Vec::new();
    for file in files::read(&args.paths)?
        .iter()
        .filter(|file| file.is_sigma())
    {
        if let Err(why) = one(file)? {
            refused.push(why);
        }
    }
    if refused.is_empty() {
        return Ok(Exit::Fine);
    }
    Err(Failure::BadInput(refused.join("\n")))
}

fn one(file: &RuleFile) -> Result<Result<(), String>, Failure> {
    let name = file.path.display().to_string();
    let source = SourceFile {
        name: &name,
        text: &file.text,
    };
    let render = |problems: Vec<atalaya_sigma::Diagnostic>| {
        let rendered: Vec<String> = problems.iter().map(|p| source.render(p)).collect();
        rendered.join("\n")
    };
    let collection = match atalaya_sigma::parse(&file.text) {
        Ok(collection) => collection,
        Err(problems) => return Ok(Err(render(problems))),
    };
    match kql::convert(&collection) {
        Ok(queries) => {
            for query in queries {
                output::data(&format!("{}\n\n", query.kql))
                    .map_err(|error| Failure::world("writing the query", error))?;
            }
            Ok(Ok(()))
        }
        Err(problems) => Ok(Err(render(problems))),
    }
}
