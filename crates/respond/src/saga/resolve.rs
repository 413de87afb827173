//! Facts of a run and outputs of its steps, filled into parameters.

use std::collections::BTreeMap;

use serde_json::Value;

use super::StepOutcome;
use crate::context::{RunContext, fill, kql_literal, text_of};
use crate::ports::Parameters;

/// Everything that a run can be asked for.
pub(crate) struct Facts<'a> {
    pub(crate) context: &'a RunContext,
    pub(crate) outcomes: &'a BTreeMap<String, StepOutcome>,
}

impl Facts<'_> {
    /// A fact, or null: `severity`, `caller`, `steps.check.rows`, `steps.check.status`.
    pub(crate) fn get(&self, name: &str) -> Value {
        let Some(rest) = name.strip_prefix("steps.") else {
            return self.context.fact(name);
        };
        let (step, field) = rest.split_once('.').unwrap_or((rest, "status"));
        let Some(outcome) = self.outcomes.get(step) else {
            return Value::Null;
        };
        if field == "status" {
            return serde_json::to_value(outcome.status).unwrap_or_default();
        }
        outcome.output.get(field).cloned().unwrap_or_default()
    }

    /// Parameters with the facts filled in. In `query` they become literals of KQL.
    pub(crate) fn resolve(&self, with: &Parameters) -> Parameters {
        with.iter()
            .map(|(name, value)| (name.clone(), self.value(value, name == "query")))
            .collect()
    }

    fn value(&self, value: &Value, is_query: bool) -> Value {
        match value {
            Value::String(text) if is_query => {
                fill(text, &|name| self.known(name).map(|v| kql_literal(&v))).into()
            }
            Value::String(text) => {
                let whole = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
                match whole.and_then(|name| self.known(name.trim())) {
                    Some(value) => value,
                    None => fill(text, &|name| self.known(name).map(|v| text_of(&v))).into(),
                }
            }
            Value::Array(items) => items.iter().map(|v| self.value(v, is_query)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, v)| (name.clone(), self.value(v, is_query)))
                .collect(),
            other => other.clone(),
        }
    }

    /// A fact whose name is one: what else stands between braces is left as it is.
    fn known(&self, name: &str) -> Option<Value> {
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !is_name {
            return None;
        }
        let value = self.get(name);
        let is_fact = !value.is_null()
            || name.starts_with("steps.")
            || name.starts_with("details.")
            || crate::context::ENTITY_KINDS.iter().any(|(_, n)| *n == name)
            || ["record_ids", "incident", "alert"].contains(&name);
        is_fact.then_some(value)
    }
}
