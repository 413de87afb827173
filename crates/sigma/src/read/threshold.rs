//! A selection of `count` and `timespan`: no field of an event, but a threshold over many.

use std::time::Duration;

use atalaya_model::{Diagnostic, Severity, Span};
use atalaya_yaml::tree::{Key, Node, Value};

use super::{Reader, item};
use crate::ir::{
    Bound, Correlation, CorrelationCondition, CorrelationKind, Number, Operator, Reference, Rule,
    Target, Threshold as Bounds,
};
use crate::standard::{self, Changes};
use crate::{code, duration};

/// What was meant.
pub(super) struct Threshold {
    selection: String,
    span: Span,
    whole: Span,
    bound: Bound,
    group_by: Vec<String>,
    timespan: Duration,
}

const COUNTS: [&str; 2] = ["count", "threshold"];
const SPANS: [&str; 3] = ["timespan", "timeframe", "window"];
const GROUPS: [&str; 2] = ["group_by", "group-by"];

/// Finds a threshold in a detection. Both a count and a time span must be there: each alone may
/// well be the name of a field.
pub(super) fn find(detection: &Node) -> Option<Threshold> {
    let pairs = detection.map()?;
    pairs.iter().find_map(|(key, node)| threshold(key, node))
}

fn threshold(key: &Key, node: &Node) -> Option<Threshold> {
    let fields = node.map()?;
    let one_of = |names: &[&str]| names.iter().find_map(|name| node.get(name));
    let is_threshold = fields.iter().all(|(key, _)| {
        let name = key.text.as_str();
        COUNTS.contains(&name) || SPANS.contains(&name) || GROUPS.contains(&name)
    });
    let (count, span) = (one_of(&COUNTS)?, one_of(&SPANS)?);
    let timespan = duration::parse(span.text()?)?;
    let bound = match &count.value {
        Value::Number(number) => Bound {
            operator: Operator::GreaterOrEqual,
            number: Number(number.clone()),
        },
        Value::Text(text) => {
            let (operator, number) = item::comparison(text)?;
            Bound { operator, number }
        }
        _ => return None,
    };
    let groups = one_of(&GROUPS).map(Node::items).unwrap_or_default();
    is_threshold.then(|| Threshold {
        selection: key.text.clone(),
        span: key.span,
        whole: key.span.to(node.span),
        bound,
        group_by: groups.iter().filter_map(Node::scalar).collect(),
        timespan,
    })
}

impl Threshold {
    /// The condition without this selection.
    fn without(&self, condition: &str) -> String {
        let words: Vec<&str> = condition.split_whitespace().collect();
        let mut kept: Vec<&str> = Vec::new();
        let mut skip = false;
        for (index, word) in words.iter().enumerate() {
            if skip {
                skip = false;
                continue;
            }
            if *word != self.selection {
                kept.push(word);
            } else if kept.last() == Some(&"and") {
                kept.pop();
            } else if words.get(index + 1) == Some(&"and") {
                skip = true;
            }
        }
        kept.join(" ")
    }

    /// The detection without this selection, and its conditions.
    fn detection(&self, detection: &Node) -> (Node, Vec<(Span, String)>) {
        let mut rest = detection.clone();
        let mut conditions = Vec::new();
        if let Value::Map(pairs) = &mut rest.value {
            pairs.retain(|(key, _)| key.text != self.selection);
            for (_, node) in pairs.iter_mut().filter(|(key, _)| key.text == "condition") {
                if let Value::Text(text) = &mut node.value {
                    *text = self.without(text);
                    conditions.push((node.span, text.clone()));
                }
            }
        }
        (rest, conditions)
    }
}

impl Reader<'_, '_> {
    /// A threshold that was written as a selection: a base rule and a correlation.
    pub(super) fn with_threshold(
        &mut self,
        document: &Node,
        mut base: Rule,
        threshold: &Threshold,
    ) {
        let Some(detection) = document.get("detection") else {
            return;
        };
        let (rest, conditions) = threshold.detection(detection);
        let Some(read) = self.detection(&rest) else {
            return;
        };
        let mut metadata = base.metadata.clone();
        let name = standard::name_of(&metadata.title);
        base.metadata.name = Some(format!("{name}_event"));
        base.metadata.id = None;
        base.metadata.severity = Some(Severity::Informational);
        base.conditions = read.conditions;
        base.selections = read.selections;
        metadata.name = Some(name.clone());
        let group_by = if threshold.group_by.is_empty() {
            crate::taxonomy::group_by_default(&base.source)
        } else {
            threshold.group_by.clone()
        };
        let correlation = Correlation {
            metadata,
            kind: CorrelationKind::EventCount,
            rules: vec![Reference {
                name: format!("{name}_event"),
                span: threshold.span,
                target: Some(Target::Rule(self.collection.rules.len())),
            }],
            group_by,
            aliases: Vec::new(),
            timespan: threshold.timespan,
            condition: CorrelationCondition::Threshold(Bounds {
                bounds: vec![threshold.bound.clone()],
                fields: Vec::new(),
                percentile: 50.0,
            }),
            generate: false,
            file: self.file,
            span: document.span,
        };
        let changes = Changes {
            remove: vec![threshold.whole],
            conditions,
            name: format!("{name}_event"),
        };
        let fixes = &self.collection.fixes;
        let text = standard::write(self.text, document, &[changes], (&correlation, fixes));
        let message = format!(
            "the selection `{}` compares event fields named count and timespan, which no event has; read as a threshold",
            threshold.selection
        );
        let remark = Diagnostic::warning(code::DEAD_THRESHOLD, threshold.span, message);
        let help =
            format!("the standard form is a base rule and an event_count correlation:\n{text}");
        self.problems.push(remark.with_help(help));
        let whole = standard::lines_of(self.text, document.span);
        self.fix(code::DEAD_THRESHOLD, whole, text);
        self.collection.rules.push(base);
        self.collection.correlations.push(correlation);
    }
}
