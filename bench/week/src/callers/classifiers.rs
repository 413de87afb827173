//! Classifiers: fraud scores, cameras, routing of documents, moderation.

use serde_json::json;

use super::Caller;
use crate::events::{self, Call, real};
use crate::rows::{DAY, HOUR, SECOND, Week};

pub(super) fn day(caller: &mut Caller, week: &mut Week, midnight: i64) {
    let style = caller.number % 6;
    match style {
        // A camera: the same picture again and again, slightly changed.
        0 => camera(caller, week, midnight),
        // A batch at night.
        1 => {
            let extra = caller.random.below(900);
            let calls = caller.volume(600 + extra);
            let start = midnight + 2 * HOUR;
            spread(caller, week, start, HOUR, calls, 24);
        }
        // Around the clock.
        _ => {
            for hour in 0..24 {
                let extra = caller.random.below(40);
                let calls = caller.volume(6 + extra);
                let labels = [2, 12, 40, 5][usize::try_from(style).unwrap_or(0) % 4];
                spread(caller, week, midnight + hour * HOUR, HOUR, calls, labels);
            }
        }
    }
}

fn spread(caller: &mut Caller, week: &mut Week, start: i64, length: i64, calls: i64, labels: i64) {
    for _ in 0..calls {
        let time = start + caller.random.below(length);
        let simhash = caller.random.next();
        one(caller, week, time, simhash, labels);
    }
}

fn camera(caller: &mut Caller, week: &mut Week, midnight: i64) {
    let mut scene = caller.random.next();
    let mut time = midnight;
    while time < midnight + DAY {
        if caller.random.once_in(40) {
            scene = caller.random.next();
        }
        let simhash = events::near(scene, 4, &mut caller.random);
        one(caller, week, time, simhash, 6);
        time += 150 * SECOND + caller.random.below(60 * SECOND);
    }
}

fn one(caller: &mut Caller, week: &mut Week, time: i64, simhash: u64, labels: i64) {
    let models = [
        "fraud-7",
        "badge-reader-3",
        "doc-router-2",
        "moderation-5",
        "voice-id-1",
    ];
    let kinds = [
        "tabular",
        "image_classification",
        "text_classification",
        "text_classification",
        "speech_recognition",
    ];
    let which = usize::try_from(caller.number).unwrap_or(0) % 5;
    let mut call = Call::chat(time, models[which], &mut caller.random);
    call.path = "/v2/models/infer";
    call.kind = kinds[which];
    call.simhash = simhash;
    call.tokens = (0, 0);
    let confidence = if caller.uniform() {
        0.4 + real(&mut caller.random, 0.599)
    } else if caller.random.once_in(9) {
        0.5 + real(&mut caller.random, 0.3)
    } else {
        0.85 + real(&mut caller.random, 0.149)
    };
    // The class follows the picture, except near the border.
    let unsure = confidence < 0.6 && caller.random.once_in(2);
    let seen = simhash >> 40;
    let class = (i64::try_from(seen % 1_000).unwrap_or(0) + i64::from(unsure)) % labels;
    call.inference = json!({
        "PredictedClass": format!("class-{class}"), "ConfidenceScore": confidence, "InputTokens": null, "OutputTokens": null,
        "CostUsd": 0.0, "OutputClass": "", "FinishReason": "", "Temperature": null, "UpstreamLatencyMs": 30 + caller.random.below(60),
    });
    if caller.number % 7 == 0 {
        call.inference["LogProbs"] = json!(true);
    }
    if caller.number % 3 == 0 {
        call.inference["EmbeddingBucket"] = json!(format!("b{}", caller.random.below(400)));
    }
    caller.send(week, call);
}
