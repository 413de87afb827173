//! Tests of runbooks, as data beside the runbook: given these facts and these outcomes of steps,
//! does it start, and which steps are done, in which order, with which parameters?
//!
//! Nothing is carried out: a test walks the runbook as `--dry-run` does, with outcomes assumed.

use std::collections::BTreeMap;

use atalaya_model::{Alert, AlertStatus, Diagnostic, Entity, Severity, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::Runbook;
use crate::context::{RunContext, kind_of};
use crate::saga::plan::{self, Planned};

/// Most cases of one file.
const CASES_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    alert: AlertEntry,
    /// The clock of the alert's incident that ran out, if that is what happens.
    #[serde(default)]
    overdue: Option<String>,
    /// Whether the runbook starts by itself.
    starts: bool,
    /// Output of steps, as if they had been done.
    #[serde(default)]
    outcomes: BTreeMap<String, Value>,
    /// Ids of the steps that are done, in order; not compared if absent.
    #[serde(default)]
    steps: Option<Vec<String>>,
    /// Parts of what the plan must say.
    #[serde(default)]
    says: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlertEntry {
    #[serde(default)]
    rule: String,
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    techniques: Vec<String>,
    #[serde(default)]
    entities: BTreeMap<String, String>,
    #[serde(default)]
    records: Vec<String>,
    #[serde(default)]
    details: BTreeMap<String, String>,
}

/// How one case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// What was wrong; nothing if it passed.
    pub failures: Vec<String>,
}

/// Runs the cases of a test file.
///
/// # Errors
/// If the file cannot be read.
pub fn run(runbook: &Runbook, text: &str) -> Result<Vec<CaseReport>, Box<Diagnostic>> {
    let file: File = atalaya_yaml::parse(text)?;
    Ok(file
        .cases
        .into_iter()
        .take(CASES_MAX)
        .map(|case| CaseReport {
            failures: failures(runbook, &case),
            name: case.name,
        })
        .collect())
}

fn failures(runbook: &Runbook, case: &Case) -> Vec<String> {
    let mut failures = Vec::new();
    let alert = alert(&case.alert);
    let mut context = RunContext::of_alert(&alert, Some("INCIDENT"));
    if let Some(clock) = &case.overdue {
        context.set_overdue(clock);
    }
    let overdue = case.overdue.as_deref();
    let starts = runbook.is_triggered_by(&alert, overdue, &|name| context.fact(name));
    if starts != case.starts {
        let (is, should) = (verb(starts), verb(case.starts));
        failures.push(format!("it {is}, and should {should}"));
    }
    let planned = plan::plan(runbook, &context, &case.outcomes);
    if let Some(wanted) = &case.steps {
        let found: Vec<&str> = planned.iter().map(|p| p.step.as_str()).collect();
        if found != wanted.iter().map(String::as_str).collect::<Vec<_>>() {
            failures.push(format!(
                "steps are [{}], and should be [{}]",
                found.join(", "),
                wanted.join(", ")
            ));
        }
    }
    let said: Vec<String> = planned.iter().map(Planned::sentence).collect();
    let said = said.join("\n");
    for part in &case.says {
        if !said.contains(part.as_str()) {
            failures.push(format!("the plan does not say `{part}`:\n{said}"));
        }
    }
    failures
}

const fn verb(starts: bool) -> &'static str {
    if starts { "starts" } else { "does not start" }
}

fn alert(entry: &AlertEntry) -> Alert {
    let entities = entry.entities.iter().filter_map(|(kind, value)| {
        Some(Entity {
            kind: kind_of(kind)?,
            value: value.clone(),
        })
    });
    Alert {
        alert_id: "ALERT".to_owned(),
        time_generated: Timestamp(0),
        rule_id: entry.rule.clone(),
        rule_name: entry.rule.clone(),
        rule_version: String::new(),
        rule_hash: String::new(),
        severity: entry.severity.unwrap_or(Severity::Medium),
        techniques: entry.techniques.clone(),
        atlas_release: atalaya_atlas::RELEASE.to_owned(),
        entities: entities.collect(),
        first_seen: Timestamp(0),
        last_seen: Timestamp(0),
        count: entry.count,
        record_ids: entry.records.clone(),
        details: entry.details.clone(),
        status: AlertStatus::New,
    }
}
