//! The runbooks that are compiled in: one per class of attack.

macro_rules! runbook {
    ($name:literal) => {
        (
            concat!($name, ".yml"),
            include_str!(concat!("../../../../runbooks/", $name, ".yml")),
            include_str!(concat!("../../../../runbooks/", $name, ".test.yml")),
        )
    };
}

/// Path below `runbooks/`, text, and text of the test file.
pub(super) const FILES: &[(&str, &str, &str)] = &[
    runbook!("adversarial-examples"),
    runbook!("agent-tool-compromise"),
    runbook!("data-leakage"),
    runbook!("infrastructure-cost"),
    runbook!("membership-inference"),
    runbook!("model-extraction"),
    runbook!("model-poisoning"),
    runbook!("overdue-incident"),
    runbook!("prompt-injection"),
    runbook!("supply-chain"),
];

#[cfg(test)]
mod tests {
    use crate::cacao;
    use crate::runbook::{RunbookCatalogue, RunbookProblem, test};

    #[test]
    fn builtin_runbooks_are_right_and_pass_their_tests() {
        let catalogue = RunbookCatalogue::builtin();
        let problems: Vec<String> = catalogue
            .problems()
            .iter()
            .map(RunbookProblem::render)
            .collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert_eq!(catalogue.runbooks().count(), super::FILES.len());
        for runbook in catalogue.runbooks() {
            let text = catalogue.test_of(&runbook.id).unwrap();
            for case in test::run(runbook, text).unwrap() {
                assert!(case.failures.is_empty(), "{}: {case:?}", runbook.id);
            }
        }
    }

    #[test]
    fn builtin_runbooks_are_valid_cacao_playbooks() {
        for runbook in RunbookCatalogue::builtin().runbooks() {
            let playbook = cacao::export(runbook);
            let problems = cacao::validate(&playbook);
            assert!(
                problems.is_empty(),
                "{}: {problems:#?}\n{playbook:#}",
                runbook.id
            );
            assert_eq!(playbook, cacao::export(runbook), "the same every time");
        }
    }

    #[test]
    fn the_validator_sees_what_is_wrong() {
        let catalogue = RunbookCatalogue::builtin();
        let good = cacao::export(catalogue.runbook("supply-chain").unwrap());
        for (pointer, value) in [
            ("/spec_version", serde_json::json!("1.1")),
            ("/id", serde_json::json!("playbook--1")),
            ("/created", serde_json::json!("yesterday")),
            ("/playbook_types", serde_json::json!(["revenge"])),
            ("/playbook_activities", serde_json::json!([])),
            (
                "/workflow_start",
                serde_json::json!("start--00000000-0000-4000-8000-000000000000"),
            ),
            ("/agent_definitions", serde_json::json!({})),
            ("/workflow", serde_json::json!({})),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            assert!(!cacao::validate(&bad).is_empty(), "{pointer}");
        }
        for name in good.as_object().unwrap().keys() {
            let mut bad = good.clone();
            let removed = bad.as_object_mut().unwrap().remove(name);
            let is_required = [
                "type",
                "spec_version",
                "id",
                "name",
                "created_by",
                "created",
                "modified",
                "workflow_start",
                "workflow",
            ]
            .contains(&name.as_str());
            assert!(
                !is_required || !cacao::validate(&bad).is_empty(),
                "{name} {removed:?}"
            );
        }
        let mut bad = good;
        bad["comment"] = "x".into();
        assert!(!cacao::validate(&bad).is_empty());
    }
}
