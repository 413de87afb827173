//! A thousand callers: people in their time zones, services, classifiers, nightly jobs, CI,
//! agents, monitors, and a red team. Each has habits of its own; now and then one of them looks
//! like an attack.

mod agents;
mod classifiers;
mod jobs;
mod people;
mod redteam;
mod services;

use serde_json::json;

use crate::events::{self, Call, Origin, Who};
use crate::options::{Mix, Options};
use crate::random::Random;
use crate::rows::{DAY, HOUR, MINUTE, SECOND, START, Week};

pub(crate) use redteam::is_allowlisted;

const MODELS: &[&str] = &["assistant-large", "assistant-small", "coder-2"];
const COUNTRIES: &[&str] = &["DE", "US", "IN", "BR", "JP", "GB", "PL", "CA"];

/// Thursday afternoon the provider fails.
const OUTAGE: (i64, i64) = (
    START + 3 * DAY + 14 * HOUR,
    START + 3 * DAY + 15 * HOUR + 20 * MINUTE,
);
/// Tuesday at ten agents get new tools.
const NEW_TOOLS: i64 = START + DAY + 10 * HOUR;
/// Thursday at nine a new version of the largest model takes over.
const NEW_MODEL: i64 = START + 3 * DAY + 9 * HOUR;
/// Friday the offices reach the world through another provider, in another country.
const OTHER_PROVIDER: (i64, i64) = (START + 4 * DAY + 9 * HOUR, START + 4 * DAY + 15 * HOUR);
/// Wednesday morning services get new keys.
const ROTATION: i64 = START + 2 * DAY + 9 * HOUR;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Person,
    Service,
    Classifier,
    Job,
    Ci,
    Agent,
    Monitor,
    RedTeam,
}

impl Kind {
    /// Of a thousand callers, the kind of that one.
    const fn of(number: i64) -> Self {
        match number {
            0..=4 => Self::RedTeam,
            5..=11 => Self::Monitor,
            12..=51 => Self::Agent,
            52..=89 => Self::Job,
            90..=129 => Self::Ci,
            130..=174 => Self::Classifier,
            175..=299 => Self::Service,
            _ => Self::Person,
        }
    }
}

/// What a caller calls with.
fn client(is_person: bool, random: &mut Random) -> String {
    let browsers = [
        "Mozilla/5.0 Firefox/140.0",
        "Mozilla/5.0 Chrome/150.0",
        "Mozilla/5.0 Safari/19.1",
        "desk-app/4.2",
    ];
    let libraries = [
        "python-requests/2.33",
        "openai-python/2.9.1",
        "node-fetch/4",
        "Java-http-client/24",
        "Go-http-client/2.0",
    ];
    let known: &[&str] = if is_person { &browsers } else { &libraries };
    random.of(known).copied().unwrap_or("x").to_owned()
}

/// One caller.
struct Caller {
    number: i64,
    name: String,
    kind: Kind,
    zone: i64,
    origin: Origin,
    application: String,
    key: String,
    key_made: String,
    /// First day, from 0: new people start in the middle of the week.
    first_day: i64,
    mix: Mix,
    random: Random,
}

/// Adds everything that callers do.
pub(crate) fn add(week: &mut Week, options: &Options) {
    for number in 0..options.callers {
        let mut caller = Caller::new(number, options);
        for day in caller.first_day..options.days {
            caller.day(week, day);
        }
    }
    services::shared_probes(week, options);
}

impl Caller {
    fn new(number: i64, options: &Options) -> Self {
        let share = number * 1_000 / options.callers.max(1);
        let kind = Kind::of(share);
        let seed = options.seed.wrapping_mul(7_919) ^ u64::try_from(number + 1).unwrap_or(1) << 20;
        let mut random = Random::new(seed);
        random.next();
        let is_person = kind == Kind::Person;
        let office = random.below(6);
        let office_index = usize::try_from(office).unwrap_or(0);
        let client = client(is_person, &mut random);
        let address = match (is_person, random.below(3)) {
            // An office shares one address.
            (true, 0 | 1) => format!("198.51.100.{}", 10 + office),
            (true, _) => format!("203.0.{}.{}", random.below(250), random.below(250)),
            (false, _) => format!("10.20.{}.{}", number / 200, number % 200),
        };
        Self {
            number,
            name: if is_person {
                format!("person-{number}@corp.example")
            } else {
                format!("svc-{number}")
            },
            kind,
            zone: [-8, -5, 0, 1, 5, 9][office_index],
            origin: Origin {
                address,
                asn: if is_person {
                    3_300 + office
                } else {
                    16_500 + random.below(3)
                },
                country: if is_person {
                    COUNTRIES[office_index]
                } else {
                    "IE"
                },
                client,
            },
            application: if is_person {
                "portal".to_owned()
            } else {
                format!("app-{}", number % 60)
            },
            key: format!("key-{number}"),
            key_made: "2026-03-02T09:00:00Z".to_owned(),
            first_day: match kind {
                Kind::Person if random.once_in(30) => random.below(5),
                // Services and jobs are launched.
                Kind::Service if number % 31 == 3 => 2,
                Kind::Job if number % 17 == 1 => 3,
                _ => 0,
            },
            mix: options.mix,
            random,
        }
    }

