//! Catalogues of both official formats, whole and damaged.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use atalaya_atlas::{LoadError, Loaded, Maturity, load};

const FORMAT_5: &str = include_str!("catalogues/5.6.0.yaml");
const FORMAT_6: &str = include_str!("catalogues/2026.09.yaml");

fn tactics<'a>(loaded: &'a Loaded, id: &str) -> &'a [String] {
    &loaded.release.technique(id).unwrap().tactics
}

#[test]
fn format_5_loads_with_its_malformed_entries_named() {
    let loaded = load(FORMAT_5).unwrap();
    assert_eq!((loaded.format, loaded.release.name()), (5, "5.6.0"));
    assert_eq!(loaded.release.techniques().len(), 5);
    let names = loaded.release.tactics().iter().map(|t| t.name.as_str());
    let names: Vec<&str> = names.collect();
    assert_eq!(names, ["Reconnaissance", "Execution", "Initial Access"]);
    assert_eq!(tactics(&loaded, "AML.T0051.001"), ["AML.TA0005"]);
    let injection = loaded.release.technique("AML.T0051").unwrap();
    assert_eq!(injection.maturity, Some(Maturity::Realized));
    // Our judgement is kept.
    assert!(injection.visibility.is_some());
    let phishing = loaded.release.technique("AML.T0052").unwrap();
    assert_eq!(phishing.attack.as_deref(), Some("T1566"));
    let expected = [
        "AML.M0018: `ml-lifecycle` holds AML.T0052.001 where a text belongs; left out",
        "AML.M0034: `category` holds AML.T0052.001 where a text belongs; left out",
        "AML.CS0099 names AML.T0000, which is not there",
    ];
    assert_eq!(loaded.remarks, expected);
}

#[test]
fn format_6_loads_in_the_order_of_its_matrix() {
    let loaded = load(FORMAT_6).unwrap();
    assert_eq!((loaded.format, loaded.release.name()), (6, "2026.09"));
    assert_eq!(loaded.remarks, Vec::<String>::new());
    assert_eq!(loaded.release.tactics()[0].name, "Reconnaissance");
    // Inherited, and its own.
    assert_eq!(tactics(&loaded, "AML.T0051.001"), ["AML.TA0005"]);
    let own = tactics(&loaded, "AML.T0006.003");
    assert_eq!(own, ["AML.TA0002", "AML.TA0005"]);
    let maturity = loaded.release.technique("AML.T0051").unwrap().maturity;
    assert_eq!(maturity, Some(Maturity::Realized));
}

/// What is replaced in which format, by what, and the remark.
const BROKEN: &[(u8, &str, &str, &str)] = &[
    (
        5,
        "tactics:\n    - AML.TA0005",
        "tactics:\n    - AML.TA0099",
        "AML.T0051 names the tactic AML.TA0099, which is not there",
    ),
    (
        5,
        "subtechnique-of: AML.T0052",
        "subtechnique-of: AML.T0051",
        "AML.T0052.001 says that it is a sub-technique of AML.T0051",
    ),
    (
        5,
        "{id: AML.T0051, use",
        "{id: AML.T9999, use",
        "AML.M0018 names AML.T9999, which is not there",
    ),
    (
        5,
        "{id: AML.T0051, use",
        "{use",
        "AML.M0018 refers to something without an id",
    ),
    (
        5,
        "id: AML.T0051.000\n",
        "id: AML.T0051.001\n",
        "AML.T0051.001 stands twice",
    ),
    (
        5,
        "name: Direct\n",
        "other: x\n",
        "a technique without id or name",
    ),
    (
        5,
        "id: AML.T0052\n",
        "id: AML.T0152\n",
        "AML.T0052.001 is a sub-technique of AML.T0052, which is not there",
    ),
    (
        6,
        "    AML.T0006:\n    - {target: AML.TA0002}",
        "    AML.T0777:\n    - {target: AML.TA0002}",
        "`achieves` names AML.T0777, which is not there",
    ),
    (
        6,
        "- {target: AML.T0051}",
        "- {target: AML.T0006}",
        "AML.T0051.001 says that it specializes AML.T0006",
    ),
    (
        6,
        "{target: AML.T0051, use",
        "{target: AML.T8888, use",
        "AML.M0018 names AML.T8888, which is not there",
    ),
    (
        6,
        "AML.CS0099: {name",
        "AML.CS0001: {name",
        "`employs` names AML.CS0099, which is not there",
    ),
    (
        6,
        "categories: [Policy]",
        "categories: [{id: AML.T0051, use: x}]",
        "AML.M0018: `categories` holds AML.T0051 where a text belongs; left out",
    ),
];

#[test]
fn every_broken_reference_is_named() {
    for (format, from, to, remark) in BROKEN {
        let text = if *format == 5 { FORMAT_5 } else { FORMAT_6 };
        assert!(text.contains(from), "{from}");
        let loaded = load(&text.replacen(from, to, 1)).unwrap();
        assert_eq!(loaded.format, *format);
        let is_named = loaded.remarks.iter().any(|known| known == remark);
        assert!(is_named, "{remark}: {:?}", loaded.remarks);
    }
}

#[test]
fn many_broken_references_are_counted() {
    let links: Vec<String> = (0..500).map(|n| format!("{{id: AML.T{n:04}.9}}")).collect();
    let links = format!("techniques: [{}]", links.join(", "));
    let remarks = load(&FORMAT_5.replacen("techniques: []", &links, 1)).unwrap();
    let remarks = remarks.remarks;
    assert!(remarks.len() < 30, "{}", remarks.len());
    let counted = remarks.iter().any(|remark| remark.starts_with("and 48"));
    assert!(counted, "{remarks:?}");
}

/// Whatever the file is: a release, or a reason.
#[test]
fn what_is_no_release_is_refused_with_the_reason() {
    let reason = |text: &str| load(text).unwrap_err().to_string();
    assert!(matches!(load("{a: 1}"), Err(LoadError::NoTechniques)));
    assert!(matches!(load("{a: "), Err(LoadError::Yaml(_))));
    let pointer = load("v6/ATLAS-2026.10.yaml");
    assert!(matches!(pointer, Err(LoadError::Pointer(_))));
    assert!(reason("{}").contains("matrices[0].techniques"));
    assert!(reason("ATLAS.yaml").contains("symbolic link"));
    for text in [
        "",
        "[]",
        "null",
        "matrices: 3",
        "matrices: [{techniques: x}]",
        "relationships: []",
        "techniques: [1, 2]\nrelationships: {achieves: 7}",
    ] {
        assert!(load(text).is_err(), "{text}");
    }
    for at in (0..FORMAT_6.len()).step_by(97) {
        drop(load(&FORMAT_5[..at]));
        drop(load(&FORMAT_6[..at]));
    }
}
