//! `atalaya tuning thresholds`: what another threshold would have meant, before it is applied.

mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atalaya_detect::{EventGrouping, Rule, RuleCatalogue, RuleThreshold};
use atalaya_model::{Alert, Timestamp};
use atalaya_query::Engine;
use atalaya_respond::incident::{Disposition, IncidentFilter};
use atalaya_respond::ladder::Ladder;
use atalaya_respond::review::{self, Label};
use atalaya_respond::tuning::allow::Allowlist;
use atalaya_respond::tuning::threshold::{
    Judged, OfRule, Suggestion, candidates, suggest, suggest_for_rule,
};
use atalaya_server::config::Config;
use atalaya_server::{open, replay, respond};

use crate::commands::common::Place;
use crate::commands::incidents::with_responder;
use crate::commands::listing;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of a ladder or of a rule in KQL; all ladders by default.
    id: Option<String>,
    /// Which threshold of a rule: the column that is compared, if there are several.
    #[arg(long, value_name = "COLUMN", requires = "id")]
    threshold: Option<String>,
    /// How far back, e.g. 7d.
    #[arg(long, default_value = "7d", value_parser = listing::duration)]
    since: Duration,
    /// Writes the ladder or rule with the suggested threshold (or `--at`) into this folder.
    #[arg(long, value_name = "FOLDER", requires = "id")]
    write: Option<PathBuf>,
    /// Another threshold than the suggested one, for `--write`.
    #[arg(long, requires = "write")]
    at: Option<f64>,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

