//! How well each rule does: alerts, what they turned out to be, when it last fired, what it costs.

use std::collections::BTreeMap;

use atalaya_model::{Alert, Timestamp};
use atalaya_store::RuleState;
use serde::Serialize;

use crate::incident::{Disposition, Incident, IncidentStatus};
use crate::review::{Label, ReviewItem};

/// The figures of one rule, ladder or detector.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The rule.
    pub rule_id: String,
    /// Its title, as far as it is known.
    pub name: String,
    /// Alerts.
    pub alerts: u64,
    /// Judged to be an attack.
    pub true_positives: u64,
    /// Judged to be meant.
    pub benign_positives: u64,
    /// Judged to be wrong.
    pub false_positives: u64,
    /// Not judged yet.
    pub undetermined: u64,
    /// True positives among those that were judged; none if none was.
    pub true_positive_rate: Option<f64>,
    /// False positives among those that were judged; none if none was.
    pub false_positive_rate: Option<f64>,
    /// When it last fired.
    pub last_fired: Option<Timestamp>,
    /// Runs.
    pub runs: u64,
    /// Milliseconds of its last run.
    pub last_run_ms: u64,
}

/// Computes the figures. An alert is judged by the incident that it is in; decisions and findings
/// by their labels.
#[must_use]
pub fn figures(
    alerts: &[Alert],
    incidents: &[Incident],
    labels: &[ReviewItem],
    states: &[RuleState],
) -> Vec<Figures> {
    let mut by_rule: BTreeMap<&str, Figures> = BTreeMap::new();
    let judged: BTreeMap<&str, Disposition> = incidents
        .iter()
        .filter(|incident| incident.status != IncidentStatus::Merged)
        .flat_map(|incident| {
            let disposition = incident.disposition;
            incident
                .alert_ids
                .iter()
                .map(move |id| (id.as_str(), disposition))
        })
        .collect();
    for alert in alerts {
        let figures = by_rule.entry(&alert.rule_id).or_default();
        figures.name.clone_from(&alert.rule_name);
        figures.alerts += 1;
        figures.last_fired = figures.last_fired.max(Some(alert.time_generated));
        match judged
            .get(alert.alert_id.as_str())
            .copied()
            .unwrap_or_default()
        {
            Disposition::TruePositive => figures.true_positives += 1,
            Disposition::BenignPositive => figures.benign_positives += 1,
            Disposition::FalsePositive => figures.false_positives += 1,
            Disposition::Undetermined => figures.undetermined += 1,
        }
    }
    for item in labels {
        let Some(label) = item.label else { continue };
        for rule in &item.rules {
            let figures = by_rule.entry(rule).or_default();
            match label {
                Label::True => figures.true_positives += 1,
                Label::Benign => figures.benign_positives += 1,
                Label::False => figures.false_positives += 1,
            }
        }
    }
    for state in states {
        let figures = by_rule.entry(&state.rule_id).or_default();
        figures.runs = state.runs_total;
        figures.last_run_ms = state.last_duration_ms;
        figures.last_fired = figures.last_fired.max(state.last_fired);
    }
    let mut found: Vec<Figures> = by_rule
        .into_iter()
        .map(|(rule, figures)| rated(rule, figures))
        .collect();
    // What makes work comes first; the sort keeps the order of ids.
    let work = |f: &Figures| f.alerts + f.true_positives + f.benign_positives + f.false_positives;
    found.sort_by_key(|figures| std::cmp::Reverse(work(figures)));
    found
}

fn rated(rule: &str, mut figures: Figures) -> Figures {
    rule.clone_into(&mut figures.rule_id);
    let judged = figures.true_positives + figures.benign_positives + figures.false_positives;
    #[expect(clippy::cast_precision_loss, reason = "counts of alerts are small")]
    let rate = |n: u64| (judged > 0).then(|| n as f64 / judged as f64);
    figures.true_positive_rate = rate(figures.true_positives);
    figures.false_positive_rate = rate(figures.false_positives);
    figures
}
