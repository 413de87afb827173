//! A Sigma file as a rule: read and converted by `atalaya-sigma`, scheduled like any other.
//!
//! Sigma says what to look for, not how often, nor what an alert is about. Defaults follow from
//! the rule; a companion file beside it (`NAME.meta.yml`) may say otherwise, so that the Sigma
//! file itself can stay exactly as somebody else wrote it.

use std::time::Duration;

use atalaya_model::{Diagnostic, EntityKind, Severity, Span};
use atalaya_sigma::convert::{self, BaseQuery, Query};
use atalaya_sigma::ir::{Collection, Metadata, Test};
use atalaya_sigma::taxonomy::{self, Field};
use serde::Deserialize;

use super::check::Checker;
use super::yaml::hash;
use super::{
    EntityMapping, EventGrouping, Language, Origin, Rule, StreamSpec, Trigger, TriggerOperator,
    code,
};
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
    let queries = convert::over_log_tables(&collection)?;
    let [(metadata, query)] = queries.as_slice() else {
        let message = format!("the file holds {} rules that raise alerts", queries.len());
        let diagnostic = Diagnostic::error(code::SIGMA, Span::default(), message);
        return Err(vec![diagnostic.with_help("give each a file of its own")]);
    };
    let mut checker = Checker::new(text);
    let techniques = techniques(&companion, metadata, &mut checker);
    let mut rule = build(text, origin, companion, (metadata, query, techniques));
    rule.stream = stream(&collection, query);
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
    metadata: &Metadata,
    checker: &mut Checker<'_>,
) -> Vec<String> {
    let tags = metadata.tags.iter();
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
    (metadata, query, techniques): (&Metadata, &Query, Vec<String>),
) -> Rule {
    let hash = hash(text);
    let tables = evidence::tables_of(&query.text);
    let time = |text: &Option<String>| text.as_deref().and_then(duration::parse);
    let span = query.timespan.unwrap_or(PERIOD);
    let frequency = time(&companion.query_frequency).unwrap_or(FREQUENCY.min(span));
    // No window may be cut by a run that begins within it.
    let period = query.timespan.map_or(PERIOD, |span| {
        span.saturating_add(frequency)
            .saturating_add(INGESTION_DELAY)
    });
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
        stream: None,
        enabled: companion.enabled.unwrap_or(true),
        severity: metadata.severity.unwrap_or(SEVERITY),
        escalation: None,
        query: scheduled(query),
        evidence_query: evidence_query(query),
        frequency,
        period,
        ingestion_delay: INGESTION_DELAY,
        suppression: time(&companion.suppression_duration).unwrap_or(span),
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

/// First and last time of the windows that a row of the scheduled query stands for.
const FIRST: &str = "FirstSeen";
const LAST: &str = "LastSeen";

/// The query with one row per group: of a correlation, every event that completes a window is a
/// result.
fn scheduled(query: &Query) -> String {
    let Some(timespan) = query.timespan else {
        return query.text.clone();
    };
    let span = atalaya_sigma::write_duration(timespan);
    let by = if query.group_by.is_empty() {
        String::new()
    } else {
        format!(" by {}", query.group_by.join(", "))
    };
    format!(
        "{}\n| summarize {FIRST} = min(TimeGenerated) - {span}, {LAST} = max(TimeGenerated), Windows = count(){by}\n| where Windows > 0",
        query.text
    )
}

/// The events of a group within its windows.
fn evidence_query(query: &Query) -> Option<String> {
    let first = query.bases.first()?;
    let id = id_column(first)?;
    let mut sources = Vec::with_capacity(query.bases.len());
    for base in &query.bases {
        // A brace would be read as a place for a value of the row.
        if base.text.contains('{') || base.group.len() != query.group_by.len() {
            return None;
        }
        let mut text = base.text.clone();
        for (column, name) in base.group.iter().zip(&query.group_by) {
            text.push_str(&format!("\n| where {column} == {{{name}}}"));
        }
        text.push_str(&format!(
            "\n| where TimeGenerated between ({{{FIRST}}} .. {{{LAST}}})"
        ));
        if query.bases.len() > 1 {
            text = format!(
                "({text}\n| project TimeGenerated, {id} = {})",
                id_column(base)?
            );
        }
        sources.push(text);
    }
    Some(match sources.as_slice() {
        [one] => one.clone(),
        several => format!("union {}", several.join(",\n")),
    })
}

fn id_column(base: &BaseQuery) -> Option<&'static str> {
    let table = atalaya_tables::find(base.table.as_deref()?)?;
    Some(table.id_column)
}

/// How the rule is judged on the stream; `None` if it asks for what follows from other rows.
fn stream(collection: &Collection, query: &Query) -> Option<StreamSpec> {
    for rule in &collection.rules {
        let table = taxonomy::table(&rule.source)?;
        let items = rule.conditions.iter().flat_map(|one| one.expr.items());
        for item in items {
            let others = item.tests.iter().flat_map(Test::alternatives);
            let others = others.filter_map(|test| match test {
                Test::FieldRef { field, .. } => Some(field),
                _ => None,
            });
            for field in item.field.iter().chain(others) {
                if matches!(taxonomy::field(table, field), Some(Field::Derived(_))) {
                    return None;
                }
            }
        }
    }
    Some(StreamSpec {
        group_by: query.group_by.clone(),
        joins: query.text.contains("| join "),
    })
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
