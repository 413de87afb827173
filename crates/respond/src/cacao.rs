//! Runbooks as CACAO 2.0 playbooks (OASIS Committee Specification 01, 2023-11-27), in JSON.
//!
//! Ids follow from the runbook and the step, so that the same runbook exports to the same
//! playbook. Approvals, undo and retries have no place in CACAO's core: an approval becomes a
//! manual step of its own before the step that it guards, and the rest is said in descriptions.
//! Facts and what steps find out are variables; conditions are comparisons over them in the
//! grammar that CACAO names.
//! Every action step carries a `manual` command that says what a person would do in Atalaya's
//! place, so that the playbook is of use to who has another product.
//!
//! [`validate`] holds an export to the rules of the specification: its own, not the schema's
//! code. Left out: signatures, extensions and importing.

mod pattern;
mod rules;
mod validate;
mod variables;

use serde_json::{Map, Value, json};

use crate::actions;
use crate::ids::uuid_of;
use crate::runbook::{ActionStep, OnFailure, Runbook, Step};

pub use validate::validate;
use variables::Variables;

/// When the first runbooks were written: CACAO wants a time, and the same one for every export.
const CREATED: &str = "2026-11-01T00:00:00.000Z";
/// Most milliseconds that a step may take, as CACAO counts.
const TIMEOUT_MS_MAX: u128 = u32::MAX as u128;

/// Writes a runbook as a playbook.
#[must_use]
pub fn export(runbook: &Runbook) -> Value {
    let mut writer = Writer::new(runbook);
    let end = writer.add("end", "end", json!({}));
    let first = writer.block(&runbook.steps, &end);
    let start = writer.add("start", "start", json!({"on_completion": first}));
    writer.out_args();
    let features = features(runbook);
    let mut playbook = json!({
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": format!("playbook--{}", uuid_of(&format!("playbook\0{}", runbook.id))),
        "name": runbook.title,
        "description": description(runbook),
        "playbook_types": types(runbook),
        "playbook_activities": writer.activities,
        "playbook_processing_summary": features,
        "created_by": format!("identity--{}", uuid_of("identity\0atalaya")),
        "created": CREATED,
        "modified": CREATED,
        "revoked": false,
        "labels": labels(runbook),
        "playbook_variables": Value::Object(writer.variables.definitions()),
        "workflow_start": start,
        "workflow": Value::Object(writer.workflow),
        "agent_definitions": agents(),
    });
    let references = references(runbook);
    if let (false, Some(members)) = (references.is_empty(), playbook.as_object_mut()) {
        members.insert("external_references".to_owned(), references.into());
    }
    playbook
}

fn description(runbook: &Runbook) -> String {
    format!(
        "{} (Atalaya runbook {} version {}, sha256 {})",
        runbook.description.trim(),
        runbook.id,
        runbook.version,
        runbook.hash
    )
}

fn techniques(runbook: &Runbook) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for id in runbook.triggers.iter().flat_map(|t| &t.techniques) {
        if !found.contains(&id.as_str()) {
            found.push(id);
        }
    }
    found
}

fn labels(runbook: &Runbook) -> Vec<String> {
    let mut labels = vec!["atalaya".to_owned()];
    labels.extend(techniques(runbook).into_iter().map(str::to_owned));
    labels
}

fn references(runbook: &Runbook) -> Vec<Value> {
    techniques(runbook)
        .into_iter()
        .map(|id| {
            json!({
                "name": "MITRE ATLAS", "external_id": id, "url": atalaya_atlas::url(id),
                "source": format!("MITRE ATLAS {}", atalaya_atlas::RELEASE),
            })
        })
        .collect()
}

fn types(runbook: &Runbook) -> Vec<&'static str> {
    let mut types = vec!["mitigation"];
    let has = |names: &[&str]| {
        runbook
            .all_steps()
            .iter()
            .any(|step| matches!(step, Step::Action(step) if names.contains(&step.action.as_str())))
    };
    if has(&[
        "query",
        "preserve_evidence",
        "flag_review",
        "record_prediction",
    ]) {
        types.push("investigation");
    }
    if has(&["notify", "ticket", "escalate"]) {
        types.push("notification");
    }
    if has(&["redeploy", "roll_back", "rotate_key"]) {
        types.push("remediation");
    }
    types
}

