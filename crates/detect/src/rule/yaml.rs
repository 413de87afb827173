//! The file format: a Sentinel analytics rule, plus what Sentinel has no place for.
//!
//! Sentinel's own keys keep their names and meaning, so that its rules load as they are. ATLAS
//! ids cannot stand in Sentinel's `relevantTechniques` (its validator knows ATT&CK only), so they
//! are read from `atlas:`, and from `customDetails` and `tags` where a file has them there.

use std::collections::BTreeMap;

use atalaya_model::Diagnostic;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::check::Checker;
use super::{Language, Origin, Rule};
use crate::evidence;

/// Every key of the file; unknown ones are refused with the nearest of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct File {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) version: Option<Scalar>,
    pub(super) severity: String,
    pub(super) kind: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) query_frequency: Option<String>,
    pub(super) query_period: Option<String>,
    pub(super) trigger_operator: Option<String>,
    pub(super) trigger_threshold: Option<usize>,
    pub(super) query: String,
    pub(super) evidence_query: Option<String>,
    #[serde(default)]
    pub(super) entity_mappings: Vec<MappingEntry>,
    #[serde(default)]
    pub(super) custom_details: BTreeMap<String, Value>,
    pub(super) suppression_duration: Option<String>,
    pub(super) suppression_enabled: Option<bool>,
    pub(super) event_grouping_settings: Option<GroupingEntry>,
    pub(super) ingestion_delay: Option<String>,
    pub(super) escalation: Option<EscalationEntry>,
    pub(super) atlas: Option<AtlasEntry>,
    #[serde(default)]
    pub(super) tags: Vec<Value>,
    #[serde(default)]
    pub(super) false_positives: Vec<String>,
    #[serde(default)]
    pub(super) tuning: Vec<String>,
    pub(super) runbook: Option<String>,
    // Sentinel's, accepted so that its files load; nothing here depends on them.
    #[serde(rename = "status")]
    _status: Option<Value>,
    #[serde(rename = "tactics")]
    _tactics: Option<Value>,
    #[serde(rename = "relevantTechniques")]
    _relevant_techniques: Option<Value>,
    #[serde(rename = "requiredDataConnectors")]
    _required_data_connectors: Option<Value>,
    #[serde(rename = "alertDetailsOverride")]
    _alert_details_override: Option<Value>,
    #[serde(rename = "incidentConfiguration")]
    _incident_configuration: Option<Value>,
    #[serde(rename = "sentinelEntitiesMappings")]
    _sentinel_entities_mappings: Option<Value>,
    #[serde(rename = "metadata")]
    _metadata: Option<Value>,
}

/// `1.0` is a number in YAML and a version here.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Text(String),
    Number(serde_json::Number),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct MappingEntry {
    pub(super) entity_type: String,
    pub(super) field_mappings: Vec<FieldEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct FieldEntry {
    #[serde(rename = "identifier")]
    _identifier: String,
    pub(super) column_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct GroupingEntry {
    pub(super) aggregation_kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtlasEntry {
    pub(super) release: Option<Scalar>,
    pub(super) techniques: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EscalationEntry {
    pub(super) column: String,
    pub(super) steps: Vec<StepEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StepEntry {
    pub(super) at_least: f64,
    pub(super) severity: String,
}

pub(super) fn parse(
    text: &str,
    origin: Origin,
) -> Result<(Rule, Vec<Diagnostic>), Vec<Diagnostic>> {
    let file: File = atalaya_yaml::parse(text).map_err(|d| vec![*d])?;
    let mut checker = Checker::new(text);
    let rule = build(file, text, origin, &mut checker);
    let (remarks, errors) = checker.finish();
    if errors.is_empty() {
        Ok((rule, remarks))
    } else {
        Err(errors)
    }
}

fn build(file: File, text: &str, origin: Origin, checker: &mut Checker<'_>) -> Rule {
    checker.kind(file.kind.as_deref());
    checker.not_empty("id", &file.id);
    checker.not_empty("name", &file.name);
    checker.not_empty("query", &file.query);
    let times = checker.times(&file);
    let tables = evidence::tables_of(&file.query);
    checker.tables(&tables);
    if !tables.is_empty() {
        checker.query("query", &file.query);
    }
    let techniques = checker.techniques(&file);
    Rule {
        severity: checker.severity("severity", &file.severity),
        escalation: checker.escalation(file.escalation.as_ref()),
        trigger: checker.trigger(file.trigger_operator.as_deref(), file.trigger_threshold),
        grouping: checker.grouping(file.event_grouping_settings.as_ref()),
        entities: checker.entities(&file.entity_mappings),
        version: file
            .version
            .map_or_else(|| "0.0.0".to_owned(), |v| v.to_string()),
        hash: hash(text),
        language: Language::Kql,
        analytic: None,
        stream: None,
        enabled: file.enabled.unwrap_or(true),
        frequency: times.frequency,
        period: times.period,
        ingestion_delay: times.ingestion_delay,
        suppression: times.suppression,
        atlas_release: file
            .atlas
            .as_ref()
            .and_then(|a| a.release.as_ref())
            .map_or_else(|| atalaya_atlas::RELEASE.to_owned(), Scalar::to_string),
        techniques,
        tables,
        id: file.id,
        name: file.name,
        description: file.description.unwrap_or_default(),
        query: file.query,
        evidence_query: file.evidence_query,
        false_positives: file.false_positives,
        tuning: file.tuning,
        runbook: file.runbook,
        text: text.to_owned(),
        origin,
    }
}

/// SHA-256 of the file, hexadecimal.
pub(super) fn hash(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text)
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}
