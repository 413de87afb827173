//! What a rule's values must be, beyond their types. Collects every mistake.

use std::time::Duration;

use atalaya_atlas::Resolution;
use atalaya_kql::{BindOptions, RuleTables};
use atalaya_model::{Diagnostic, EntityKind, Level, Severity, Span};

use super::yaml::{EscalationEntry, File, GroupingEntry, MappingEntry};
use super::{
    EntityMapping, Escalation, EscalationStep, EventGrouping, Trigger, TriggerOperator, code,
};
use crate::duration;

/// Shortest time between runs.
const FREQUENCY_MIN: Duration = Duration::from_secs(1);
/// Longest window and longest time between runs, as in Sentinel.
const PERIOD_MAX: Duration = Duration::from_secs(14 * 86_400);
/// Longest suppression. Sentinel allows a day; a slow story (a nightly job that looks like
/// extraction) would raise every day of a week, so here it may stay one alert for as long as the
/// longest window.
const SUPPRESSION_MAX: Duration = PERIOD_MAX;
const HOUR: Duration = Duration::from_secs(3_600);
const INGESTION_DELAY_DEFAULT: Duration = Duration::from_secs(5 * 60);

const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];
const OPERATORS: [(&str, TriggerOperator); 8] = [
    ("gt", TriggerOperator::GreaterThan),
    ("lt", TriggerOperator::LessThan),
    ("eq", TriggerOperator::Equal),
    ("ne", TriggerOperator::NotEqual),
    ("greaterthan", TriggerOperator::GreaterThan),
    ("lessthan", TriggerOperator::LessThan),
    ("equal", TriggerOperator::Equal),
    ("notequal", TriggerOperator::NotEqual),
];
/// Sentinel's entity types first, then our own names.
const ENTITIES: [(&str, EntityKind); 16] = [
    ("Account", EntityKind::Caller),
    ("Mailbox", EntityKind::Caller),
    ("IP", EntityKind::Address),
    ("Host", EntityKind::Address),
    ("File", EntityKind::Document),
    ("FileHash", EntityKind::Document),
    ("URL", EntityKind::Document),
    ("CloudApplication", EntityKind::Model),
    ("Caller", EntityKind::Caller),
    ("Key", EntityKind::Key),
    ("Agent", EntityKind::Agent),
    ("Session", EntityKind::Session),
    ("Model", EntityKind::Model),
    ("Tool", EntityKind::Tool),
    ("Document", EntityKind::Document),
    ("Address", EntityKind::Address),
];

pub(super) struct Times {
    pub(super) frequency: Duration,
    pub(super) period: Duration,
    pub(super) ingestion_delay: Duration,
    pub(super) suppression: Duration,
}

