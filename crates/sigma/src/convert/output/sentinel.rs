//! Sentinel analytics rules: the YAML of the community's repository, and an ARM template.

use std::fmt::Write as _;
use std::time::Duration;

use atalaya_model::Severity;
use serde_json::{Value, json};

use super::{Written, schedule, tags};

/// One rule in YAML.
pub(super) fn yaml(written: &Written<'_>) -> String {
    let metadata = written.metadata;
    let (frequency, period) = schedule(written.query);
    let mut out = String::new();
    let id = metadata.id.as_deref().unwrap_or_default();
    let _ = writeln!(out, "id: {}", scalar(id));
    let _ = writeln!(out, "name: {}", scalar(&metadata.title));
    let _ = writeln!(out, "description: {}", scalar(&metadata.description));
    let _ = writeln!(out, "severity: {}", severity(metadata.severity));
    let _ = writeln!(out, "requiredDataConnectors: []");
    let _ = writeln!(out, "queryFrequency: {}", short(frequency));
    let _ = writeln!(out, "queryPeriod: {}", short(period));
    let _ = writeln!(out, "triggerOperator: gt");
    let _ = writeln!(out, "triggerThreshold: 0");
    list(&mut out, "tactics", &tactics(written));
    list(
        &mut out,
        "relevantTechniques",
        &tags::techniques(&metadata.tags),
    );
    list(&mut out, "tags", &metadata.tags);
    let _ = writeln!(out, "query: |");
    for line in written.query.text.lines() {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(out, "version: 1.0.0");
    let _ = writeln!(out, "kind: Scheduled");
    out
}

/// All rules as one template.
pub(super) fn arm(written: &[Written<'_>]) -> String {
    let resources: Vec<Value> = written.iter().map(resource).collect();
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": { "workspace": { "type": "String" } },
        "resources": resources,
    });
    format!("{template:#}\n")
}

fn resource(written: &Written<'_>) -> Value {
    let metadata = written.metadata;
    let (frequency, period) = schedule(written.query);
    let id = metadata
        .id
        .clone()
        .unwrap_or_else(|| metadata.title.clone());
    json!({
        "type": "Microsoft.OperationalInsights/workspaces/providers/alertRules",
        "apiVersion": "2023-02-01",
        "name": format!("[concat(parameters('workspace'), '/Microsoft.SecurityInsights/', '{}')]", id.replace('\'', "''")),
        "kind": "Scheduled",
        "properties": {
            "displayName": metadata.title,
            "description": metadata.description,
            "severity": severity(metadata.severity),
            "enabled": true,
            "query": written.query.text,
            "queryFrequency": iso(frequency),
            "queryPeriod": iso(period),
            "triggerOperator": "GreaterThan",
            "triggerThreshold": 0,
            "suppressionDuration": "PT1H",
            "suppressionEnabled": false,
            "tactics": tactics(written),
            "techniques": tags::techniques(&metadata.tags)
                .iter()
                .map(|id| id.split('.').next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>(),
        }
    })
}

/// Tactics as Sentinel spells them: `InitialAccess`.
fn tactics(written: &Written<'_>) -> Vec<String> {
    tags::tactics(&written.metadata.tags)
        .into_iter()
        .map(|(name, _)| name.replace("and", "And").replace(' ', ""))
        .collect()
}

const fn severity(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::High | Severity::Critical) => "High",
        Some(Severity::Medium) => "Medium",
        Some(Severity::Low) => "Low",
        _ => "Informational",
    }
}

/// `5m`, `1h`, `1d`.
fn short(duration: Duration) -> String {
    let minutes = duration.as_secs().div_ceil(60);
    match minutes {
        m if m % 1_440 == 0 => format!("{}d", m / 1_440),
        m if m % 60 == 0 => format!("{}h", m / 60),
        m => format!("{m}m"),
    }
}

/// `PT5M`, `PT1H`, `P1D`.
fn iso(duration: Duration) -> String {
    let text = short(duration).to_uppercase();
    if text.ends_with('D') {
        format!("P{text}")
    } else {
        format!("PT{text}")
    }
}

fn list(out: &mut String, key: &str, values: &[String]) {
    if values.is_empty() {
        return;
    }
    let _ = writeln!(out, "{key}:");
    for value in values {
        let _ = writeln!(out, "  - {}", scalar(value));
    }
}

/// A text as a YAML scalar: JSON's quoting is YAML's.
fn scalar(text: &str) -> String {
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/'))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && !matches!(
            text.to_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "null" | "on" | "off" | "y" | "n"
        );
    if is_plain {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}
