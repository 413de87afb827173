//! Runbooks: what is done when an attack is found, as a file that an analyst writes.
//!
//! A runbook in force is identified by id, version and the SHA-256 of its file. A run keeps the
//! text that it began with, so that a file that changes does not change what is under way.

mod builtin;
mod catalogue;
mod check;
pub mod test;
mod yaml;

use std::path::PathBuf;
use std::time::Duration;

use atalaya_model::{Alert, Diagnostic, Severity};
use serde_json::Value;

use crate::condition::{Condition, covers_technique};
use crate::incident::Heading;
use crate::ports::Parameters;

pub use catalogue::{RunbookCatalogue, RunbookProblem};

/// Largest runbook file that is read, bytes.
pub const FILE_BYTES_MAX: usize = 256 << 10;
/// Most steps of a runbook, those in branches included.
pub const STEPS_MAX: usize = 100;
/// Deepest nesting of branches.
pub const DEPTH_MAX: usize = 6;

/// Codes of diagnostics about runbooks.
pub mod code {
    /// The file is too large, or has too many or too deeply nested steps.
    pub const TOO_LARGE: &str = "RUN001";
    /// A duration cannot be read.
    pub const DURATION: &str = "RUN002";
    /// A value that is not known: severity, heading, policy.
    pub const VALUE: &str = "RUN003";
    /// A technique that no ATLAS release knows.
    pub const TECHNIQUE: &str = "RUN004";
    /// A condition cannot be read.
    pub const CONDITION: &str = "RUN005";
    /// An action that there is not.
    pub const ACTION: &str = "RUN006";
    /// A parameter that the action does not have, or needs.
    pub const PARAMETER: &str = "RUN007";
    /// A step that is none, or several things at once.
    pub const STEP: &str = "RUN008";
    /// Two things have the same id.
    pub const DUPLICATE: &str = "RUN009";
    /// A fact that comes from no step before.
    pub const FACT: &str = "RUN010";
    /// The runbook never starts by itself.
    pub const TRIGGER: &str = "RUN011";
    /// A step that costs others is done without asking a person.
    pub const GATE: &str = "RUN012";
    /// The file or folder cannot be read.
    pub const UNREADABLE: &str = "RUN013";
    /// A query that does not bind.
    pub const QUERY: &str = "RUN014";
}

/// Where a runbook came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    BuiltIn(&'static str),
    /// A file of the user.
    File(PathBuf),
    /// The text that a run kept.
    Run,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BuiltIn(path) => write!(f, "builtin:{path}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Run => f.write_str("run"),
        }
    }
}

/// When a runbook starts by itself: every member that is there must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trigger {
    /// Any of these techniques; a parent includes its sub-techniques.
    pub techniques: Vec<String>,
    /// Any of these rules or ladders.
    pub rules: Vec<String>,
    /// At least this severe.
    pub severity_min: Option<Severity>,
    /// At least so many records behind the alert.
    pub count_min: Option<u64>,
    /// Any of these clocks of the incident ran out. Such a trigger starts by no alert, and the
    /// others by no clock.
    pub overdue: Vec<String>,
    /// And this.
    pub when: Option<Condition>,
}

impl Trigger {
    /// Whether an alert starts the runbook, or a clock of the incident that the alert stands for.
    #[must_use]
    pub fn matches(
        &self,
        alert: &Alert,
        overdue: Option<&str>,
        fact: &dyn Fn(&str) -> Value,
    ) -> bool {
        let by_clock = match overdue {
            None => self.overdue.is_empty(),
            Some(clock) => self.overdue.iter().any(|wanted| wanted == clock),
        };
        let by_technique = self.techniques.is_empty()
            || alert
                .techniques
                .iter()
                .any(|found| self.techniques.iter().any(|w| covers_technique(w, found)));
        let by_rule = self.rules.is_empty() || self.rules.contains(&alert.rule_id);
        by_clock
            && by_technique
            && by_rule
            && self
                .severity_min
                .is_none_or(|least| alert.severity >= least)
            && self.count_min.is_none_or(|least| alert.count >= least)
            && self.when.as_ref().is_none_or(|when| when.holds(fact))
    }
}

