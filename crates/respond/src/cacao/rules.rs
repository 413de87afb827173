//! What the specification says in words, where no schema can: what is used is defined, what is
//! listed is there, branches have ends of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

type Members = Map<String, Value>;

/// Vocabulary of activities (3.1.2).
const ACTIVITIES: &[&str] = &[
    "compose-content",
    "deliver-content",
    "identify-audience",
    "identify-channel",
    "scan-system",
    "match-indicator",
    "analyze-collected-data",
    "identify-indicators",
    "scan-vulnerabilities",
    "configure-systems",
    "restrict-access",
    "disconnect-system",
    "eliminate-risk",
    "revert-system",
    "restore-data",
    "restore-capabilities",
    "map-network",
    "identify-steps",
    "step-sequence",
    "prepare-engagement",
    "execute-operation",
    "analyze-engagement-results",
];
/// Vocabulary of types of variables (10.18.4).
const VARIABLES: &[&str] = &[
    "bool",
    "dictionary",
    "float",
    "hexstring",
    "integer",
    "ipv4-addr",
    "ipv6-addr",
    "long",
    "mac-addr",
    "hash",
    "md5-hash",
    "sha256-hash",
    "string",
    "uri",
    "uuid",
];
/// Features of a playbook (10.14).
const FEATURES: &[&str] = &[
    "manual_playbook",
    "external_playbooks",
    "parallel_processing",
    "if_logic",
    "while_logic",
    "switch_logic",
    "temporal_logic",
    "data_markings",
    "digital_signatures",
    "countersigned_signatures",
    "extensions",
];
/// Lists that hold at least one item where they are there at all.
const LISTS: &[&str] = &[
    "playbook_activities",
    "derived_from",
    "related_to",
    "industry_sectors",
    "labels",
    "external_references",
    "markings",
    "signatures",
];
/// Dictionaries that hold at least one entry where they are there at all.
const DICTIONARIES: &[&str] = &[
    "agent_definitions",
    "target_definitions",
    "authentication_info_definitions",
    "playbook_extensions",
];

/// Appends what is wrong.
pub(super) fn check(playbook: &Members, problems: &mut Vec<String>) {
    let empty = Members::new();
    let workflow = playbook.get("workflow").and_then(Value::as_object);
    let workflow = workflow.unwrap_or(&empty);
    shapes(playbook, problems);
    activities(playbook, workflow, problems);
    variables(playbook, workflow, problems);
    features(playbook, workflow, problems);
    ends(playbook, workflow, problems);
    times(workflow, problems);
}