fn features(runbook: &Runbook) -> Value {
    let steps = runbook.all_steps();
    let has = |wanted: fn(&Step) -> bool| steps.iter().any(|step| wanted(step));
    json!({
        "manual_playbook": false,
        "external_playbooks": false,
        "parallel_processing": has(|step| matches!(step, Step::Parallel { .. })),
        "if_logic": has(|step| match step {
            Step::If { .. } => true,
            Step::Action(step) => step.when.is_some(),
            Step::Parallel { .. } => false,
        }),
        "while_logic": false,
        "switch_logic": false,
        "temporal_logic": true,
        "data_markings": false,
        "digital_signatures": false,
        "countersigned_signatures": false,
        "extensions": false,
    })
}

const AGENT: &str = "agent\0atalaya";
const PEOPLE: &str = "agent\0soc";

fn agents() -> Value {
    let mut agents = Map::new();
    agents.insert(
        agent(),
        json!({
            "type": "security-category", "name": "Atalaya",
            "description": "Gateway, decision log and response for AI systems.",
            "category": ["content-gateway", "orchestrator"],
        }),
    );
    agents.insert(
        people(),
        json!({
            "type": "organization", "name": "Security operations",
            "description": "The people who answer approvals.",
        }),
    );
    Value::Object(agents)
}

fn agent() -> String {
    format!("security-category--{}", uuid_of(AGENT))
}

fn people() -> String {
    format!("organization--{}", uuid_of(PEOPLE))
}

struct Writer<'a> {
    runbook: &'a Runbook,
    workflow: Map<String, Value>,
    activities: Vec<&'static str>,
    variables: Variables,
    /// Id in the playbook → id in the runbook.
    steps: Vec<(String, String)>,
}

impl<'a> Writer<'a> {
    fn new(runbook: &'a Runbook) -> Self {
        Self {
            runbook,
            workflow: Map::new(),
            activities: Vec::new(),
            variables: Variables::default(),
            steps: Vec::new(),
        }
    }

    /// Adds a step; gives its id.
    fn add(&mut self, kind: &str, name: &str, mut members: Value) -> String {
        let id = format!(
            "{kind}--{}",
            uuid_of(&format!("{kind}\0{}\0{name}", self.runbook.id))
        );
        if let Some(members) = members.as_object_mut() {
            members.insert("type".to_owned(), kind.into());
        }
        self.workflow.insert(id.clone(), members);
        id
    }

    /// Adds steps that follow each other and then go to `next`; gives the id of the first.
    fn block(&mut self, steps: &[Step], next: &str) -> String {
        let mut next = next.to_owned();
        for step in steps.iter().rev() {
            next = match step {
                Step::Action(step) => self.action(step, &next),
                Step::Parallel {
                    id,
                    title,
                    branches,
                } => {
                    let firsts: Vec<String> = branches
                        .iter()
                        .enumerate()
                        .map(|(index, branch)| self.branch(branch, &format!("{id}/{index}")))
                        .collect();
                    let members =
                        json!({"name": title, "next_steps": firsts, "on_completion": next});
                    self.add("parallel", id, members)
                }
                Step::If {
                    id,
                    title,
                    condition,
                    then,
                    otherwise,
                } => {
                    let mut members = json!({
                        "name": title,
                        "condition": pattern::write(condition, &mut self.variables),
                        "description": format!("if {}", condition.text()),
                        "on_true": self.branch(then, &format!("{id}/then")),
                        "on_completion": next,
                    });
                    if !otherwise.is_empty() {
                        let first = self.branch(otherwise, &format!("{id}/else"));
                        members["on_false"] = first.into();
                    }
                    self.add("if-condition", id, members)
                }
            };
        }
        next
    }

