//! Recall and false positives on labelled data, by kind, role, language and source.
//!
//! ```text
//! cargo run --release -p atalaya-inspect --example evaluate -- ../shared/prompts/train.jsonl [--misses KIND] [--alarms]
//! ```
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool for developers"
)]

use std::collections::BTreeMap;

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::{SegmentKind, Verdict};
use serde_json::Value;

/// Scores from which the default policy acts, and logs.
const ACTED_ON: u8 = 60;
const LOGGED: u8 = 30;

#[derive(Default)]
struct Count {
    all: usize,
    acted_on: usize,
    logged: usize,
}

/// What the command line asks for.
struct Options {
    file: String,
    /// Print missed attacks of this kind or source.
    misses: Option<String>,
    /// Print benign texts that would be acted on.
    alarms: bool,
}

impl Options {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let misses = arguments.iter().position(|argument| argument == "--misses");
        Self {
            file: arguments.first().expect("a file of labelled texts").clone(),
            misses: misses.and_then(|at| arguments.get(at + 1).cloned()),
            alarms: arguments.iter().any(|argument| argument == "--alarms"),
        }
    }
}

/// A labelled text.
struct Row(Value);

impl Row {
    fn field(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or("")
    }

    fn is_attack(&self) -> bool {
        self.0["label"] == 1
    }

    fn segment(&self) -> SegmentKind {
        match self.field("role") {
            "document" => SegmentKind::Document,
            "tool_output" => SegmentKind::ToolResult,
            _ => SegmentKind::User,
        }
    }
}

#[derive(Default)]
struct Tally {
    counts: BTreeMap<String, Count>,
    rules: BTreeMap<String, (usize, usize)>,
}

impl Tally {
    fn add(&mut self, row: &Row, verdict: &Verdict) {
        let label = if row.is_attack() { "attack" } else { "benign" };
        for key in [
            format!("1 kind     {label} {}", row.field("kind")),
            format!("2 role     {label} {}", row.field("role")),
            format!("3 language {label} {}", row.field("lang")),
            format!("4 source   {label} {}", row.field("source")),
            format!("0 all      {label}"),
        ] {
            let count = self.counts.entry(key).or_default();
            count.all += 1;
            count.acted_on += usize::from(verdict.score >= ACTED_ON);
            count.logged += usize::from(verdict.score >= LOGGED);
        }
        for finding in verdict.findings.iter().filter(|f| f.score >= LOGGED) {
            let slot = self.rules.entry(finding.rule.to_string()).or_default();
            if row.is_attack() {
                slot.0 += 1;
            } else {
                slot.1 += 1;
            }
        }
    }

    fn print(&self) {
        for (key, count) in &self.counts {
            println!(
                "{key:60} {:6} acted on {:5.1} % logged {:5.1} %",
                count.all,
                percent(count.acted_on, count.all),
                percent(count.logged, count.all)
            );
        }
        println!("\nrule: attacks, benign (findings at {LOGGED} and more)");
        for (rule, (attack, benign)) in &self.rules {
            println!("{rule:55} {attack:6} {benign:6}");
        }
    }
}

fn print_one(row: &Row, verdict: &Verdict) {
    let text = row.field("text");
    let found: Vec<String> = verdict
        .findings
        .iter()
        .map(|f| format!("{}={} {:?}", f.rule, f.score, f.span.slice(text)))
        .collect();
    println!(
        "{} {} {} [{}] {:?}\n     {}",
        verdict.score,
        row.field("kind"),
        row.field("source"),
        row.field("role"),
        text.chars().take(300).collect::<String>(),
        found.join(" | ")
    );
}

fn main() {
    let options = Options::read();
    let rows = std::fs::read_to_string(&options.file).expect("the file");
    let inspector = Inspector::builtin();
    let mut scratch = Scratch::default();
    let mut tally = Tally::default();
    let mut bytes = 0;
    let started = std::time::Instant::now();
    for line in rows.lines() {
        let row = Row(serde_json::from_str(line).expect("JSON"));
        let text = row.field("text");
        let verdict = inspector.inspect_text(text, row.segment(), &mut scratch);
        bytes += text.len();
        tally.add(&row, &verdict);
        let acted_on = verdict.score >= ACTED_ON;
        let missed = options.misses.as_ref().is_some_and(|kind| {
            row.is_attack()
                && !acted_on
                && (kind == row.field("kind") || kind == row.field("source"))
        });
        if missed || (options.alarms && !row.is_attack() && acted_on) {
            print_one(&row, &verdict);
        }
    }
    let spent = started.elapsed();
    if options.misses.is_none() && !options.alarms {
        tally.print();
    }
    println!(
        "{} MB, {:.1} ns/byte (with JSON), rules {}",
        bytes / 1_000_000,
        spent.as_nanos() as f64 / bytes as f64,
        inspector.ruleset_hash()
    );
}

fn percent(part: usize, all: usize) -> f64 {
    100.0 * part as f64 / all.max(1) as f64
}
