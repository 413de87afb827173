//! Attack traces with variation, each over a background of ordinary callers: three seeds, three
//! strengths. The technique's analytic must fire, and name the attacker.

use atalaya_analytics::{Act, Event, Source};
use atalaya_model::{Decision, Timestamp};

use crate::traffic::{Dice, MONDAY_S, at, run, told};

/// Ordinary calls of thirty callers over so many days.
fn background(dice: &mut Dice, days: u32) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    for caller in 0..30_u32 {
        for hour in 0..days * 24 {
            let calls = if (8..18).contains(&(hour % 24)) {
                6.0
            } else {
                0.3
            };
            for _ in 0..dice.arrivals(calls) {
                let seconds = f64::from(hour) * 3_600.0 + dice.between(0.0, 3_600.0);
                events.push(llm(dice, seconds, &format!("user-{caller}")));
            }
        }
    }
    events
}

fn llm(dice: &mut Dice, seconds: f64, caller: &str) -> Event<'static> {
    let simhash = dice.roll();
    Event {
        caller: caller.to_owned().into(),
        model: "assistant-1".into(),
        path: "/v1/chat/completions".into(),
        address: format!("10.0.{}.{}", dice.below(4), dice.below(200)).into(),
        user_agent: "Mozilla/5.0".into(),
        simhash: Some(simhash),
        input: simhash | 1,
        turn: 1 + dice.below(5) as u32,
        input_tokens: Some(dice.skewed(600.0, 0.7) as u64),
        output_tokens: Some(dice.skewed(250.0, 0.7) as u64),
        score: dice.below(20) as u8,
        decision: Some(Decision::Allow),
        status: 200,
        ..at(seconds)
    }
}

fn classification(
    seconds: f64,
    caller: &str,
    simhash: u64,
    label: &str,
    confidence: f64,
) -> Event<'static> {
    Event {
        source: Source::Inference,
        caller: caller.to_owned().into(),
        model: "image-clf-3".into(),
        simhash: Some(simhash),
        input: simhash | 1,
        label: label.to_owned().into(),
        confidence: Some(confidence as f32),
        ..at(seconds)
    }
}

