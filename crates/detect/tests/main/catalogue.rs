//! What is compiled in is what is in `rules/`, complete and tested.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use atalaya_detect::testing::TestFile;
use atalaya_detect::{Language, Origin, RuleCatalogue};

fn rules_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

fn files_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files_below(&path, found);
        } else if name.ends_with(".yml") && !name.ends_with(".test.yml") {
            let relative = path.strip_prefix(rules_folder()).unwrap();
            found.insert(relative.display().to_string());
        }
    }
}

#[test]
fn every_file_of_the_rules_folder_is_built_in_and_right() {
    let catalogue = RuleCatalogue::builtin();
    for problem in catalogue.problems() {
        assert!(!problem.is_error(), "{}", problem.render());
    }
    let built_in: BTreeSet<String> = catalogue
        .rules()
        .map(|rule| match &rule.origin {
            Origin::BuiltIn(path) => (*path).to_owned(),
            Origin::File(path) => panic!("{}", path.display()),
        })
        .collect();
    let mut on_disk = BTreeSet::new();
    files_below(&rules_folder(), &mut on_disk);
    on_disk.retain(|path| !path.ends_with(".meta.yml"));
    assert_eq!(built_in, on_disk);
}

#[test]
fn every_rule_is_honest_and_has_tests_that_fire_and_that_do_not() {
    let catalogue = RuleCatalogue::builtin();
    for rule in catalogue.rules() {
        let name = &rule.origin;
        assert!(!rule.techniques.is_empty(), "{name}: techniques");
        assert!(!rule.false_positives.is_empty(), "{name}: false positives");
        if rule.language == Language::Kql {
            assert!(!rule.description.is_empty(), "{name}: description");
            assert!(!rule.tuning.is_empty(), "{name}: tuning");
            assert!(rule.runbook.is_some(), "{name}: runbook");
            assert!(!rule.entities.is_empty(), "{name}: entities");
            assert!(!rule.columns_read().is_empty(), "{name}: columns");
        }
        let test = catalogue.test_of(&rule.id).unwrap();
        let test = TestFile::parse(test).unwrap_or_else(|d| panic!("{name}: {d:?}"));
        assert!(
            test.cases.iter().any(|c| !c.fires.is_empty()),
            "{name}: no case that fires"
        );
        assert!(
            test.cases.iter().any(|c| c.fires.is_empty()),
            "{name}: no case that does not fire"
        );
        for case in &test.cases {
            assert!(!case.rows(test.now()).is_empty(), "{name}: {}", case.name);
        }
    }
}

#[test]
fn the_four_published_queries_are_there_to_the_letter() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/seed/atlas-for-soc-teams.txt");
    let Ok(seed) = std::fs::read_to_string(&path) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{} is absent",
            path.display()
        );
        eprintln!("SKIPPED: {} is absent", path.display());
        return;
    };
    let catalogue = RuleCatalogue::builtin();
    for (id, first_line) in [
        ("3f0f1a52-7c1e-4d0a-9a53-0d5f6a1b7e01", "SecurityEvents\n"),
        (
            "3f0f1a52-7c1e-4d0a-9a53-0d5f6a1b7e02",
            "AIGuardrailDecisions\n",
        ),
        (
            "3f0f1a52-7c1e-4d0a-9a53-0d5f6a1b7e03",
            "ModelInferenceLog\n",
        ),
        ("3f0f1a52-7c1e-4d0a-9a53-0d5f6a1b7e04", "AuditLog\n"),
    ] {
        let query = &catalogue.rule(id).unwrap().query;
        assert!(query.starts_with(first_line));
        assert!(seed.contains(query.trim_end_matches('\n')), "{id}");
    }
}

#[test]
fn a_users_folder_replaces_built_in_rules_and_its_mistakes_do_not_disarm_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let nested = folder.path().join("team");
    std::fs::create_dir(&nested).unwrap();
    let id = "3f0f1a52-7c1e-4d0a-9a53-0d5f6a1b7e01";
    let rule = |id: &str| {
        format!(
            "id: {id}\nname: Mine\nseverity: Low\nversion: 2.0\nquery: AuditLog\natlas: {{techniques: [AML.T0020]}}\n"
        )
    };
    std::fs::write(nested.join("mine.yml"), rule(id)).unwrap();
    std::fs::write(nested.join("mine.test.yml"), "cases: []\n").unwrap();
    std::fs::write(nested.join("again.yml"), rule(id)).unwrap();
    std::fs::write(nested.join("new.yaml"), rule("my-own")).unwrap();
    std::fs::write(nested.join("wrong.yml"), "id: x\nqurey: y\n").unwrap();
    let mut catalogue = RuleCatalogue::builtin();
    let before = catalogue.len();
    catalogue.add_folder(folder.path());
    assert_eq!(catalogue.len(), before + 1);
    assert_eq!(catalogue.rule(id).unwrap().name, "Mine");
    assert_eq!(catalogue.rule(id).unwrap().version, "2.0");
    let errors: Vec<String> = catalogue
        .problems()
        .iter()
        .filter(|p| p.is_error())
        .map(atalaya_detect::RuleProblem::render)
        .collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.iter().any(|e| e.contains("the id stands in")));
    assert!(errors.iter().any(|e| e.contains("did you mean `query`?")));
    catalogue.add_folder(&folder.path().join("absent"));
    assert!(catalogue.problems().last().unwrap().is_error());
}

#[test]
fn coverage_counts_enabled_tested_rules_only() {
    let mut catalogue = RuleCatalogue::builtin();
    assert!(catalogue.covered_techniques().contains("AML.T0040"));
    let of_technique: Vec<String> = catalogue
        .rules()
        .filter(|rule| rule.techniques.iter().any(|id| id == "AML.T0040"))
        .map(|rule| rule.id.clone())
        .collect();
    for id in of_technique {
        assert!(catalogue.covered_techniques().contains("AML.T0040"));
        assert!(catalogue.disable(&id));
    }
    assert!(!catalogue.covered_techniques().contains("AML.T0040"));
    assert!(!catalogue.disable("no-such-rule"));
}

/// What the judgement of techniques says can be seen is seen: each has a rule that reads a table
/// of one of the sources that the judgement names.
#[test]
fn every_technique_within_the_ceiling_has_a_rule_that_reads_one_of_its_sources() {
    let catalogue = RuleCatalogue::builtin();
    let mut blind = Vec::new();
    for technique in atalaya_atlas::techniques() {
        let Some(visibility) = &technique.visibility else {
            continue;
        };
        if !visibility.is_within_ceiling() {
            continue;
        }
        let seen = catalogue.rules().any(|rule| {
            rule.techniques.contains(&technique.id)
                && rule.tables.iter().any(|table| {
                    atalaya_atlas::LogSource::of_table(table.name)
                        .is_some_and(|source| visibility.sources.contains(&source))
                })
        });
        if !seen {
            blind.push(technique.id.as_str());
        }
    }
    assert!(blind.is_empty(), "{blind:?}");
}
