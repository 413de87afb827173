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
use atalaya_model::SegmentKind;
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

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value_of = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1).cloned()
    };
    let misses = value_of("--misses");
    let alarms = arguments.iter().any(|a| a == "--alarms");
    let file = arguments.first().expect("a file of labelled texts");
    let rows = std::fs::read_to_string(file).expect("the file");
    let inspector = Inspector::builtin();
    let mut scratch = Scratch::default();
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut bytes = 0;
    let started = std::time::Instant::now();
    let mut rules: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for line in rows.lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let field = |name: &str| row[name].as_str().unwrap_or("").to_owned();
        let text = field("text");
        let attack = row["label"] == 1;
        let kind = match field("role").as_str() {
            "document" => SegmentKind::Document,
            "tool_output" => SegmentKind::ToolResult,
            _ => SegmentKind::User,
        };
        let verdict = inspector.inspect_text(&text, kind, &mut scratch);
        bytes += text.len();
        let acted_on = verdict.score >= ACTED_ON;
        let label = if attack { "attack" } else { "benign" };
        for key in [
            format!("1 kind     {label} {}", field("kind")),
            format!("2 role     {label} {}", field("role")),
            format!("3 language {label} {}", field("lang")),
            format!("4 source   {label} {}", field("source")),
            format!("0 all      {label}"),
        ] {
            let count = counts.entry(key).or_default();
            count.all += 1;
            count.acted_on += usize::from(acted_on);
            count.logged += usize::from(verdict.score >= LOGGED);
        }
        for finding in verdict.findings.iter().filter(|f| f.score >= LOGGED) {
            let slot = rules.entry(finding.rule.to_string()).or_default();
            if attack { slot.0 += 1 } else { slot.1 += 1 }
        }
        let missed = misses.as_ref().is_some_and(|kind| {
            attack && !acted_on && (*kind == field("kind") || *kind == field("source"))
        });
        if missed || (alarms && !attack && acted_on) {
            let found: Vec<String> = verdict
                .findings
                .iter()
                .map(|f| format!("{}={} {:?}", f.rule, f.score, f.span.slice(&text)))
                .collect();
            println!(
                "{} {} {} [{}] {:?}\n     {}",
                verdict.score,
                field("kind"),
                field("source"),
                field("role"),
                text.chars().take(300).collect::<String>(),
                found.join(" | ")
            );
        }
    }
    let spent = started.elapsed();
    if misses.is_none() && !alarms {
        for (key, count) in &counts {
            println!(
                "{key:60} {:6} acted on {:5.1} % logged {:5.1} %",
                count.all,
                percent(count.acted_on, count.all),
                percent(count.logged, count.all)
            );
        }
        println!("\nrule: attacks, benign (findings at {LOGGED} and more)");
        for (rule, (attack, benign)) in &rules {
            println!("{rule:55} {attack:6} {benign:6}");
        }
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