fn shapes(playbook: &Members, problems: &mut Vec<String>) {
    for name in LISTS {
        let found = playbook.get(*name);
        if found.is_some_and(|list| list.as_array().is_none_or(Vec::is_empty)) {
            problems.push(format!("`{name}` is a list with at least one item"));
        }
    }
    for name in DICTIONARIES {
        let found = playbook.get(*name);
        if found.is_some_and(|entries| entries.as_object().is_none_or(Members::is_empty)) {
            problems.push(format!("`{name}` is a dictionary with at least one entry"));
        }
    }
    for name in ["priority", "severity", "impact"] {
        let found = playbook.get(name);
        if found.is_some_and(|n| n.as_u64().is_none_or(|n| n > 100)) {
            problems.push(format!("`{name}` is a whole number from 0 to 100"));
        }
    }
    if playbook
        .get("revoked")
        .is_some_and(|flag| !flag.is_boolean())
    {
        problems.push("`revoked` is true or false".to_owned());
    }
    for name in ["name", "description"] {
        if playbook.get(name).is_some_and(|text| !text.is_string()) {
            problems.push(format!("`{name}` must be a string"));
        }
    }
    let text = |name: &str| {
        playbook
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if text("modified") < text("created") {
        problems.push("`modified` is before `created`".to_owned());
    }
}

fn commands(step: &Value) -> impl Iterator<Item = &Value> {
    let commands = step.get("commands").and_then(Value::as_array);
    commands.into_iter().flatten()
}

/// What is listed is done by a step, and the other way round.
fn activities(playbook: &Members, workflow: &Members, problems: &mut Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = playbook
        .get("playbook_activities")
        .and_then(Value::as_array);
    let listed: BTreeSet<String> = listed.into_iter().flatten().map(text).collect();
    let done: BTreeSet<String> = workflow
        .values()
        .flat_map(commands)
        .filter_map(|command| command.get("playbook_activity"))
        .map(text)
        .collect();
    for name in listed.difference(&done) {
        problems.push(format!("no step does the activity `{name}`"));
    }
    for name in done.difference(&listed) {
        problems.push(format!("the activity `{name}` is not listed"));
    }
    for name in listed
        .iter()
        .filter(|name| !ACTIVITIES.contains(&name.as_str()))
    {
        problems.push(format!("the vocabulary has no activity `{name}`"));
    }
}

fn variables(playbook: &Members, workflow: &Members, problems: &mut Vec<String>) {
    let of = |value: Option<&Value>| -> BTreeSet<String> {
        let names = value.and_then(Value::as_object);
        names.into_iter().flat_map(Members::keys).cloned().collect()
    };
    let global = of(playbook.get("playbook_variables"));
    let defined = playbook
        .get("playbook_variables")
        .and_then(Value::as_object);
    for (name, variable) in defined.into_iter().flatten() {
        let kind = variable
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !VARIABLES.contains(&kind) {
            problems.push(format!("the vocabulary has no type `{kind}` of {name}"));
        }
        let value = variable.get("value");
        if value.is_some_and(|value| !value.is_string() && !value.is_null()) {
            problems.push(format!("the value of {name} must be a string"));
        }
    }
    for (id, step) in workflow {
        let own = of(step.get("step_variables"));
        let mut used = BTreeSet::new();
        mentioned(step, &mut used);
        for list in ["in_args", "out_args"] {
            match step.get(list) {
                None => {}
                Some(Value::Array(names)) if !names.is_empty() => {
                    used.extend(names.iter().map(crate::context::text_of));
                }
                Some(_) => problems.push(format!("`{list}` of step {id} names at least one")),
            }
        }
        for name in used
            .iter()
            .filter(|n| !global.contains(*n) && !own.contains(*n))
        {
            problems.push(format!("step {id} uses {name}, which is not defined"));
        }
    }
}

/// Names in `__name__:value`.
fn mentioned(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            for (end, _) in text.match_indices("__:value") {
                let before = text.get(..end).unwrap_or_default();
                let is_name = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
                let name = before.rsplit(|c| !is_name(c)).next().unwrap_or_default();
                let start = name.find("__").unwrap_or(name.len());
                found.insert(format!("{}__", name.get(start..).unwrap_or_default()));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| mentioned(item, found)),
        Value::Object(members) => members.values().for_each(|item| mentioned(item, found)),
        _ => {}
    }
}

fn features(playbook: &Members, workflow: &Members, problems: &mut Vec<String>) {
    let Some(summary) = playbook
        .get("playbook_processing_summary")
        .and_then(Value::as_object)
    else {
        return;
    };
    for name in summary
        .keys()
        .filter(|name| !FEATURES.contains(&name.as_str()))
    {
        problems.push(format!("`playbook_processing_summary` has no `{name}`"));
    }
    let has = |kind: &str| {
        let kinds = workflow
            .values()
            .filter_map(|step| step.get("type")?.as_str());
        kinds.into_iter().any(|found| found == kind)
    };
    for (name, kind) in [
        ("parallel_processing", "parallel"),
        ("if_logic", "if-condition"),
    ] {
        let said = summary.get(name).and_then(Value::as_bool);
        if said.is_some_and(|said| said != has(kind)) {
            problems.push(format!("`{name}` is not what the workflow does"));
        }
    }
}

fn times(workflow: &Members, problems: &mut Vec<String>) {
    for (id, step) in workflow {
        let delay = step.get("delay");
        if delay.is_some_and(|delay| delay.as_u64().is_none_or(|delay| delay == 0)) {
            problems.push(format!("the delay of step {id} is a whole number above 0"));
        }
    }
}

