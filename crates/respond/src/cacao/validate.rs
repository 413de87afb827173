//! The rules of CACAO 2.0 for what [`super::export`] writes, and more: a playbook of others is
//! held to them too, as far as it uses the same kinds of steps, agents and commands.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

const PLAYBOOK: &[&str] = &[
    "type",
    "spec_version",
    "id",
    "name",
    "description",
    "playbook_types",
    "playbook_activities",
    "playbook_processing_summary",
    "created_by",
    "created",
    "modified",
    "revoked",
    "valid_from",
    "valid_until",
    "derived_from",
    "related_to",
    "priority",
    "severity",
    "impact",
    "industry_sectors",
    "labels",
    "external_references",
    "markings",
    "playbook_variables",
    "workflow_start",
    "workflow_exception",
    "workflow",
    "playbook_extensions",
    "authentication_info_definitions",
    "agent_definitions",
    "target_definitions",
    "extension_definitions",
    "data_marking_definitions",
    "signatures",
];
const REQUIRED: &[&str] = &[
    "type",
    "spec_version",
    "id",
    "name",
    "created_by",
    "created",
    "modified",
    "workflow_start",
    "workflow",
];
const STEP: &[&str] = &[
    "type",
    "name",
    "description",
    "external_references",
    "delay",
    "timeout",
    "step_variables",
    "owner",
    "on_completion",
    "on_success",
    "on_failure",
    "step_extensions",
];
/// Kind of step, members of its own, those that it must have.
const STEPS: &[(&str, &[&str], &[&str])] = &[
    ("start", &[], &["on_completion"]),
    ("end", &[], &[]),
    (
        "action",
        &["commands", "agent", "targets", "in_args", "out_args"],
        &["commands", "agent"],
    ),
    ("parallel", &["next_steps"], &["next_steps"]),
    (
        "if-condition",
        &["condition", "on_true", "on_false"],
        &["condition", "on_true"],
    ),
];
const COMMAND: &[&str] = &[
    "type",
    "description",
    "version",
    "playbook_activity",
    "external_references",
    "command",
    "command_b64",
    "headers",
    "content",
    "content_b64",
];
const TYPES: &[&str] = &[
    "attack",
    "detection",
    "engagement",
    "investigation",
    "mitigation",
    "notification",
    "prevention",
    "remediation",
];

/// What is wrong with a playbook; nothing if it is valid.
#[must_use]
pub fn validate(playbook: &Value) -> Vec<String> {
    let mut check = Check::default();
    let Some(members) = playbook.as_object() else {
        return vec!["a playbook is an object".to_owned()];
    };
    check.members("playbook", members, PLAYBOOK, REQUIRED);
    check.constant(members, "type", "playbook");
    check.constant(members, "spec_version", "cacao-2.0");
    check.id("id", members.get("id"), Some("playbook"));
    check.id("created_by", members.get("created_by"), Some("identity"));
    for name in ["created", "modified"] {
        check.time(name, members.get(name));
    }
    super::rules::check(members, &mut check.problems);
    check.types(members);
    check.references(members.get("external_references"));
    check.variables(members.get("playbook_variables"));
    let agents = check.agents(members.get("agent_definitions"));
    check.workflow(members, &agents);
    check.problems
}

#[derive(Default)]
struct Check {
    problems: Vec<String>,
    uuids: BTreeSet<String>,
}

impl Check {
    fn wrong(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    fn members(
        &mut self,
        what: &str,
        members: &Map<String, Value>,
        known: &[&str],
        required: &[&str],
    ) {
        for name in members
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            self.wrong(format!("{what} has no property `{name}`"));
        }
        for name in required.iter().filter(|name| !members.contains_key(**name)) {
            self.wrong(format!("{what} must have the property `{name}`"));
        }
    }

    fn constant(&mut self, members: &Map<String, Value>, name: &str, wanted: &str) {
        if members.get(name).and_then(Value::as_str) != Some(wanted) {
            self.wrong(format!("`{name}` must be `{wanted}`"));
        }
    }

    fn text(&mut self, what: &str, value: Option<&Value>) {
        if value.is_some_and(|value| !value.is_string()) {
            self.wrong(format!("{what} must be a string"));
        }
    }

