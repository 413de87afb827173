//! Correlations: types, thresholds, expressions over rules, aliases.

use std::time::Duration;

use atalaya_model::{Diagnostic, Span};
use atalaya_yaml::tree::{Node, Value};

use super::condition::{self, ConditionError, Names};
use super::{Reader, place};
use crate::ir::{
    Alias, Bound, Correlation, CorrelationCondition, CorrelationKind, Number, Operator, Reference,
    RuleExpr, Threshold,
};
use crate::{code, duration};

/// Most rules of one correlation.
pub(crate) const RULES_MAX: usize = 64;

impl Reader<'_, '_> {
    pub(super) fn correlation(&mut self, document: &Node) {
        let metadata = self.metadata(document);
        let Some(correlation) = document
            .get("correlation")
            .filter(|node| node.map().is_some())
        else {
            let help = "add `type`, `rules`, `timespan` and `condition` below `correlation:`";
            let at = place(document, "correlation");
            self.error(code::CORRELATION, at, "the correlation says nothing", help);
            return;
        };
        let Some((kind, timespan)) = self.kind_and_timespan(correlation) else {
            return;
        };
        let mut rules = references(correlation);
        if rules.is_empty() {
            rules = named_in_condition(correlation);
        }
        let at = place(correlation, "rules");
        if rules.is_empty() || rules.len() > RULES_MAX {
            let message = format!("a correlation needs 1 to {RULES_MAX} rules");
            let help = "name them in `rules:` by name or id";
            self.error(code::CORRELATION, at, message, help);
            return;
        }
        let Some(condition) = self.correlation_condition(correlation, (kind, &rules)) else {
            return;
        };
        let names = |key: &str| {
            let items = correlation.get(key).map(Node::items).unwrap_or_default();
            items.iter().filter_map(Node::scalar).collect::<Vec<_>>()
        };
        let group_by = names("group-by");
        if group_by.is_empty() {
            let message = "the correlation has no `group-by`: all events count together";
            let remark = Diagnostic::warning(code::NO_GROUP, place(correlation, "type"), message);
            let help = "name the fields that keep callers apart, e.g. `group-by: [UserId]`";
            self.problems.push(remark.with_help(help));
        }
        let generate = [correlation.get("generate"), document.get("generate")];
        let generate = generate
            .iter()
            .flatten()
            .any(|node| node.value == Value::Bool(true));
        let aliases = self.aliases(correlation, &rules);
        self.collection.correlations.push(Correlation {
            metadata,
            kind,
            rules,
            group_by,
            aliases,
            timespan,
            condition,
            generate,
            file: self.file,
            span: document.span,
        });
    }

