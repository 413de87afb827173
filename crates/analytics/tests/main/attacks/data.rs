//! Attacks on data: drift, floods, poisoned documents, manifests.

use atalaya_analytics::Act;

use super::{audit, classification, llm, must_fire};
use crate::traffic::told;

#[test]
fn data_drift_of_labels_and_of_a_feature() {
    must_fire("data_drift", "faces", 0, |dice, strength| {
        (0..6_u32)
            .map(|version| {
                let flipped = if version == 5 {
                    (0.15 * strength).min(0.5)
                } else {
                    0.0
                };
                let spam = 0.2 + flipped + dice.between(-0.01, 0.01);
                audit(
                    f64::from(version) * 86_400.0,
                    "etl",
                    Act {
                        name: "faces-v3".into(),
                        labels: vec![
                            ("a".into(), 5_000.0 * spam),
                            ("b".into(), 5_000.0 * (1.0 - spam)),
                        ],
                        ..Act::default()
                    },
                )
            })
            .collect()
    });
    must_fire("data_drift", "faces", 0, |dice, strength| {
        (0..4_u32)
            .map(|version| {
                let shift = if version == 3 { strength } else { 0.0 };
                let bins = (0..10_u32)
                    .map(|bin| {
                        (1_000.0 * (-(f64::from(bin) - 4.0 - shift).powi(2) / 6.0).exp()
                            + dice.between(0.0, 9.0))
                        .round()
                    })
                    .collect();
                audit(
                    f64::from(version) * 86_400.0,
                    "etl",
                    Act {
                        name: "faces-v3".into(),
                        features: vec![("age".into(), bins)],
                        ..Act::default()
                    },
                )
            })
            .collect()
    });
}

#[test]
fn contribution_flood() {
    must_fire("contribution_flood", "mole", 0, |dice, strength| {
        let change = |seconds: f64, actor: &str, rows: f64| {
            audit(
                seconds,
                actor,
                Act {
                    name: "reviews".into(),
                    operation: "append".into(),
                    rows_added: rows as u64,
                    ..Act::default()
                },
            )
        };
        let mut events: Vec<_> = (0..40_u32)
            .map(|i| {
                change(
                    f64::from(i) * 9_000.0,
                    &format!("writer-{}", i % 6),
                    dice.skewed(150.0, 0.4),
                )
            })
            .collect();
        events.extend(
            (0..10_u32).map(|i| change(370_000.0 + f64::from(i) * 60.0, "mole", 400.0 * strength)),
        );
        events
    });
}

#[test]
fn duplicate_burst() {
    must_fire("duplicate_burst", "mole", 0, |_, strength| {
        (0..(30.0 * strength) as u32)
            .map(|i| {
                audit(
                    f64::from(i) * 20.0,
                    "mole",
                    Act {
                        operation: "upload".into(),
                        resource: "knowledge-base".into(),
                        name: format!("note-{i}.md").into(),
                        resource_type: "index".into(),
                        sha256: "ab".repeat(32).into(),
                        ..Act::default()
                    },
                )
            })
            .collect()
    });
}

#[test]
fn document_retrieval_everywhere_and_flagged() {
    must_fire("document_retrieval", "poison", 4, |dice, strength| {
        let mut events = vec![audit(
            280_000.0,
            "mole",
            Act {
                operation: "upload".into(),
                name: "poison".into(),
                resource_type: "index".into(),
                ..Act::default()
            },
        )];
        for i in 0..(120.0 * strength) as u32 {
            let caller = format!("user-{}", dice.below(20));
            let mut event = llm(dice, 290_000.0 + f64::from(i) * 60.0, &caller);
            event.documents = vec![format!("doc-{}", dice.below(50)).into()];
            if dice.below(2) == 0 {
                event.documents.push("poison".into());
            }
            events.push(event);
        }
        events
    });
    must_fire("document_retrieval", "flagged", 1, |dice, _| {
        let mut event = llm(dice, 50_000.0, "user-1");
        event.documents = vec!["flagged".into()];
        let write = audit(
            40_000.0,
            "mole",
            Act {
                name: "flagged".into(),
                resource_type: "index".into(),
                scan_verdict: "injection".into(),
                ..Act::default()
            },
        );
        vec![write, event]
    });
}

#[test]
fn label_drift() {
    must_fire("label_drift", "image-clf-3", 0, |dice, strength| {
        let mut events = Vec::new();
        for day in 0..9_u32 {
            for i in 0..400_u32 {
                let is_poisoned = day >= 6 && dice.share() < 0.45 * strength;
                let label = if is_poisoned {
                    "a".to_owned()
                } else {
                    format!("l{}", dice.below(5))
                };
                let seconds = f64::from(day) * 86_400.0 + f64::from(i) * 200.0;
                events.push(classification(seconds, "svc", dice.roll(), &label, 0.9));
            }
        }
        events
    });
}

#[test]
fn manifest_violation() {
    use atalaya_analytics::{Engine, Limits, Manifest, ManifestEntry, Manifests, Settings};
    let mut manifests = Manifests::default();
    manifests.add(Manifest {
        version: 1,
        entries: vec![ManifestEntry {
            path: "faces-v3".into(),
            stage: "train".into(),
            sha256: Some("aa".repeat(32)),
            ..ManifestEntry::default()
        }],
    });
    let mut engine = Engine::new(Settings::all(), Limits::default());
    engine.set_manifests(manifests);
    let mut findings = Vec::new();
    for (stage, sha256) in [("train", "aa"), ("ingest", "bb"), ("train", "bb")] {
        let act = Act {
            name: "faces-v3".into(),
            stage: stage.into(),
            sha256: sha256.repeat(32).into(),
            ..Act::default()
        };
        engine.observe(&audit(0.0, "etl", act), &mut findings);
    }
    assert_eq!(findings.len(), 1, "{}", told(&findings));
    assert_eq!(findings[0].notes[0].0, "sha256");
}
