//! Breaks rules, pipelines and events at random and looks for panics.
//!
//! `cargo run -p atalaya-sigma --example fuzz_rules -- SECONDS [SEED] [RULES.jsonl]`: the file has a rule
//! in `rule_yaml` of each line; without it, built-in pieces are broken. A panic prints the seed of
//! its round, with which `fuzz_rules 0 SEED` repeats it.

#![allow(
    clippy::print_stdout,
    clippy::panic,
    reason = "a tool that reports to who runs it, and ends by the panic it looks for"
)]

use std::time::{Duration, Instant};

use atalaya_sigma::convert::{self, Format, Language, Options, Written};
use atalaya_sigma::correlate::{Engine, Limits};
use atalaya_sigma::pipeline::{NAMES, Pipeline, Pipelines};

const RULE: &str = include_str!("fuzz_rules/rules.yml");
const PIPELINE: &str = include_str!("fuzz_rules/pipeline.yml");
const EVENT: &str = r#"{"Image":"C:\\a.exe","CommandLine":"x -a /b \"q\" é","n":{"a":[1,{"b":null}]},"User":"D\\u","P":80,"T":"2026-01-01T03:04:05Z","I":"10.1.2.3","timestamp":"2026-01-01T00:00:00Z"}"#;
/// What is put into texts: what YAML, Sigma, JSON and the target languages mean something by.
const SPICE: &[&str] = &[
    "*",
    "?",
    "\\",
    "\"",
    "'",
    ":",
    "|",
    "%",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "-",
    "\n",
    "  ",
    "é",
    "\u{0}",
    "\u{2028}",
    "&a",
    "*a",
    "!!x",
    "---\n",
    "|all",
    "|re",
    "|base64offset",
    "|windash",
    "|cidr",
    "|fieldref",
    "|expand",
    "null",
    "1e999",
    "-0",
    "99999999999999999999",
    "1 of ",
    "not ",
    " and ",
    "all of them",
    "timespan: 9999999d",
    "gte: -1",
];

fn main() {
    let mut args = std::env::args().skip(1);
    let seconds = args.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    let seed = args.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let corpus = args.next().map_or_else(Vec::new, |path| rules(&path));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut round: u64 = seed;
    loop {
        let outcome = std::panic::catch_unwind(|| once(round, &corpus));
        assert!(outcome.is_ok(), "round {round} panics");
        round += 1;
        if Instant::now() >= end {
            break;
        }
    }
    println!("{} rounds from seed {seed}, no panic", round - seed);
}

/// The rules of a file of JSON lines.
fn rules(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rule = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        value["rule_yaml"].as_str().map(str::to_owned)
    };
    text.lines().filter_map(rule).collect()
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }

    /// The text with a few characters gone, doubled, moved or replaced.
    fn broken(&mut self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..self.below(6) {
            let at = self.below(chars.len());
            match self.below(6) {
                0 if !chars.is_empty() => drop(chars.remove(at)),
                1 => chars.truncate(at),
                2 => {
                    let to = (at + self.below(40)).min(chars.len());
                    let piece: Vec<char> = chars[at.min(to)..to].to_vec();
                    let target = self.below(chars.len());
                    chars.splice(target..target, piece);
                }
                _ => {
                    let spice = SPICE[self.below(SPICE.len())];
                    chars.splice(at..at, spice.chars());
                }
            }
        }
        chars.into_iter().collect()
    }
}

fn once(seed: u64, corpus: &[String]) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let rule = if corpus.is_empty() || random.below(3) == 0 {
        RULE
    } else {
        corpus[random.below(corpus.len())].as_str()
    };
    let text = random.broken(rule);
    let (collection, problems) = atalaya_sigma::parse_files([text.as_str()]);
    for problem in problems {
        assert!(
            problem.diagnostic.span.start <= text.len(),
            "a span outside of the text"
        );
    }
    let _ = atalaya_sigma::check(&collection);
    let mended = atalaya_sigma::apply_edits(&text, &collection.fixes);
    let _ = atalaya_sigma::parse_files([mended.as_str()]);
    let mut list: Vec<Pipeline> = Pipeline::parse(&random.broken(PIPELINE))
        .into_iter()
        .collect();
    list.extend(
        Pipeline::named(NAMES[random.below(NAMES.len())]).filter(|_| seed.is_multiple_of(3)),
    );
    let pipelines = Pipelines::new(list);
    for (_, language) in Language::NAMES {
        let options = Options {
            exact: random.below(2) == 0,
            table: (random.below(2) == 0).then(|| "T".to_owned()),
            ..Options::default()
        };
        for one in convert::convert(&collection, *language, &pipelines, &options) {
            let Ok(queries) = &one.result else { continue };
            for (query, (_, format)) in queries.iter().zip(Format::NAMES.iter().cycle()) {
                let metadata = &one.metadata;
                let _ = convert::write(&[Written { metadata, query }], *language, *format);
            }
        }
    }
    let mut rewritten = collection.clone();
    let _ = pipelines.rewrite(&mut rewritten);
    for collection in [&collection, &rewritten] {
        stream(&mut random, collection);
    }
}

fn stream(random: &mut Random, collection: &atalaya_sigma::ir::Collection) {
    let limits = Limits {
        keys_max: 3,
        events_per_key_max: 4,
        ..Limits::default()
    };
    let Ok(mut engine) = Engine::new(collection, limits) else {
        return;
    };
    let mut out = Vec::new();
    for number in 0..6 {
        let event = random.broken(EVENT);
        let _ = engine.process(&event, number, None, &mut out);
        let _ = engine.process(EVENT, number, None, &mut out);
        for rule in &collection.rules {
            let _ = atalaya_sigma::explain::explain(rule, &event);
        }
    }
    let snapshot = engine.snapshot();
    let at = random.below(snapshot.len());
    let _ = engine.restore(&snapshot[..at]);
    let mut damaged = snapshot.clone();
    if let Some(byte) = damaged.get_mut(at) {
        *byte ^= 0x55;
    }
    let _ = engine.restore(&damaged);
    assert!(
        engine.restore(&snapshot).is_ok(),
        "a snapshot is not read again"
    );
    let _ = engine.process(EVENT, 9, None, &mut out);
    let _ = engine.reload(collection);
}
