//! A Sigma file as a rule: read and converted by `atalaya-sigma`, scheduled like any other.
//!
//! Sigma says what to look for, not how often, nor what an alert is about. Defaults follow from
//! the rule; a companion file beside it (`NAME.meta.yml`) may say otherwise, so that the Sigma
//! file itself can stay exactly as somebody else wrote it.

use std::time::Duration;

use atalaya_model::{Diagnostic, EntityKind, Severity, Span};
use atalaya_sigma::convert::kql;
use serde::Deserialize;

use super::check::Checker;
use super::yaml::hash;
use super::{EntityMapping, EventGrouping, Language, Origin, Rule, Trigger, TriggerOperator, code};
use crate::{duration, evidence};

/// Time between runs, where nobody says otherwise.
const FREQUENCY: Duration = Duration::from_secs(300);
/// Window of rules about single events, where nobody says otherwise.
const PERIOD: Duration = Duration::from_secs(3_600);
/// How late records may arrive.
const INGESTION_DELAY: Duration = Duration::from_secs(60);
/// Severity of a rule without a level.
const SEVERITY: Severity = Severity::Medium;

/// What the companion file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Companion {
    id: Option<String>,
    version: Option<String>,
    enabled: Option<bool>,
    techniques: Vec<String>,
    query_frequency: Option<String>,
    suppression_duration: Option<String>,
    tuning: Vec<String>,
    runbook: Option<String>,
}

/// Whether a file is a Sigma rule: told by the keys that every one has.
pub(super) fn is_sigma(text: &str) -> bool {
    let starts = |key: &str| text.lines().any(|line| line.starts_with(key));
    (starts("detection:") && starts("logsource:")) || starts("correlation:")
}

pub(super) fn parse(
    text: &str,
    companion: Option<&str>,
    origin: Origin,
) -> Result<(Rule, Vec<Diagnostic>), Vec<Diagnostic>> {
    let companion: Companion = match companion {
        Some(text) => atalaya_yaml::parse(text).map_err(|error| vec![*error])?,
        None => Companion::default(),
    };
    let mut collection = atalaya_sigma::parse(text)?;
    let mut remarks = std::mem::take(&mut collection.remarks);
    if companion.id.is_some() {
        remarks.retain(|remark| remark.code != atalaya_sigma::code::NO_ID);
    }
    let queries = kql::convert(&collection)?;
    let [query] = queries.as_slice() else {
        let message = format!("the file holds {} rules that raise alerts", queries.len());
        let diagnostic = Diagnostic::error(code::SIGMA, Span::default(), message);
        return Err(vec![diagnostic.with_help("give each a file of its own")]);
    };
    let mut checker = Checker::new(text);
    let techniques = techniques(&companion, query, &mut checker);
    let rule = build(text, origin, companion, (query, techniques));
    let (more, errors) = checker.finish();
    remarks.extend(more);
    if errors.is_empty() {
        Ok((rule, remarks))
    } else {
        Err(errors)
    }
}

fn techniques(
    companion: &Companion,
    query: &kql::Query<'_>,
    checker: &mut Checker<'_>,
) -> Vec<String> {
    let tags = query.metadata.tags.iter();
    let tagged = tags.filter_map(|tag| atalaya_atlas::technique_of_sigma_tag(tag));
    let mut ids = Vec::new();
    for id in companion.techniques.iter().cloned().chain(tagged) {
        let id = checker.technique(id);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        checker.no_technique("title", "add the tag `atlas.aml.t0051`");
    }
    ids
}

fn build(
    text: &str,
    origin: Origin,
    companion: Companion,
    (query, techniques): (&kql::Query<'_>, Vec<String>),
) -> Rule {
    let metadata = query.metadata;
    let hash = hash(text);
    let tables = evidence::tables_of(&query.kql);
    let period = query.timespan.unwrap_or(PERIOD);
    let time = |text: &Option<String>| text.as_deref().and_then(duration::parse);
    let id = companion.id.or_else(|| metadata.id.clone());
    Rule {
        // Without an id, the file's own hash is the only name that stays.
        id: id.unwrap_or_else(|| format!("sigma-{}", hash.get(..16).unwrap_or(&hash))),
        name: metadata.title.clone(),
        description: metadata.description.clone(),
        version: companion.version.unwrap_or_else(|| "0.0.0".to_owned()),
        origin,
        language: Language::Sigma,
        analytic: None,
        enabled: companion.enabled.unwrap_or(true),
        severity: metadata.severity.unwrap_or(SEVERITY),
        escalation: None,
        query: query.kql.clone(),
        evidence_query: None,
        frequency: time(&companion.query_frequency).unwrap_or(FREQUENCY.min(period)),
        period,
        ingestion_delay: INGESTION_DELAY,
        suppression: time(&companion.suppression_duration).unwrap_or(period),
        trigger: Trigger {
            operator: TriggerOperator::GreaterThan,
            threshold: 0,
        },
        grouping: EventGrouping::default(),
        entities: entities(&query.group_by, &tables),
        techniques,
        atlas_release: atalaya_atlas::RELEASE.to_owned(),
        tables,
        false_positives: metadata.false_positives.clone(),
        tuning: companion.tuning,
        runbook: companion.runbook,
        hash,
        text: text.to_owned(),
    }
}

/// What an alert is about: the groups of a count, else who or what the table is about.
fn entities(group_by: &[String], tables: &[&'static atalaya_tables::Table]) -> Vec<EntityMapping> {
    let mapping = |column: &str| {
        let kind = match column {
            "UserId" | "PerformedBy_UPN" | "Account" => EntityKind::Caller,
            "CallerKeyId" => EntityKind::Key,
            "AgentId" => EntityKind::Agent,
            "SessionId" => EntityKind::Session,
            "ModelId" | "ModelName" | "ModelEndpoint" => EntityKind::Model,
            "SrcIpAddr" => EntityKind::Address,
            "Resource" | "ResourceName" => EntityKind::Document,
            _ => return None,
        };
        Some(EntityMapping {
            kind,
            column: column.to_owned(),
        })
    };
    if !group_by.is_empty() {
        return group_by
            .iter()
            .filter_map(|column| mapping(column))
            .collect();
    }
    let subjects = ["UserId", "ModelId", "PerformedBy_UPN", "Account"];
    let has = |column: &&&str| tables.iter().any(|table| table.column(column).is_some());
    subjects
        .iter()
        .find(has)
        .and_then(|column| mapping(column))
        .into_iter()
        .collect()
}