/// Collects remarks while values are read; a wrong value is replaced by a harmless one, so that
/// the rest is checked as well.
pub(super) struct Checker<'a> {
    text: &'a str,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            diagnostics: Vec::new(),
        }
    }

    /// Remarks and errors.
    pub(super) fn finish(mut self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        self.diagnostics.sort_by_key(|d| d.span.start);
        self.diagnostics
            .into_iter()
            .partition(|d| d.level != Level::Error)
    }

    fn error(&mut self, code: &str, at: &str, message: String, help: impl Into<String>) {
        let span = value_span(self.text, at);
        self.diagnostics
            .push(Diagnostic::error(code, span, message).with_help(help));
    }

    fn warning(&mut self, code: &str, at: &str, message: String, help: impl Into<String>) {
        let span = value_span(self.text, at);
        self.diagnostics
            .push(Diagnostic::warning(code, span, message).with_help(help));
    }

    pub(super) fn kind(&mut self, kind: Option<&str>) {
        if let Some(other) = kind.filter(|k| !k.eq_ignore_ascii_case("scheduled")) {
            self.error(
                code::VALUE,
                "kind",
                format!("`{other}` is not a kind of rule that runs here"),
                "write `kind: Scheduled`; for near-real-time, give a short `queryFrequency`",
            );
        }
    }

    pub(super) fn not_empty(&mut self, key: &str, value: &str) {
        if value.trim().is_empty() {
            self.error(code::EMPTY, key, format!("`{key}` is empty"), "fill it in");
        }
    }

    pub(super) fn times(&mut self, file: &File) -> Times {
        let frequency = self.time("queryFrequency", file.query_frequency.as_deref(), HOUR);
        let period = self.time("queryPeriod", file.query_period.as_deref(), frequency);
        let delay = self.time(
            "ingestionDelay",
            file.ingestion_delay.as_deref(),
            INGESTION_DELAY_DEFAULT,
        );
        let suppression = match (file.suppression_enabled, &file.suppression_duration) {
            (Some(false), None) | (_, None) => period.min(SUPPRESSION_MAX),
            (_, Some(text)) => self.time("suppressionDuration", Some(text), period),
        };
        self.in_range("queryFrequency", frequency, FREQUENCY_MIN, PERIOD_MAX);
        self.in_range("queryPeriod", period, FREQUENCY_MIN, PERIOD_MAX);
        self.in_range("ingestionDelay", delay, Duration::ZERO, PERIOD_MAX);
        self.in_range(
            "suppressionDuration",
            suppression,
            Duration::ZERO,
            SUPPRESSION_MAX,
        );
        if period < frequency {
            self.warning(
                code::GAP,
                "queryPeriod",
                format!(
                    "the window is {period:?}, but the rule runs only every {frequency:?}: what happens between would be missed, so the window is widened"
                ),
                "make `queryPeriod` at least as long as `queryFrequency`",
            );
        }
        Times {
            frequency,
            period,
            ingestion_delay: delay,
            suppression,
        }
    }

    fn time(&mut self, key: &str, text: Option<&str>, default: Duration) -> Duration {
        let Some(text) = text else {
            return default;
        };
        duration::parse(text).unwrap_or_else(|| {
            self.error(
                code::DURATION,
                key,
                format!("`{text}` is not a duration"),
                "write a number and a unit, e.g. `5m`, `1h`, `14d`, or ISO 8601, e.g. `PT5M`",
            );
            default
        })
    }

    fn in_range(&mut self, key: &str, value: Duration, min: Duration, max: Duration) {
        if !(min..=max).contains(&value) {
            self.error(
                code::DURATION,
                key,
                format!("`{key}` is {value:?}, outside of {min:?} to {max:?}"),
                "choose a duration within these limits",
            );
        }
    }

    pub(super) fn severity(&mut self, key: &str, text: &str) -> Severity {
        match text.to_ascii_lowercase().as_str() {
            "informational" => Severity::Informational,
            "low" => Severity::Low,
            "medium" => Severity::Medium,
            "high" => Severity::High,
            "critical" => Severity::Critical,
            _ => {
                let help = nearest_of(text, SEVERITIES.iter().copied());
                self.error(code::VALUE, key, format!("unknown severity `{text}`"), help);
                Severity::Medium
            }
        }
    }

    pub(super) fn trigger(&mut self, operator: Option<&str>, threshold: Option<usize>) -> Trigger {
        let text = operator.unwrap_or("gt");
        let wanted = text.to_ascii_lowercase();
        let known = OPERATORS.iter().find(|(name, _)| *name == wanted);
        if known.is_none() {
            let help = nearest_of(text, OPERATORS.iter().map(|(name, _)| *name));
            self.error(
                code::VALUE,
                "triggerOperator",
                format!("unknown operator `{text}`"),
                help,
            );
        }
        Trigger {
            operator: known.map_or(TriggerOperator::GreaterThan, |(_, o)| *o),
            threshold: threshold.unwrap_or(0),
        }
    }

    pub(super) fn grouping(&mut self, entry: Option<&GroupingEntry>) -> EventGrouping {
        let Some(entry) = entry else {
            return EventGrouping::default();
        };
        match entry.aggregation_kind.to_ascii_lowercase().as_str() {
            "singlealert" => EventGrouping::SingleAlert,
            "alertperresult" => EventGrouping::AlertPerResult,
            other => {
                let help = nearest_of(other, ["SingleAlert", "AlertPerResult"].into_iter());
                let message = format!("unknown `aggregationKind` `{}`", entry.aggregation_kind);
                self.error(code::VALUE, "aggregationKind", message, help);
                EventGrouping::default()
            }
        }
    }

    pub(super) fn entities(&mut self, entries: &[MappingEntry]) -> Vec<EntityMapping> {
        let mut mappings = Vec::new();
        for entry in entries {
            let known = ENTITIES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&entry.entity_type));
            let Some((_, kind)) = known else {
                let help = nearest_of(&entry.entity_type, ENTITIES.iter().map(|(name, _)| *name));
                let message = format!("unknown entity type `{}`", entry.entity_type);
                self.error(code::ENTITY, &entry.entity_type, message, help);
                continue;
            };
            // Sentinel identifies one entity by several fields; here each field is one entity.
            mappings.extend(entry.field_mappings.iter().map(|field| EntityMapping {
                kind: *kind,
                column: field.column_name.clone(),
            }));
        }
        mappings
    }

    pub(super) fn escalation(&mut self, entry: Option<&EscalationEntry>) -> Option<Escalation> {
        let entry = entry?;
        let mut steps: Vec<EscalationStep> = Vec::new();
        for step in &entry.steps {
            let severity = self.severity("escalation", &step.severity);
            steps.push(EscalationStep {
                at_least: step.at_least,
                severity,
            });
        }
        steps.sort_by(|a, b| a.at_least.total_cmp(&b.at_least));
        if steps.is_empty() {
            self.error(
                code::EMPTY,
                "escalation",
                "the ladder has no steps".to_owned(),
                "add `steps:` with `atLeast` and `severity`, or remove `escalation`",
            );
        }
        Some(Escalation {
            column: entry.column.clone(),
            steps,
        })
    }

    pub(super) fn tables(&mut self, tables: &[&'static atalaya_tables::Table]) {
        if tables.is_empty() {
            let known: Vec<&str> = atalaya_tables::ALL.iter().map(|t| t.name).collect();
            self.error(
                code::SOURCE,
                "query",
                "the query reads none of the log tables".to_owned(),
                format!("tables: {}", known.join(", ")),
            );
        }
    }

    /// Binds a query against the log tables; its diagnostics point into the file. Mistakes of
    /// the engine's own making are found when it runs.
    pub(super) fn query(&mut self, key: &str, query: &str) {
        let options = BindOptions {
            now_ticks: 0,
            strict: false,
        };
        for mut diagnostic in atalaya_kql::bind(query, &RuleTables, options).diagnostics {
            diagnostic.span = span_in_file(self.text, key, query, diagnostic.span);
            self.diagnostics.push(diagnostic);
        }
    }

    pub(super) fn techniques(&mut self, file: &File) -> Vec<String> {
        let named = file.atlas.iter().flat_map(|a| a.techniques.iter().cloned());
        let details = file.custom_details.values().filter_map(|v| v.as_str());
        let tags = file.tags.iter().filter_map(|v| v.as_str());
        let elsewhere = details
            .chain(tags)
            .filter(|text| text.starts_with("AML.T") && !text.starts_with("AML.TA"))
            .map(str::to_owned);
        let mut ids = Vec::new();
        for id in named.chain(elsewhere) {
            let id = self.technique(id);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if ids.is_empty() {
            self.no_technique("id", "add `atlas: {techniques: [AML.T0051]}`");
        }
        ids
    }

    pub(super) fn no_technique(&mut self, at: &str, help: &str) {
        let message = "the rule names no ATLAS technique".to_owned();
        self.warning(code::NO_TECHNIQUE, at, message, help);
    }

    /// The id in force; complains about retired and unknown ones.
    pub(super) fn technique(&mut self, id: String) -> String {
        match atalaya_atlas::resolve(&id) {
            Resolution::Current(_) => id,
            Resolution::Retired {
                successor, release, ..
            } => {
                self.warning(
                    code::RETIRED,
                    &id,
                    format!("{id} was retired in ATLAS {release}"),
                    format!("write {} ({})", successor.id, successor.name),
                );
                successor.id.clone()
            }
            Resolution::Unknown { parent } => {
                let help = match parent {
                    Some(parent) => {
                        format!("{} ({}) has no such sub-technique", parent.id, parent.name)
                    }
                    None if atalaya_atlas::technique(&format!("AML.{id}")).is_some() => {
                        format!("write AML.{id}")
                    }
                    None => "ids look like AML.T0051 or AML.T0051.001".to_owned(),
                };
                let message = format!("ATLAS {} knows no {id}", atalaya_atlas::RELEASE);
                self.error(code::TECHNIQUE, &id, message, help);
                id
            }
        }
    }
}

fn nearest_of<'a>(wrong: &str, valid: impl Iterator<Item = &'a str> + Clone) -> String {
    match atalaya_yaml::nearest(wrong, valid.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let listed: Vec<&str> = valid.collect();
            format!("valid here: {}", listed.join(", "))
        }
    }
}

