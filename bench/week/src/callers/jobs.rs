//! Jobs of the night: embeddings, synthetic data, evaluations, translations; and CI.

use serde_json::json;

use super::{Caller, MODELS};
use crate::events::{self, Call};
use crate::rows::{HOUR, MINUTE, SECOND, Week};

pub(super) fn day(caller: &mut Caller, week: &mut Week, midnight: i64, day: i64) {
    let start = midnight + (1 + caller.number % 5) * HOUR;
    match caller.number % 6 {
        0 if day % 7 == 5 => embeddings(caller, week, start, 6_000),
        0 => embeddings(caller, week, start, 300),
        1 => synthetic(caller, week, start),
        2 if day % 2 == 1 => evaluation(caller, week, start),
        2 => {}
        // A job that maps over rows with eight workers, each with a key of its own.
        3 | 4 => workers(caller, week, midnight + 2 * HOUR),
        _ => hourly(caller, week, midnight),
    }
}

fn embeddings(caller: &mut Caller, week: &mut Week, start: i64, calls: i64) {
    let calls = caller.volume(calls);
    for number in 0..calls {
        let mut call = Call::chat(
            start + number * 3 * HOUR / calls,
            "embed-3",
            &mut caller.random,
        );
        call.path = "/v1/embeddings";
        call.kind = "embedding";
        call.tokens = (300 + caller.random.below(600), 0);
        call.inference = json!({"EmbeddingBucket": format!("b{}", caller.random.below(800)), "OutputClass": "", "FinishReason": ""});
        caller.send(week, call);
    }
}

/// Answers longer than the questions, in one mould: what an extraction looks like as well.
fn synthetic(caller: &mut Caller, week: &mut Week, start: i64) {
    let extra = caller.random.below(200);
    let calls = caller.volume(500 + extra);
    let base = caller.random.next();
    for _ in 0..calls {
        let mut call = Call::chat(
            start + caller.random.below(3 * HOUR),
            MODELS[0],
            &mut caller.random,
        );
        call.simhash = events::near(base, 20, &mut caller.random);
        call.template = format!("synth-{}", caller.number);
        call.tokens = (
            250 + caller.random.below(100),
            700 + caller.random.below(600),
        );
        caller.send(week, call);
    }
}

/// The same questions to every model, with probabilities and several samples.
fn evaluation(caller: &mut Caller, week: &mut Week, start: i64) {
    for question in 0..60 {
        let input = caller.random.next() | 1;
        for (at, model) in [
            "assistant-large",
            "assistant-small",
            "coder-2",
            "candidate-9",
        ]
        .iter()
        .enumerate()
        {
            let offset = question * 40 * SECOND + i64::try_from(at).unwrap_or(0) * 7 * SECOND;
            let mut call = Call::chat(start + offset, model, &mut caller.random);
            call.input = input;
            call.simhash = input;
            call.template = "eval".to_owned();
            call.inference = json!({"LogProbs": true, "TopLogProbs": 5, "CandidateCount": 3, "Temperature": 1.0});
            call.decision = json!({"LogProbs": true, "CandidateCount": 3});
            caller.send(week, call);
        }
    }
}

fn workers(caller: &mut Caller, week: &mut Week, start: i64) {
    let extra = caller.random.below(20);
    let calls = caller.volume(90 + extra);
    for number in 0..calls {
        let time = start + number * HOUR / calls + caller.random.below(5 * SECOND);
        let mut call = Call::chat(time, MODELS[1], &mut caller.random);
        call.template = "row-mapper".to_owned();
        call.tokens = (700 + caller.random.below(200), 90 + caller.random.below(40));
        let mut origin = caller.origin.clone();
        "python-requests/2.33".clone_into(&mut origin.client);
        caller.send_from(week, &origin, call);
    }
}

/// A few calls at the same minute of every hour.
fn hourly(caller: &mut Caller, week: &mut Week, midnight: i64) {
    for hour in 0..24 {
        for number in 0..6 {
            let time = midnight + hour * HOUR + 7 * MINUTE + number * 20 * SECOND;
            let mut call = Call::chat(time, MODELS[1], &mut caller.random);
            call.template = format!("cron-{}", caller.number);
            caller.send(week, call);
        }
    }
}

/// CI: with every push the same prompts, from changing runners, with limits hit.
pub(super) fn pushes(caller: &mut Caller, week: &mut Week, midnight: i64) {
    let extra = caller.random.below(6);
    let pushes = caller.volume(2 + extra);
    for _ in 0..pushes {
        let start =
            midnight + (8 - caller.zone).rem_euclid(24) * HOUR + caller.random.below(10 * HOUR);
        let mut origin = caller.origin.clone();
        origin.address = format!(
            "20.{}.{}.{}",
            caller.random.below(200),
            caller.random.below(250),
            caller.random.below(250)
        );
        origin.asn = 8_075;
        origin.country = if caller.random.once_in(3) { "US" } else { "NL" };
        for number in 0..(20 + caller.number % 40) {
            let mut call = Call::chat(start + number * 4 * SECOND, MODELS[2], &mut caller.random);
            call.input = 1_000 + u64::try_from(caller.number * 100 + number % 25).unwrap_or(0);
            call.simhash = call.input.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            call.template = format!("ci-{}", caller.number);
            call.inference = json!({"Temperature": 0.0});
            if caller.random.once_in(25) {
                call.status = 429;
            }
            caller.send_from(week, &origin, call);
        }
    }
}
