//! `atalaya rules list|check|test`.

use std::path::PathBuf;

use atalaya_detect::testing::{self, TestFile};
use atalaya_detect::{Rule, RuleCatalogue};
use atalaya_model::SourceFile;
use atalaya_server::laboratory::EngineLaboratory;
use atalaya_server::open;

use super::common::{self, Place};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Look at detection rules, check and test them
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the rules in force.
    List {
        /// Output format; a table on a terminal, NDJSON in a pipe.
        #[arg(long)]
        format: Option<Format>,
        #[command(flatten)]
        place: Place,
    },
    /// Check rule files or folders: file, line, caret, remedy.
    Check {
        /// Files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Run the tests of rules against the real engine; exit code 1 if one fails.
    Test {
        /// Only rules whose id or file contains this.
        filter: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List { format, place } => list(*format, place),
        Command::Check { paths } => check(paths),
        Command::Test { filter, place } => test(filter.as_deref(), place),
    }
}

fn list(format: Option<Format>, place: &Place) -> Result<Exit, Failure> {
    let rules = open::rules(&place.load()?)?;
    let header = [
        "Id",
        "Name",
        "Severity",
        "Techniques",
        "Every",
        "Enabled",
        "Origin",
    ];
    let rows: Vec<Vec<String>> = rules.rules().map(|rule| row(rule)).collect();
    let objects = || {
        rows.iter().map(|row| {
            let members = header
                .iter()
                .zip(row)
                .map(|(name, value)| ((*name).to_owned(), serde_json::Value::from(value.as_str())));
            serde_json::Value::Object(members.collect())
        })
    };
    let text = match Format::or_default(format) {
        Format::Table => output::table(&header, &rows),
        Format::Json => format!("{:#}\n", serde_json::Value::Array(objects().collect())),
        Format::Ndjson => objects().map(|object| format!("{object}\n")).collect(),
        Format::Csv => output::csv(&header, &rows),
    };
    output::data(&text).map_err(|error| Failure::world("writing the list", error))?;
    Ok(Exit::Fine)
}

fn row(rule: &Rule) -> Vec<String> {
    vec![
        rule.id.clone(),
        rule.name.clone(),
        rule.severity.to_string(),
        rule.techniques.join(" "),
        format!("{}s", rule.frequency.as_secs()),
        rule.enabled.to_string(),
        rule.origin.to_string(),
    ]
}

fn check(paths: &[PathBuf]) -> Result<Exit, Failure> {
    let mut rules = RuleCatalogue::default();
    for path in paths {
        if path.is_dir() {
            rules.add_folder(path);
        } else {
            rules.add_file(path);
        }
    }
    let (errors, warnings): (Vec<_>, Vec<_>) = rules
        .problems()
        .iter()
        .partition(|problem| problem.is_error());
    for problem in &warnings {
        output::note(&problem.render());
    }
    if errors.is_empty() {
        output::note(&format!(
            "{} rules are fine, {} remarks",
            rules.len(),
            warnings.len()
        ));
        return Ok(Exit::Fine);
    }
    let rendered: Vec<String> = errors.iter().map(|problem| problem.render()).collect();
    Err(Failure::BadInput(rendered.join("\n")))
}

fn test(filter: Option<&str>, place: &Place) -> Result<Exit, Failure> {
    let rules = open::rules(&place.load()?)?;
    let runtime = common::runtime()?;
    let (mut passed, mut failed, mut untested) = (0_usize, 0_usize, 0_usize);
    for rule in rules.rules() {
        let origin = rule.origin.to_string();
        if filter.is_some_and(|part| !rule.id.contains(part) && !origin.contains(part)) {
            continue;
        }
        let Some(text) = rules.test_of(&rule.id) else {
            output::note(&format!("{origin}: has no test"));
            untested += 1;
            continue;
        };
        let file = TestFile::parse(text).map_err(|problem| {
            let name = format!("test of {origin}");
            Failure::BadInput(SourceFile { name: &name, text }.render(&problem))
        })?;
        for outcome in runtime.block_on(testing::run(rule, &file, &EngineLaboratory)) {
            match outcome.failure {
                None => passed += 1,
                Some(why) => {
                    failed += 1;
                    output::note(&format!("FAILED {origin}: {}: {why}", outcome.name));
                }
            }
        }
    }
    output::note(&format!(
        "{passed} cases passed, {failed} failed, {untested} rules without a test"
    ));
    Ok(if failed == 0 { Exit::Fine } else { Exit::Found })
}
