//! A detection: named selections and the condition over them.

use atalaya_model::{Diagnostic, Span};
use atalaya_yaml::tree::{Key, Node, Value};

use super::condition::{self, ConditionError, Selections};
use super::legacy::{self, Aggregation};
use super::{Reader, place};
use crate::code;
use crate::ir::{Condition, Expr, Item, Selection};

/// Keys of a detection (or a filter) that are no selections.
const NO_SELECTIONS: &[&str] = &["condition", "timeframe", "rules"];

/// A detection after reading.
pub(super) struct Detection {
    pub(super) selections: Vec<Selection>,
    pub(super) conditions: Vec<Condition>,
    /// What stood after `|` in the condition.
    pub(super) aggregation: Option<Aggregation>,
}

impl Reader<'_, '_> {
    pub(super) fn detection(&mut self, detection: &Node) -> Option<Detection> {
        let pairs = detection.map()?;
        let Some(condition) = detection.get("condition") else {
            let help = "add `condition: selection`";
            let at = Span::new(detection.span.start, detection.span.start);
            self.error(code::MISSING, at, "there is no condition", help);
            return None;
        };
        let mut selections = Vec::new();
        let mut complete = true;
        for (key, node) in pairs {
            if NO_SELECTIONS.contains(&key.text.as_str()) {
                continue;
            }
            match self.selection(node) {
                Some(expr) => selections.push(Selection {
                    name: key.text.clone(),
                    expr,
                    span: key.span,
                }),
                None => complete = false,
            }
        }
        if !complete {
            return None;
        }
        self.conditions(detection, condition, selections)
    }

    fn conditions(
        &mut self,
        detection: &Node,
        condition: &Node,
        selections: Vec<Selection>,
    ) -> Option<Detection> {
        let mut used = vec![false; selections.len()];
        let mut conditions = Vec::new();
        let mut aggregation = None;
        for node in condition.items() {
            let Some(text) = node.text() else {
                self.error(code::CONDITION, node.span, "the condition is no text", "");
                return None;
            };
            let offset = offset_of(node, text, self.text);
            let (head, tail) = legacy::split(text);
            if let Some(tail) = tail {
                let span = self.within(node, offset, (head.len(), text.len()));
                aggregation = Some(self.aggregation(tail, span, detection)?);
                for name in aggregation.iter().flat_map(Aggregation::selections) {
                    mark(&selections, &mut used, name);
                }
            }
            let mut named = Selections {
                all: &selections,
                used: &mut used,
                left: condition::TESTS_MAX,
            };
            match condition::parse(head, &mut named) {
                Ok(expr) => conditions.push(Condition {
                    expr,
                    text: head.trim().to_owned(),
                    span: node.span,
                }),
                Err((error, at)) => {
                    let span = self.within(node, offset, at);
                    self.condition_error(&error, span, &selections);
                    return None;
                }
            }
        }
        if conditions.is_empty() {
            let at = place(detection, "condition");
            self.error(code::CONDITION, at, "the condition is empty", "");
            return None;
        }
        self.unused(&selections, &used);
        Some(Detection {
            selections,
            conditions,
            aggregation,
        })
    }

    /// A part of a condition's text as a place in the file.
    fn within(&self, node: &Node, offset: Option<usize>, (from, to): (usize, usize)) -> Span {
        let Some(offset) = offset else {
            return node.span;
        };
        let start = node.span.start + offset;
        Span::new(
            (start + from).min(self.text.len()),
            (start + to.max(from + 1)).min(node.span.end.max(start + from)),
        )
    }

    fn unused(&mut self, selections: &[Selection], used: &[bool]) {
        for (selection, used) in selections.iter().zip(used) {
            if !used && !selection.name.starts_with('_') {
                let message = format!(
                    "the condition does not use the selection `{}`",
                    selection.name
                );
                let remark = Diagnostic::warning(code::UNUSED_SELECTION, selection.span, message);
                self.problems.push(remark);
            }
        }
    }

    fn condition_error(&mut self, error: &ConditionError, span: Span, selections: &[Selection]) {
        match error {
            ConditionError::Unknown(name) => {
                let known = selections.iter().map(|selection| selection.name.as_str());
                let help = atalaya_yaml::nearest(name, known.clone()).map_or_else(
                    || format!("selections are: {}", known.collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("the condition names `{name}`, which is not there");
                self.error(code::UNKNOWN_SELECTION, span, message, &help);
            }
            ConditionError::Expected(expected, found) => {
                let message = format!("expected {expected}, found `{found}`");
                let help = match found.as_str() {
                    "AND" | "OR" | "NOT" => "`and`, `or` and `not` are written in lower case",
                    _ => "",
                };
                self.error(code::CONDITION, span, message, help);
            }
            ConditionError::TooDeep => {
                let message = "the condition is nested too deeply";
                self.error(code::CONDITION, span, message, "");
            }
            ConditionError::TooLong => {
                let message = "the condition becomes too long with its selections put in";
                self.error(code::CONDITION, span, message, "name each selection once");
            }
        }
    }

    /// A selection: a map (all fields), a list of maps (any of them), or keywords.
    pub(super) fn selection(&mut self, node: &Node) -> Option<Expr> {
        match &node.value {
            Value::Map(fields) if !fields.is_empty() => self.fields(fields),
            Value::List(items) if !items.is_empty() => self.list(node, items),
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => {
                self.keywords(std::slice::from_ref(node), node.span)
            }
            _ => {
                let help = "name a field and a value, or keywords";
                self.error(code::VALUE, node.span, "the selection is empty", help);
                None
            }
        }
    }

    fn list(&mut self, node: &Node, items: &[Node]) -> Option<Expr> {
        let is_scalar = |item: &Node| !matches!(item.value, Value::Map(_) | Value::List(_));
        if items.iter().all(is_scalar) {
            return self.keywords(items, node.span);
        }
        let mut any = Vec::with_capacity(items.len());
        for item in items {
            any.push(self.selection(item)?);
        }
        Some(Expr::any_of(any))
    }

    fn fields(&mut self, fields: &[(Key, Node)]) -> Option<Expr> {
        let mut all = Vec::with_capacity(fields.len());
        let mut complete = true;
        for (key, node) in fields {
            match self.item(key, node) {
                Some(expr) => all.push(expr),
                None => complete = false,
            }
        }
        complete.then(|| Expr::all_of(all))
    }

    fn keywords(&mut self, items: &[Node], span: Span) -> Option<Expr> {
        let key = Key {
            text: String::new(),
            span,
        };
        let list = Node {
            value: Value::List(items.to_vec()),
            span,
        };
        match self.item(&key, &list)? {
            Expr::Item(item) => Some(Expr::Item(Item {
                key: String::new(),
                ..item
            })),
            expr => Some(expr),
        }
    }
}

fn mark(selections: &[Selection], used: &mut [bool], name: &str) {
    for (selection, used) in selections.iter().zip(used) {
        *used |= selection.name == name;
    }
}

/// How far into the node's place its text begins, if it stands there as it is.
fn offset_of(node: &Node, text: &str, source: &str) -> Option<usize> {
    let written = node.span.slice(source);
    if written.starts_with(text) {
        return Some(0);
    }
    written
        .get(1..)
        .filter(|inner| inner.starts_with(text))
        .map(|_| 1)
}