fn audit(seconds: f64, actor: &str, act: Act<'static>) -> Event<'static> {
    Event {
        source: Source::Audit,
        caller: actor.to_owned().into(),
        act: Some(Box::new(act)),
        ..at(seconds)
    }
}

type Trace = fn(&mut Dice, f64) -> Vec<Event<'static>>;

/// Runs a trace in every variation; the analytic must name the attacker each time.
fn must_fire(analytic: &str, attacker: &str, days: u32, trace: Trace) {
    for seed in [1_u64, 22, 333] {
        for strength in [1.0, 1.5, 3.0] {
            let mut dice = Dice(seed);
            let mut events = background(&mut dice, days);
            events.extend(trace(&mut dice, strength));
            let findings = run(&mut events);
            let fired = findings.iter().any(|finding| {
                let names = finding
                    .entities
                    .iter()
                    .any(|entity| entity.value.contains(attacker));
                finding.analytic == analytic && names && !finding.evidence.is_empty()
            });
            assert!(
                fired,
                "{analytic}, seed {seed}, strength {strength}:\n{}",
                told(&findings)
            );
        }
    }
}

#[test]
fn model_extraction() {
    must_fire("model_extraction", "thief", 2, |dice, strength| {
        let mould = dice.roll();
        let has_template = dice.below(2) == 0;
        (0..(2_000.0 * strength) as u32)
            .map(|i| {
                let seconds = 100_000.0 + f64::from(i) * dice.between(8.0, 24.0) / strength;
                let mut event = llm(dice, seconds, "thief");
                event.simhash = Some(dice.variant(mould, 8));
                event.template = if has_template { 5 } else { 0 };
                (event.turn, event.input_tokens, event.output_tokens) = (1, Some(60), Some(700));
                event
            })
            .collect()
    });
}

#[test]
fn classifier_extraction() {
    must_fire("classifier_extraction", "thief", 1, |dice, strength| {
        let mut seeds = vec![dice.roll()];
        (0..(400.0 * strength) as u32)
            .map(|i| {
                // Natural inputs first, then ever more synthetic ones made from them.
                let input = if dice.below(2) == 0 {
                    dice.roll()
                } else {
                    let from =
                        seeds[seeds.len() - 1 - dice.below(3.min(seeds.len() as u64)) as usize];
                    dice.variant(from, 4)
                };
                seeds.push(input);
                let label = ["a", "b", "c"][(input % 3) as usize];
                classification(
                    f64::from(i) * 20.0,
                    "thief",
                    input,
                    label,
                    dice.between(0.8, 1.0),
                )
            })
            .collect()
    });
}

#[test]
fn distributed_extraction() {
    must_fire("distributed_extraction", "sock", 4, |dice, strength| {
        let mould = dice.roll();
        let accounts = (25.0 * strength) as u32;
        let mut events = Vec::new();
        for account in 0..accounts {
            let (start, gap) = (
                270_000.0 + dice.between(0.0, 900.0),
                dice.between(900.0, 1_000.0),
            );
            for call in 0..70_u32 {
                let seconds = start + f64::from(call) * gap + dice.between(0.0, 40.0);
                let mut event = llm(dice, seconds, &format!("sock-{account}"));
                event.address = format!("198.51.100.{}", dice.below(250)).into();
                event.user_agent = "python-requests/2.31".into();
                event.simhash = Some(dice.variant(mould, 8));
                (event.turn, event.input_tokens, event.output_tokens) = (1, Some(80), Some(900));
                events.push(event);
            }
        }
        events
    });
}

#[test]
fn membership_inference() {
    must_fire("membership_inference", "prober", 1, |dice, strength| {
        let mut events = Vec::new();
        for record in 0..(60.0 * strength) as u32 {
            let input = dice.roll();
            for variant in 0..5_u32 {
                let simhash = if variant % 2 == 0 {
                    input
                } else {
                    dice.variant(input, 4)
                };
                let mut event = llm(
                    dice,
                    30_000.0 + f64::from(record * 5 + variant) * 5.0,
                    "prober",
                );
                (event.simhash, event.input) = (Some(simhash), simhash | 1);
                event.logprobs = true;
                events.push(event);
            }
        }
        events
    });
}

#[test]
fn score_harvesting() {
    must_fire("score_harvesting", "user-3", 3, |dice, strength| {
        (0..(120.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 250_000.0 + f64::from(i) * 8.0, "user-3");
                event.logprobs = true;
                event
            })
            .collect()
    });
}

#[test]
fn model_inversion() {
    must_fire("model_inversion", "inverter", 1, |dice, strength| {
        let mut input = dice.roll();
        let steps = (80.0 * strength) as u32;
        (0..steps)
            .map(|i| {
                input = dice.variant(input, 2);
                let confidence =
                    0.35 + 0.6 * f64::from(i) / f64::from(steps) + dice.between(-0.04, 0.04);
                classification(
                    f64::from(i) * 7.0,
                    "inverter",
                    input,
                    "person-7",
                    confidence,
                )
            })
            .collect()
    });
}

#[test]
fn adversarial_query_stream_of_one_caller_and_of_many() {
    let falls: Trace = |dice, strength| {
        let base = dice.roll();
        let steps = (40.0 * strength) as u32;
        (0..steps)
            .map(|i| {
                let fall = 0.55 * f64::from(i) / f64::from(steps);
                let confidence = 0.97 - fall + dice.between(-0.03, 0.03);
                let caller = if strength > 1.2 {
                    format!("evader-{}", i % 5)
                } else {
                    "evader-0".into()
                };
                classification(
                    f64::from(i) * 11.0,
                    &caller,
                    dice.variant(base, 3),
                    "stop sign",
                    confidence,
                )
            })
            .collect()
    };
    must_fire("adversarial_query_stream", "evader", 1, falls);
    must_fire("adversarial_query_stream", "evader", 1, |dice, strength| {
        let base = dice.roll();
        (0..(60.0 * strength) as u32)
            .map(|i| {
                let label = if dice.below(2) == 0 {
                    "malware"
                } else {
                    "benign"
                };
                let confidence = dice.between(0.5, 0.66);
                classification(
                    f64::from(i) * 3.0,
                    "evader",
                    dice.variant(base, 3),
                    label,
                    confidence,
                )
            })
            .collect()
    });
}