    fn day(&mut self, week: &mut Week, day: i64) {
        let midnight = START + day * DAY;
        let is_weekend = day % 7 >= 5;
        if self.first_day > 0 && day == self.first_day {
            self.key_made =
                atalaya_model::Timestamp(midnight + (9 - self.zone) * HOUR).to_rfc3339();
        }
        match self.kind {
            Kind::Person if is_weekend && !self.random.once_in(7) => {}
            Kind::Person => people::day(self, week, midnight),
            Kind::Service => services::day(self, week, midnight, is_weekend),
            Kind::Classifier => classifiers::day(self, week, midnight),
            Kind::Job => jobs::day(self, week, midnight, day),
            Kind::Ci if is_weekend => {}
            Kind::Ci => jobs::pushes(self, week, midnight),
            Kind::Agent => agents::day(self, week, midnight, is_weekend),
            Kind::Monitor => services::monitor(self, week, midnight),
            Kind::RedTeam if is_weekend => {}
            Kind::RedTeam => redteam::day(self, week, midnight),
        }
    }

    fn uniform(&self) -> bool {
        self.mix == Mix::Uniform
    }

    /// More of it in a busy week.
    fn volume(&self, calls: i64) -> i64 {
        if self.mix == Mix::Busy {
            calls * 5 / 3
        } else {
            calls
        }
    }

    fn model(&mut self) -> String {
        self.random
            .of(MODELS)
            .copied()
            .unwrap_or("assistant-small")
            .to_owned()
    }

    /// Sends a call: now and then it fails, is found suspicious, or meets the outage.
    fn send(&mut self, week: &mut Week, call: Call) {
        let origin = self.origin.clone();
        self.send_from(week, &origin, call);
    }

    fn send_from(&mut self, week: &mut Week, origin: &Origin, mut call: Call) {
        let mix = self.mix;
        let upgrades = self.kind == Kind::Person || self.number % 4 == 1;
        if upgrades && call.time >= NEW_MODEL && call.model == MODELS[0] {
            call.model.push_str("-2");
        }
        if (OUTAGE.0..OUTAGE.1).contains(&call.time) && self.random.below(10) < 6 {
            self.outage(week, origin, call);
            return;
        }
        let one_in = match mix {
            Mix::Company => 260,
            Mix::Uniform => 150,
            Mix::Busy => 120,
        };
        if call.decision.get("ThreatDetection").is_none() && self.random.once_in(one_in) {
            call.decision = events::false_finding(&mut self.random, mix);
        }
        match self.random.below(700) {
            0 => call.status = 400,
            1 | 2 => call.status = 429,
            3 => call.status = 500,
            4 => call.status = 401,
            5 | 6 => {
                call.inference["OutputClass"] = json!("refusal");
                call.inference["FinishReason"] = json!("content_filter");
            }
            _ => {}
        }
        if self.random.once_in(2_500) {
            call.tokens.0 = 90_000 + self.random.below(90_000);
        }
        self.write(week, origin, &call);
    }

    /// Errors, and clients that try again.
    fn outage(&mut self, week: &mut Week, origin: &Origin, mut call: Call) {
        let statuses = [503, 503, 500, 429, 502];
        let tries = if self.kind == Kind::Person { 2 } else { 4 };
        call.input = self.random.next() | 1;
        for attempt in 0..tries {
            call.status = self.random.of(&statuses).copied().unwrap_or(503);
            call.tokens.1 = 0;
            call.inference["UpstreamLatencyMs"] = json!(60_000);
            self.write(week, origin, &call);
            call.time += (2 << attempt) * SECOND;
        }
    }

    fn write(&mut self, week: &mut Week, origin: &Origin, call: &Call) {
        let rotated = self.kind == Kind::Service && self.number % 2 == 0 && call.time > ROTATION;
        let (key, made) = if rotated {
            (
                format!("{}-r2", self.key),
                atalaya_model::Timestamp(ROTATION - 20 * MINUTE).to_rfc3339(),
            )
        } else {
            (self.key.clone(), self.key_made.clone())
        };
        let who = Who {
            name: &self.name,
            key: &key,
            key_made: &made,
            application: &self.application,
        };
        events::emit(week, &who, origin, call, &mut self.random);
    }
}
