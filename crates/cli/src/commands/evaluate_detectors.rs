//! `atalaya evaluate-detectors`: how good detectors and policy are on labelled texts.
//!
//! What goes to standard output is the same for the same files on every machine; how long it took
//! is a note on standard error.

use std::path::PathBuf;
use std::time::Instant;

use atalaya_evaluate::{Case, evaluate, read_cases};
use atalaya_server::open;

use super::common::Place;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Measure detectors and policy on labelled texts: JSON lines {"text","label","role",…}
///
/// `label` is 1 or "attack", 0 or "benign"; exports of the review queue (`disposition`) are read
/// too. Prints, by dataset, kind, language and role: area under the curve, recall at 1 % and 0.1 %
/// false positives, what the policy acts on, and the worst misses and false alarms by id.
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
    let mut cases: Vec<Case> = Vec::new();
    let mut unlabelled = 0;
    for path in &args.datasets {
        let content = std::fs::read_to_string(path).map_err(|error| {
            Failure::BadInput(format!("error: cannot read {}: {error}", path.display()))
        })?;
        let name = path
            .file_stem()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (mut read, left_out) = read_cases(&name, &content)
            .map_err(|error| Failure::BadInput(format!("error: {}: {error}", path.display())))?;
        cases.append(&mut read);
        unlabelled += left_out;
    }
    let bytes: usize = cases.iter().map(|case| case.text.len()).sum();
    let started = Instant::now();
    let report = evaluate(&cases, unlabelled, &inspector, &policy);
    let spent = started.elapsed();
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
    output::note(&format!(
        "{} texts, {bytes} bytes in {:.2} s: {:.1} \u{b5}s per text, {:.1} ns per byte",
        cases.len(),
        spent.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / cases.len().max(1) as f64,
        spent.as_secs_f64() * 1e9 / bytes.max(1) as f64,
    ));
    Ok(Exit::Fine)
}
