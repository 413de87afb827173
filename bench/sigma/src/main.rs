//! Events per second: ours beside rsigma, one thread, JSON parsing included, in one run on the
//! same rules and events, log sources ignored by both.
//!
//! ```text
//! atalaya-bench-sigma RULES.jsonl|RULES_DIR|pack:N EVENTS.jsonl [EVENTS.jsonl ...] [--alone] [--rounds N]
//! atalaya-bench-sigma keys:N        memory of a correlation with N groups
//! ```
//!
//! Both count their matches per event; differences are printed, so that speed is never bought
//! with a match. Rounds alternate, and the best of each is taken: the machine may be shared.

mod pack;

use std::alloc::{GlobalAlloc, Layout};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use atalaya_sigma::correlate::{Engine as Correlator, Limits};
use atalaya_sigma::matcher::{Matcher, Scratch};
use rsigma_eval::{Engine, JsonEvent};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Counts allocations: an event that matches nothing must need none.
struct Counting;

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { mimalloc::MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { mimalloc::MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { mimalloc::MiMalloc.realloc(pointer, layout, size) }
    }
}

/// Events of one timed run.
const EVENTS: usize = 20_000;

fn main() {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let alone = take(&mut files, "--alone");
    let rounds = option(&mut files, "--rounds").unwrap_or(3);
    let Some((rules, events)) = files.split_first() else {
        eprintln!("usage: atalaya-bench-sigma RULES EVENTS... [--alone] [--rounds N]");
        std::process::exit(2);
    };
    if let Some(count) = rules.strip_prefix("keys:") {
        return keys(count.parse().expect("a number"));
    }
    let rules = match rules.strip_prefix("pack:") {
        Some(count) => pack::rules(count.parse().expect("a number")),
        None => read_rules(rules),
    };
    let ours = ours(&rules);
    let theirs = (!alone).then(|| theirs(&rules));
    for file in events {
        let text = std::fs::read_to_string(file).expect("events");
        let lines: Vec<&str> = text.lines().collect();
        println!(
            "{file}: {} events, {} bytes each",
            lines.len(),
            text.len() / lines.len()
        );
        if let Some(theirs) = &theirs {
            differences(&ours, theirs, &lines);
        }
        allocations(&ours.0, &lines);
        let (mut best_ours, mut best_theirs) = (0.0_f64, 0.0_f64);
        for _ in 0..rounds {
            best_ours = best_ours.max(run_ours(&ours.0, &lines));
            if let Some(theirs) = &theirs {
                best_theirs = best_theirs.max(run_theirs(theirs, &lines));
            }
        }
        println!(
            "  atalaya {best_ours:>10.0} events/s  ({:.2} us)",
            1e6 / best_ours
        );
        if best_theirs > 0.0 {
            println!(
                "  rsigma  {best_theirs:>10.0} events/s  ({:.2} us)",
                1e6 / best_theirs
            );
            println!("  ratio   {:>10.1}", best_ours / best_theirs);
        }
    }
}

fn take(files: &mut Vec<String>, flag: &str) -> bool {
    let before = files.len();
    files.retain(|file| file != flag);
    files.len() != before
}

fn option(files: &mut Vec<String>, flag: &str) -> Option<usize> {
    let at = files.iter().position(|file| file == flag)?;
    let value = files.get(at + 1)?.parse().ok();
    files.drain(at..(at + 2).min(files.len()));
    value
}

fn read_rules(path: &str) -> Vec<String> {
    if std::path::Path::new(path).is_dir() {
        let mut texts = Vec::new();
        for entry in std::fs::read_dir(path).expect("rules") {
            let path = entry.expect("entry").path();
            if path.extension().is_some_and(|e| e == "yml") {
                texts.push(std::fs::read_to_string(path).expect("rule"));
            }
        }
        return texts;
    }
    let text = std::fs::read_to_string(path).expect("rules");
    let value = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("JSON") };
    let rule = |line: &str| {
        value(line)["rule_yaml"]
            .as_str()
            .expect("rule_yaml")
            .to_owned()
    };
    text.lines().map(rule).collect()
}

fn ours(rules: &[String]) -> (Matcher, Vec<String>) {
    let memory = resident();
    let start = Instant::now();
    let (collection, problems) = atalaya_sigma::parse_files(rules.iter().map(String::as_str));
    let read = start.elapsed();
    let matcher = Matcher::new(&collection).expect("compiles");
    let labels = collection
        .rules
        .iter()
        .map(|r| r.metadata.label().to_owned())
        .collect();
    drop(collection);
    let errors = problems
        .iter()
        .filter(|p| p.diagnostic.level == error_level())
        .count();
    println!(
        "atalaya: {} rules, {errors} errors, read {:.0} ms, with compiling {:.0} ms, {} MB more resident (peak {} MB), {} always looked at",
        matcher.len(),
        read.as_secs_f64() * 1e3,
        start.elapsed().as_secs_f64() * 1e3,
        resident().saturating_sub(memory) / 1024,
        peak() / 1024,
        matcher.always(),
    );
    (matcher, labels)
}

fn error_level() -> atalaya_sigma::Level {
    atalaya_sigma::Level::Error
}

