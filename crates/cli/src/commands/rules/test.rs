//! `atalaya rules test`: the tests beside rules, against the real engines; JUnit for pipelines.
//!
//! Rules in force have cases over log tables, which the query engine runs. With `--rules`, Sigma
//! files are asked about events as the streaming matcher sees them (`NAME.test.yml`: `cases` with
//! `events` and the numbers of those that must match).

use std::path::PathBuf;

use atalaya_detect::testing::{self, TestFile};
use atalaya_model::SourceFile;
use atalaya_server::laboratory::EngineLaboratory;
use atalaya_server::open;

use super::super::common::{self, Place};
use super::files;
use super::junit::{self, Case};
use crate::exit::{Exit, Failure};
use crate::output;

/// Run the tests of rules against the real engines; exit code 1 if one fails
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only rules whose id or file contains this.
    filter: Option<String>,
    /// Test the Sigma files of this folder against the streaming matcher instead of the rules
    /// in force.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Write the results as JUnit XML; `-` is standard output.
    #[arg(long)]
    junit: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (cases, untested) = match &args.rules {
        Some(folder) => streams(folder, args.filter.as_deref())?,
        None => scheduled(args)?,
    };
    for case in &cases {
        if let Some(why) = &case.failure {
            output::note(&format!("FAILED {}: {}: {why}", case.suite, case.name));
        }
    }
    if let Some(part) = args.filter.as_deref()
        && cases.is_empty()
        && untested == 0
    {
        return Err(Failure::BadInput(format!(
            "error: no rule's id or file contains `{part}`; see `atalaya rules list`"
        )));
    }
    let failed = cases.iter().filter(|case| case.failure.is_some()).count();
    if let Some(path) = &args.junit {
        junit::write(path, &cases)?;
    }
    output::note(&format!(
        "{} cases passed, {failed} failed, {untested} rules without a test",
        cases.len() - failed
    ));
    Ok(if failed == 0 { Exit::Fine } else { Exit::Found })
}

fn scheduled(args: &Args) -> Result<(Vec<Case>, usize), Failure> {
    let rules = open::rules(&args.place.load()?)?;
    let runtime = common::runtime()?;
    let (mut cases, mut untested) = (Vec::new(), 0);
    for rule in rules.rules() {
        let origin = rule.origin.to_string();
        let wanted = |part: &str| rule.id.contains(part) || origin.contains(part);
        if args.filter.as_deref().is_some_and(|part| !wanted(part)) {
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
            cases.push(Case {
                suite: origin.clone(),
                name: outcome.name,
                failure: outcome.failure,
            });
        }
    }
    Ok((cases, untested))
}

fn streams(folder: &PathBuf, filter: Option<&str>) -> Result<(Vec<Case>, usize), Failure> {
    let (mut cases, mut untested) = (Vec::new(), 0);
    let all = files::read(std::slice::from_ref(folder))?;
    for file in all.iter().filter(|file| file.is_sigma()) {
        let suite = file.path.display().to_string();
        if filter.is_some_and(|part| !suite.contains(part)) {
            continue;
        }
        let test = file.path.with_extension("test.yml");
        let Ok(text) = std::fs::read_to_string(&test) else {
            output::note(&format!("{suite}: has no test"));
            untested += 1;
            continue;
        };
        let outcomes = atalaya_sigma::testing::run(&file.text, &text).map_err(|problem| {
            let name = test.display().to_string();
            let source = SourceFile {
                name: &name,
                text: &text,
            };
            Failure::BadInput(source.render(&problem))
        })?;
        for outcome in outcomes {
            cases.push(Case {
                suite: suite.clone(),
                name: outcome.name,
                failure: outcome.failure,
            });
        }
    }
    Ok((cases, untested))
}
