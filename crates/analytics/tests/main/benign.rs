//! A week of a thousand callers who mean no harm: people in three time zones with lunch, weekends
//! and bad days, agents, applications behind one address with one template, nightly jobs, a
//! classifier in production, a monitor, an evaluation run, an outage, a colleague on a journey.

use atalaya_analytics::{Event, Source};
use atalaya_model::Decision;

use crate::traffic::{Dice, at, run, told};

const DAYS: u32 = 7;

/// How busy people are at an hour of their day.
fn activity(hour: f64, is_weekend: bool) -> f64 {
    let work = match hour as u32 {
        9..=11 | 14..=16 => 1.0,
        8 | 12 | 13 | 17 => 0.6,
        18..=21 => 0.15,
        7 | 22 => 0.05,
        _ => 0.004,
    };
    if is_weekend { work * 0.08 } else { work }
}

/// The second of the week of each call of a person.
fn working_hours(dice: &mut Dice, zone_h: f64, per_hour: f64) -> Vec<f64> {
    let mut times = Vec::new();
    for hour in 0..DAYS * 24 {
        let local = f64::from(hour) + zone_h;
        let day = (local / 24.0).floor().rem_euclid(7.0);
        let mean = per_hour * activity(local.rem_euclid(24.0), day >= 5.0);
        // Some hours are a rush: somebody has a deadline.
        let rush = if dice.below(60) == 0 {
            dice.between(2.0, 6.0)
        } else {
            1.0
        };
        for _ in 0..dice.arrivals(mean * rush) {
            times.push(f64::from(hour) * 3_600.0 + dice.between(0.0, 3_600.0));
        }
    }
    times
}

fn chat(dice: &mut Dice, seconds: f64, caller: &str) -> Event<'static> {
    let simhash = dice.roll();
    let score = if dice.below(200) == 0 {
        45 + dice.below(60)
    } else {
        dice.below(25)
    };
    let score = score.min(100) as u8;
    Event {
        caller: caller.to_owned().into(),
        model: ["assistant-1", "assistant-1", "assistant-mini"][dice.below(3) as usize].into(),
        path: "/v1/chat/completions".into(),
        simhash: Some(simhash),
        input: simhash | 1,
        turn: 1 + dice.below(6) as u32,
        input_tokens: Some(dice.skewed(700.0, 1.0) as u64),
        output_tokens: Some(dice.skewed(300.0, 0.8) as u64),
        latency_ms: Some(dice.skewed(900.0, 0.5)),
        score,
        decision: Some(if score >= 90 {
            Decision::Block
        } else {
            Decision::Allow
        }),
        status: if dice.below(300) == 0 { 400 } else { 200 },
        finish: if dice.below(400) == 0 {
            "content_filter"
        } else {
            "stop"
        }
        .into(),
        ..at(seconds)
    }
}

fn people(dice: &mut Dice, events: &mut Vec<Event<'static>>) {
    for person in 0..800_u32 {
        let caller = format!("person-{person}@example.org");
        let zone_h = [-5.0, 1.0, 9.0][person as usize % 3];
        let per_hour = dice.skewed(4.0, 0.9).min(60.0);
        let office = person % 3;
        let country = ["US", "DE", "JP"][office as usize];
        let agent =
            ["OpenAI/Python 1.99.1", "Mozilla/5.0", "LangChain/0.3"][dice.below(3) as usize];
        let home = format!(
            "82.{}.{}.{}",
            dice.below(200),
            dice.below(200),
            dice.below(200)
        );
        let is_traveller = person == 17;
        for seconds in working_hours(dice, zone_h, per_hour) {
            let mut event = chat(dice, seconds, &caller);
            let is_home = dice.below(10) == 0;
            event.address = if is_home {
                home.clone()
            } else {
                format!("10.{office}.0.7")
            }
            .into();
            event.user_agent = agent.into();
            event.country = country.into();
            if is_traveller && seconds > 3.6 * 86_400.0 {
                event.country = "SG".into();
                event.address = "203.0.113.9".into();
            }
            // The company's application puts everything into one mould.
            if person % 4 == 0 {
                event.template = 77;
            }
            // An upstream outage of forty minutes on Wednesday.
            if (225_000.0..227_400.0).contains(&seconds) {
                event.status = 503;
                event.output_tokens = None;
            }
            events.push(event);
        }
    }
}

fn agents(dice: &mut Dice, events: &mut Vec<Event<'static>>) {
    for agent in 0..100_u32 {
        let caller = format!("agent-{agent}");
        for (run, start) in working_hours(dice, 1.0, 1.5).into_iter().enumerate() {
            let trace = format!("{agent}-{run}");
            for step in 0..1 + dice.skewed(6.0, 0.6) as u32 {
                let pause = dice.between(2.0, 9.0);
                let mut event = chat(dice, start + f64::from(step) * pause, &caller);
                event.agent = caller.clone().into();
                event.trace = trace.clone().into();
                event.step = step + 1;
                event.tool_call = if dice.below(8) == 0 { 5 } else { dice.roll() };
                event.address = "10.9.0.4".into();
                event.documents = (0..dice.below(4))
                    .map(|_| format!("doc-{}", dice.below(400)).into())
                    .collect();
                events.push(event);
            }
        }
    }
}

