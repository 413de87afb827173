//! `atalaya evaluate-detectors`: how good detectors and policy are on labelled texts.
//!
//! What goes to standard output is the same for the same files on every machine, apart from the
//! line (in JSON the member) about latency.

use std::path::PathBuf;

use atalaya_evaluate::{Dataset, evaluate, read_cases};
use atalaya_server::open;

use super::common::Place;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Measure detectors and policy on labelled texts: JSON lines {"text","label","role",…}
///
/// `label` is 1 or "attack", 0 or "benign"; a conversation has `messages` [{"role","content"}] in
/// place of `text`. What `atalaya review export --with-text` writes is read too. Prints, by dataset, kind, language and role: area under the curve, recall at 1 % and 0.1 %
/// false positives, what the policy does by decision, the worst misses and false alarms by id, and latency.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of labelled texts.
    #[arg(required = true)]
    datasets: Vec<PathBuf>,
    /// Also write the report as a page with curves.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// table or json
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = args.place.load()?;
    let policy = open::policy(&config)?;
    let inspector = open::inspector(&config)?;
    let mut dataset = Dataset::default();
    for path in &args.datasets {
        let content = std::fs::read_to_string(path).map_err(|error| {
            Failure::BadInput(format!("error: cannot read {}: {error}", path.display()))
        })?;
        let name = path
            .file_stem()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut read = read_cases(&name, &content)
            .map_err(|error| Failure::BadInput(format!("error: {}: {error}", path.display())))?;
        dataset.cases.append(&mut read.cases);
        dataset.unlabelled += read.unlabelled;
        dataset.textless += read.textless;
    }
    let report = evaluate(&dataset, &inspector, &policy);
    if let Some(path) = &args.html {
        std::fs::write(path, report.to_html())
            .map_err(|error| Failure::world(format!("writing {}", path.display()), error))?;
    }
    let text = match args.format {
        Some(Format::Json) => serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::world("writing the report", error))?,
        _ => report.to_text(),
    };
    output::data(&text).map_err(|error| Failure::world("writing the report", error))?;
    Ok(Exit::Fine)
}
