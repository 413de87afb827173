//! How many events a second one core takes through all analytics together, with a million active
//! callers, and what a caller costs: `cargo bench -p atalaya-analytics`.
//!
//! Two figures: events that are built already, and rows of JSON as they lie in the journal. The
//! mix is that of a busy gateway: chat, templated jobs, classifications with near-equal inputs,
//! agents, access rows. `CALLERS` and `EVENTS` in the environment change the size.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::time::Instant;

use atalaya_analytics::{Engine, Event, Finding, Limits, Settings, Source, row};
use atalaya_model::Timestamp;

const START_S: i64 = 1_790_000_000;

struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Processor time of this thread: how fast one core is does not depend on who else uses the machine.
struct Clock(f64, Instant);

impl Clock {
    fn start() -> Self {
        Self(Self::processor_s().unwrap_or(0.0), Instant::now())
    }

    fn processor_s() -> Option<f64> {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let nanoseconds: f64 = told.split_whitespace().next()?.parse().ok()?;
        Some(nanoseconds / 1e9)
    }

    /// Seconds since the start; by the wall where the system does not tell processor time.
    fn seconds(&self) -> f64 {
        match Self::processor_s() {
            Some(now) if now > self.0 => now - self.0,
            _ => self.1.elapsed().as_secs_f64(),
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    let told = std::env::var(name).ok().and_then(|text| text.parse().ok());
    told.unwrap_or(default)
}

/// Resident memory of the process, bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

struct Names {
    callers: Vec<String>,
    addresses: Vec<String>,
}

fn event<'a>(dice: &mut Dice, names: &'a Names, i: u64, micros: i64) -> Event<'a> {
    let at = (dice.roll() % names.callers.len() as u64) as usize;
    let kind = dice.roll() % 10;
    let base = Event {
        time: Timestamp(START_S * 1_000_000 + micros),
        id: "0199c0de-7c1e-7d0a-9a53-0d5f6a1b7e01".into(),
        caller: names.callers[at].as_str().into(),
        address: names.addresses[at].as_str().into(),
        user_agent: "OpenAI/Python 1.99.1".into(),
        path: "/v1/chat/completions".into(),
        status: 200,
        turn: 1,
        ..Event::default()
    };
    let simhash = dice.roll();
    match kind {
        0..=5 => Event {
            model: "assistant-1".into(),
            simhash: Some(simhash),
            input: simhash | 1,
            input_tokens: Some(200 + dice.roll() % 800),
            output_tokens: Some(100 + dice.roll() % 500),
            decision: Some(atalaya_model::Decision::Allow),
            score: (dice.roll() % 40) as u8,
            ..base
        },
        6 | 7 => {
            let near = 0x0f0f_1234_abcd_9876 ^ 1 << (simhash % 64) ^ 1 << (simhash >> 8 & 63);
            Event {
                source: Source::Inference,
                model: "classifier-1".into(),
                simhash: Some(near),
                input: near,
                label: if simhash.is_multiple_of(2) {
                    "cat"
                } else {
                    "dog"
                }
                .into(),
                confidence: Some((simhash % 100) as f32 / 100.0),
                ..base
            }
        }
        8 => Event {
            source: Source::Inference,
            model: "agent-1".into(),
            trace: names.addresses[(i % 1_000) as usize].as_str().into(),
            step: (i % 20) as u32,
            tool_call: simhash | 1,
            input_tokens: Some(900),
            output_tokens: Some(90),
            ..base
        },
        _ => Event {
            source: Source::Access,
            ..base
        },
    }
}