/// Nightly and weekly jobs: one template, ever new inputs, at a machine's pace.
fn jobs(dice: &mut Dice, events: &mut Vec<Event<'static>>) {
    for job in 0..40_u32 {
        let caller = format!("svc-batch-{job}");
        let base = dice.roll();
        let calls = dice.skewed(1_200.0, 0.8).min(9_000.0) as u32;
        let is_weekly = job % 10 == 0;
        for day in 0..DAYS {
            if is_weekly && day != 5 {
                continue;
            }
            // The load of a job differs from night to night.
            let calls = (f64::from(calls) * dice.between(0.7, 1.4)) as u32;
            for call in 0..calls {
                let start = f64::from(day) * 86_400.0 + f64::from(job % 6) * 3_600.0;
                let gap = dice.between(1.9, 2.1);
                let mut event = chat(dice, start + f64::from(call) * gap, &caller);
                event.simhash = Some(dice.variant(base, 10));
                event.input = dice.roll();
                event.template = 1_000 + u64::from(job);
                event.turn = 1;
                // Summaries and extractions read more than they write; a few jobs generate.
                event.input_tokens = Some(dice.skewed(1_500.0, 0.4) as u64);
                event.output_tokens = Some(dice.skewed(220.0, 0.4) as u64);
                event.score = 0;
                event.decision = Some(Decision::Allow);
                event.address = "10.20.0.9".into();
                event.user_agent = "batch/2".into();
                events.push(event);
            }
        }
    }
}

/// Classifiers in production: images (inputs unlike), and texts behind a template (inputs alike).
fn classifiers(dice: &mut Dice, events: &mut Vec<Event<'static>>) {
    for service in 0..40_u32 {
        let caller = format!("svc-vision-{service}");
        let base = dice.roll();
        let is_text = service % 4 == 0;
        let per_hour = dice.skewed(25.0, 0.6);
        for seconds in working_hours(dice, f64::from(service % 3) * 4.0, per_hour) {
            let simhash = if is_text {
                dice.variant(base, 9)
            } else {
                dice.roll()
            };
            let class = dice.below(6);
            events.push(Event {
                source: Source::Inference,
                caller: caller.clone().into(),
                model: if is_text {
                    "sentiment-2"
                } else {
                    "image-clf-3"
                }
                .into(),
                simhash: Some(simhash),
                input: simhash | 1,
                label: format!("class-{class}").into(),
                confidence: Some((1.0 - dice.share().powi(2) * 0.45) as f32),
                address: "10.30.0.2".into(),
                status: 200,
                ..at(seconds)
            });
        }
    }
}

/// A health check every minute, an evaluation run with probabilities, a broken client, log rows of
/// a web server, and the pipeline of the data team.
fn the_rest(dice: &mut Dice, events: &mut Vec<Event<'static>>) {
    for minute in 0..DAYS * 1_440 {
        let mut event = chat(dice, f64::from(minute) * 60.0, "svc-monitor");
        (event.simhash, event.input, event.score) = (Some(99), 99, 0);
        event.decision = Some(Decision::Allow);
        events.push(event);
    }
    for call in 0..450_u32 {
        let mut event = chat(dice, 300_000.0 + f64::from(call) * 3.0, "svc-evaluation");
        event.logprobs = true;
        events.push(event);
    }
    for call in 0..200_u32 {
        events.push(Event {
            source: Source::Access,
            caller: "svc-broken".into(),
            path: "/v1/chat/completions".into(),
            status: 401,
            auth: "failure".into(),
            address: "10.2.0.77".into(),
            ..at(400_000.0 + f64::from(call) * 20.0)
        });
    }
    for (n, seconds) in working_hours(dice, 1.0, 40.0).into_iter().enumerate() {
        let paths = [
            "/v1/models",
            "/v1/chat/completions",
            "/v1/embeddings",
            "/metrics",
            "/health",
        ];
        events.push(Event {
            source: Source::Access,
            caller: format!("person-{}@example.org", n % 50).into(),
            path: paths[dice.below(5) as usize].into(),
            status: if dice.below(20) == 0 { 404 } else { 200 },
            address: "10.1.0.7".into(),
            ..at(seconds)
        });
    }
    for day in 0..DAYS {
        for set in 0..12_u32 {
            let rows = dice.skewed(4_000.0, 0.5) as u64;
            let label = |share: f64| ((rows as f64 * share) as u64) as f64;
            let spam = dice.between(0.18, 0.22);
            events.push(Event {
                source: Source::Audit,
                caller: format!("etl-{}", set % 3).into(),
                act: Some(Box::new(atalaya_analytics::Act {
                    operation: "upload".into(),
                    resource: "training_data".into(),
                    name: format!("set-{set}").into(),
                    resource_type: "dataset".into(),
                    sha256: format!("{:064x}", dice.roll()).into(),
                    rows_added: rows,
                    labels: vec![
                        ("spam".into(), label(spam)),
                        ("ham".into(), label(1.0 - spam)),
                    ],
                    ..atalaya_analytics::Act::default()
                })),
                ..at(f64::from(day) * 86_400.0 + f64::from(set) * 600.0 + 7_200.0)
            });
        }
    }
}

fn week(seed: u64) -> Vec<Event<'static>> {
    let mut dice = Dice(seed);
    let mut events = Vec::new();
    people(&mut dice, &mut events);
    agents(&mut dice, &mut events);
    jobs(&mut dice, &mut events);
    classifiers(&mut dice, &mut events);
    the_rest(&mut dice, &mut events);
    events
}

#[test]
fn a_week_of_a_thousand_callers_raises_less_than_an_alert_a_day() {
    for seed in [1, 2] {
        let mut events = week(seed);
        let callers: std::collections::HashSet<String> = events
            .iter()
            .map(|event| event.caller.to_string())
            .collect();
        assert!(callers.len() >= 950, "{}", callers.len());
        assert!(events.len() > 250_000, "{}", events.len());
        let findings = run(&mut events);
        assert!(
            findings.len() < DAYS as usize,
            "{} findings\n{}",
            findings.len(),
            told(&findings)
        );
    }
}
