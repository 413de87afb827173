//! What the types cannot say about a runbook.

use std::collections::BTreeSet;
use std::time::Duration;

use atalaya_kql::{BindOptions, RuleTables};
use atalaya_model::{Diagnostic, Level, Severity, Span};
use serde_json::Value;

use super::{DEPTH_MAX, Runbook, STEPS_MAX, Step, code};
use crate::actions;
use crate::condition::Condition;
use crate::context::{ENTITY_KINDS, fill, text_of};
use crate::duration;
use crate::incident::CLOCKS;
use crate::ports::Parameters;

/// Facts that every run may have.
const FACTS: [&str; 12] = [
    "severity",
    "count",
    "techniques",
    "rule",
    "rule_name",
    "alert",
    "incident",
    "first_seen",
    "last_seen",
    "record_ids",
    "overdue",
    "author",
];

/// Collects diagnostics about one file.
pub(super) struct Checker<'a> {
    text: &'a str,
    found: Vec<Diagnostic>,
    ids: BTreeSet<String>,
    steps: usize,
}

impl<'a> Checker<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            found: Vec::new(),
            ids: BTreeSet::new(),
            steps: 0,
        }
    }

    /// Remarks and errors.
    pub(super) fn finish(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        self.found
            .into_iter()
            .partition(|diagnostic| diagnostic.level != Level::Error)
    }

    /// Where a text stands in the file; the beginning if nowhere.
    fn place(&self, what: &str) -> Span {
        match self.text.find(what) {
            Some(at) if !what.is_empty() => Span::new(at, at + what.len()),
            _ => Span::default(),
        }
    }

    pub(super) fn error(&mut self, code: &str, place: &str, message: String, help: &str) {
        let span = self.place(place);
        self.found
            .push(Diagnostic::error(code, span, message).with_help(help));
    }

    fn remark(&mut self, code: &str, place: &str, message: String, help: &str) {
        let span = self.place(place);
        self.found
            .push(Diagnostic::warning(code, span, message).with_help(help));
    }

    pub(super) fn value(&mut self, key: &str, found: &str, valid: &[&str]) {
        let help = format!("one of {}", valid.join(", "));
        self.error(
            code::VALUE,
            found,
            format!("`{key}: {found}` is not known"),
            &help,
        );
    }

    pub(super) fn duration(&mut self, key: &str, text: Option<&str>, default: &str) -> Duration {
        let text = text.unwrap_or(default);
        duration::parse(text).unwrap_or_else(|| {
            self.error(
                code::DURATION,
                text,
                format!("`{key}: {text}` is no duration"),
                "write e.g. 500ms, 10s, 5m, 1h, 7d",
            );
            Duration::ZERO
        })
    }

    pub(super) fn severity(&mut self, text: Option<&str>) -> Option<Severity> {
        let text = text?;
        let severity = serde_json::from_value(Value::from(text)).ok();
        if severity.is_none() {
            let valid = ["informational", "low", "medium", "high", "critical"];
            self.value("severity_min", text, &valid);
        }
        severity
    }

    pub(super) fn condition(&mut self, text: Option<&str>) -> Option<Condition> {
        let text = text?;
        match Condition::parse(text) {
            Ok(condition) => Some(condition),
            Err(mut problem) => {
                let at = self.place(text).start;
                problem.span = Span::new(problem.span.start + at, problem.span.end + at);
                self.found.push(problem);
                None
            }
        }
    }

    pub(super) fn techniques(&mut self, ids: &[String]) {
        for id in ids {
            if atalaya_atlas::technique(id).is_none() {
                self.error(
                    code::TECHNIQUE,
                    id,
                    format!("no ATLAS release knows {id}"),
                    "see `atalaya atlas coverage`",
                );
            }
        }
    }

    pub(super) fn clocks(&mut self, names: &[String]) {
        for name in names {
            if !CLOCKS.contains(&name.as_str()) {
                self.value("overdue", name, &CLOCKS);
            }
        }
    }

    pub(super) fn step_id(&mut self, id: &str, depth: usize) {
        self.steps += 1;
        let valid = !id.is_empty()
            && id.len() <= 64
            && id
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !valid {
            let message = format!("`{id}` is no id of a step");
            self.error(code::STEP, id, message, "letters, digits, `-` and `_`");
        }
        if !self.ids.insert(id.to_owned()) {
            let message = format!("two steps have the id `{id}`");
            self.error(code::DUPLICATE, id, message, "give one of the two a new id");
        }
        if self.steps == STEPS_MAX + 1 {
            let message = format!("there are more than {STEPS_MAX} steps");
            self.error(code::TOO_LARGE, id, message, "split the runbook");
        }
        if depth > DEPTH_MAX {
            let message = format!("steps are nested more than {DEPTH_MAX} deep");
            self.error(code::TOO_LARGE, id, message, "split the runbook");
        }
    }

    pub(super) fn branches(&mut self, id: &str, branches: &[Vec<Step>]) {
        if branches.len() < 2 || branches.iter().any(Vec::is_empty) {
            self.error(
                code::STEP,
                id,
                "`parallel` has at least two branches with steps".to_owned(),
                "write the steps one after the other instead",
            );
        }
    }

    pub(super) fn decision(&mut self, id: &str, then: &[Step]) {
        if then.is_empty() {
            self.error(
                code::STEP,
                id,
                "`if` needs steps under `then`".to_owned(),
                "negate the condition and put the steps of `else` there",
            );
        }
    }

    pub(super) fn action(&mut self, id: &str, name: &str, with: &Parameters) {
        if name.is_empty() {
            return;
        }
        let Some(action) = actions::find(name) else {
            let known = actions::ALL.iter().map(|action| action.name());
            let names: Vec<&str> = known.clone().collect();
            let help = match atalaya_yaml::nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("actions are: {}", names.join(", ")),
            };
            let message = format!("there is no action `{name}`");
            return self.error(code::ACTION, name, message, &help);
        };
        let known = action.parameters();
        for given in with.keys() {
            if !known.iter().any(|parameter| parameter.name == given) {
                let names: Vec<&str> = known.iter().map(|p| p.name).collect();
                let message = format!("`{name}` has no parameter `{given}`");
                let help = format!("it has {}", names.join(", "));
                self.error(code::PARAMETER, given, message, &help);
            }
        }
        for parameter in known.iter().filter(|parameter| parameter.required) {
            if !with.contains_key(parameter.name) {
                let message = format!("`{name}` needs the parameter `{}`", parameter.name);
                self.error(code::PARAMETER, id, message, parameter.meaning);
            }
        }
        if let Some(value) = with.get("target") {
            self.target(value);
        }
        if let Some(Value::String(query)) = with.get("query") {
            self.query(query);
        }
    }

    /// A query must bind with any text in place of a fact.
    fn query(&mut self, query: &str) {
        let filled = fill(query, &|name| {
            let is_name = !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_alphanumeric() || "._".contains(c));
            is_name.then(|| "'x'".to_owned())
        });
        let options = BindOptions {
            now_ticks: 0,
            strict: false,
        };
        let first_line = query.lines().next().unwrap_or_default().trim().to_owned();
        for problem in atalaya_kql::bind(&filled, &RuleTables, options).diagnostics {
            let help = problem
                .help
                .unwrap_or_else(|| "try it with `atalaya query`".to_owned());
            let message = format!("the query: {}", problem.message);
            if problem.level == Level::Error {
                self.error(code::QUERY, &first_line, message, &help);
            } else {
                self.remark(code::QUERY, &first_line, message, &help);
            }
        }
    }

    fn target(&mut self, value: &Value) {
        let kinds = match value {
            Value::Array(items) => items.iter().map(text_of).collect(),
            other => vec![text_of(other)],
        };
        let names: Vec<&str> = ENTITY_KINDS.iter().map(|(_, name)| *name).collect();
        for kind in kinds {
            if !names.contains(&kind.as_str()) && !kind.starts_with('{') {
                self.value("target", &kind, &names);
            }
        }
    }

    /// What can only be said about the whole.
    pub(super) fn runbook(&mut self, runbook: &Runbook) {
        for (key, text) in [("id", &runbook.id), ("title", &runbook.title)] {
            if text.trim().is_empty() {
                let message = format!("`{key}` is empty");
                self.error(code::VALUE, key, message, "fill it in");
            }
        }
        if runbook.steps.is_empty() {
            let message = "the runbook has no steps".to_owned();
            self.error(code::STEP, "steps", message, "add at least one");
        }
        if runbook.triggers.is_empty() && runbook.enabled {
            self.remark(
                code::TRIGGER,
                &runbook.id,
                "the runbook has no trigger: it runs only when somebody starts it".to_owned(),
                "add `triggers:`, or `enabled: false`",
            );
        }
        self.facts(runbook);
        for step in runbook.all_steps() {
            let Step::Action(step) = step else { continue };
            let gated =
                actions::find(&step.action).map(actions::Action::needs_a_gate) == Some(true);
            if gated && step.approval.is_none() {
                self.remark(
                    code::GATE,
                    &step.id,
                    format!("`{}` costs others and is done without asking", step.action),
                    "add `approval:`",
                );
            }
        }
    }

    /// Facts in conditions come from the alert or from a step of the runbook.
    fn facts(&mut self, runbook: &Runbook) {
        let steps = runbook.all_steps();
        let ids: BTreeSet<&str> = steps.iter().map(|step| step.id()).collect();
        let mut unknown = Vec::new();
        for step in &steps {
            let condition = match step {
                Step::Action(step) => step.when.as_ref(),
                Step::If { condition, .. } => Some(condition),
                Step::Parallel { .. } => None,
            };
            for fact in condition.map(Condition::facts).unwrap_or_default() {
                let is_known = match fact.split_once('.') {
                    Some(("steps", rest)) => ids.contains(rest.split('.').next().unwrap_or(rest)),
                    Some(("details", _)) => true,
                    _ => FACTS.contains(&fact) || ENTITY_KINDS.iter().any(|(_, n)| *n == fact),
                };
                if !is_known {
                    unknown.push(fact.to_owned());
                }
            }
        }
        for fact in unknown {
            let message = format!("nothing gives the fact `{fact}`");
            let mut help = format!("facts are {}", FACTS.join(", "));
            help.push_str(", the kinds of entities, details.COLUMN and steps.ID.NAME");
            self.error(code::FACT, &fact, message, &help);
        }
    }
}
