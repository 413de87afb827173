//! Attacks on cost and on keys: volume, loops, repetition, origins.

use atalaya_analytics::Event;
use atalaya_model::Timestamp;

use super::{Trace, llm, must_fire};
use crate::traffic::{Dice, MONDAY_S};

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