/// Every branch of a parallel or conditional step ends in an end that no other branch has.
fn ends(playbook: &Members, workflow: &Members, problems: &mut Vec<String>) {
    let start = playbook.get("workflow_start").and_then(Value::as_str);
    let mut owners = BTreeMap::new();
    let mut open = vec![(
        start.unwrap_or_default().to_owned(),
        "the workflow".to_owned(),
    )];
    let mut branches = BTreeSet::new();
    while let Some((first, owner)) = open.pop() {
        let mut seen = BTreeSet::new();
        let mut here = vec![first];
        while let Some(id) = here.pop() {
            let Some(step) = workflow.get(&id).filter(|_| seen.insert(id.clone())) else {
                continue;
            };
            let text = |name: &str| step.get(name).and_then(Value::as_str).map(str::to_owned);
            if text("type").as_deref() == Some("end") {
                let known = owners.entry(id.clone()).or_insert_with(|| owner.clone());
                if *known != owner {
                    problems.push(format!("{owner} and {known} share the end {id}"));
                }
            }
            here.extend(
                ["on_completion", "on_success", "on_failure"]
                    .into_iter()
                    .filter_map(text),
            );
            let parallel = step.get("next_steps").and_then(Value::as_array);
            let parallel = parallel.into_iter().flatten().filter_map(Value::as_str);
            let conditional = ["on_true", "on_false"].into_iter().filter_map(text);
            let into: Vec<String> = conditional.chain(parallel.map(str::to_owned)).collect();
            for (index, branch) in into.into_iter().enumerate() {
                let name = format!("branch {index} of {id}");
                if branches.insert(name.clone()) {
                    open.push((branch, name));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::cacao::{export, validate};
    use crate::runbook::{Origin, Runbook};

    const ODD: &str = "
id: odd
title: Odd ones
triggers: [{severity_min: low}]
steps:
  - id: both
    parallel:
      - [{id: a, action: query, with: {query: 'AIGuardrailDecisions | where UserId == {caller}'}}]
      - - id: inner
          if: not (count > 3 or agent) and details.Some_Column startswith 'x'
          then: [{id: b, action: block, with: {target: caller}, approval: {by: [ann], timeout: 1h}, on_failure: continue}]
          else:
            - id: deeper
              parallel:
                - [{id: c, action: task}]
                - [{id: d, action: notify, with: {channel: x, text: '{steps.a.rows} of {rule_name} ünd {x}'}}]
  - {id: e, action: redeploy, when: steps.a.rows > 10, with: {channel: d}, timeout: 2m, on_failure: undo}
  - {id: f, action: block, with: {target: [caller, key]}, approval: {timeout: 5m, default: approve}, retry: {attempts: 2}}
";

    fn playbook() -> Value {
        let (runbook, _) = Runbook::parse(ODD, Origin::Run).unwrap();
        export(&runbook)
    }

    #[test]
    fn odd_runbooks_are_valid_playbooks() {
        let playbook = playbook();
        assert_eq!(validate(&playbook), Vec::<String>::new(), "{playbook:#}");
        let text = playbook.to_string();
        assert!(
            text.contains("\"out_args\":[\"__steps_a_rows__\"]"),
            "{text}"
        );
        assert!(text.contains("__rule_name__:value ünd {x}"), "{text}");
    }

    /// Changes a playbook.
    type Change = fn(&mut Value);

    #[test]
    fn what_the_specification_forbids_is_found() {
        let of_kind = |playbook: &Value, kind: &str| -> String {
            let workflow = playbook["workflow"].as_object().unwrap();
            workflow
                .keys()
                .find(|id| id.starts_with(kind))
                .unwrap()
                .clone()
        };
        let cases: [(&str, Change); 12] = [
            ("is not defined", |p| {
                drop(
                    p["playbook_variables"]
                        .as_object_mut()
                        .unwrap()
                        .remove("__steps_a_rows__"),
                );
            }),
            ("no step does the activity", |p| {
                p["playbook_activities"]
                    .as_array_mut()
                    .unwrap()
                    .push("map-network".into());
            }),
            ("is not listed", |p| {
                p["playbook_activities"] = json!(["step-sequence"]);
            }),
            ("not what the workflow does", |p| {
                p["playbook_processing_summary"]["if_logic"] = json!(false);
            }),
            ("has no `colour`", |p| {
                p["playbook_processing_summary"]["colour"] = json!(true);
            }),
            ("`modified` is before", |p| {
                p["modified"] = json!("2020-01-01T00:00:00.000Z");
            }),
            ("at least one entry", |p| {
                p["target_definitions"] = json!({});
            }),
            ("from 0 to 100", |p| p["impact"] = json!(101)),
            ("at least one item", |p| p["labels"] = json!([])),
            ("no type `text`", |p| {
                p["playbook_variables"]["__caller__"]["type"] = json!("text");
            }),
            ("must be a string", |p| {
                p["playbook_variables"]["__caller__"]["value"] = json!(7);
            }),
            ("`revoked` is true or false", |p| p["revoked"] = json!("no")),
        ];
        for (what, change) in cases {
            let mut changed = playbook();
            change(&mut changed);
            let found = validate(&changed);
            assert!(
                found.iter().any(|problem| problem.contains(what)),
                "{what}: {found:?}"
            );
        }
        // Two branches with one end.
        let mut changed = playbook();
        let parallel = of_kind(&changed, "parallel--");
        let first = changed["workflow"][&parallel]["next_steps"][0].clone();
        changed["workflow"][&parallel]["next_steps"][1] = first;
        let found = validate(&changed);
        assert!(
            found
                .iter()
                .any(|problem| problem.contains("share the end")),
            "{found:?}"
        );
    }
}
