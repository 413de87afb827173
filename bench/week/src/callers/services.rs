//! Services: chat bots, retrieval, summaries with one template, and probes of operations.

use serde_json::json;

use super::{Caller, MODELS, ROTATION};
use crate::events::{self, Call};
use crate::options::{Mix, Options};
use crate::rows::{ACCESS, DAY, HOUR, MINUTE, SECOND, START, Week};

pub(super) fn day(caller: &mut Caller, week: &mut Week, midnight: i64, is_weekend: bool) {
    let day = (midnight - START) / DAY;
    let month_end = caller.number % 11 == 0 && day % 7 >= 3 && !is_weekend;
    let size = 4 + caller.number % 9 * 3;
    for hour in 0..24 {
        let local = (hour + caller.zone).rem_euclid(24);
        let open = (7..20).contains(&local) && !is_weekend;
        let mut calls = if open {
            size + caller.random.below(size)
        } else {
            size / 4
        };
        if month_end && open {
            calls *= 3;
        }
        let calls = caller.volume(calls);
        for _ in 0..calls {
            let time = midnight + hour * HOUR + caller.random.below(HOUR);
            one(caller, week, time, day);
        }
    }
    if day == 2 && caller.number % 2 == 0 {
        stale_key(caller, week);
    }
}

fn one(caller: &mut Caller, week: &mut Week, time: i64, day: i64) {
    let model = MODELS[usize::try_from(caller.number).unwrap_or(0) % 3];
    let mut call = Call::chat(time, model, &mut caller.random);
    // A deployment on Tuesday changes the prompt of some.
    let release = if caller.number % 5 == 0 && day >= 1 {
        2
    } else {
        1
    };
    call.template = format!("tpl-{}-{release}", caller.number % 60);
    let base = u64::try_from(caller.number % 60)
        .unwrap_or(0)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    match caller.number % 5 {
        // Retrieval with long prompts that are nearly the same.
        0 => {
            call.simhash = events::near(base, 6, &mut caller.random);
            call.tokens = (
                9_000 + caller.random.below(9_000),
                200 + caller.random.below(500),
            );
            let ids: Vec<String> = (0..6)
                .map(|_| format!("kb-{}", caller.random.below(900)))
                .collect();
            call.inference["Citations"] = json!([ids[0], ids[2]]);
            call.inference["RetrievedDocIds"] = json!(ids);
        }
        // A support bot: personal data are redacted all the time.
        1 => {
            call.session = format!("visitor-{}", caller.random.below(4_000_000));
            call.turn = 1 + caller.random.below(5);
            if caller
                .random
                .once_in(if caller.mix == Mix::Busy { 8 } else { 20 })
            {
                call.decision = events::finding_of("personal_data", &mut caller.random, caller.mix);
                if caller.random.once_in(3) {
                    call.decision["SegmentRole"] = json!("tool_result");
                }
            }
        }
        // Summaries: long in, short out.
        2 => {
            call.tokens = (
                6_000 + caller.random.below(30_000),
                150 + caller.random.below(150),
            );
        }
        // A writer: short in, long out; every other one reviews code, some of which looks bad.
        3 => {
            if caller.number % 2 == 1 && caller.random.once_in(30) {
                call.decision =
                    events::finding_of("malicious_code", &mut caller.random, caller.mix);
            }
            call.tokens = (
                300 + caller.random.below(400),
                1_200 + caller.random.below(2_500),
            );
        }
        // A cache-warmer and templates that repeat.
        _ => {
            call.simhash = events::near(base, 3, &mut caller.random);
            call.input = 1 + base % 97 + u64::try_from(caller.random.below(12)).unwrap_or(0);
        }
    }
    caller.send(week, call);
}

/// Half an hour of 401 until the last instance has the new key.
fn stale_key(caller: &mut Caller, week: &mut Week) {
    for number in 0..(8 + caller.random.below(30)) {
        let mut call = Call::chat(
            ROTATION + number * 50 * SECOND,
            MODELS[0],
            &mut caller.random,
        );
        call.status = 401;
        if number % 5 == 0 {
            call.path = "/v1/models";
            call.access = json!({"HttpMethod": "GET"});
        }
        caller.send(week, call);
    }
}

/// A synthetic check every few minutes, always the same.
pub(super) fn monitor(caller: &mut Caller, week: &mut Week, midnight: i64) {
    let every = (1 + caller.number % 5) * MINUTE;
    let mut time = midnight + caller.number * SECOND;
    while time < midnight + DAY {
        let jitter = caller.random.below(2 * SECOND);
        let mut call = Call::chat(time + jitter, MODELS[1], &mut caller.random);
        call.simhash = 0xABCD_0000_1111_2222;
        call.input = 42 + u64::try_from(caller.number % 3).unwrap_or(0);
        call.template = "synthetic-check".to_owned();
        call.tokens = (20, 5);
        caller.send(week, call);
        time += every;
    }
}

/// Health checks of the cluster, metrics of the monitoring, and a catalogue that lists models.
pub(crate) fn shared_probes(week: &mut Week, options: &Options) {
    let probes: &[(&str, &str, &[&str], i64)] = &[
        (
            "10.1.0.5",
            "kube-probe/1.34",
            &["/health", "/ready"],
            MINUTE,
        ),
        ("10.1.0.6", "Prometheus/3.5", &["/metrics"], 30 * SECOND),
        (
            "10.1.0.7",
            "blackbox/0.27",
            &[
                "/health",
                "/version",
                "/v1/models",
                "/docs",
                "/metrics",
                "/openapi.json",
            ],
            5 * MINUTE,
        ),
        (
            "10.1.0.8",
            "catalogue/1.2",
            &[
                "/v1/models",
                "/v1/models/assistant-large",
                "/v1/models/assistant-small",
                "/v1/models/coder-2",
            ],
            HOUR,
        ),
    ];
    for (address, client, paths, every) in probes {
        let mut time = START;
        while time < START + options.days * DAY {
            for path in *paths {
                let row = json!({
                    "SrcIpAddr": address, "HttpMethod": "GET", "HttpPath": path, "ResponseStatus": 200, "AuthResult": "none",
                    "ViaGateway": false, "HttpUserAgent": client, "HttpHost": "ai.corp.example", "ResponseBytes": 900, "DurationMs": 3,
                });
                week.add(ACCESS, time, row);
            }
            time += every.max(&MINUTE);
        }
    }
}
