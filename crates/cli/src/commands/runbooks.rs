//! `atalaya runbooks`: what is done when an attack is found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use atalaya_respond::cacao;
use atalaya_respond::context::RunContext;
use atalaya_respond::runbook::{Runbook, RunbookCatalogue, test};
use atalaya_respond::saga::plan::{self, Planned};
use atalaya_respond::saga::{Run, RunStatus, SagaError};
use atalaya_server::respond;
use atalaya_store::StepEntry;
use serde_json::{Value, json};

use super::common::Place;
use super::incidents::with_responder;
use super::listing::{self, Actor};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Look after runbooks and their runs
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the runbooks in force.
    List(ListArgs),
    /// Check runbook files: mistakes with place and remedy (exit code 1).
    Check(FilesArgs),
    /// Run the tests beside runbooks; without files, those in force (exit code 1 if one fails).
    Test(FilesArgs),
    /// Start a runbook for an alert, an incident or facts of your own.
    Run(RunArgs),
    /// List runs; with a run, show its steps.
    History(HistoryArgs),
    /// Answer a step that asks for approval.
    Approve(AnswerArgs),
    /// Refuse a step that asks for approval.
    Reject(AnswerArgs),
    /// Take back what a run did.
    Undo(UndoArgs),
    /// Print a runbook as a CACAO 2.0 playbook (JSON).
    Export(ExportArgs),
    /// List the actions that steps can name, with their parameters.
    Actions(ListArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FilesArgs {
    /// Runbook files; those in force without any.
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Id of the runbook.
    id: String,
    /// Takes the facts of this alert.
    #[arg(long)]
    alert: Option<String>,
    /// Belongs to this incident, and takes the facts of its last alert.
    #[arg(long)]
    incident: Option<String>,
    /// A fact, e.g. `caller=mallory`; wins over those of the alert.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    facts: Vec<String>,
    /// Only says what would happen.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Id of a run, or the beginning of it.
    run: Option<String>,
    /// Only runs of this runbook.
    #[arg(long)]
    runbook: Option<String>,
    /// Only runs of this incident.
    #[arg(long)]
    incident: Option<String>,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AnswerArgs {
    /// Id of the run, or the beginning of it.
    run: String,
    /// Id of the step.
    step: String,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UndoArgs {
    /// Id of the run, or the beginning of it.
    run: String,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Id of the runbook, or a file.
    id: String,
    #[command(flatten)]
    place: Place,
}

impl From<SagaError> for Failure {
    fn from(error: SagaError) -> Self {
        match error {
            SagaError::Store(error) => Self::world("the store", error),
            SagaError::Incident(error) => error.into(),
            other => Self::BadInput(format!("error: {other}")),
        }
    }
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list(args),
        Command::Check(args) => check(args),
        Command::Test(args) => run_tests(args),
        Command::Run(args) => start(args),
        Command::History(args) => history(args),
        Command::Approve(args) => answer(args, true),
        Command::Reject(args) => answer(args, false),
        Command::Undo(args) => with_responder(&args.place, async |_, responder| {
            let engine = responder.engine();
            let run = engine.undo(&args.run, &args.actor.name).await?;
            let steps = engine.steps(&run.run_id).await?;
            print_run(args.format, &run, &steps)
        }),
        Command::Export(args) => export(args),
        Command::Actions(args) => actions(args),
    }
}

/// The runbooks of the files that were named; those in force if none was.
fn catalogue(files: &[PathBuf], place: &Place) -> Result<RunbookCatalogue, Failure> {
    if files.is_empty() {
        return Ok(respond::runbooks(&place.load()?)?);
    }
    let mut catalogue = RunbookCatalogue::default();
    for file in files {
        if file.is_dir() {
            catalogue.add_folder(file);
        } else {
            catalogue.add_file(file);
        }
    }
    Ok(catalogue)
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let catalogue = respond::runbooks(&args.place.load()?)?;
    let items: Vec<Value> = catalogue
        .runbooks()
        .map(|runbook| {
            json!({
                "id": runbook.id, "title": runbook.title, "version": runbook.version,
                "sha256": runbook.hash, "origin": runbook.origin.to_string(),
                "enabled": runbook.enabled, "steps": runbook.all_steps().len(),
                "techniques": runbook.triggers.iter().flat_map(|t| t.techniques.clone()).collect::<Vec<_>>(),
            })
        })
        .collect();
    let header = ["Id", "Version", "Enabled", "Steps", "Techniques", "Title"];
    listing::list(args.format, &header, &items, |item| {
        let text = |name: &str| atalaya_respond::context::text_of(&item[name]);
        ["id", "version", "enabled", "steps", "techniques", "title"]
            .map(text)
            .into()
    })
}

fn check(args: &FilesArgs) -> Result<Exit, Failure> {
    let catalogue = catalogue(&args.files, &args.place)?;
    for problem in catalogue.problems() {
        output::note(&problem.render());
    }
    let errors = catalogue.problems().iter().filter(|p| p.is_error()).count();
    let good = catalogue.runbooks().count();
    listing::print(&format!("{good} runbooks are right, {errors} mistakes\n"))?;
    Ok(if errors == 0 { Exit::Fine } else { Exit::Found })
}

fn run_tests(args: &FilesArgs) -> Result<Exit, Failure> {
    let catalogue = catalogue(&args.files, &args.place)?;
    let mut failed = false;
    for problem in catalogue.problems().iter().filter(|p| p.is_error()) {
        output::note(&problem.render());
        failed = true;
    }
    let mut text = String::new();
    for runbook in catalogue.runbooks() {
        let Some(cases) = catalogue.test_of(&runbook.id) else {
            text.push_str(&format!("{}: no tests\n", runbook.id));
            continue;
        };
        match test::run(runbook, cases) {
            Ok(reports) => {
                for report in reports {
                    let mark = if report.failures.is_empty() {
                        "ok"
                    } else {
                        "FAILED"
                    };
                    failed |= !report.failures.is_empty();
                    text.push_str(&format!("{}: {} ... {mark}\n", runbook.id, report.name));
                    for failure in report.failures {
                        text.push_str(&format!("    {failure}\n"));
                    }
                }
            }
            Err(problem) => {
                output::diagnostics(&format!("{}.test.yml", runbook.id), cases, &[*problem]);
                failed = true;
            }
        }
    }
    listing::print(&text)?;
    Ok(if failed { Exit::Found } else { Exit::Fine })
}

fn find(catalogue: &RunbookCatalogue, id: &str) -> Result<Runbook, Failure> {
    let found = catalogue.runbook(id).map(|runbook| Runbook::clone(runbook));
    found.ok_or_else(|| {
        let known: Vec<&str> = catalogue.runbooks().map(|r| r.id.as_str()).collect();
        Failure::BadInput(format!(
            "error: there is no runbook {id}; there are {}",
            known.join(", ")
        ))
    })
}

fn start(args: &RunArgs) -> Result<Exit, Failure> {
    with_responder(&args.place, async |config, responder| {
        let runbook = find(&respond::runbooks(config)?, &args.id)?;
        let context = context(args, responder).await?;
        if args.dry_run {
            let planned = plan::plan(&runbook, &context, &BTreeMap::new());
            return listing::one(args.format, &planned, || {
                let lines: Vec<String> = planned.iter().map(Planned::sentence).collect();
                lines.join("\n") + "\n"
            });
        }
        let engine = responder.engine();
        let incident = context.incident_id.clone();
        let (run, _) = engine
            .create(&runbook, context, &args.actor.name, None)
            .await?;
        if let Some(incident) = incident {
            let now = atalaya_model::Timestamp::now();
            let incidents = responder.incidents();
            incidents
                .attach(&incident, Some(&run.run_id), None, now)
                .await?;
        }
        let run = engine.drive(&run.run_id).await?;
        let steps = engine.steps(&run.run_id).await?;
        print_run(args.format, &run, &steps)
    })
}

/// The facts that a run begins with.
async fn context(
    args: &RunArgs,
    responder: &atalaya_respond::responder::Responder,
) -> Result<RunContext, Failure> {
    let mut alert_id = args.alert.clone();
    let mut incident_id = None;
    if let Some(id) = &args.incident {
        let incident = responder.incidents().find(id).await?;
        alert_id = alert_id.or_else(|| incident.alert_ids.last().cloned());
        incident_id = Some(incident.incident_id);
    }
    let mut context = RunContext {
        incident_id: incident_id.clone(),
        ..RunContext::default()
    };
    if let Some(id) = alert_id {
        let found = responder.engine().ports().alerts.alert(&id).await;
        let found = found.map_err(|error| Failure::world("reading the alert", error))?;
        let alert = found.ok_or_else(|| {
            Failure::BadInput(format!(
                "error: there is no alert {id}; see `atalaya alerts list`"
            ))
        })?;
        context = RunContext::of_alert(&alert, incident_id.as_deref());
    }
    for fact in &args.facts {
        let (name, value) = fact
            .split_once('=')
            .ok_or_else(|| Failure::BadInput(format!("error: `--set {fact}` is no NAME=VALUE")))?;
        let value = match value.parse::<f64>() {
            Ok(number) => json!(number),
            Err(_) => json!(value),
        };
        context.facts.insert(name.to_owned(), value);
    }
    Ok(context)
}

fn history(args: &HistoryArgs) -> Result<Exit, Failure> {
    with_responder(&args.place, async |_, responder| {
        let engine = responder.engine();
        if let Some(id) = &args.run {
            let run = engine.find(id).await?;
            let steps = engine.steps(&run.run_id).await?;
            return print_run(args.format, &run, &steps);
        }
        let runs = engine
            .history(args.runbook.as_deref(), args.incident.as_deref())
            .await?;
        let header = ["RunId", "Started", "Runbook", "Status", "Author", "Reason"];
        listing::list(args.format, &header, &runs, |run| {
            vec![
                run.run_id.clone(),
                run.started.to_rfc3339(),
                format!("{} {}", run.runbook_id, run.runbook_version),
                run.status.as_str().to_owned(),
                run.author.clone(),
                run.reason.clone(),
            ]
        })
    })
}

fn answer(args: &AnswerArgs, approved: bool) -> Result<Exit, Failure> {
    with_responder(&args.place, async |_, responder| {
        let engine = responder.engine();
        let run = engine
            .answer(&args.run, &args.step, approved, &args.actor.name)
            .await?;
        let steps = engine.steps(&run.run_id).await?;
        print_run(args.format, &run, &steps)
    })
}

fn export(args: &ExportArgs) -> Result<Exit, Failure> {
    let path = PathBuf::from(&args.id);
    let runbook = if path.is_file() {
        let catalogue = catalogue(std::slice::from_ref(&path), &args.place)?;
        for problem in catalogue.problems() {
            output::note(&problem.render());
        }
        let first = catalogue.runbooks().next().map(|r| Runbook::clone(r));
        first.ok_or_else(|| Failure::BadInput("error: the file holds no runbook".to_owned()))?
    } else {
        find(&respond::runbooks(&args.place.load()?)?, &args.id)?
    };
    listing::print(&listing::document(&cacao::export(&runbook), true))
}

fn actions(args: &ListArgs) -> Result<Exit, Failure> {
    let items: Vec<Value> = atalaya_respond::actions::ALL
        .iter()
        .map(|action| {
            let parameters = action
                .parameters()
                .iter()
                .map(|p| json!({"name": p.name, "required": p.required, "meaning": p.meaning}));
            json!({
                "action": action.name(), "summary": action.summary(),
                "can_be_undone": action.can_be_undone(), "needs_a_gate": action.needs_a_gate(),
                "parameters": parameters.collect::<Vec<_>>(),
            })
        })
        .collect();
    let header = ["Action", "Undo", "Parameters", "Summary"];
    listing::list(args.format, &header, &items, |item| {
        let text = |name: &str| atalaya_respond::context::text_of(&item[name]);
        let parameters = item["parameters"].as_array().into_iter().flatten();
        let names: Vec<&str> = parameters.filter_map(|p| p["name"].as_str()).collect();
        vec![
            text("action"),
            text("can_be_undone"),
            names.join(" "),
            text("summary"),
        ]
    })
}

fn print_run(format: Option<Format>, run: &Run, steps: &[StepEntry]) -> Result<Exit, Failure> {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let listed: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!({
                "step": step.step_id, "key": step.key, "intent": value(&step.intent),
                "outcome": step.outcome.as_deref().map(value), "attempts": step.attempts,
                "begun": step.begun.to_rfc3339(),
                "ended": step.ended.map(atalaya_model::Timestamp::to_rfc3339),
            })
        })
        .collect();
    let document = json!({
        "run_id": run.run_id, "runbook": run.runbook_id, "version": run.runbook_version,
        "sha256": run.runbook_hash, "status": run.status.as_str(), "reason": run.reason,
        "author": run.author, "incident": run.context.incident_id,
        "started": run.started.to_rfc3339(),
        "ended": run.ended.map(atalaya_model::Timestamp::to_rfc3339), "steps": listed,
    });
    listing::one(format, &document, || {
        let mut text = format!(
            "{} {}: {} {}\n",
            run.run_id,
            run.runbook_title,
            run.status.as_str(),
            run.reason
        );
        let rows: Vec<Vec<String>> = listed
            .iter()
            .map(|step| {
                let text = |pointer: &str| {
                    let found = step.pointer(pointer).cloned().unwrap_or_default();
                    atalaya_respond::context::text_of(&found)
                };
                vec![
                    text("/step"),
                    text("/outcome/status"),
                    text("/ended"),
                    text("/outcome/reason"),
                ]
            })
            .collect();
        text.push_str(&output::table(
            &["Step", "Status", "Ended", "Reason"],
            &rows,
        ));
        text
    })?;
    Ok(if run.status == RunStatus::Failed {
        Exit::Found
    } else {
        Exit::Fine
    })
}