fn main() {
    let (callers, events) = (number("CALLERS", 1_000_000), number("EVENTS", 3_000_000));
    let names = Names {
        callers: (0..callers)
            .map(|i| format!("user-{i:07}@example.org"))
            .collect(),
        addresses: (0..callers)
            .map(|i| format!("10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255))
            .collect(),
    };
    let limits = Limits {
        callers_max: callers as usize,
    };
    let before = resident();
    let mut engine = Engine::new(Settings::all(), limits);
    let mut findings: Vec<Finding> = Vec::new();
    for (i, (name, address)) in names.callers.iter().zip(&names.addresses).enumerate() {
        let hello = Event {
            time: Timestamp(START_S * 1_000_000 + i as i64 * 1_000),
            caller: name.as_str().into(),
            address: address.as_str().into(),
            ..Event::default()
        };
        engine.observe(&hello, &mut findings);
    }
    // A day and a half on, an event every 10 ms.
    let mut dice = Dice(7);
    let started = Clock::start();
    for i in 0..events {
        let event = event(&mut dice, &names, i, (i as i64) * 10_000 + 10_000_000_000);
        engine.observe(&event, &mut findings);
        if findings.len() > 10_000 {
            findings.clear();
        }
    }
    let built = events as f64 / started.seconds();
    let stats = engine.stats();
    let used = resident().saturating_sub(before);
    println!("events/s, one core, all analytics, built events: {built:.0}");
    println!(
        "callers: {}, evicted: {}",
        stats.callers, stats.callers_evicted
    );
    println!(
        "bytes per caller, state and index: {}",
        stats.bytes_per_caller
    );
    println!(
        "bytes per caller, resident memory with all shared tables: {}",
        used / callers.max(1)
    );

    rows_per_second(&mut engine, &mut dice, &names, events / 2);
    let started = Clock::start();
    let snapshot = engine.snapshot();
    println!(
        "snapshot: {} MB in {:.1} s",
        snapshot.len() >> 20,
        started.seconds()
    );
    println!("findings: {}", engine.stats().findings);
}

/// The same with reading the rows.
fn rows_per_second(engine: &mut Engine, dice: &mut Dice, names: &Names, count: u64) {
    let mut findings: Vec<Finding> = Vec::new();
    let rows: Vec<String> = (0..20_000_u64)
        .map(|i| decision_row(dice, names, i))
        .collect();
    let started = Clock::start();
    for i in 0..count {
        let row = &rows[(i % rows.len() as u64) as usize];
        if let Some(mut event) = row::event("AIGuardrailDecisions", row) {
            event.time = Timestamp(event.time.0 + i as i64 * 10_000);
            engine.observe(&event, &mut findings);
        }
    }
    let parsed = count as f64 / started.seconds();
    let bytes = rows.iter().map(String::len).sum::<usize>() / rows.len();
    println!("rows/s, one core, JSON of {bytes} bytes read as well: {parsed:.0}");
}

fn decision_row(dice: &mut Dice, names: &Names, i: u64) -> String {
    let at = (dice.roll() % names.callers.len() as u64) as usize;
    let time = Timestamp((START_S + 200_000) * 1_000_000 + i as i64);
    format!(
        "{{\"$table\":\"AIGuardrailDecisions\",\"TimeGenerated\":\"{time}\",\"DecisionId\":\"0199c0de-7c1e-7d0a-9a53-{i:012}\",\"RequestId\":\"0199c0de-7c1e-7d0a-9a53-{i:012}\",\"Stage\":\"request\",\"Decision\":\"ALLOW\",\"WouldDecision\":\"ALLOW\",\"Enforced\":true,\"ReasonCode\":\"none\",\"ThreatScore\":3,\"RiskLevel\":\"informational\",\"Judged\":3,\"PolicyId\":\"default\",\"PolicyVersion\":\"1\",\"PolicyHash\":\"{i:064x}\",\"RulesetHash\":\"{i:064x}\",\"AtlasRelease\":\"2026.09\",\"CallerKeyId\":\"k{at:08x}\",\"SrcIpAddr\":\"{}\",\"SrcPortNumber\":41234,\"HttpUserAgent\":\"OpenAI/Python 1.99.1\",\"HttpMethod\":\"POST\",\"HttpPath\":\"/v1/chat/completions\",\"Protocol\":\"openai.chat\",\"ModelEndpoint\":\"openai/v1/chat/completions\",\"RouteName\":\"default\",\"ProviderName\":\"openai\",\"RequestBytes\":2123,\"ContentSha256\":\"{i:064x}\",\"InputSimHash\":\"{:016x}\",\"UserId\":\"{}\",\"ModelName\":\"assistant-1\",\"Stream\":true,\"MessageCount\":3,\"TurnIndex\":1,\"ToolCount\":0,\"EvalLatencyUs\":120,\"GatewayVersion\":\"0.1.0\",\"NodeId\":\"node-1\",\"SchemaVersion\":1,\"Outcome\":\"answered\",\"UpstreamStatus\":200,\"ResponseStatus\":200,\"InputTokens\":512,\"OutputTokens\":230,\"ResponseBytes\":1200}}",
        names.addresses[at],
        dice.roll(),
        names.callers[at],
    )
}