    /// `kind--UUID`, where the UUID is of version 1 to 5 and RFC 4122's variant.
    fn id(&mut self, what: &str, value: Option<&Value>, kind: Option<&str>) {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        let Some((found, uuid)) = text.split_once("--") else {
            return self.wrong(format!("`{what}: {text}` is no identifier"));
        };
        if kind.is_some_and(|kind| kind != found) {
            self.wrong(format!(
                "`{what}: {text}` must begin with `{}--`",
                kind.unwrap_or("")
            ));
        }
        if !is_uuid(uuid) {
            self.wrong(format!("`{what}: {text}` does not end in a UUID"));
        }
    }

    /// `yyyy-mm-ddThh:mm:ss.mmmZ`.
    fn time(&mut self, what: &str, value: Option<&Value>) {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        let shape = "dddd-dd-ddTdd:dd:dd.dddZ";
        let fits = text.len() == shape.len()
            && text.chars().zip(shape.chars()).all(|(c, s)| match s {
                'd' => c.is_ascii_digit(),
                s => c == s,
            });
        if !fits {
            self.wrong(format!(
                "`{what}: {text}` is no time to the millisecond in UTC"
            ));
        }
    }

    fn types(&mut self, members: &Map<String, Value>) {
        let list = |name: &str| members.get(name).and_then(Value::as_array);
        if let Some(types) = list("playbook_types") {
            for found in types {
                if !found.as_str().is_some_and(|name| TYPES.contains(&name)) {
                    self.wrong(format!("`playbook_types` does not know {found}"));
                }
            }
            if list("playbook_activities").is_none_or(Vec::is_empty) {
                self.wrong("`playbook_activities` must name at least one activity");
            }
        }
        if list("labels").is_some_and(Vec::is_empty) {
            self.wrong("`labels` must not be empty");
        }
        if let Some(summary) = members.get("playbook_processing_summary") {
            let flags = summary.as_object();
            if !flags.is_some_and(|flags| flags.values().all(Value::is_boolean)) {
                self.wrong("`playbook_processing_summary` holds booleans");
            }
        }
    }

    fn references(&mut self, value: Option<&Value>) {
        for reference in value.and_then(Value::as_array).into_iter().flatten() {
            let known = [
                "name",
                "description",
                "source",
                "url",
                "external_id",
                "reference_id",
            ];
            match reference.as_object() {
                Some(members) => self.members("a reference", members, &known, &["name"]),
                None => self.wrong("a reference is an object"),
            }
        }
    }

    fn variables(&mut self, value: Option<&Value>) {
        for (name, variable) in value.and_then(Value::as_object).into_iter().flatten() {
            let inner = name.strip_prefix("__").and_then(|n| n.strip_suffix("__"));
            let is_name = inner.is_some_and(|inner| {
                inner.starts_with(|c: char| c.is_ascii_alphabetic())
                    && inner.len() <= 200
                    && inner
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            });
            if !is_name {
                self.wrong(format!("`{name}` is no name of a variable"));
            }
            let known = ["type", "description", "value", "constant", "external"];
            match variable.as_object() {
                Some(members) => self.members("a variable", members, &known, &["type"]),
                None => self.wrong("a variable is an object"),
            }
        }
    }

