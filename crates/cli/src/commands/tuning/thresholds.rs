//! `atalaya tuning thresholds`: what another threshold would have meant, before it is applied.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_respond::incident::{Disposition, IncidentFilter};
use atalaya_respond::ladder::Ladder;
use atalaya_respond::review::{self, Label};
use atalaya_respond::tuning::allow::Allowlist;
use atalaya_respond::tuning::threshold::{Judged, Suggestion, suggest};
use atalaya_server::{open, replay, respond};

use crate::commands::common::Place;
use crate::commands::incidents::with_responder;
use crate::commands::listing;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of a ladder; all of them by default.
    ladder: Option<String>,
    /// How far back, e.g. 7d.
    #[arg(long, default_value = "7d", value_parser = listing::duration)]
    since: Duration,
    /// Writes the ladder with the suggested threshold (or `--at`) into this folder.
    #[arg(long, value_name = "FOLDER", requires = "ladder")]
    write: Option<PathBuf>,
    /// Another threshold than the suggested one, for `--write`.
    #[arg(long, requires = "write")]
    at: Option<u32>,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let ladders = respond::ladders(&args.place.load()?)?;
    let wanted: Vec<Arc<Ladder>> = match &args.ladder {
        None => ladders.all(),
        Some(id) => vec![ladders.find(id).cloned().ok_or_else(|| {
            Failure::BadInput(format!(
                "error: there is no ladder {id}; see `atalaya tuning ladders`"
            ))
        })?],
    };
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
        let history: Vec<_> = logged.into_iter().map(|logged| logged.seen).collect();
        let suggestions: Vec<Suggestion> = wanted
            .iter()
            .map(|ladder| suggest(ladder, &history, &allowed, &judged))
            .collect();
        Ok(suggestions)
    })?;
    listing::one(args.format, &suggestions, || text(&suggestions))?;
    if let (Some(folder), Some(ladder), Some(suggestion)) =
        (&args.write, wanted.first(), suggestions.first())
    {
        return write(folder, ladder, suggestion, args.at);
    }
    Ok(Exit::Fine)
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
            "{}: {advice} ({}; {} decisions)\n",
            suggestion.ladder_id, suggestion.reason, suggestion.decisions
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

/// Writes the ladder's own file with one number changed.
fn write(
    folder: &std::path::Path,
    ladder: &Ladder,
    suggestion: &Suggestion,
    at: Option<u32>,
) -> Result<Exit, Failure> {
    let Some(at) = at.or(suggestion.suggested) else {
        output::note("nothing was written: no threshold is suggested; name one with --at");
        return Ok(Exit::Found);
    };
    let (head, rungs) = ladder
        .text
        .split_once("rungs:")
        .unwrap_or((&ladder.text, ""));
    let old = format!("at: {},", suggestion.current);
    if !rungs.contains(&old) {
        return Err(Failure::BadInput(format!(
            "error: cannot find `{old}` in the ladder's file; change it by hand"
        )));
    }
    let text = format!(
        "{head}rungs:{}",
        rungs.replacen(&old, &format!("at: {at},"), 1)
    );
    if let Err(problems) = Ladder::parse(&text) {
        return Err(Failure::diagnostics(&ladder.id, &text, &problems));
    }
    let path = folder.join(format!("{}.yml", ladder.id));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| Failure::world(format!("writing {}", path.display()), error))?;
    output::note(&format!(
        "wrote {}; it is in force once respond.ladders names {} and the node was reloaded; \
         see its effect with `atalaya replay --ladders-only --rules {}`",
        path.display(),
        folder.display(),
        path.display()
    ));
    Ok(Exit::Fine)
}