fn theirs(rules: &[String]) -> Engine {
    let memory = resident();
    let start = Instant::now();
    let mut engine = Engine::new();
    let mut parsed = Vec::new();
    for rule in rules {
        match rsigma_parser::parse_sigma_yaml(rule) {
            Ok(collection) => parsed.extend(collection.rules),
            Err(error) => eprintln!("rsigma: {error}"),
        }
    }
    // All at once: rule by rule, its index of candidates is not built.
    let errors = engine.add_rules(parsed.iter());
    println!(
        "rsigma:  {} rules, {} errors, {:.0} ms, {} MB more resident",
        engine.rule_count(),
        errors.len(),
        start.elapsed().as_secs_f64() * 1e3,
        resident().saturating_sub(memory) / 1024,
    );
    engine
}

/// Allocations of a second pass over the events that match nothing.
fn allocations(matcher: &Matcher, lines: &[&str]) {
    let mut scratch = Scratch::default();
    let mut out = Vec::new();
    let mut missing = Vec::new();
    for line in lines {
        out.clear();
        matcher
            .matches(line, &mut scratch, None, &mut out)
            .expect("an event");
        if out.is_empty() {
            missing.push(*line);
        }
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for line in &missing {
        matcher
            .matches(line, &mut scratch, None, &mut out)
            .expect("an event");
    }
    let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
    println!(
        "  {made} allocations over {} events that match nothing",
        missing.len()
    );
}

/// CPU time of this thread, seconds: what others do on the machine does not count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

fn run_ours(matcher: &Matcher, lines: &[&str]) -> f64 {
    let mut scratch = Scratch::default();
    let mut out = Vec::new();
    let mut matches = 0;
    let start = cpu_seconds();
    for line in lines.iter().cycle().take(EVENTS) {
        out.clear();
        matcher
            .matches(line, &mut scratch, None, &mut out)
            .expect("an event");
        matches += out.len();
    }
    let rate = EVENTS as f64 / (cpu_seconds() - start);
    if std::env::var_os("VERBOSE").is_some() {
        println!(
            "  {matches} matches, {:.1} conditions an event",
            scratch.evaluated as f64 / EVENTS as f64
        );
    }
    rate
}

fn run_theirs(engine: &Engine, lines: &[&str]) -> f64 {
    let events = EVENTS / 4;
    let start = cpu_seconds();
    for line in lines.iter().cycle().take(events) {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        std::hint::black_box(engine.evaluate(&JsonEvent::borrow(&value)));
    }
    events as f64 / (cpu_seconds() - start)
}

fn differences((matcher, labels): &(Matcher, Vec<String>), engine: &Engine, lines: &[&str]) {
    let mut scratch = Scratch::default();
    let mut differing: BTreeMap<String, (usize, usize, String)> = BTreeMap::new();
    let mut matches = 0;
    for line in lines {
        let mut out = Vec::new();
        matcher
            .matches(line, &mut scratch, None, &mut out)
            .expect("an event");
        matches += out.len();
        let mine: BTreeSet<&str> = out
            .iter()
            .map(|rule| labels[*rule as usize].as_str())
            .collect();
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let found = engine.evaluate(&JsonEvent::borrow(&value));
        let yours: BTreeSet<String> = found
            .iter()
            .map(|result| {
                let header = &result.header;
                header
                    .rule_id
                    .clone()
                    .unwrap_or_else(|| header.rule_title.clone())
            })
            .collect();
        for label in &mine {
            if !yours.contains(*label) {
                let entry = differing.entry((*label).to_owned()).or_default();
                entry.0 += 1;
                entry.2 = (*line).to_owned();
            }
        }
        for label in &yours {
            if !mine.contains(label.as_str()) {
                let entry = differing.entry(label.clone()).or_default();
                entry.1 += 1;
                entry.2 = (*line).to_owned();
            }
        }
    }
    println!(
        "  {matches} matches, {} rules with differences",
        differing.len()
    );
    for (label, (mine, yours, event)) in differing.iter().take(20) {
        println!("    {label}: only ours {mine}, only theirs {yours}, e.g. {event}");
    }
}

/// Groups of a correlation: twice as many as are kept.
fn keys(count: usize) {
    let rules = "title: b\nname: b\nlogsource: {product: x}\ndetection:\n  a: {A: x}\n  condition: a\n---\ntitle: c\ncorrelation:\n  type: event_count\n  rules: [b]\n  group-by: [user, src_ip]\n  timespan: 1h\n  condition: {gte: 5}\n";
    let collection = atalaya_sigma::parse(rules).expect("rules");
    let limits = Limits {
        keys_max: count,
        ..Limits::default()
    };
    let mut engine = Correlator::new(&collection, limits).expect("compiles");
    let (before, start) = (resident(), Instant::now());
    let mut out = Vec::new();
    for number in 0..count * 2 {
        let event = format!(
            "{{\"A\": \"x\", \"user\": \"user{number}@example.com\", \"src_ip\": \"10.{}.{}.{}\", \"timestamp\": {}}}",
            number >> 16 & 255,
            number >> 8 & 255,
            number & 255,
            1_770_000_000 + number / 10_000
        );
        engine
            .process(&event, number as u64, None, &mut out)
            .expect("an event");
    }
    println!(
        "{} groups kept, {} forgotten and counted, {} MB, {:.0} events/s, snapshot {} MB",
        engine.keys(),
        engine.counts().evicted_keys,
        (resident() - before) / 1024,
        count as f64 * 2.0 / start.elapsed().as_secs_f64(),
        engine.snapshot().len() >> 20,
    );
}

/// Resident memory in KiB.
fn resident() -> u64 {
    status("VmRSS:")
}

fn peak() -> u64 {
    status("VmHWM:")
}

fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
