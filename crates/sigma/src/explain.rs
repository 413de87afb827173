//! Why an event matched a rule, or did not: the condition, its selections, each line of them,
//! and what the event has where the line looks.

use crate::ir::{Expr, Item, Rule};
use crate::matcher::{self, EventError};
use crate::taxonomy;

/// Longest value that is shown.
const VALUE_CHARS_MAX: usize = 120;

/// Why.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Whether the rule matches.
    pub matches: bool,
    /// Its conditions as written, and whether they hold (filters included).
    pub conditions: Vec<(String, bool)>,
    /// Its selections.
    pub selections: Vec<Explained>,
}

/// A selection.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A line of a selection.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The key as written; `keywords` for a list of keywords.
    pub key: String,
    /// Whether it holds.
    pub holds: bool,
    /// What the event has in that field, shortened; empty if it is absent.
    pub values: Vec<String>,
}

/// Explains a rule over an event.
///
/// # Errors
/// The event is no JSON object, or the rule cannot be compiled.
pub fn explain(rule: &Rule, event: &str) -> Result<Explanation, String> {
    let holds = |expr: &Expr| matcher::holds(&taxonomy::with_columns(expr, &rule.source), event);
    let mut conditions = Vec::with_capacity(rule.conditions.len());
    for condition in &rule.conditions {
        conditions.push((condition.text.clone(), holds(&condition.expr)?));
    }
    let mut selections = Vec::with_capacity(rule.selections.len());
    for selection in &rule.selections {
        let mut lines = Vec::new();
        for item in selection.expr.items() {
            let mut line = line(item, event)?;
            line.holds = holds(&Expr::Item(item.clone()))?;
            let column = item
                .field
                .as_deref()
                .and_then(|f| taxonomy::column(&rule.source, f));
            if let (true, Some(column)) = (line.values.is_empty(), column) {
                line.values = shown(column, event)?;
            }
            lines.push(line);
        }
        selections.push(Explained {
            name: selection.name.clone(),
            holds: holds(&selection.expr)?,
            lines,
        });
    }
    Ok(Explanation {
        matches: conditions.iter().any(|(_, holds)| *holds),
        conditions,
        selections,
    })
}

fn line(item: &Item, event: &str) -> Result<Line, String> {
    let values = match &item.field {
        Some(field) => shown(field, event)?,
        None => Vec::new(),
    };
    let key = if item.key.is_empty() {
        "keywords"
    } else {
        &item.key
    };
    Ok(Line {
        key: key.to_owned(),
        holds: false,
        values,
    })
}

/// The values of a field, shortened.
fn shown(field: &str, event: &str) -> Result<Vec<String>, String> {
    let values = matcher::values(field, event).map_err(|error: EventError| error.to_string())?;
    let shortened =
        values
            .into_iter()
            .map(|value| match value.char_indices().nth(VALUE_CHARS_MAX) {
                Some((at, _)) => format!("{}…", &value[..at]),
                None => value,
            });
    Ok(shortened.collect())
}