/// A person must agree before a step is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Who may agree; anybody who may act on runs if empty.
    pub by: Vec<String>,
    /// How long the run waits.
    pub timeout: Duration,
    /// What counts as the answer after that.
    pub approve_by_default: bool,
}

/// How often a step is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts, the first included.
    pub attempts: u32,
    /// Pause before the second; doubled before each further one.
    pub backoff: Duration,
}

/// What a failed step does to its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The run ends; what was done stays.
    Stop,
    /// The run goes on.
    Continue,
    /// The run ends, and what it did is taken back.
    Undo,
}

/// One action of a runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionStep {
    /// Id, unique in the runbook.
    pub id: String,
    /// What it does, for people.
    pub title: String,
    /// Under which heading of SP 800-61r3.
    pub heading: Heading,
    /// The action.
    pub action: String,
    /// Its parameters, facts not yet filled in.
    pub with: Parameters,
    /// Only if this holds.
    pub when: Option<Condition>,
    /// Only if a person agrees.
    pub approval: Option<Approval>,
    /// Longest time of one attempt.
    pub timeout: Duration,
    /// How often it is tried.
    pub retry: Retry,
    /// What its failure means.
    pub on_failure: OnFailure,
    /// What takes it back, if not the action's own way.
    pub undo: Option<(String, Parameters)>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Something is done.
    Action(Box<ActionStep>),
    /// Several things are done at the same time.
    Parallel {
        /// Id.
        id: String,
        /// For people.
        title: String,
        /// The branches.
        branches: Vec<Vec<Step>>,
    },
    /// One of two things is done.
    If {
        /// Id.
        id: String,
        /// For people.
        title: String,
        /// What decides.
        condition: Condition,
        /// If it holds.
        then: Vec<Step>,
        /// If not.
        otherwise: Vec<Step>,
    },
}

impl Step {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Action(step) => &step.id,
            Self::Parallel { id, .. } | Self::If { id, .. } => id,
        }
    }

    /// Visits this step and those in its branches, in order.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a Step)) {
        visit(self);
        match self {
            Self::Action(_) => {}
            Self::Parallel { branches, .. } => {
                for step in branches.iter().flatten() {
                    step.visit(visit);
                }
            }
            Self::If {
                then, otherwise, ..
            } => {
                for step in then.iter().chain(otherwise) {
                    step.visit(visit);
                }
            }
        }
    }
}

/// One runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Runbook {
    /// Id, e.g. `prompt-injection`.
    pub id: String,
    /// Title.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Version, `1.0.0`.
    pub version: String,
    /// SHA-256 of the file's bytes, hexadecimal.
    pub hash: String,
    /// Where it came from.
    pub origin: Origin,
    /// Whether it starts by itself.
    pub enabled: bool,
    /// When it starts by itself: any of these.
    pub triggers: Vec<Trigger>,
    /// How long it does not start again for the same incident.
    pub cooldown: Duration,
    /// What is done.
    pub steps: Vec<Step>,
    /// The whole file.
    pub text: String,
}

impl Runbook {
    /// Reads a runbook file. The second part are remarks that do not keep it from running.
    ///
    /// # Errors
    /// What is wrong with it; spans lie in `text`.
    pub fn parse(text: &str, origin: Origin) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        yaml::parse(text, origin)
    }

    /// Whether an alert starts it, or a clock of the incident that the alert stands for.
    #[must_use]
    pub fn is_triggered_by(
        &self,
        alert: &Alert,
        overdue: Option<&str>,
        fact: &dyn Fn(&str) -> Value,
    ) -> bool {
        let mut triggers = self.triggers.iter();
        self.enabled && triggers.any(|trigger| trigger.matches(alert, overdue, fact))
    }

    /// Every step, those in branches included, in order.
    #[must_use]
    pub fn all_steps(&self) -> Vec<&Step> {
        let mut found = Vec::new();
        for step in &self.steps {
            step.visit(&mut |step| found.push(step));
        }
        found
    }

    /// The action step of an id.
    #[must_use]
    pub fn action_step(&self, id: &str) -> Option<&ActionStep> {
        self.all_steps().into_iter().find_map(|step| match step {
            Step::Action(step) if step.id == id => Some(step.as_ref()),
            _ => None,
        })
    }
}
