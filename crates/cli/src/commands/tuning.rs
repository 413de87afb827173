//! `atalaya tuning`: less noise, with data instead of guesses.

mod allow;
mod baselines;
mod thresholds;

use atalaya_respond::tuning::figures::figures;
use atalaya_respond::{incident::IncidentFilter, review};
use atalaya_server::respond;
use atalaya_store::AlertFilter;
use serde_json::json;

use super::common::Place;
use super::incidents::with_responder;
use super::listing;
use crate::exit::{Exit, Failure};
use crate::output::Format;

/// Tune rules, ladders and allowlists
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Figures of every rule and detector: alerts, what they turned out to be, cost.
    Figures(ListArgs),
    /// List the escalation ladders in force.
    Ladders(ListArgs),
    /// What another threshold of a ladder would have meant; suggests one, and can write it.
    Thresholds(thresholds::Args),
    /// What is normal for each caller on each route at this hour, and who is beyond it.
    Baselines(baselines::Args),
    /// Known-good callers, tools and findings, with an owner and an end.
    #[command(subcommand)]
    Allow(allow::Command),
    /// Silence alerts of a rule for a time, for everybody or one entity.
    Suppress(allow::SuppressArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Figures(args) => show_figures(args),
        Command::Ladders(args) => ladders(args),
        Command::Thresholds(args) => thresholds::run(args),
        Command::Baselines(args) => baselines::run(args),
        Command::Allow(command) => allow::run(command),
        Command::Suppress(args) => allow::suppress(args),
    }
}

fn show_figures(args: &ListArgs) -> Result<Exit, Failure> {
    with_responder(&args.place, async |_, responder| {
        let ports = responder.engine().ports();
        let broken = |error| Failure::world("the store", error);
        let filter = AlertFilter {
            limit: atalaya_store::ALERTS_LISTED_MAX,
            ..AlertFilter::default()
        };
        let alerts = ports.alerts.alerts(&filter).await.map_err(broken)?;
        let all = IncidentFilter {
            limit: u32::MAX,
            ..IncidentFilter::default()
        };
        let incidents = responder.incidents().list(&all).await?;
        let labels = review::list(ports.documents.as_ref(), Some(false), "").await;
        let states = ports.alerts.rule_states().await.map_err(broken)?;
        let figures = figures(&alerts, &incidents, &labels.map_err(broken)?, &states);
        let header = [
            "Rule",
            "Name",
            "Alerts",
            "True",
            "Benign",
            "False",
            "Open",
            "TP rate",
            "FP rate",
            "Last fired",
            "Runs",
            "Last run ms",
        ];
        let rate =
            |rate: Option<f64>| rate.map_or("-".to_owned(), |r| format!("{:.0} %", r * 100.0));
        listing::list(args.format, &header, &figures, |f| {
            vec![
                f.rule_id.clone(),
                f.name.clone(),
                f.alerts.to_string(),
                f.true_positives.to_string(),
                f.benign_positives.to_string(),
                f.false_positives.to_string(),
                f.undetermined.to_string(),
                rate(f.true_positive_rate),
                rate(f.false_positive_rate),
                f.last_fired
                    .map(atalaya_model::Timestamp::to_rfc3339)
                    .unwrap_or_default(),
                f.runs.to_string(),
                f.last_run_ms.to_string(),
            ]
        })
    })
}

fn ladders(args: &ListArgs) -> Result<Exit, Failure> {
    let ladders = respond::ladders(&args.place.load()?)?;
    let items: Vec<_> = ladders
        .all()
        .iter()
        .map(|ladder| {
            let rungs = ladder.rungs.iter().map(|rung| {
                json!({
                    "at": rung.at, "then": rung.meaning.as_str(),
                    "severity": rung.severity.as_str(),
                })
            });
            json!({
                "id": ladder.id, "title": ladder.title, "version": ladder.version,
                "sha256": ladder.hash, "enabled": ladder.enabled,
                "window": atalaya_respond::duration::format(ladder.window),
                "rungs": rungs.collect::<Vec<_>>(),
            })
        })
        .collect();
    let header = ["Id", "Window", "Rungs", "Title"];
    listing::list(args.format, &header, &items, |item| {
        let text = |name: &str| atalaya_respond::context::text_of(&item[name]);
        let rungs = item["rungs"].as_array().into_iter().flatten();
        let rungs: Vec<String> = rungs
            .map(|rung| {
                format!(
                    "{} {}",
                    rung["at"],
                    atalaya_respond::context::text_of(&rung["then"])
                )
            })
            .collect();
        vec![text("id"), text("window"), rungs.join(", "), text("title")]
    })
}