    /// A branch with an end of its own.
    fn branch(&mut self, steps: &[Step], name: &str) -> String {
        let end = self.add("end", name, json!({}));
        self.block(steps, &end)
    }

    fn action(&mut self, step: &ActionStep, next: &str) -> String {
        // A condition of a step is an if-condition around it, with the step as its branch.
        if let Some(when) = &step.when {
            let end = self.add("end", &format!("{}/when", step.id), json!({}));
            let guarded = self.guarded(step, &end);
            let members = json!({
                "name": format!("{} wanted?", step.title),
                "condition": pattern::write(when, &mut self.variables),
                "description": format!("if {}", when.text()),
                "on_true": guarded, "on_completion": next,
            });
            return self.add("if-condition", &format!("{}/when", step.id), members);
        }
        self.guarded(step, next)
    }

    /// The step, after somebody was asked if it asks.
    fn guarded(&mut self, step: &ActionStep, next: &str) -> String {
        let action = actions::find(&step.action);
        let activity = action.map_or("step-sequence", |action| action.activity());
        let summary = action.map_or("", |action| action.summary());
        if !self.activities.contains(&activity) {
            self.activities.push(activity);
        }
        let with = serde_json::to_string(&step.with).unwrap_or_default();
        let command = format!("{}: {} {with}", step.action, step.title);
        let command = self.variables.fill(&command);
        let mut members = json!({
            "name": step.title,
            "description": self.details(step),
            "timeout": milliseconds(step.timeout),
            "commands": [{
                "type": "manual",
                "description": summary,
                "command": command,
                "playbook_activity": activity,
            }],
            "agent": agent(),
        });
        // What follows a failure is either the same, or the end of the playbook.
        match step.on_failure {
            OnFailure::Continue => members["on_completion"] = next.into(),
            _ => {
                let failed = self.add("end", &format!("{}/failed", step.id), json!({}));
                members["on_success"] = next.into();
                members["on_failure"] = failed.into();
            }
        }
        let id = self.add("action", &step.id, members);
        self.steps.push((id.clone(), step.id.clone()));
        let Some(approval) = &step.approval else {
            return id;
        };
        // Who says no ends the playbook, or this step only.
        let refused = if step.on_failure == OnFailure::Continue {
            next.to_owned()
        } else {
            self.add("end", &format!("{}/refused", step.id), json!({}))
        };
        let who = if approval.by.is_empty() {
            "an analyst".to_owned()
        } else {
            approval.by.join(" or ")
        };
        let members = json!({
            "name": format!("Approve: {}", step.title),
            "description": format!("{who} agrees, or the step is not done."),
            "timeout": milliseconds(approval.timeout),
            "commands": [{
                "type": "manual",
                "command": format!("Ask {who} whether to: {}", step.title),
                "playbook_activity": "step-sequence",
            }],
            "agent": people(),
            "on_success": id,
            "on_failure": refused,
        });
        if !self.activities.contains(&"step-sequence") {
            self.activities.push("step-sequence");
        }
        self.add("action", &format!("{}/approval", step.id), members)
    }

    /// Steps give what others ask for. Known only when everything was written.
    fn out_args(&mut self) {
        for (id, step) in &self.steps {
            let given = self.variables.of_step(step);
            if let (false, Some(members)) = (given.is_empty(), self.workflow.get_mut(id)) {
                members["out_args"] = given.into();
            }
        }
    }

    fn details(&self, step: &ActionStep) -> String {
        let undo = match (&step.undo, actions::find(&step.action)) {
            (Some((action, _)), _) => format!("Undone by `{action}`."),
            (None, Some(action)) if action.can_be_undone() => "Can be undone.".to_owned(),
            _ => "Cannot be undone.".to_owned(),
        };
        format!(
            "NIST SP 800-61r3: {}. Tried {} times. {undo}",
            step.heading.title(),
            step.retry.attempts
        )
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis().min(TIMEOUT_MS_MAX)).unwrap_or(u64::MAX)
}
