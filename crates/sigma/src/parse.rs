//! Text becomes a collection of rules.

mod threshold;

use std::time::Duration;

use atalaya_model::{Diagnostic, Level, Severity, Span};
use serde_json::{Map, Value};

use crate::condition::{self, ConditionError, Selections, joined};
use crate::document::{self, Document};
use crate::rule::{
    Collection, Correlation, CorrelationKind, Expr, LogSource, Metadata, Operator, SigmaRule,
};
use crate::{code, duration, matcher};

/// Reads all rules of a file.
///
/// # Errors
/// Every mistake that could be found; spans lie in `text`. Remarks about what is only suspicious
/// are in the collection.
pub fn parse(text: &str) -> Result<Collection, Vec<Diagnostic>> {
    let documents: Vec<Document> = atalaya_yaml::parse_many(text).map_err(|error| vec![*error])?;
    let mut reader = Reader {
        text,
        from: 0,
        collection: Collection::default(),
        problems: Vec::new(),
    };
    let mut correlations = Vec::new();
    for mut document in documents {
        reader.from = reader.start_of(&document);
        match document.correlation.take() {
            Some(correlation) => correlations.push((metadata(&document), correlation)),
            None => reader.rule(document),
        }
    }
    for (metadata, correlation) in correlations {
        reader.correlation(metadata, correlation);
    }
    if reader.collection.rules.is_empty() && reader.problems.is_empty() {
        reader.error(
            code::MISSING,
            Span::default(),
            "the file holds no Sigma rule",
            "",
        );
    }
    let (errors, remarks): (Vec<_>, Vec<_>) = reader
        .problems
        .into_iter()
        .partition(|problem| problem.level == Level::Error);
    if !errors.is_empty() {
        return Err(errors);
    }
    reader.collection.remarks = remarks;
    Ok(reader.collection)
}

