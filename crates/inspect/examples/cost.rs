//! What judging costs on labelled texts, in processor time: it can be measured on a busy machine.
//! With a second file, writes every text's score, to compare two versions of the rules; further
//! arguments are the bytes that are judged for each figure, the only length that is measured and the
//! only kind of text (a part of its name).
//!
//! ```text
//! cargo run --release -p atalaya-inspect --example cost -- ../shared/prompts/dev.jsonl [SCORES [BYTES [LENGTH [KIND]]]]
//! ```
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool for developers"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::SegmentKind;
use serde_json::Value;

/// Bytes of the inputs that are measured.
const LENGTHS: [usize; 4] = [200, 2_000, 32_000, 512_000];
/// Bytes that are judged for one figure, unless an argument says otherwise.
const BYTES_PER_FIGURE: usize = 2_000_000;

/// Nanoseconds of processor time of this thread.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().unwrap().parse().unwrap()
}

fn kind(role: &str) -> SegmentKind {
    match role {
        "document" => SegmentKind::Document,
        "tool_output" => SegmentKind::ToolResult,
        _ => SegmentKind::User,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = std::fs::read_to_string(&arguments[0]).expect("the file");
    let rows: Vec<Value> = file
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let started = processor_time();
    let inspector = Inspector::builtin();
    println!("built in {} ms", (processor_time() - started) / 1_000_000);
    let mut scratch = Scratch::default();
    let bytes_per_figure = arguments
        .get(2)
        .map_or(BYTES_PER_FIGURE, |bytes| bytes.parse().expect("a number"));
    let only: Option<usize> = arguments
        .get(3)
        .map(|length| length.parse().expect("a length"));
    let wanted = arguments.get(4).map_or("", String::as_str);
    if let Some(out) = arguments.get(1).filter(|out| !out.is_empty()) {
        let mut scores = String::new();
        for row in &rows {
            let text = row["text"].as_str().unwrap();
            let role = row["role"].as_str().unwrap();
            let verdict = inspector.inspect_text(text, kind(role), &mut scratch);
            writeln!(
                scores,
                "{} {} {} {} {:?}",
                row["id"], row["source"], row["label"], verdict.score, verdict.pattern
            )
            .unwrap();
        }
        std::fs::write(out, scores).expect("the file of scores");
    }
    for (name, label, role) in [
        ("innocent user", 0, "user"),
        ("innocent document", 0, "document"),
        ("innocent tool output", 0, "tool_output"),
        ("attack user", 1, "user"),
        ("attack document", 1, "document"),
    ] {
        let texts: String = rows
            .iter()
            .filter(|row| row["label"] == label && row["role"] == role)
            .map(|row| row["text"].as_str().unwrap().to_owned() + "\n\n")
            .collect();
        if texts.is_empty() || !name.contains(wanted) {
            continue;
        }
        for length in LENGTHS.into_iter().filter(|l| only.is_none_or(|o| o == *l)) {
            let inputs = inputs(&texts, length, bytes_per_figure);
            // Patterns are built when they are first tried: that is start-up, not judging.
            for input in &inputs {
                black_box(inspector.inspect_text(input, kind(role), &mut scratch));
            }
            let started = processor_time();
            for input in &inputs {
                black_box(inspector.inspect_text(input, kind(role), &mut scratch));
            }
            let spent = (processor_time() - started) as f64;
            let bytes: usize = inputs.iter().map(String::len).sum();
            println!(
                "{name:20} {length:7} B: {:8.1} us, {:6.1} ns/byte",
                spent / inputs.len() as f64 / 1000.0,
                spent / bytes as f64
            );
        }
    }
}

/// Pieces of a length, on character boundaries, until there are enough bytes.
fn inputs(texts: &str, length: usize, bytes: usize) -> Vec<String> {
    let endless = texts.repeat(length / texts.len() + 1);
    let mut inputs = Vec::new();
    let mut at = 0;
    while inputs.len() * length < bytes {
        let end = endless.floor_char_boundary(at + length);
        if end >= endless.len() {
            at = 0;
            inputs.push(endless[..endless.floor_char_boundary(length)].to_owned());
            continue;
        }
        inputs.push(endless[at..end].to_owned());
        at = end;
    }
    inputs
}
