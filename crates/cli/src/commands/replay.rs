//! `atalaya replay`: what changed rules, ladders, allowlists or policy would have meant.

use std::path::PathBuf;
use std::time::Duration;

use atalaya_server::open;
use atalaya_server::replay::{Difference, Request, replay};

use super::common::{self, Place};
use super::listing;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Run changed rules, ladders, policy or detectors over the stored log, and show the difference.
///
/// Without `--rules`, `--policy` and `--detectors`, what is in force now, with its allowlists, is compared with
/// the alerts that were recorded. Exit code 1 if there is a difference.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder or file with changed rules and ladders; compared with those in force.
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// A changed policy; compared with what was decided. Texts that were stored
    /// (`gateway.prompt_text`) are inspected again.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Changed detectors (pattern files, STIX bundles) in place of those of the configuration;
    /// only decisions whose text was stored can be judged by them.
    #[arg(long, value_name = "FILE")]
    detectors: Vec<PathBuf>,
    /// Has the policy judge the findings of then, also where the text is stored.
    #[arg(long, requires = "policy", conflicts_with = "detectors")]
    logged_findings: bool,
    /// How far back, e.g. 24h, 7d.
    #[arg(long, default_value = "7d", value_parser = listing::duration)]
    since: Duration,
    /// Only ladders, which is quick; no scheduled rules.
    #[arg(long)]
    ladders_only: bool,
    /// Output format; text on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = args.place.load()?;
    open::require_data(&config)?;
    let request = Request {
        rules: args.rules.clone(),
        policy: args.policy.clone(),
        detectors: args.detectors.clone(),
        logged_findings: args.logged_findings,
        since: args.since,
        ladders_only: args.ladders_only,
    };
    let difference = common::runtime()?.block_on(replay(&config, &request))?;
    listing::one(args.format, &difference, || {
        text(&difference, !args.detectors.is_empty())
    })?;
    Ok(if difference.is_empty() {
        Exit::Fine
    } else {
        Exit::Found
    })
}

fn text(difference: &Difference, detectors_changed: bool) -> String {
    let mut out = format!(
        "{} decisions since {}{}\n",
        difference.decisions,
        difference.since,
        if difference.truncated {
            ", and more that were not read"
        } else {
            ""
        }
    );
    if difference.reinspected + difference.unjudged > 0 {
        out.push_str(&format!(
            "texts: {} inspected again, {} not stored (Unjudged: {})\n",
            difference.reinspected,
            difference.unjudged,
            if detectors_changed {
                "left as they were"
            } else {
                "judged by the findings of then"
            }
        ));
    }
    if !difference.compared_with.is_empty() {
        out.push_str(&format!(
            "alerts: {} {}, {} after the change\n",
            difference.alerts_before, difference.compared_with, difference.alerts_after
        ));
    }
    let rows: Vec<Vec<String>> = difference
        .alerts
        .iter()
        .map(|change| {
            vec![
                change.change.to_owned(),
                change.before.to_string(),
                change.after.to_string(),
                change.story.rule_id.clone(),
                change.story.entities.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let header = ["Change", "Before", "After", "Rule", "Entities"];
        out.push_str(&output::table(&header, &rows));
    }
    for (change, count) in &difference.decision_changes {
        out.push_str(&format!("{change}: {count} decisions\n"));
    }
    for example in difference.decision_examples.iter().take(20) {
        out.push_str(&format!(
            "  {} {} → {} ({} {})\n",
            example.decision_id, example.from, example.to, example.detection, example.score
        ));
    }
    for failure in &difference.failures {
        out.push_str(&format!("not run: {failure}\n"));
    }
    if difference.is_empty() {
        out.push_str("nothing would be otherwise\n");
    }
    out
}
