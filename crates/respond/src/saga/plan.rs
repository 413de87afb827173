//! What a run would do, without doing it: `--dry-run`, and tests of runbooks.
//!
//! Conditions over outputs of steps that were not done are open: both branches are shown then, and
//! each step says on what it depends.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::resolve::Facts;
use super::{StepOutcome, StepStatus};
use crate::actions::{self, Call};
use crate::condition::Condition;
use crate::context::RunContext;
use crate::duration;
use crate::runbook::{ActionStep, Runbook, Step};

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The step.
    pub step: String,
    /// Its title.
    pub title: String,
    /// The action.
    pub action: String,
    /// What it would do.
    pub would: String,
    /// On what it depends, if that is not known yet.
    pub depends_on: Vec<String>,
    /// Who is asked first.
    pub asks: Option<String>,
    /// Whether it can be taken back.
    pub can_be_undone: bool,
}

impl Planned {
    /// One line for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut out = format!("{}: {}", self.step, self.would);
        if let Some(asks) = &self.asks {
            out.push_str(&format!(" [asks {asks}]"));
        }
        if !self.depends_on.is_empty() {
            out.push_str(&format!(" [if {}]", self.depends_on.join(" and ")));
        }
        if self.can_be_undone {
            out.push_str(" [can be undone]");
        }
        out
    }
}

/// Plans a run. `assumed` are outputs of steps, as if they had been done.
#[must_use]
pub fn plan(
    runbook: &Runbook,
    context: &RunContext,
    assumed: &BTreeMap<String, Value>,
) -> Vec<Planned> {
    let outcomes = assumed
        .iter()
        .map(|(step, output)| {
            let outcome = StepOutcome {
                status: StepStatus::Done,
                output: output.clone(),
                reason: String::new(),
            };
            (step.clone(), outcome)
        })
        .collect();
    let mut planner = Planner {
        runbook,
        facts: Facts {
            context,
            outcomes: &outcomes,
        },
        planned: Vec::new(),
    };
    planner.block(&runbook.steps, &[]);
    planner.planned
}

struct Planner<'a> {
    runbook: &'a Runbook,
    facts: Facts<'a>,
    planned: Vec<Planned>,
}

impl Planner<'_> {
    fn block(&mut self, steps: &[Step], depends_on: &[String]) {
        for step in steps {
            match step {
                Step::Action(step) => self.action(step, depends_on),
                Step::Parallel { branches, .. } => {
                    for branch in branches {
                        self.block(branch, depends_on);
                    }
                }
                Step::If {
                    condition,
                    then,
                    otherwise,
                    ..
                } => match self.decide(condition) {
                    Some(true) => self.block(then, depends_on),
                    Some(false) => self.block(otherwise, depends_on),
                    None => {
                        let text = condition.text().to_owned();
                        let with = |more: String| [depends_on, &[more]].concat();
                        self.block(then, &with(text.clone()));
                        self.block(otherwise, &with(format!("not ({text})")));
                    }
                },
            }
        }
    }

    /// Whether a condition holds; `None` if it asks for a step that was not done.
    fn decide(&self, condition: &Condition) -> Option<bool> {
        let is_open = condition.facts().iter().any(|fact| {
            fact.strip_prefix("steps.").is_some_and(|rest| {
                let step = rest.split('.').next().unwrap_or(rest);
                !self.facts.outcomes.contains_key(step)
            })
        });
        (!is_open).then(|| condition.holds(&|name| self.facts.get(name)))
    }

    fn action(&mut self, step: &ActionStep, depends_on: &[String]) {
        let mut depends_on = depends_on.to_vec();
        match step.when.as_ref().map(|when| (when, self.decide(when))) {
            Some((_, Some(false))) => return,
            Some((when, None)) => depends_on.push(when.text().to_owned()),
            _ => {}
        }
        let Some(action) = actions::find(&step.action) else {
            return;
        };
        let call = Call {
            key: String::new(),
            run_id: String::new(),
            runbook_id: self.runbook.id.clone(),
            title: step.title.clone(),
            author: String::new(),
            with: self.facts.resolve(&step.with),
            context: self.facts.context.clone(),
        };
        let asks = step.approval.as_ref().map(|approval| {
            let who = if approval.by.is_empty() {
                "an analyst".to_owned()
            } else {
                approval.by.join(" or ")
            };
            let timeout = duration::format(approval.timeout);
            let answer = if approval.approve_by_default {
                "yes"
            } else {
                "no"
            };
            format!("{who}, {answer} after {timeout}")
        });
        self.planned.push(Planned {
            step: step.id.clone(),
            title: step.title.clone(),
            action: step.action.clone(),
            would: action.plan(&call),
            depends_on,
            asks,
            can_be_undone: action.can_be_undone() || step.undo.is_some(),
        });
    }
}