#[test]
fn edit_chain_of_one_caller_and_of_many() {
    must_fire("edit_chain", "editor", 1, |dice, strength| {
        let base = dice.roll();
        let blocks = (4.0 * strength) as u32;
        (0..=blocks)
            .map(|i| {
                let caller = if strength > 1.2 {
                    format!("editor-{i}")
                } else {
                    "editor".into()
                };
                let pause = 60.0 + dice.between(0.0, 30.0) / f64::from(i + 1);
                let mut event = llm(dice, 40_000.0 + f64::from(i) * pause, &caller);
                event.simhash = Some(dice.variant(base, 4));
                let passes = i == blocks;
                event.decision = Some(if passes {
                    Decision::Log
                } else {
                    Decision::Block
                });
                event.score = if passes { 55 } else { 92 };
                event
            })
            .collect()
    });
}

#[test]
fn confidence_shift() {
    must_fire("confidence_shift", "image-clf-3", 0, |dice, strength| {
        (0..3 * 24 * 300_u32)
            .map(|i| {
                let is_attack = i > 2 * 24 * 300;
                let low = if is_attack {
                    0.7 - 0.1 * strength.min(2.0)
                } else {
                    0.86
                };
                let simhash = dice.roll();
                let caller = format!("svc-{}", i % 9);
                classification(
                    f64::from(i) * 12.0,
                    &caller,
                    simhash,
                    "x",
                    dice.between(low, low + 0.12),
                )
            })
            .collect()
    });
}

#[test]
fn interface_enumeration_by_path_by_model_and_by_network() {
    must_fire("interface_enumeration", "scanner", 1, |dice, strength| {
        (0..(30.0 * strength) as u32)
            .map(|i| Event {
                source: Source::Access,
                caller: "scanner".into(),
                address: "203.0.113.5".into(),
                path: format!(
                    "/{}/{}",
                    ["v1", "api", "admin"][dice.below(3) as usize],
                    [
                        "a", "b", "models", "keys", "tags", "ps", "jobs", "users", "export",
                        "debug"
                    ][dice.below(10) as usize]
                )
                .into(),
                status: [404, 404, 403, 405, 200][dice.below(5) as usize],
                ..at(5_000.0 + f64::from(i) * 4.0)
            })
            .collect()
    });
    must_fire("interface_enumeration", "scanner", 1, |dice, strength| {
        (0..(25.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 5_000.0 + f64::from(i) * 20.0, "scanner");
                event.model = format!("gpt-{}", i % 15).into();
                event.status = 404;
                event
            })
            .collect()
    });
    must_fire("interface_enumeration", "203.0.113", 1, |_, strength| {
        (0..(40.0 * strength) as u32)
            .map(|i| Event {
                source: Source::Access,
                address: format!("203.0.113.{}", i % 7).into(),
                path: format!(
                    "/probe-{}",
                    [
                        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o",
                        "p"
                    ][i as usize % 16]
                )
                .into(),
                status: 404,
                ..at(5_000.0 + f64::from(i) * 9.0)
            })
            .collect()
    });
}

#[test]
fn boundary_probing_of_a_classifier_and_of_the_gateway() {
    must_fire("boundary_probing", "prober", 1, |dice, strength| {
        let mut events: Vec<Event<'static>> = (0..600_u32)
            .map(|i| {
                classification(
                    f64::from(i) * 30.0,
                    "svc",
                    dice.roll(),
                    "x",
                    dice.between(0.8, 1.0),
                )
            })
            .collect();
        events.extend((0..(80.0 * strength) as u32).map(|i| {
            classification(
                20_000.0 + f64::from(i) * 8.0,
                "prober",
                dice.roll(),
                "x",
                dice.between(0.4, 0.6),
            )
        }));
        events
    });
    must_fire("boundary_probing", "prober", 1, |dice, strength| {
        (0..(24.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 30_000.0 + f64::from(i) * 50.0, "prober");
                let is_blocked = i % 4 == 0;
                event.score = if is_blocked {
                    85
                } else {
                    50 + dice.below(18) as u8
                };
                event.decision = Some(if is_blocked {
                    Decision::Block
                } else {
                    Decision::Log
                });
                event
            })
            .collect()
    });
}

