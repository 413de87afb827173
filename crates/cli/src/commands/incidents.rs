//! `atalaya incidents`: what alerts have become, and what is done about it.

use atalaya_model::{Severity, Timestamp};
use atalaya_respond::incident::{
    Disposition, Heading, Incident, IncidentError, IncidentFilter, IncidentStatus, Task, Update,
    report,
};
use atalaya_respond::responder::Responder;
use atalaya_server::config::Config;
use atalaya_server::{open, respond};

use super::common::{self, Place};
use super::listing::{self, Actor};
use crate::exit::{Exit, Failure};
use crate::output::Format;

/// Work on incidents
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List incidents, those that changed last first.
    List(ListArgs),
    /// Show one incident under the headings of NIST SP 800-61r3, with its timeline and clocks.
    Show(OneArgs),
    /// Change status, owner, severity, disposition or title; add a comment.
    Update(UpdateArgs),
    /// Add a task, or mark one as done.
    Task(TaskArgs),
    /// Make one incident part of another.
    Merge(MergeArgs),
    /// Take alerts out of an incident into a new one.
    Split(SplitArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Status: new, active, contained, closed, merged; all but merged ones by default.
    #[arg(long, value_parser = status)]
    status: Vec<IncidentStatus>,
    /// Least severity: informational, low, medium, high, critical.
    #[arg(long, value_parser = severity)]
    severity: Option<Severity>,
    /// Value of any entity, e.g. a caller.
    #[arg(long)]
    entity: Option<String>,
    /// Exact ATLAS technique.
    #[arg(long)]
    technique: Option<String>,
    /// Who works on it.
    #[arg(long)]
    owner: Option<String>,
    /// Most incidents.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OneArgs {
    /// Id of the incident, or the beginning of it.
    id: String,
    /// Output format; Markdown on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UpdateArgs {
    /// Id of the incident, or the beginning of it.
    id: String,
    /// New status: new, active, contained, closed.
    #[arg(long, value_parser = status)]
    status: Option<IncidentStatus>,
    /// Who works on it from now on.
    #[arg(long)]
    owner: Option<String>,
    /// How urgent it is.
    #[arg(long, value_parser = severity)]
    severity: Option<Severity>,
    /// What it turned out to be: `true_positive`, `benign_positive`, `false_positive`,
    /// `undetermined`.
    #[arg(long, value_parser = disposition)]
    disposition: Option<Disposition>,
    /// New title.
    #[arg(long)]
    title: Option<String>,
    /// A remark.
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TaskArgs {
    /// Id of the incident, or the beginning of it.
    id: String,
    /// What is to be done: adds a task.
    #[arg(long, required_unless_present = "done")]
    add: Option<String>,
    /// Who does it.
    #[arg(long)]
    assignee: Option<String>,
    /// Heading: detect, respond, recover, improve.
    #[arg(long, default_value = "respond", value_parser = heading)]
    heading: Heading,
    /// Number of a task that is done.
    #[arg(long)]
    done: Option<u32>,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// Incident that becomes part of another.
    from: String,
    /// The other.
    #[arg(long)]
    into: String,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SplitArgs {
    /// Id of the incident, or the beginning of it.
    id: String,
    /// Alerts that move into a new incident.
    #[arg(long = "alert", required = true)]
    alerts: Vec<String>,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

fn severity(text: &str) -> Result<Severity, String> {
    listing::parse(text, "informational, low, medium, high, critical")
}

fn status(text: &str) -> Result<IncidentStatus, String> {
    listing::parse(text, "new, active, contained, closed, merged")
}

fn disposition(text: &str) -> Result<Disposition, String> {
    listing::parse(
        text,
        "true_positive, benign_positive, false_positive, undetermined",
    )
}

fn heading(text: &str) -> Result<Heading, String> {
    listing::parse(text, "detect, respond, recover, improve")
}

impl From<IncidentError> for Failure {
    fn from(error: IncidentError) -> Self {
        match error {
            IncidentError::Store(error) => Self::world("the store", error),
            other => Self::BadInput(format!("error: {other}")),
        }
    }
}

/// The responder over a node's data, for one command.
pub(crate) fn with_responder<T>(
    place: &Place,
    work: impl AsyncFnOnce(&Config, &Responder) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = place.load()?;
    open::require_data(&config)?;
    common::runtime()?.block_on(async {
        let responder = respond::for_command(&config).await?;
        work(&config, &responder).await
    })
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    match command {
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
        Command::Update(args) => {
            let update = Update {
                status: args.status,
                owner: args.owner.clone(),
                severity: args.severity,
                disposition: args.disposition,
                title: args.title.clone(),
                comment: args.comment.clone(),
            };
            with_responder(&args.place, async |config, responder| {
                let incidents = responder.incidents();
                let changed = incidents.update(&args.id, &update, &args.actor.name, now);
                print_one(args.format, config, &changed.await?)
            })
        }
        Command::Task(args) => task(args, now),
        Command::Merge(args) => with_responder(&args.place, async |config, responder| {
            let incidents = responder.incidents();
            let merged = incidents.merge(&args.from, &args.into, &args.actor.name, now);
            print_one(args.format, config, &merged.await?)
        }),
        Command::Split(args) => with_responder(&args.place, async |config, responder| {
            let incidents = responder.incidents();
            let split = incidents.split(&args.id, &args.alerts, &args.actor.name, now);
            print_one(args.format, config, &split.await?)
        }),
    }
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let filter = IncidentFilter {
        statuses: args.status.clone(),
        entity: args.entity.clone(),
        technique: args.technique.clone(),
        owner: args.owner.clone(),
        severity_min: args.severity,
        limit: args.limit,
    };
    with_responder(&args.place, async |config, responder| {
        let found = responder.incidents().list(&filter).await?;
        let now = Timestamp::now();
        let header = [
            "IncidentId",
            "Opened",
            "Severity",
            "Status",
            "Owner",
            "Disposition",
            "Alerts",
            "Next due",
            "Title",
        ];
        listing::list(args.format, &header, &found, |incident| {
            vec![
                incident.incident_id.clone(),
                incident.opened.to_rfc3339(),
                incident.severity().to_string(),
                incident.status.as_str().to_owned(),
                incident.owner.clone(),
                incident.disposition.as_str().to_owned(),
                incident.alert_ids.len().to_string(),
                incident.next_due(&config.respond.sla, now),
                incident.title.clone(),
            ]
        })
    })
}

fn show(args: &OneArgs) -> Result<Exit, Failure> {
    with_responder(&args.place, async |config, responder| {
        let found = responder.incidents().find(&args.id).await?;
        print_one(args.format, config, &found)
    })
}

fn task(args: &TaskArgs, now: Timestamp) -> Result<Exit, Failure> {
    with_responder(&args.place, async |config, responder| {
        let incidents = responder.incidents();
        let id = incidents.find(&args.id).await?.incident_id;
        let mut changed = None;
        if let Some(title) = &args.add {
            let task = Task {
                number: 0,
                heading: args.heading,
                title: title.clone(),
                assignee: args.assignee.clone().unwrap_or_default(),
                done: false,
                key: String::new(),
            };
            changed = Some(incidents.add_task(&id, task, now).await?);
        }
        if let Some(number) = args.done {
            changed = Some(incidents.set_task(&id, number, true, now).await?);
        }
        match changed {
            Some(incident) => print_one(args.format, config, &incident),
            None => Ok(Exit::Fine),
        }
    })
}

fn print_one(
    format: Option<Format>,
    config: &Config,
    incident: &Incident,
) -> Result<Exit, Failure> {
    listing::one(format, incident, || {
        report(incident, &config.respond.sla, Timestamp::now())
    })
}