/// What thresholds belong to.
enum Subject {
    Ladders(Vec<Arc<Ladder>>),
    Rule(Arc<Rule>, RuleThreshold),
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let subject = subject(args, &args.place.load()?)?;
    let suggestions = with_responder(&args.place, async |config, responder| {
        let store = Arc::clone(&responder.engine().ports().documents);
        let broken = |error| Failure::world("the store", error);
        let allowed = Allowlist::load(store.as_ref()).await.map_err(broken)?;
        let judged = judged(responder, store.as_ref()).await?;
        let config = config.clone();
        let engine = tokio::task::spawn_blocking(move || {
            open::engine(&config, open::tables_to_look_at(&config)?)
        });
        let engine = engine
            .await
            .map_err(|error| Failure::world("opening the tables", error))??;
        let now = Timestamp::now();
        let micros = i64::try_from(args.since.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp(now.0.saturating_sub(micros));
        let (logged, _) = replay::history(&engine, since, now).await?;
        match &subject {
            Subject::Ladders(ladders) => {
                let history: Vec<_> = logged.into_iter().map(|logged| logged.seen).collect();
                let ladders = ladders.iter();
                Ok(ladders
                    .map(|ladder| suggest(ladder, &history, &allowed, &judged))
                    .collect())
            }
            Subject::Rule(rule, threshold) => {
                let mut alerts = loosest(rule, threshold, Arc::new(engine), (since, now)).await?;
                alerts.retain(|alert| allowed.of_alert(alert, now).is_none());
                let of_rule = OfRule {
                    id: &rule.id,
                    column: &threshold.column,
                    current: threshold.value,
                    inclusive: threshold.inclusive,
                    suppression: rule.suppression,
                };
                Ok(vec![suggest_for_rule(
                    of_rule,
                    &alerts,
                    &judged,
                    logged.len(),
                )])
            }
        }
    })?;
    listing::one(args.format, &suggestions, || text(&suggestions))?;
    match (&args.write, &subject, suggestions.first()) {
        (Some(folder), Subject::Ladders(ladders), Some(suggestion)) => {
            let Some(ladder) = ladders.first() else {
                return Ok(Exit::Fine);
            };
            write::ladder(folder, ladder, suggestion, args.at)
        }
        (Some(folder), Subject::Rule(rule, threshold), Some(suggestion)) => {
            write::rule(folder, (rule, threshold), suggestion, args.at)
        }
        _ => Ok(Exit::Fine),
    }
}

fn subject(args: &Args, config: &Config) -> Result<Subject, Failure> {
    let ladders = respond::ladders(config)?;
    let Some(id) = &args.id else {
        return Ok(Subject::Ladders(ladders.all()));
    };
    if let Some(ladder) = ladders.find(id) {
        return Ok(Subject::Ladders(vec![Arc::clone(ladder)]));
    }
    let rules = open::rules(config)?;
    let rule = rules.rule(id).ok_or_else(|| {
        Failure::BadInput(format!(
            "error: there is no ladder and no rule {id}; see `atalaya tuning ladders` and \
             `atalaya rules list`"
        ))
    })?;
    let threshold = threshold_of(rule, args.threshold.as_deref()).map_err(Failure::BadInput)?;
    Ok(Subject::Rule(Arc::clone(rule), threshold))
}

/// The threshold that is meant, or why there is none.
fn threshold_of(rule: &Rule, column: Option<&str>) -> Result<RuleThreshold, String> {
    let found = rule.thresholds();
    let names: Vec<&str> = found.iter().map(|t| t.column.as_str()).collect();
    let names = names.join(", ");
    let is_meant = |threshold: &&RuleThreshold| column.is_none_or(|c| c == threshold.column);
    let meant: Vec<&RuleThreshold> = found.iter().filter(is_meant).collect();
    match meant.as_slice() {
        _ if rule.grouping == EventGrouping::SingleAlert => Err(format!(
            "error: {} raises one alert for all rows: try other numbers with `atalaya replay`",
            rule.id
        )),
        [] if found.is_empty() => Err(format!(
            "error: {} compares no computed column with a number: try a changed rule with \
             `atalaya replay --rules`",
            rule.id
        )),
        [] => Err(format!(
            "error: {} has no such threshold; it has {names}",
            rule.id
        )),
        [threshold] => Ok((*threshold).clone()),
        _ => Err(format!(
            "error: {} has several thresholds: name one of {names} with --threshold",
            rule.id
        )),
    }
}

/// What the lowest candidate raises, one alert per row and run, oldest first.
async fn loosest(
    rule: &Rule,
    threshold: &RuleThreshold,
    engine: Arc<Engine>,
    window: (Timestamp, Timestamp),
) -> Result<Vec<Alert>, Failure> {
    let candidates = candidates(threshold.value);
    let lowest = candidates.first().copied().unwrap_or(threshold.value);
    let changed = rule.with_threshold(threshold, lowest);
    let mut rule =
        changed.map_err(|problems| Failure::diagnostics(&rule.id, &rule.text, &problems))?;
    rule.suppression = Duration::ZERO;
    rule.enabled = true;
    let mut failures = Vec::new();
    let rules = RuleCatalogue::of([rule]);
    let alerts = replay::scheduled(engine, rules, window, &mut failures).await?;
    if let Some(failure) = failures.first() {
        return Err(Failure::world("running the rule", failure));
    }
    let has_column = |alert: &Alert| alert.details.contains_key(&threshold.column);
    if !alerts.iter().all(has_column) {
        return Err(Failure::BadInput(format!(
            "error: the rule's result has no column {}: add it to the last `summarize` or \
             `project`, or try other numbers with `atalaya replay`",
            threshold.column
        )));
    }
    Ok(alerts)
}

/// Callers that were judged, through incidents or labels.
async fn judged(
    responder: &atalaya_respond::responder::Responder,
    store: &dyn atalaya_store::DocumentStore,
) -> Result<Judged, Failure> {
    let mut judged = Judged::default();
    let all = IncidentFilter {
        limit: u32::MAX,
        ..IncidentFilter::default()
    };
    for incident in responder.incidents().list(&all).await? {
        let values = incident.entities.iter().map(|entity| entity.value.clone());
        match incident.disposition {
            Disposition::TruePositive => judged.attackers.extend(values),
            Disposition::BenignPositive | Disposition::FalsePositive => {
                judged.innocents.extend(values);
            }
            Disposition::Undetermined => {}
        }
    }
    let labels = review::list(store, Some(false), "").await;
    for item in labels.map_err(|error| Failure::world("the store", error))? {
        match item.label {
            Some(Label::True) => judged.attackers.insert(item.caller),
            Some(Label::Benign | Label::False) => judged.innocents.insert(item.caller),
            None => false,
        };
    }
    // Who attacked once is no innocent.
    judged
        .innocents
        .retain(|value| !judged.attackers.contains(value));
    Ok(judged)
}

fn text(suggestions: &[Suggestion]) -> String {
    let mut out = String::new();
    for suggestion in suggestions {
        let advice = match suggestion.suggested {
            Some(at) => format!("{} → {at}", suggestion.current),
            None => format!("stay at {}", suggestion.current),
        };
        out.push_str(&format!(
            "{} {}: {advice} ({}; {} decisions)\n",
            suggestion.id, suggestion.threshold, suggestion.reason, suggestion.decisions
        ));
        let rows: Vec<Vec<String>> = suggestion
            .effects
            .iter()
            .map(|effect| {
                vec![
                    effect.at.to_string(),
                    effect.alerts.to_string(),
                    effect.entities.to_string(),
                    effect.attackers_found.to_string(),
                    effect.attackers_missed.to_string(),
                    effect.innocents_alerted.to_string(),
                ]
            })
            .collect();
        let header = [
            "At",
            "Alerts",
            "Entities",
            "Attackers found",
            "Missed",
            "Innocents",
        ];
        out.push_str(&output::table(&header, &rows));
    }
    out
}
