//! Attack traces with variation, each over a background of ordinary callers: three seeds, three
//! strengths. The technique's analytic must fire, and name the attacker.

mod data;
mod usage;

use atalaya_analytics::{Act, Event, Source};
use atalaya_model::Decision;

use crate::traffic::{Dice, at, run, told};

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