struct Reader<'t> {
    text: &'t str,
    /// Where the present document begins.
    from: usize,
    collection: Collection,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, code: &str, span: Span, message: impl Into<String>, help: &str) {
        let diagnostic = Diagnostic::error(code, span, message);
        self.problems.push(if help.is_empty() {
            diagnostic
        } else {
            diagnostic.with_help(help)
        });
    }

    /// Documents are told apart by their titles.
    fn start_of(&self, document: &Document) -> usize {
        let title = document.title.as_deref().unwrap_or_default();
        let rest = self.text.get(self.from..).unwrap_or_default();
        if title.is_empty() {
            self.from
        } else {
            self.from + rest.find(title).unwrap_or(0)
        }
    }

    /// Where a key stands in the present document.
    fn span(&self, key: &str) -> Span {
        let rest = self.text.get(self.from..).unwrap_or_default();
        let found = rest.match_indices(key).find(|(at, _)| {
            let before = rest[..*at].chars().next_back();
            let after = rest[at + key.len()..].chars().next();
            before.is_none_or(|c| c.is_whitespace() || "-\"'{[(".contains(c))
                && after.is_none_or(|c| c.is_whitespace() || ":\"',)]}".contains(c))
        });
        match found {
            Some((at, _)) => Span::new(self.from + at, self.from + at + key.len()),
            None => Span::new(self.from, self.from),
        }
    }

    fn rule(&mut self, document: Document) {
        let metadata = metadata(&document);
        let Some(mut detection) = document.detection else {
            let help = "add `detection:` with a selection and a `condition`";
            self.error(
                code::MISSING,
                self.span("title"),
                "the rule has no detection",
                help,
            );
            return;
        };
        let Some(condition) = detection.remove("condition") else {
            let help = "add `condition: selection`";
            self.error(
                code::MISSING,
                self.span("detection"),
                "there is no condition",
                help,
            );
            return;
        };
        detection.remove("timeframe");
        if metadata.id.is_none() {
            let remark = Diagnostic::warning(code::NO_ID, self.span("title"), "the rule has no id");
            self.problems
                .push(remark.with_help("add `id:` with a new UUID"));
        }
        let source = log_source(document.logsource);
        let threshold = threshold::take(&mut detection);
        let Some(condition) = self.condition(&detection, &condition, threshold.as_ref()) else {
            return;
        };
        let base = SigmaRule {
            metadata,
            source,
            condition,
        };
        match threshold {
            Some(threshold) => self.with_threshold(base, &threshold),
            None => self.collection.rules.push(base),
        }
    }

    fn condition(
        &mut self,
        detection: &Map<String, Value>,
        condition: &Value,
        threshold: Option<&threshold::Threshold>,
    ) -> Option<Expr> {
        let mut selections = Vec::new();
        for (name, value) in detection {
            selections.push((name.clone(), self.selection(value)?));
        }
        let texts: Vec<&str> = match condition {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect(),
        };
        let span = self.span("condition");
        let mut used = vec![false; selections.len()];
        let mut any = Vec::new();
        for text in texts {
            let text = threshold.map_or_else(|| text.to_owned(), |t| t.without(text));
            let mut parsed = Selections {
                all: &selections,
                used,
            };
            match condition::parse(&text, &mut parsed) {
                Ok(expr) => any.push(expr),
                Err(error) => {
                    self.condition_error(&error, span, detection);
                    return None;
                }
            }
            used = parsed.used;
        }
        for ((name, _), used) in selections.iter().zip(&used) {
            if !used && !name.starts_with('_') {
                let message = format!("the condition does not use the selection `{name}`");
                let span = self.span(name);
                self.problems
                    .push(Diagnostic::warning(code::UNUSED_SELECTION, span, message));
            }
        }
        if any.is_empty() {
            self.error(code::CONDITION, span, "the condition is no text", "");
            return None;
        }
        Some(joined(any, Expr::Or))
    }

    fn condition_error(
        &mut self,
        error: &ConditionError,
        span: Span,
        detection: &Map<String, Value>,
    ) {
        match error {
            ConditionError::Unknown(name) => {
                let known = detection.keys().map(String::as_str);
                let help = atalaya_yaml::nearest(name, known.clone()).map_or_else(
                    || format!("selections are: {}", known.collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("the condition names `{name}`, which is not there");
                self.error(code::UNKNOWN_SELECTION, span, message, &help);
            }
            ConditionError::Expected(expected, found) => {
                let message = format!("expected {expected}, found `{found}`");
                self.error(code::CONDITION, span, message, "");
            }
            ConditionError::TooDeep => {
                self.error(
                    code::CONDITION,
                    span,
                    "the condition is nested too deeply",
                    "",
                );
            }
            ConditionError::Aggregation => {
                let help =
                    "write a correlation: `type: event_count`, `rules`, `timespan`, `condition`";
                let message = "aggregations after `|` are no longer part of Sigma";
                self.error(code::CONDITION, span, message, help);
            }
        }
    }

    /// A selection: a map (all fields), or a list of maps (any of them).
    fn selection(&mut self, value: &Value) -> Option<Expr> {
        match value {
            Value::Object(fields) => self.fields(fields),
            Value::Array(items) if items.iter().all(Value::is_object) => {
                let mut any = Vec::new();
                for item in items {
                    any.push(self.selection(item)?);
                }
                Some(joined(any, Expr::Or))
            }
            _ => {
                let help = "name the field, e.g. `PromptText|contains`";
                let span = self.span("detection");
                let message = "keyword searches over whole events are not supported here";
                self.error(code::VALUE, span, message, help);
                None
            }
        }
    }

    fn fields(&mut self, fields: &Map<String, Value>) -> Option<Expr> {
        let mut all = Vec::new();
        for (key, value) in fields {
            let span = self.span(key);
            all.push(matcher::read(key, value, span, &mut self.problems)?);
        }
        Some(joined(all, Expr::And))
    }

    fn correlation(&mut self, metadata: Metadata, correlation: document::Correlation) {
        let span = self.span("correlation");
        let names = correlation.rules.into_vec();
        let rules = &self.collection.rules;
        let base = match names.as_slice() {
            [name] => rules.iter().position(|rule| {
                rule.metadata.name.as_ref() == Some(name) || rule.metadata.id.as_ref() == Some(name)
            }),
            _ => None,
        };
        let Some(base) = base else {
            let message = "a correlation needs exactly one rule of the same file here";
            self.error(
                code::CORRELATION,
                span,
                message,
                "name it in `rules:` by its name or id",
            );
            return;
        };
        let kind = match correlation.kind.as_str() {
            "event_count" => Some(CorrelationKind::EventCount),
            "value_count" => {
                let field = correlation.condition.get("field").and_then(Value::as_str);
                field.map(|field| CorrelationKind::ValueCount(field.to_owned()))
            }
            _ => None,
        };
        let Some(kind) = kind else {
            let message = format!(
                "correlations of type `{}` are not supported here",
                correlation.kind
            );
            let help = "event_count, or value_count with `field` in its condition";
            self.error(code::CORRELATION, span, message, help);
            return;
        };
        let timespan = correlation.timespan.as_deref().and_then(duration::parse);
        let limit = limit(&correlation.condition);
        let (Some(timespan), Some((operator, threshold))) = (timespan, limit) else {
            let message = "the correlation needs `timespan` and a condition such as `gte: 10`";
            self.error(code::CORRELATION, span, message, "");
            return;
        };
        self.collection.correlations.push(Correlation {
            metadata,
            kind,
            base,
            group_by: correlation.group_by.into_vec(),
            timespan,
            operator,
            threshold,
        });
    }
}

fn limit(condition: &Map<String, Value>) -> Option<(Operator, u64)> {
    condition
        .iter()
        .find_map(|(word, value)| Some((Operator::of_word(word)?, value.as_u64()?)))
}

fn metadata(document: &Document) -> Metadata {
    let level = document.level.as_deref();
    Metadata {
        title: document.title.clone().unwrap_or_default(),
        id: document.id.clone(),
        name: document.name.clone(),
        description: document.description.clone().unwrap_or_default(),
        severity: level.and_then(|level| serde_json::from_value::<Severity>(level.into()).ok()),
        tags: document.tags.clone(),
        false_positives: match &document.falsepositives {
            document::OneOrMany::None => Vec::new(),
            document::OneOrMany::One(one) => vec![one.clone()],
            document::OneOrMany::Many(many) => many.clone(),
        },
    }
}

fn log_source(source: Option<document::LogSource>) -> LogSource {
    let source = source.unwrap_or_default();
    LogSource {
        product: source.product.unwrap_or_default(),
        category: source.category.unwrap_or_default(),
        service: source.service.unwrap_or_default(),
    }
}

impl Reader<'_> {
    /// A threshold that was written as a selection: a base rule and a correlation.
    fn with_threshold(&mut self, mut base: SigmaRule, threshold: &threshold::Threshold) {
        let mut metadata = base.metadata.clone();
        let name = crate::standard::name_of(&metadata.title);
        base.metadata.name = Some(format!("{name}_event"));
        base.metadata.severity = Some(Severity::Informational);
        metadata.name = Some(name);
        let correlation = Correlation {
            metadata,
            kind: CorrelationKind::EventCount,
            base: self.collection.rules.len(),
            group_by: crate::taxonomy::group_by_default(&base.source),
            timespan: threshold.timespan.unwrap_or(Duration::from_secs(86_400)),
            operator: threshold.operator,
            threshold: threshold.count,
        };
        let message = format!(
            "the selection `{}` compares event fields named count and timespan, which no event has; read as a threshold",
            threshold.selection
        );
        let standard = crate::standard::write(&base, &correlation);
        let span = self.span(&threshold.selection);
        let remark = Diagnostic::warning(code::DEAD_THRESHOLD, span, message);
        let help =
            format!("the standard form is a base rule and an event_count correlation:\n{standard}");
        self.problems.push(remark.with_help(help));
        self.collection.rules.push(base);
        self.collection.correlations.push(correlation);
    }
}