    fn kind_and_timespan(&mut self, correlation: &Node) -> Option<(CorrelationKind, Duration)> {
        let written = correlation
            .get("type")
            .and_then(Node::scalar)
            .unwrap_or_default();
        let kind = CorrelationKind::of_word(&written);
        if kind.is_none() {
            let known = CorrelationKind::ALL.map(CorrelationKind::word);
            let help = atalaya_yaml::nearest(&written, known.into_iter()).map_or_else(
                || format!("known: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("there are no correlations of type `{written}`");
            self.error(
                code::CORRELATION,
                place(correlation, "type"),
                message,
                &help,
            );
        }
        let node = correlation
            .get("timespan")
            .or_else(|| correlation.get("timeframe"));
        let timespan = node
            .and_then(Node::scalar)
            .and_then(|text| duration::parse(&text));
        if timespan.is_none() {
            let at = node.map_or_else(|| place(correlation, "type"), |node| node.span);
            let message = "the correlation needs a `timespan`";
            self.error(code::CORRELATION, at, message, "e.g. 30s, 15m, 24h, 7d");
        }
        Some((kind?, timespan?))
    }

    fn correlation_condition(
        &mut self,
        correlation: &Node,
        (kind, rules): (CorrelationKind, &[Reference]),
    ) -> Option<CorrelationCondition> {
        let node = correlation.get("condition");
        match node.map(|node| (&node.value, node)) {
            None if kind.is_temporal() => Some(CorrelationCondition::Threshold(Threshold {
                bounds: vec![Bound {
                    operator: Operator::GreaterOrEqual,
                    number: Number(rules.len().to_string()),
                }],
                fields: Vec::new(),
                percentile: 50.0,
            })),
            Some((Value::Text(text), node)) if kind.is_temporal() => self
                .rule_expr(text, node, rules)
                .map(CorrelationCondition::Rules),
            Some((Value::Map(_), node)) => self
                .bounds(correlation, node, kind)
                .map(CorrelationCondition::Threshold),
            _ => {
                let at = node.map_or_else(|| place(correlation, "type"), |node| node.span);
                let message = "the correlation needs a condition such as `gte: 10`";
                self.error(code::CORRELATION, at, message, "");
                None
            }
        }
    }

    fn bounds(
        &mut self,
        correlation: &Node,
        node: &Node,
        kind: CorrelationKind,
    ) -> Option<Threshold> {
        let mut bounds = Vec::new();
        let mut fields = Vec::new();
        let mut percentile = None;
        let outer = correlation
            .get("field")
            .map(Node::items)
            .unwrap_or_default();
        fields.extend(outer.iter().filter_map(Node::scalar));
        for (key, value) in node.map()? {
            let number = value
                .scalar()
                .filter(|text| text.trim().parse::<f64>().is_ok());
            match (key.text.as_str(), number) {
                ("field", _) => fields.extend(value.items().iter().filter_map(Node::scalar)),
                ("percentile", Some(number)) => percentile = number.trim().parse().ok(),
                (word, number) => {
                    let Some(operator) = Operator::of_word(word) else {
                        let message = format!("a correlation's condition has no `{word}`");
                        let help = "gt, gte, lt, lte, eq, neq, field, percentile";
                        self.error(code::CORRELATION, key.span, message, help);
                        return None;
                    };
                    let Some(number) = number else {
                        let message = format!("`{word}` needs a number");
                        self.error(code::CORRELATION, value.span, message, "");
                        return None;
                    };
                    bounds.push(Bound {
                        operator,
                        number: Number(number.trim().to_owned()),
                    });
                }
            }
        }
        self.complete(kind, (node.span, bounds), (fields, percentile))
    }

    fn complete(
        &mut self,
        kind: CorrelationKind,
        (span, bounds): (Span, Vec<Bound>),
        (fields, percentile): (Vec<String>, Option<f64>),
    ) -> Option<Threshold> {
        let counts = kind == CorrelationKind::EventCount || kind.is_temporal();
        let percentile_known = percentile.is_some_and(|p: f64| (0.0..=100.0).contains(&p));
        let message = if bounds.is_empty() {
            "the condition needs a comparison such as `gte: 10`"
        } else if !counts && fields.is_empty() {
            "this type of correlation needs `field` in its condition"
        } else if fields.len() > 1 && kind != CorrelationKind::ValueCount {
            "this type of correlation looks at one field"
        } else if kind == CorrelationKind::ValuePercentile && !percentile_known {
            "value_percentile needs `percentile`, 0 to 100, in its condition"
        } else {
            return Some(Threshold {
                bounds,
                fields: if counts { Vec::new() } else { fields },
                percentile: if kind == CorrelationKind::ValuePercentile {
                    percentile.unwrap_or(50.0)
                } else {
                    50.0
                },
            });
        };
        self.error(code::CORRELATION, span, message, "");
        None
    }

    fn rule_expr(&mut self, text: &str, node: &Node, rules: &[Reference]) -> Option<RuleExpr> {
        match condition::parse(text, &mut Rules(rules)) {
            Ok(expr) => Some(expr),
            Err((error, _)) => {
                let message = match error {
                    ConditionError::Unknown(name) => {
                        format!("the condition names `{name}`, which is not among `rules`")
                    }
                    ConditionError::Expected(expected, found) => {
                        format!("expected {expected}, found `{found}`")
                    }
                    ConditionError::TooDeep => "the condition is nested too deeply".to_owned(),
                    ConditionError::TooLong => "the condition is too long".to_owned(),
                };
                self.error(code::CORRELATION, node.span, message, "");
                None
            }
        }
    }

    fn aliases(&mut self, correlation: &Node, rules: &[Reference]) -> Vec<Alias> {
        let pairs = correlation
            .get("aliases")
            .and_then(Node::map)
            .unwrap_or_default();
        let mut aliases = Vec::with_capacity(pairs.len());
        for (key, node) in pairs {
            let mut fields = Vec::new();
            for (rule, field) in node.map().unwrap_or_default() {
                if rules.iter().all(|reference| reference.name != rule.text) {
                    let message = format!(
                        "the alias `{}` is for `{}`, which is not among `rules`",
                        key.text, rule.text
                    );
                    self.error(code::CORRELATION, rule.span, message, "");
                }
                fields.extend(field.scalar().map(|field| (rule.text.clone(), field)));
            }
            aliases.push(Alias {
                name: key.text.clone(),
                fields,
            });
        }
        aliases
    }
}

fn references(correlation: &Node) -> Vec<Reference> {
    let items = correlation
        .get("rules")
        .map(Node::items)
        .unwrap_or_default();
    let one = |node: &Node| {
        Some(Reference {
            name: node.scalar()?,
            span: node.span,
            target: None,
        })
    };
    items.iter().filter_map(one).collect()
}

/// Without `rules`, an expression says which they are.
fn named_in_condition(correlation: &Node) -> Vec<Reference> {
    let Some(node) = correlation
        .get("condition")
        .filter(|node| node.text().is_some())
    else {
        return Vec::new();
    };
    let text = node.text().unwrap_or_default();
    let mut rules: Vec<Reference> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c == '(' || c == ')') {
        let is_name = !matches!(
            word,
            "" | "and" | "or" | "not" | "of" | "them" | "all" | "any" | "1"
        );
        if is_name && rules.iter().all(|known| known.name != word) {
            rules.push(Reference {
                name: word.to_owned(),
                span: node.span,
                target: None,
            });
        }
    }
    rules
}

struct Rules<'r>(&'r [Reference]);

impl Names for Rules<'_> {
    type Tree = RuleExpr;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn name(&self, index: usize) -> &str {
        self.0.get(index).map_or("", |reference| &reference.name)
    }

    fn take(&mut self, index: usize) -> Option<RuleExpr> {
        Some(RuleExpr::Rule(index))
    }

    fn again(&mut self, tree: &RuleExpr) -> Option<RuleExpr> {
        Some(tree.clone())
    }

    fn join(parts: Vec<RuleExpr>, all: bool) -> RuleExpr {
        if all {
            RuleExpr::And(parts)
        } else {
            RuleExpr::Or(parts)
        }
    }

    fn not(inner: RuleExpr) -> RuleExpr {
        RuleExpr::Not(Box::new(inner))
    }
}
