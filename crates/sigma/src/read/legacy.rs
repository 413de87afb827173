//! Aggregations of the first Sigma: `selection | count() by User > 5` and `| near other`, with
//! `timeframe` beside the condition. Read as the correlations that they mean.

use std::time::Duration;

use atalaya_model::{Diagnostic, Severity, Span};
use atalaya_yaml::tree::Node;

use super::Reader;
use super::detection::Detection;
use crate::ir::{
    Bound, Condition, Correlation, CorrelationCondition, CorrelationKind, Number, Operator,
    Reference, Rule, RuleExpr, Target, Threshold,
};
use crate::standard::{self, Changes};
use crate::{code, duration};

/// Window where a rule says none.
const TIMEFRAME: Duration = Duration::from_secs(24 * 3_600);

/// What stood after `|`.
pub(super) struct Aggregation {
    what: What,
    timespan: Duration,
    span: Span,
}

enum What {
    Count {
        kind: CorrelationKind,
        field: Option<String>,
        group_by: Vec<String>,
        bound: Bound,
    },
    /// Selections that must be near, or must not (`false`).
    Near(Vec<(String, bool)>),
}

impl Aggregation {
    /// Selections that it names.
    pub(super) fn selections(&self) -> impl Iterator<Item = &str> {
        let names = match &self.what {
            What::Near(names) => names.as_slice(),
            What::Count { .. } => &[],
        };
        names.iter().map(|(name, _)| name.as_str())
    }
}

/// A condition's own part, and what stands after `|`.
pub(super) fn split(condition: &str) -> (&str, Option<&str>) {
    match condition.split_once('|') {
        Some((head, tail)) => (head, Some(tail)),
        None => (condition, None),
    }
}

impl Reader<'_, '_> {
    pub(super) fn aggregation(
        &mut self,
        text: &str,
        span: Span,
        detection: &Node,
    ) -> Option<Aggregation> {
        let written = detection.get("timeframe").and_then(Node::scalar);
        let timespan = match &written {
            None => TIMEFRAME,
            Some(written) => match duration::parse(written) {
                Some(timespan) => timespan,
                None => {
                    let message = format!("`{written}` is no time span");
                    self.error(code::CORRELATION, span, message, "e.g. 30s, 15m, 24h, 7d");
                    return None;
                }
            },
        };
        match what(text) {
            Ok(what) => Some(Aggregation {
                what,
                timespan,
                span,
            }),
            Err(message) => {
                let help =
                    "write a correlation: `type: event_count`, `rules`, `timespan`, `condition`";
                self.error(code::CONDITION, span, message, help);
                None
            }
        }
    }

    /// A rule with an aggregation: base rules and a correlation.
    pub(super) fn with_aggregation(
        &mut self,
        document: &Node,
        rule: Rule,
        (read, aggregation): (&Detection, &Aggregation),
    ) {
        let name = standard::name_of(&rule.metadata.title);
        let Some(parts) = self.parts(read, aggregation) else {
            return;
        };
        let mut rules = Vec::with_capacity(parts.len());
        let mut changes = Vec::with_capacity(parts.len());
        for (suffix, condition) in parts {
            let mut part = rule.clone();
            let part_name = format!("{name}_{suffix}");
            rules.push(Reference {
                name: part_name.clone(),
                span: aggregation.span,
                target: Some(Target::Rule(self.collection.rules.len())),
            });
            changes.push(change(document, read, (&condition, &part_name)));
            part.metadata.name = Some(part_name);
            part.metadata.id = None;
            part.metadata.severity = Some(Severity::Informational);
            part.conditions = vec![condition];
            part.selections.clone_from(&read.selections);
            self.collection.rules.push(part);
        }
        let mut metadata = rule.metadata;
        metadata.name = Some(name);
        let (kind, condition, group_by) = meaning(&aggregation.what, rules.len());
        let correlation = Correlation {
            metadata,
            kind,
            rules,
            group_by,
            aliases: Vec::new(),
            timespan: aggregation.timespan,
            condition,
            generate: false,
            file: self.file,
            span: document.span,
        };
        let fixes = &self.collection.fixes;
        let text = standard::write(self.text, document, &changes, (&correlation, fixes));
        let message = "aggregations after `|` are no longer part of Sigma; read as a correlation";
        let remark = Diagnostic::warning(code::LEGACY, aggregation.span, message);
        self.problems
            .push(remark.with_help(format!("the standard form:\n{text}")));
        let whole = standard::lines_of(self.text, document.span);
        self.fix(code::LEGACY, whole, text);
        self.collection.correlations.push(correlation);
    }

    /// The single conditions of which the correlation is made, with names.
    fn parts(
        &mut self,
        read: &Detection,
        aggregation: &Aggregation,
    ) -> Option<Vec<(String, Condition)>> {
        let [head] = read.conditions.as_slice() else {
            let message = "a list of conditions cannot be counted";
            self.error(code::CONDITION, aggregation.span, message, "");
            return None;
        };
        let mut parts = vec![("event".to_owned(), head.clone())];
        for name in aggregation.selections() {
            let Some(selection) = read.selections.iter().find(|s| s.name == name) else {
                let message = format!("`near` names `{name}`, which is not there");
                self.error(code::UNKNOWN_SELECTION, aggregation.span, message, "");
                return None;
            };
            let condition = Condition {
                expr: selection.expr.clone(),
                text: name.to_owned(),
                span: head.span,
            };
            parts.push((name.to_owned(), condition));
        }
        Some(parts)
    }
}