#[test]
fn refusal_shift() {
    must_fire("refusal_shift", "user-4", 6, |dice, strength| {
        (0..(70.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 450_000.0 + f64::from(i) * 20.0, "user-4");
                event.finish = if dice.below(2) == 0 {
                    "content_filter"
                } else {
                    "stop"
                }
                .into();
                event
            })
            .collect()
    });
}

#[test]
fn limits_by_new_source() {
    must_fire("limits_by_new_source", "newcomer", 2, |dice, strength| {
        (0..(90.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 140_000.0 + f64::from(i) * 6.0, "newcomer");
                event.status = if dice.below(3) == 0 { 429 } else { 200 };
                event
            })
            .collect()
    });
}

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
fn usage_anomaly_of_calls_and_of_tokens() {
    must_fire("usage_anomaly", "user-2", 6, |dice, strength| {
        (0..(600.0 * strength) as u32)
            .map(|i| {
                llm(
                    dice,
                    446_400.0 + f64::from(i) * 3_000.0 / (600.0 * strength),
                    "user-2",
                )
            })
            .collect()
    });
    must_fire("usage_anomaly", "user-2", 6, |dice, strength| {
        (0..(40.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 446_400.0 + f64::from(i) * 25.0, "user-2");
                event.output_tokens = Some(25_000);
                event
            })
            .collect()
    });
}

#[test]
fn resource_intensive_calls() {
    must_fire("resource_intensive_calls", "hog", 3, |dice, strength| {
        let mut event = llm(dice, 250_000.0, "hog");
        event.output_tokens = Some((90_000.0 * strength) as u64);
        vec![event]
    });
}

#[test]
fn agent_loop_by_depth_and_by_repetition() {
    for identical in [false, true] {
        let trace: Trace = if identical {
            |dice, strength| steps(dice, (15.0 * strength) as u32, true)
        } else {
            |dice, strength| steps(dice, (70.0 * strength) as u32, false)
        };
        must_fire("agent_loop", "looper", 1, trace);
    }
}

fn steps(dice: &mut Dice, count: u32, identical: bool) -> Vec<Event<'static>> {
    (0..count)
        .map(|i| {
            let mut event = llm(dice, 20_000.0 + f64::from(i) * 3.0, "looper");
            event.trace = "t-1".into();
            event.step = i + 1;
            event.tool_call = if identical { 9 } else { dice.roll() };
            event
        })
        .collect()
}

#[test]
fn duplicate_requests() {
    must_fire("duplicate_requests", "replayer", 1, |dice, strength| {
        (0..(400.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 20_000.0 + f64::from(i) * 3.0 / strength, "replayer");
                (event.simhash, event.input) = (Some(77), 77);
                event
            })
            .collect()
    });
}

#[test]
fn origin_anomaly_by_network_and_by_travel() {
    must_fire("origin_anomaly", "user-5", 5, |dice, strength| {
        (0..(30.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 400_000.0 + f64::from(i) * 30.0, "user-5");
                event.address = "198.51.100.77".into();
                event.user_agent = "curl/8.5".into();
                event
            })
            .collect()
    });
    must_fire("origin_anomaly", "user-6", 5, |dice, strength| {
        (0..(20.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 400_000.0 + f64::from(i) * 300.0, "user-6");
                event.country = if i % 2 == 0 { "DE" } else { "VN" }.into();
                event
            })
            .collect()
    });
}

#[test]
fn young_key_volume_with_and_without_a_known_age() {
    must_fire("young_key_volume", "fresh", 1, |dice, strength| {
        (0..(400.0 * strength) as u32)
            .map(|i| {
                let mut event = llm(dice, 10_000.0 + f64::from(i) * 6.0 / strength, "fresh");
                event.key_created = Some(Timestamp((i64::from(MONDAY_S) + 9_900) * 1_000_000));
                event
            })
            .collect()
    });
    must_fire("young_key_volume", "fresh", 2, |dice, strength| {
        (0..(3_500.0 * strength) as u32)
            .map(|i| llm(dice, 150_000.0 + f64::from(i) / strength, "fresh"))
            .collect()
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
