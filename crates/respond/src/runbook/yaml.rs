//! The file format.

use std::collections::BTreeMap;

use atalaya_model::{Diagnostic, Span};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::check::Checker;
use super::{
    ActionStep, Approval, FILE_BYTES_MAX, OnFailure, Origin, Retry, Runbook, Step, Trigger, code,
};
use crate::incident::Heading;

/// Every key of the file; unknown ones are refused with the nearest of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    version: Option<Value>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    triggers: Vec<TriggerEntry>,
    #[serde(default)]
    cooldown: Option<String>,
    steps: Vec<StepEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerEntry {
    #[serde(default)]
    techniques: Vec<String>,
    #[serde(default)]
    rules: Vec<String>,
    #[serde(default)]
    severity_min: Option<String>,
    #[serde(default)]
    count_min: Option<u64>,
    #[serde(default)]
    overdue: Vec<String>,
    #[serde(default)]
    when: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepEntry {
    id: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    heading: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    with: BTreeMap<String, Value>,
    #[serde(default)]
    when: Option<String>,
    #[serde(default)]
    approval: Option<ApprovalEntry>,
    #[serde(default)]
    timeout: Option<String>,
    #[serde(default)]
    retry: Option<RetryEntry>,
    #[serde(default)]
    on_failure: Option<String>,
    #[serde(default)]
    undo: Option<UndoEntry>,
    #[serde(default)]
    parallel: Option<Vec<Vec<StepEntry>>>,
    #[serde(default, rename = "if")]
    condition: Option<String>,
    #[serde(default)]
    then: Option<Vec<StepEntry>>,
    #[serde(default, rename = "else")]
    otherwise: Option<Vec<StepEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalEntry {
    #[serde(default)]
    by: Vec<String>,
    #[serde(default)]
    timeout: Option<String>,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryEntry {
    attempts: u32,
    #[serde(default)]
    backoff: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UndoEntry {
    action: String,
    #[serde(default)]
    with: BTreeMap<String, Value>,
}

pub(super) fn parse(
    text: &str,
    origin: Origin,
) -> Result<(Runbook, Vec<Diagnostic>), Vec<Diagnostic>> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!(
            "the runbook has {} bytes, more than {FILE_BYTES_MAX}",
            text.len()
        );
        return Err(vec![Diagnostic::error(
            code::TOO_LARGE,
            Span::default(),
            message,
        )]);
    }
    let file: File = atalaya_yaml::parse(text).map_err(|d| vec![*d])?;
    let mut checker = Checker::new(text);
    let runbook = build(file, text, origin, &mut checker);
    checker.runbook(&runbook);
    let (remarks, errors) = checker.finish();
    if errors.is_empty() {
        Ok((runbook, remarks))
    } else {
        Err(errors)
    }
}

fn build(file: File, text: &str, origin: Origin, checker: &mut Checker<'_>) -> Runbook {
    let triggers = file
        .triggers
        .into_iter()
        .map(|entry| trigger(entry, checker))
        .collect();
    let steps = file
        .steps
        .into_iter()
        .map(|entry| step(entry, 0, checker))
        .collect();
    Runbook {
        triggers,
        steps,
        version: match file.version {
            Some(Value::String(version)) => version,
            Some(other) => other.to_string(),
            None => "0.0.0".to_owned(),
        },
        hash: hash(text),
        origin,
        enabled: file.enabled.unwrap_or(true),
        cooldown: checker.duration("cooldown", file.cooldown.as_deref(), "1h"),
        id: file.id,
        title: file.title,
        description: file.description,
        text: text.to_owned(),
    }
}

fn trigger(entry: TriggerEntry, checker: &mut Checker<'_>) -> Trigger {
    checker.techniques(&entry.techniques);
    checker.clocks(&entry.overdue);
    Trigger {
        severity_min: checker.severity(entry.severity_min.as_deref()),
        when: checker.condition(entry.when.as_deref()),
        techniques: entry.techniques,
        rules: entry.rules,
        count_min: entry.count_min,
        overdue: entry.overdue,
    }
}

fn step(entry: StepEntry, depth: usize, checker: &mut Checker<'_>) -> Step {
    checker.step_id(&entry.id, depth);
    let title = entry.title.clone().unwrap_or_else(|| entry.id.clone());
    let kinds = [
        entry.action.is_some(),
        entry.parallel.is_some(),
        entry.condition.is_some(),
    ];
    if kinds.iter().filter(|kind| **kind).count() != 1 {
        checker.error(
            code::STEP,
            &entry.id,
            "a step has exactly one of `action`, `parallel` and `if`".to_owned(),
            "split it into several steps",
        );
    }
    let all = |entries: Vec<StepEntry>, checker: &mut Checker<'_>| -> Vec<Step> {
        if depth >= super::DEPTH_MAX {
            return Vec::new();
        }
        entries
            .into_iter()
            .map(|entry| step(entry, depth + 1, checker))
            .collect()
    };
    if let Some(branches) = entry.parallel {
        let branches: Vec<Vec<Step>> = branches
            .into_iter()
            .map(|branch| all(branch, checker))
            .collect();
        checker.branches(&entry.id, &branches);
        return Step::Parallel {
            id: entry.id,
            title,
            branches,
        };
    }
    if let Some(condition) = &entry.condition {
        let then = all(entry.then.unwrap_or_default(), checker);
        let otherwise = all(entry.otherwise.unwrap_or_default(), checker);
        checker.decision(&entry.id, &then);
        if let Some(condition) = checker.condition(Some(condition)) {
            return Step::If {
                id: entry.id,
                title,
                condition,
                then,
                otherwise,
            };
        }
        // The condition is an error already: what stands here will not run.
        return Step::Parallel {
            id: entry.id,
            title,
            branches: vec![then, otherwise],
        };
    }
    Step::Action(Box::new(action(entry, title, checker)))
}

fn action(entry: StepEntry, title: String, checker: &mut Checker<'_>) -> ActionStep {
    let name = entry.action.unwrap_or_default();
    let heading = match entry.heading.as_deref() {
        None => Heading::Respond,
        Some(text) => Heading::parse(text).unwrap_or_else(|| {
            checker.value(
                "heading",
                text,
                &["detect", "respond", "recover", "improve"],
            );
            Heading::Respond
        }),
    };
    let on_failure = match entry.on_failure.as_deref() {
        None | Some("stop") => OnFailure::Stop,
        Some("continue") => OnFailure::Continue,
        Some("undo") => OnFailure::Undo,
        Some(other) => {
            checker.value("on_failure", other, &["stop", "continue", "undo"]);
            OnFailure::Stop
        }
    };
    let approval = entry.approval.map(|approval| Approval {
        by: approval.by,
        timeout: checker.duration("timeout", approval.timeout.as_deref(), "1h"),
        approve_by_default: match approval.default.as_deref() {
            None | Some("reject") => false,
            Some("approve") => true,
            Some(other) => {
                checker.value("default", other, &["reject", "approve"]);
                false
            }
        },
    });
    let retry = entry.retry.map_or(
        Retry {
            attempts: 3,
            backoff: std::time::Duration::from_millis(500),
        },
        |retry| Retry {
            attempts: retry.attempts.clamp(1, 10),
            backoff: checker.duration("backoff", retry.backoff.as_deref(), "500ms"),
        },
    );
    checker.action(&entry.id, &name, &entry.with);
    if let Some(undo) = &entry.undo {
        checker.action(&entry.id, &undo.action, &undo.with);
    }
    ActionStep {
        title,
        heading,
        action: name,
        with: entry.with,
        when: checker.condition(entry.when.as_deref()),
        approval,
        timeout: checker.duration("timeout", entry.timeout.as_deref(), "30s"),
        retry,
        on_failure,
        undo: entry.undo.map(|undo| (undo.action, undo.with)),
        id: entry.id,
    }
}

/// SHA-256 of a text, hexadecimal.
pub(crate) fn hash(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text)
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}