/// How the document changes to say one part only.
fn change(document: &Node, read: &Detection, (condition, name): (&Condition, &str)) -> Changes {
    let detection = document.get("detection");
    let pairs = detection.and_then(Node::map).unwrap_or_default();
    let words: Vec<&str> = condition
        .text
        .split(|c: char| c.is_whitespace() || c == '(' || c == ')')
        .collect();
    let uses = |selection: &str| {
        words.iter().any(|word| {
            (*word == "them" && !selection.starts_with('_')) || super::glob(word, selection)
        })
    };
    let is_selection = |name: &str| read.selections.iter().any(|s| s.name == name);
    let gone = pairs.iter().filter(|(key, _)| {
        key.text == "timeframe" || (is_selection(&key.text) && !uses(&key.text))
    });
    let written = detection.and_then(|detection| detection.get("condition"));
    Changes {
        remove: gone.map(|(key, node)| key.span.to(node.span)).collect(),
        conditions: written
            .map(|node| (node.span, condition.text.clone()))
            .into_iter()
            .collect(),
        name: name.to_owned(),
    }
}

fn meaning(what: &What, rules: usize) -> (CorrelationKind, CorrelationCondition, Vec<String>) {
    let threshold = |bound: Bound, field: Option<&String>| {
        CorrelationCondition::Threshold(Threshold {
            bounds: vec![bound],
            fields: field.cloned().into_iter().collect(),
            percentile: 50.0,
        })
    };
    match what {
        What::Count {
            kind,
            field,
            group_by,
            bound,
        } => (
            *kind,
            threshold(bound.clone(), field.as_ref()),
            group_by.clone(),
        ),
        What::Near(names) if names.iter().all(|(_, wanted)| *wanted) => {
            let bound = Bound {
                operator: Operator::GreaterOrEqual,
                number: Number(rules.to_string()),
            };
            (
                CorrelationKind::Temporal,
                threshold(bound, None),
                Vec::new(),
            )
        }
        What::Near(names) => {
            let mut all = vec![RuleExpr::Rule(0)];
            for (index, (_, wanted)) in names.iter().enumerate() {
                let rule = RuleExpr::Rule(index + 1);
                all.push(if *wanted {
                    rule
                } else {
                    RuleExpr::Not(Box::new(rule))
                });
            }
            let condition = CorrelationCondition::Rules(RuleExpr::And(all));
            (CorrelationKind::Temporal, condition, Vec::new())
        }
    }
}

fn what(text: &str) -> Result<What, String> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("near ") {
        return near(rest);
    }
    let spaced = text
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace(',', " , ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let expected = || format!("`{text}` is no aggregation: expected `count(field) by group > 5`");
    let (function, rest) = words.split_first().ok_or_else(expected)?;
    let rest = rest.strip_prefix(&["("]).ok_or_else(expected)?;
    let close = rest
        .iter()
        .position(|word| *word == ")")
        .ok_or_else(expected)?;
    let field = (close > 0).then(|| rest[..close].join(" "));
    let mut rest = &rest[close + 1..];
    let mut group_by = Vec::new();
    if let Some(after) = rest.strip_prefix(&["by"]) {
        let end = after
            .iter()
            .position(|word| word.starts_with(['<', '>', '=', '!']));
        let end = end.ok_or_else(expected)?;
        group_by = after[..end]
            .iter()
            .filter(|w| **w != ",")
            .map(|w| (*w).to_owned())
            .collect();
        rest = &after[end..];
    }
    let comparison = rest.join(" ");
    let comparison = comparison
        .strip_prefix("= ")
        .map_or(comparison.clone(), |n| format!("== {n}"));
    let (operator, number) = super::comparison(&comparison).ok_or_else(expected)?;
    let kind = match (*function, &field) {
        ("count", None) => CorrelationKind::EventCount,
        ("count", Some(_)) => CorrelationKind::ValueCount,
        ("sum", Some(_)) => CorrelationKind::ValueSum,
        ("avg", Some(_)) => CorrelationKind::ValueAvg,
        _ => {
            return Err(format!(
                "`{function}` has no correlation that means the same"
            ));
        }
    };
    Ok(What::Count {
        kind,
        field,
        group_by,
        bound: Bound { operator, number },
    })
}

/// `a and b and not c`.
fn near(text: &str) -> Result<What, String> {
    let mut names = Vec::new();
    for part in text.split(" and ") {
        let mut words = part.split_whitespace();
        let first = words.next().unwrap_or_default();
        let (name, wanted) = match first {
            "not" => (words.next().unwrap_or_default(), false),
            name => (name, true),
        };
        if name.is_empty() || words.next().is_some() {
            return Err(format!("`near {text}`: expected names joined by `and`"));
        }
        names.push((name.to_owned(), wanted));
    }
    Ok(What::Near(names))
}
