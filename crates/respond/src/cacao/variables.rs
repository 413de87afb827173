//! Facts as CACAO variables: what comes with the alert is external, what a step finds out is not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::context::{ENTITY_KINDS, fill};

/// Longest name between the underscores.
const NAME_CHARS_MAX: usize = 200;
const ALWAYS: &str = "__always__";

/// Facts that come with an alert.
const FACTS: [(&str, &str); 12] = [
    ("severity", "severity of the alert"),
    ("count", "number of records behind the alert"),
    ("techniques", "ATLAS techniques of the alert"),
    ("rule", "id of the rule that fired"),
    ("rule_name", "title of the rule that fired"),
    ("alert", "id of the alert"),
    ("incident", "id of the incident"),
    ("first_seen", "time of the first record behind the alert"),
    ("last_seen", "time of the last record behind the alert"),
    ("record_ids", "ids of the records behind the alert"),
    (
        "overdue",
        "the clock of the incident that ran out, if that started it",
    ),
    ("author", "who started the run"),
];

/// The variables of one playbook, as far as something asks for them.
#[derive(Default)]
pub(super) struct Variables {
    /// Fact → name with its underscores.
    names: BTreeMap<String, String>,
    numbers: BTreeSet<String>,
    fractions: BTreeSet<String>,
    has_always: bool,
}

impl Variables {
    /// The name of a fact's variable.
    pub(super) fn name(&mut self, fact: &str) -> String {
        if let Some(known) = self.names.get(fact) {
            return known.clone();
        }
        let mut inner: String = fact
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "_-".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .take(NAME_CHARS_MAX)
            .collect();
        if !inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
            inner.insert(0, 'f');
            inner.truncate(NAME_CHARS_MAX);
        }
        let mut name = format!("__{inner}__");
        let is_taken = |name: &str| self.names.values().any(|n| n == name) || name == ALWAYS;
        if is_taken(&name) || fact.chars().count() > NAME_CHARS_MAX {
            // Two facts must not become one variable.
            let tail = crate::ids::sha256_hex(fact.as_bytes());
            inner.truncate(NAME_CHARS_MAX - 17);
            name = format!("__{inner}_{}__", tail.get(..16).unwrap_or_default());
        }
        self.names.insert(fact.to_owned(), name.clone());
        name
    }

    /// What stands for the value of a fact.
    pub(super) fn path(&mut self, fact: &str) -> String {
        format!("{}:value", self.name(fact))
    }

    /// Notes that a fact is compared as a number.
    pub(super) fn number(&mut self, fact: &str) {
        self.numbers.insert(fact.to_owned());
    }

    /// Notes that a fact is compared with a fraction.
    pub(super) fn fraction(&mut self, fact: &str) {
        self.fractions.insert(fact.to_owned());
    }

    /// What stands for something that is always true.
    pub(super) fn always(&mut self) -> String {
        self.has_always = true;
        format!("{ALWAYS}:value")
    }

    /// `{caller}` → `__caller__:value`, for everything that is a fact.
    pub(super) fn fill(&mut self, text: &str) -> String {
        let own = std::cell::RefCell::new(self);
        fill(text, &|name| {
            is_fact(name).then(|| own.borrow_mut().path(name))
        })
    }

    /// The names of what a step gives, as far as somebody asks for it.
    pub(super) fn of_step(&self, step: &str) -> Vec<String> {
        let prefix = format!("steps.{step}.");
        let names = self
            .names
            .iter()
            .filter(|(fact, _)| fact.starts_with(&prefix));
        names.map(|(_, name)| name.clone()).collect()
    }

    /// Every variable, defined.
    pub(super) fn definitions(&self) -> Map<String, Value> {
        let mut out = Map::new();
        for (fact, name) in &self.names {
            let is_found_out = fact.starts_with("steps.");
            let kind = if self.fractions.contains(fact) {
                "float"
            } else if self.numbers.contains(fact) {
                "integer"
            } else {
                "string"
            };
            let definition = json!({
                "type": kind, "description": meaning(fact), "constant": false,
                "external": !is_found_out,
            });
            out.insert(name.clone(), definition);
        }
        if self.has_always {
            let definition = json!({
                "type": "string", "description": "what is always so", "constant": true,
                "value": "true",
            });
            out.insert(ALWAYS.to_owned(), definition);
        }
        out
    }
}

fn is_fact(name: &str) -> bool {
    let rest = name
        .strip_prefix("steps.")
        .or_else(|| name.strip_prefix("details."));
    let is_path = rest.is_some_and(|rest| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !rest.is_empty() && rest.chars().all(is_part)
    });
    is_path || FACTS.iter().any(|(n, _)| *n == name) || ENTITY_KINDS.iter().any(|(_, n)| *n == name)
}

fn meaning(fact: &str) -> String {
    if let Some((_, meaning)) = FACTS.iter().find(|(name, _)| *name == fact) {
        return (*meaning).to_owned();
    }
    if let Some(rest) = fact.strip_prefix("steps.") {
        let (step, what) = rest.split_once('.').unwrap_or((rest, "status"));
        return format!("`{what}` of step {step}");
    }
    match fact.strip_prefix("details.") {
        Some(column) => format!("column {column} of the alert"),
        None => format!("{fact} that the alert is about"),
    }
}

#[cfg(test)]
mod tests {
    use super::Variables;

    #[test]
    fn facts_stay_apart_and_names_are_valid() {
        let mut variables = Variables::default();
        let long = format!("details.{}", "x".repeat(400));
        let names: Vec<String> = ["details.a_b", "details.a.b", "caller", &long]
            .map(|fact| variables.name(fact))
            .into();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name}");
            assert!(name.len() <= 204 && name.is_ascii(), "{name}");
        }
        let filled = variables.fill("{caller} {steps.check.rows} {x} {\"a\": 1}");
        assert_eq!(
            filled,
            "__caller__:value __steps_check_rows__:value {x} {\"a\": 1}"
        );
        assert_eq!(variables.of_step("check"), ["__steps_check_rows__"]);
        assert_eq!(variables.definitions().len(), 5);
    }
}