    fn agents(&mut self, value: Option<&Value>) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for (id, agent) in value.and_then(Value::as_object).into_iter().flatten() {
            let kind = agent
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            self.id("agent", Some(&Value::from(id.as_str())), Some(kind));
            self.unique(id);
            if agent
                .get("name")
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
            {
                self.wrong(format!("agent {id} must have a name"));
            }
            if kind == "security-category"
                && agent
                    .get("category")
                    .and_then(Value::as_array)
                    .is_none_or(Vec::is_empty)
            {
                self.wrong(format!("agent {id} must have a category"));
            }
            ids.insert(id.clone());
        }
        ids
    }

    fn unique(&mut self, id: &str) {
        let uuid = id.split_once("--").map_or(id, |(_, uuid)| uuid);
        if !self.uuids.insert(uuid.to_owned()) {
            self.wrong(format!("the UUID of {id} is used twice"));
        }
    }

    fn workflow(&mut self, members: &Map<String, Value>, agents: &BTreeSet<String>) {
        let Some(workflow) = members.get("workflow").and_then(Value::as_object) else {
            return self.wrong("`workflow` is an object");
        };
        let start = members
            .get("workflow_start")
            .and_then(Value::as_str)
            .unwrap_or_default();
        self.id(
            "workflow_start",
            members.get("workflow_start"),
            Some("start"),
        );
        for kind in ["start--", "action--", "end--"] {
            if !workflow.keys().any(|id| id.starts_with(kind)) {
                self.wrong(format!("the workflow must have a step of {kind}"));
            }
        }
        for (id, step) in workflow {
            match step.as_object() {
                Some(step) => self.step(id, step, workflow, agents),
                None => self.wrong(format!("step {id} is an object")),
            }
        }
        let mut seen = BTreeSet::new();
        reach(start, workflow, &mut seen);
        for id in workflow.keys().filter(|id| !seen.contains(id.as_str())) {
            self.wrong(format!("step {id} is never reached"));
        }
    }

    fn step(
        &mut self,
        id: &str,
        step: &Map<String, Value>,
        workflow: &Map<String, Value>,
        agents: &BTreeSet<String>,
    ) {
        let kind = step.get("type").and_then(Value::as_str).unwrap_or_default();
        let Some((_, own, required)) = STEPS.iter().find(|(known, ..)| *known == kind) else {
            return self.wrong(format!("step {id} is of the unknown type `{kind}`"));
        };
        self.id("step", Some(&Value::from(id)), Some(kind));
        self.unique(id);
        self.members(&format!("step {id}"), step, &[STEP, own].concat(), required);
        self.text("name", step.get("name"));
        self.text("description", step.get("description"));
        let has = |name: &str| step.contains_key(name);
        let ends = ["on_completion", "on_success", "on_failure"];
        match kind {
            "end" if ends.iter().any(|name| has(name)) => {
                self.wrong(format!("step {id} is an end and goes on"));
            }
            "start" if has("on_success") || has("on_failure") => {
                self.wrong(format!("step {id} is a start and must not fail"));
            }
            "end" => {}
            _ if has("on_completion") && (has("on_success") || has("on_failure")) => {
                self.wrong(format!("step {id} has both on_completion and on_success"));
            }
            _ if !has("on_completion") && !has("on_success") => {
                self.wrong(format!("step {id} leads nowhere"));
            }
            _ => {}
        }
        for next in targets(step) {
            if !workflow.contains_key(next) {
                self.wrong(format!("step {id} leads to {next}, which is not there"));
            }
        }
        if step
            .get("timeout")
            .is_some_and(|timeout| timeout.as_u64().is_none())
        {
            self.wrong(format!("the timeout of step {id} must be a whole number"));
        }
        let branches = step.get("next_steps").and_then(Value::as_array);
        if kind == "parallel" && branches.is_none_or(|branches| branches.len() < 2) {
            self.wrong(format!("step {id} must have at least two branches"));
        }
        if kind == "action" {
            self.action(id, step, agents);
        }
    }

    fn action(&mut self, id: &str, step: &Map<String, Value>, agents: &BTreeSet<String>) {
        let agent = step
            .get("agent")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !agents.contains(agent) {
            self.wrong(format!("the agent of step {id} is not defined"));
        }
        let commands = step.get("commands").and_then(Value::as_array);
        if commands.is_none_or(Vec::is_empty) {
            self.wrong(format!("step {id} must have a command"));
        }
        for command in commands.into_iter().flatten() {
            let Some(members) = command.as_object() else {
                self.wrong(format!("a command of step {id} is no object"));
                continue;
            };
            self.members(
                &format!("a command of step {id}"),
                members,
                COMMAND,
                &["type"],
            );
            if !members.contains_key("command") && !members.contains_key("command_b64") {
                self.wrong(format!("a command of step {id} says nothing"));
            }
            for name in members.keys() {
                if name != "headers" && name != "external_references" {
                    self.text(name, members.get(name));
                }
            }
        }
    }
}

/// Steps that a step leads to.
fn targets(step: &Map<String, Value>) -> Vec<&str> {
    let single = [
        "on_completion",
        "on_success",
        "on_failure",
        "on_true",
        "on_false",
    ]
    .into_iter()
    .filter_map(|name| step.get(name)?.as_str());
    let many = step.get("next_steps").and_then(Value::as_array);
    let many = many.into_iter().flatten().filter_map(Value::as_str);
    single.chain(many).collect()
}

fn reach<'a>(id: &'a str, workflow: &'a Map<String, Value>, seen: &mut BTreeSet<&'a str>) {
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if let Some(step) = workflow.get(id).and_then(Value::as_object)
            && seen.insert(id)
        {
            open.extend(targets(step));
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let first = |part: usize| parts.get(part).and_then(|part| part.chars().next());
    lengths == [8, 4, 4, 4, 12]
        && parts
            .iter()
            .all(|part| part.chars().all(|c| c.is_ascii_hexdigit()))
        && first(2).is_some_and(|version| ('1'..='5').contains(&version))
        && first(3).is_some_and(|variant| "89abAB".contains(variant))
}
