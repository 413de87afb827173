//! `atalaya config check|show|default|schema|policy`.

use std::path::PathBuf;

use atalaya_policy::Policy;
use atalaya_server::config::Config;
use atalaya_server::open;

use super::common::Place;
use crate::exit::{Exit, Failure};
use crate::output;

/// Check and show the configuration
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check a configuration file, and the policy, patterns and rules that it names.
    Check {
        /// The file; the one of --config or ATALAYA_CONFIG if left out.
        file: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Print the configuration in force.
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Print every setting with its meaning and default.
    Default,
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print the built-in policy, to start your own from.
    Policy,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    let text = match command {
        Command::Check { file, place } => check(file.clone(), place)?,
        Command::Show { place } => place.load()?.to_text(),
        Command::Default => Config::default_text(),
        Command::Schema => format!("{:#}\n", Config::schema()),
        Command::Policy => Policy::builtin_text().to_owned(),
    };
    output::data(&text).map_err(|error| Failure::world("writing it", error))?;
    Ok(Exit::Fine)
}

fn check(file: Option<PathBuf>, place: &Place) -> Result<String, Failure> {
    let place = Place {
        config: file.or_else(|| place.config.clone()),
        data_dir: place.data_dir.clone(),
    };
    let config = place.load()?;
    let policy = open::policy(&config)?;
    let inspector = open::inspector(&config)?;
    let failed = inspector.failed_cases();
    if let Some(case) = failed.first() {
        return Err(Failure::BadInput(format!(
            "error: {} texts of pattern files are judged otherwise than the files say, e.g. one of rule {}",
            failed.len(),
            case.rule
        )));
    }
    let rules = open::rules(&config)?;
    for problem in rules.problems() {
        output::note(&problem.render());
    }
    let detectors = inspector.rules().count();
    Ok(format!(
        "fine: policy {} revision {}, {detectors} patterns, {} rules\n",
        policy.id(),
        policy.version(),
        rules.len()
    ))
}
