//! A rule whose judgement is an analytic of `atalaya-analytics`: the file says which, how it is
//! tuned, and what an analyst needs to know. There is no query and no schedule: events are judged
//! as they come.

use std::time::Duration;

use atalaya_analytics::{Settings, analytics};
use atalaya_model::{Diagnostic, Span};
use serde::Deserialize;
use serde_json::Value;

use super::check::Checker;
use super::yaml::{AtlasEntry, Scalar, hash};
use super::{EventGrouping, Language, Origin, Rule, Trigger, TriggerOperator, code};
use crate::duration;

/// How long an ongoing story stays one alert, where the file does not say.
const SUPPRESSION: Duration = Duration::from_secs(24 * 3_600);

/// What an analytic's rule has that others have not.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalyticSpec {
    /// Name of the analytic.
    pub name: &'static str,
    /// Its parameters, as in the file; what is not there has its default.
    pub parameters: Value,
    /// Callers that it is silent about: known tools, red teams, batch jobs.
    pub except_callers: Vec<String>,
    /// Columns that it needs, `Table.Column`.
    pub fields: Vec<(&'static str, &'static str)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    id: String,
    name: String,
    description: String,
    version: Option<Scalar>,
    kind: String,
    analytic: String,
    severity: String,
    enabled: Option<bool>,
    atlas: Option<AtlasEntry>,
    fields: std::collections::BTreeMap<String, Vec<String>>,
    #[serde(default)]
    parameters: Value,
    #[serde(default)]
    except_callers: Vec<String>,
    suppression_duration: Option<String>,
    #[serde(default)]
    false_positives: Vec<String>,
    #[serde(default)]
    tuning: Vec<String>,
    runbook: Option<String>,
}

/// Whether a file is such a rule: told by the key that only these have.
pub(super) fn is_analytic(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("analytic:"))
}

pub(super) fn parse(
    text: &str,
    origin: Origin,
) -> Result<(Rule, Vec<Diagnostic>), Vec<Diagnostic>> {
    let file: File = atalaya_yaml::parse(text).map_err(|error| vec![*error])?;
    let mut checker = Checker::new(text);
    let mut wrong = Vec::new();
    let Some(spec) = spec(&file, text, &mut wrong) else {
        return Err(wrong);
    };
    let rule = build(file, spec, text, origin, &mut checker);
    let (remarks, mut errors) = checker.finish();
    errors.extend(wrong);
    if errors.is_empty() {
        Ok((rule, remarks))
    } else {
        Err(errors)
    }
}

fn at(text: &str, what: &str) -> Span {
    let start = text.find(what);
    start.map_or_else(Span::default, |start| Span::new(start, start + what.len()))
}

fn spec(file: &File, text: &str, wrong: &mut Vec<Diagnostic>) -> Option<AnalyticSpec> {
    let known = atalaya_analytics::NAMES;
    let Some(name) = known.iter().copied().find(|known| *known == file.analytic) else {
        let message = format!("there is no analytic `{}`", file.analytic);
        let nearest = atalaya_yaml::nearest(&file.analytic, known.iter().copied());
        let help = nearest.map_or_else(
            || known.join(", "),
            |name| format!("did you mean `{name}`?"),
        );
        wrong.push(
            Diagnostic::error(code::VALUE, at(text, &file.analytic), message).with_help(help),
        );
        return None;
    };
    if !file.kind.eq_ignore_ascii_case("analytic") {
        let message = format!(
            "a rule with `analytic` has kind Analytic, not {}",
            file.kind
        );
        wrong.push(Diagnostic::error(
            code::VALUE,
            at(text, &file.kind),
            message,
        ));
    }
    if let Err(error) = Settings::none().set(name, &file.parameters) {
        let defaults = analytics::defaults(name).unwrap_or_default();
        let help = format!("parameters and defaults: {defaults}");
        let diagnostic = Diagnostic::error(code::VALUE, at(text, "parameters"), error);
        wrong.push(diagnostic.with_help(help));
    }
    let mut fields = Vec::new();
    for (table, columns) in &file.fields {
        let found = atalaya_tables::find(table);
        for name in columns {
            match found.and_then(|table| Some((table.name, table.column(name)?.name))) {
                Some(field) => fields.push(field),
                None => wrong.push(Diagnostic::error(
                    code::SOURCE,
                    at(text, name),
                    format!("there is no column {table}.{name}"),
                )),
            }
        }
    }
    Some(AnalyticSpec {
        name,
        parameters: file.parameters.clone(),
        except_callers: file.except_callers.clone(),
        fields,
    })
}

fn build(
    file: File,
    spec: AnalyticSpec,
    text: &str,
    origin: Origin,
    checker: &mut Checker<'_>,
) -> Rule {
    checker.not_empty("id", &file.id);
    checker.not_empty("name", &file.name);
    let atlas = file.atlas.unwrap_or(AtlasEntry {
        release: None,
        techniques: Vec::new(),
    });
    if atlas.techniques.is_empty() {
        checker.no_technique("name", "add `atlas: {techniques: [AML.T0024]}`");
    }
    let techniques = atlas.techniques.into_iter();
    let techniques = techniques.map(|id| checker.technique(id)).collect();
    let mut tables = Vec::new();
    for (name, _) in &spec.fields {
        if let Some(table) = atalaya_tables::find(name)
            && !tables
                .iter()
                .any(|known: &&atalaya_tables::Table| known.name == table.name)
        {
            tables.push(table);
        }
    }
    checker.tables(&tables);
    let suppression = file.suppression_duration.as_deref().map(duration::parse);
    Rule {
        severity: checker.severity("severity", &file.severity),
        version: file
            .version
            .map_or_else(|| "0.0.0".to_owned(), |v| v.to_string()),
        hash: hash(text),
        language: Language::Analytic,
        analytic: Some(spec),
        stream: None,
        enabled: file.enabled.unwrap_or(true),
        suppression: suppression.flatten().unwrap_or(SUPPRESSION),
        atlas_release: atlas.release.map_or_else(
            || atalaya_atlas::RELEASE.to_owned(),
            |release| release.to_string(),
        ),
        techniques,
        tables,
        id: file.id,
        name: file.name,
        description: file.description,
        false_positives: file.false_positives,
        tuning: file.tuning,
        runbook: file.runbook,
        text: text.to_owned(),
        origin,
        escalation: None,
        query: String::new(),
        evidence_query: None,
        frequency: Duration::ZERO,
        period: Duration::ZERO,
        ingestion_delay: Duration::ZERO,
        trigger: Trigger {
            operator: TriggerOperator::GreaterThan,
            threshold: 0,
        },
        grouping: EventGrouping::default(),
        entities: Vec::new(),
    }
}
