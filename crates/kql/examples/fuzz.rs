//! Mutates queries and watches lexer, parser, binder and formatter: nothing may panic, take longer
//! than a second, or format to something that formats differently.
//!
//! ```sh
//! cargo run --release -p atalaya-kql --example fuzz -- queries.jsonl --seconds 3600
//! ```
//!
//! Seeds are lines of JSON with a `query`. Mutations cut, repeat, swap and splice tokens and bytes;
//! the same seed number gives the same mutations. A finding is written to `finding-N.kql`.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a tool for developers, not part of the product"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use atalaya_kql::{BindOptions, LogTables, bind, format};

const OPTIONS: BindOptions = BindOptions {
    now_ticks: 638_900_000_000_000_000,
    strict: true,
};
const SLOW: Duration = Duration::from_secs(1);
/// Queries of many plugins and functions, so that their code is reached without a corpus.
const SEEDS: [&str; 5] = [
    "AuditLog | where TimeGenerated > ago(1h) | summarize n = count() by UserId | sort by n desc",
    "let f = (T: (*), n: long = 1) { T | take n }; f(AuditLog) | evaluate basket(0.1)",
    "AuditLog | make-series c = count() on TimeGenerated step 1h by UserId | extend series_fft(c)",
    "AuditLog | parse UserId with 'a' x:long 'b' y | mv-expand z = parse_json(y) to typeof(string)",
    "search in (AuditLog) 'a' and not(UserId has_any ('b', @'c')) | fork (count) (facet by UserId)",
];

fn main() {
    let mut seconds = 60;
    let mut number = 1;
    let mut seeds: Vec<String> = SEEDS.map(str::to_owned).into();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--seconds" => seconds = value().expect("a number of seconds"),
            "--seed" => number = value().expect("a number"),
            path => {
                let text = std::fs::read_to_string(path).expect("a file of seeds");
                seeds.extend(text.lines().filter_map(query_of));
            }
        }
    }
    std::panic::set_hook(Box::new(|_| {}));
    let mut random = Random(number);
    let (started, mut runs, mut findings, mut slowest) = (Instant::now(), 0_u64, 0, SLOW / 10);
    while started.elapsed() < Duration::from_secs(seconds) {
        let query = mutated(&seeds, &mut random);
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&query)));
        let took = begun.elapsed();
        let problem = match outcome {
            Err(_) => Some("it panicked"),
            Ok(Some(problem)) => Some(problem),
            Ok(None) if took > SLOW => Some("it took longer than a second"),
            Ok(None) => None,
        };
        slowest = slowest.max(took);
        runs += 1;
        if let Some(problem) = problem {
            findings += 1;
            let path = format!("finding-{findings}.kql");
            std::fs::write(&path, &query).expect("the finding is written");
            println!("{path}: {problem}");
        }
    }
    println!("{runs} queries, {findings} findings, slowest {slowest:?}");
    std::process::exit(i32::from(findings > 0));
}

fn query_of(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(value["query"].as_str()?.to_owned())
}

fn run(query: &str) -> Option<&'static str> {
    let _ = bind(query, &LogTables, OPTIONS);
    let Ok(once) = format(query) else {
        return None;
    };
    match format(&once) {
        Ok(twice) if twice == once => None,
        Ok(_) => Some("formatting twice is not formatting once"),
        Err(_) => Some("what was formatted does not parse"),
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % limit.max(1) as u64).unwrap_or(0)
    }
}

fn mutated(seeds: &[String], random: &mut Random) -> String {
    let mut parts = pieces(&seeds[random.below(seeds.len())]);
    for _ in 0..=random.below(6) {
        let at = random.below(parts.len());
        let to = random.below(parts.len());
        match random.below(7) {
            0 if parts.len() > 1 => {
                parts.remove(at);
            }
            1 => parts.insert(at, parts[to].clone()),
            2 => parts.swap(at, to),
            3 => {
                let other = pieces(&seeds[random.below(seeds.len())]);
                let from = random.below(other.len());
                let count = random.below(12).min(other.len() - from);
                parts.splice(at..at, other[from..from + count].iter().cloned());
            }
            4 => parts.truncate(at.max(1)),
            5 => {
                let again = parts[at].clone();
                let times = 1 << random.below(8);
                parts.splice(at..at, std::iter::repeat_n(again, times));
            }
            _ => {
                const BYTES: [&str; 12] = [
                    "\"", "'", "\\", "(", ")", "{", "|", ";", "\0", "é", "`", "@",
                ];
                parts.insert(at, BYTES[random.below(BYTES.len())].to_owned());
            }
        }
        if parts.is_empty() {
            parts.push(" ".to_owned());
        }
    }
    parts.concat()
}

/// Words, gaps and single signs.
fn pieces(query: &str) -> Vec<String> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 0,
        c if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut parts: Vec<String> = Vec::new();
    let mut last = 3;
    for c in query.chars() {
        match parts.last_mut() {
            Some(part) if last == kind(c) && last < 2 => part.push(c),
            _ => parts.push(c.to_string()),
        }
        last = kind(c);
    }
    if parts.is_empty() {
        parts.push(" ".to_owned());
    }
    parts
}