impl super::Rule {
    /// The place in the rule's file of a place in its query.
    #[must_use]
    pub fn place_in_file(&self, in_query: Span) -> Span {
        span_in_file(&self.text, "query", &self.query, in_query)
    }
}

/// The place in the file of a place in a text that stands in it as a block or in one piece.
fn span_in_file(file: &str, key: &str, text: &str, span: Span) -> Span {
    let at = |offset: usize| -> Option<usize> {
        let key_at = value_span(file, key).start;
        let tail = file.get(key_at..)?;
        if let Some(start) = text.lines().next().and_then(|_| tail.find(text.trim_end())) {
            return Some(key_at + start + offset); // In one piece, on one line.
        }
        let before = text.get(..offset)?;
        let line_number = before.matches('\n').count();
        let column = offset - before.rfind('\n').map_or(0, |i| i + 1);
        let line = text.lines().nth(line_number)?;
        let mut line_start = key_at + tail.find('\n')? + 1;
        for _ in 0..line_number {
            line_start += file.get(line_start..)?.find('\n')? + 1;
        }
        let indent = file.get(line_start..)?.lines().next()?.find(line)?;
        Some(line_start + indent + column)
    };
    let start = at(span.start.min(text.len()));
    start.map_or_else(
        || value_span(file, key),
        |start| Span::new(start, start + span.len().max(1)),
    )
}

/// Where the value of a key stands; failing that, where the text itself first stands.
fn value_span(text: &str, at: &str) -> Span {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let code = line.trim_start().trim_start_matches("- ");
        if let Some(rest) = code.strip_prefix(at)
            && let Some(value) = rest.strip_prefix(':')
        {
            let start =
                offset + (line.len() - value.len()) + (value.len() - value.trim_start().len());
            let shown = value.trim();
            if shown.is_empty() {
                let key = offset + (line.len() - code.len());
                return Span::new(key, key + at.len());
            }
            return Span::new(start, start + shown.len());
        }
        offset += line.len();
    }
    text.find(at)
        .map_or_else(Span::default, |start| Span::new(start, start + at.len()))
}
