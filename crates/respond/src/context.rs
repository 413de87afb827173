//! What a run knows: the facts of the alert and incident that started it.
//!
//! Facts are taken once, when the run is made, and kept with it: a run that goes on after a crash
//! or an approval decides by what was true when it began, plus what its own steps found out.

use std::collections::BTreeMap;

use atalaya_model::{Alert, EntityKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Every kind of entity with the name that facts and runbooks use.
pub const ENTITY_KINDS: [(EntityKind, &str); 8] = [
    (EntityKind::Caller, "caller"),
    (EntityKind::Key, "key"),
    (EntityKind::Agent, "agent"),
    (EntityKind::Session, "session"),
    (EntityKind::Model, "model"),
    (EntityKind::Tool, "tool"),
    (EntityKind::Document, "document"),
    (EntityKind::Address, "address"),
];

/// The name of a kind.
#[must_use]
pub fn kind_name(kind: EntityKind) -> &'static str {
    ENTITY_KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .map_or("caller", |(_, name)| name)
}

/// The kind of a name.
#[must_use]
pub fn kind_of(name: &str) -> Option<EntityKind> {
    ENTITY_KINDS
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(kind, _)| *kind)
}

/// The facts of a run, and what it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunContext {
    /// The incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
    /// The alerts.
    #[serde(default)]
    pub alert_ids: Vec<String>,
    /// Facts by name.
    #[serde(default)]
    pub facts: BTreeMap<String, Value>,
}

impl RunContext {
    /// The facts of an alert.
    #[must_use]
    pub fn of_alert(alert: &Alert, incident_id: Option<&str>) -> Self {
        let mut facts = BTreeMap::from([
            ("severity".to_owned(), json!(alert.severity.as_str())),
            ("count".to_owned(), json!(alert.count)),
            ("techniques".to_owned(), json!(alert.techniques)),
            ("rule".to_owned(), json!(alert.rule_id)),
            ("rule_name".to_owned(), json!(alert.rule_name)),
            ("alert".to_owned(), json!(alert.alert_id)),
            (
                "first_seen".to_owned(),
                json!(alert.first_seen.to_rfc3339()),
            ),
            ("last_seen".to_owned(), json!(alert.last_seen.to_rfc3339())),
            ("record_ids".to_owned(), json!(alert.record_ids)),
        ]);
        if let Some(incident) = incident_id {
            facts.insert("incident".to_owned(), json!(incident));
        }
        for (kind, name) in ENTITY_KINDS {
            let first = alert.entities.iter().find(|entity| entity.kind == kind);
            if let Some(entity) = first {
                facts.insert(name.to_owned(), json!(entity.value));
            }
        }
        for (name, value) in &alert.details {
            facts.insert(format!("details.{name}"), json!(value));
        }
        Self {
            incident_id: incident_id.map(str::to_owned),
            alert_ids: vec![alert.alert_id.clone()],
            facts,
        }
    }

    /// Says which clock of the incident ran out.
    pub(crate) fn set_overdue(&mut self, clock: &str) {
        self.facts.insert("overdue".to_owned(), json!(clock));
    }

    /// A fact, or null.
    #[must_use]
    pub fn fact(&self, name: &str) -> Value {
        self.facts.get(name).cloned().unwrap_or(Value::Null)
    }

    /// A fact as text; empty if there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        text_of(&self.fact(name))
    }
}

/// A value as people read it; empty for null, lists joined by commas.
#[must_use]
pub fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Fills `{name}` in with the value that `lookup` gives; unknown names stay as they are, so that
/// JSON and KQL braces survive. One pass: a value is never filled in again.
pub fn fill(template: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let filled = after
            .split_once('}')
            .and_then(|(name, tail)| Some((lookup(name.trim())?, tail)));
        if let Some((value, tail)) = filled {
            out.push_str(&value);
            rest = tail;
        } else {
            out.push('{');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// A value as a KQL literal: what comes from callers must not become a query.
#[must_use]
pub fn kql_literal(value: &Value) -> String {
    match value {
        Value::Null => "''".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(kql_literal).collect();
            if items.is_empty() {
                "''".to_owned()
            } else {
                items.join(", ")
            }
        }
        other => {
            let text = text_of(other);
            let mut out = String::with_capacity(text.len() + 2);
            out.push('\'');
            for c in text.chars() {
                match c {
                    '\'' => out.push_str("\\'"),
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                    c => out.push(c),
                }
            }
            out.push('\'');
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fill, kql_literal};
    use serde_json::json;

    #[test]
    fn values_are_filled_in_once_and_quoted_for_queries() {
        let lookup = |name: &str| (name == "caller").then(|| "{caller} x".to_owned());
        assert_eq!(
            fill("a {caller} {other} {", &lookup),
            "a {caller} x {other} {"
        );
        assert_eq!(
            kql_literal(&json!("o'neil\\ or true")),
            "'o\\'neil\\\\ or true'"
        );
        assert_eq!(kql_literal(&json!(["a", "b'"])), "'a', 'b\\''");
    }
}
