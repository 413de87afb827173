//! `atalaya scan`: texts in, assessments out, without a gateway.
//!
//! Order is kept, one answer per line. A line that cannot be read gets an `error` in its place;
//! the others are scanned all the same. The text itself is never repeated.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use atalaya_inspect::{Explanation, Scratch};
use atalaya_model::SegmentKind;
use atalaya_policy::CallFacts;
use atalaya_server::open;
use serde::Deserialize;
use serde_json::{Value, json};

use super::common::Place;
use crate::exit::{Exit, Failure};
use crate::output;

/// Longest line, bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Assess texts: JSON lines {"id","text","role"} in, one assessment per line out
///
/// `role` is user (the default), document or tool_output. Policy and detectors are those of the
/// configuration. Findings do not change the exit code; lines that cannot be read make it 2.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File of JSON lines; `-` or nothing reads standard input.
    file: Option<PathBuf>,
    /// Add the places of the words that weighed most for the classifier, with their log-odds.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Value,
    text: String,
    #[serde(default)]
    role: Role,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    #[default]
    User,
    Document,
    ToolOutput,
    System,
    Assistant,
}

impl Role {
    const fn kind(self) -> SegmentKind {
        match self {
            Self::User => SegmentKind::User,
            Self::Document => SegmentKind::Document,
            Self::ToolOutput => SegmentKind::ToolResult,
            Self::System => SegmentKind::System,
            Self::Assistant => SegmentKind::Assistant,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = args.place.load()?;
    let policy = open::policy(&config)?;
    let inspector = open::inspector(&config)?;
    let input: Box<dyn BufRead> = match args.file.as_deref() {
        Some(path) if path.as_os_str() != "-" => {
            let file = File::open(path).map_err(|error| {
                Failure::BadInput(format!("error: cannot read {}: {error}", path.display()))
            })?;
            Box::new(BufReader::with_capacity(1 << 16, file))
        }
        _ => Box::new(io::stdin().lock()),
    };
    let mut bad_lines = 0_u64;
    let mut scratch = Scratch::default();
    output::stream(|out| {
        each_line(input, |number, line| {
            let answer = match read(line) {
                Ok(line) => {
                    let verdict =
                        inspector.inspect_text(&line.text, line.role.kind(), &mut scratch);
                    let outcome = policy.decide(&verdict, &CallFacts::default());
                    let mut answer = assessment(&line.id, &verdict, outcome.would_decision);
                    if args.explain {
                        let kind = line.role.kind();
                        let explanation = inspector.explain(&line.text, kind, &mut scratch);
                        answer["Explanation"] = explained(explanation);
                    }
                    answer
                }
                Err(reason) => {
                    bad_lines += 1;
                    json!({"line": number, "error": reason})
                }
            };
            writeln!(out, "{answer}")
        })
    })
    .map_err(|error| Failure::world("scanning", error))?;
    if bad_lines > 0 {
        return Err(Failure::BadInput(format!(
            "error: {bad_lines} lines could not be read; each has its reason in the output"
        )));
    }
    Ok(Exit::Fine)
}

fn assessment(
    id: &Value,
    verdict: &atalaya_model::Verdict,
    decision: atalaya_model::Decision,
) -> Value {
    let findings: Vec<Value> = verdict
        .findings
        .iter()
        .map(|finding| {
            json!({
                "category": finding.category.as_str(),
                "score": finding.score,
                "rule": finding.rule,
                "start": finding.span.start,
                "end": finding.span.end,
                "atlas": finding.atlas,
            })
        })
        .collect();
    json!({
        "id": id,
        "ThreatScore": verdict.score,
        "ThreatDetection": verdict.detection.map_or("", |category| category.as_str()),
        "DetectedPattern": verdict.pattern.as_deref().unwrap_or(""),
        "Decision": decision.as_str(),
        "Findings": findings,
    })
}

/// `null` where the classifier has no say: the system's and the model's own words.
fn explained(explanation: Option<Explanation>) -> Value {
    let Some(explanation) = explanation else {
        return Value::Null;
    };
    // Three digits are more than the weights have.
    let rounded = |value: f32| f64::from((value * 1000.0).round()) / 1000.0;
    let weights: Vec<Value> = explanation
        .weights
        .iter()
        .map(|weight| {
            json!({
                "start": weight.span.start,
                "end": weight.span.end,
                "log_odds": rounded(weight.log_odds),
            })
        })
        .collect();
    json!({
        "language": explanation.language,
        "trick": explanation.trick,
        "log_odds": rounded(explanation.log_odds),
        "suffix_start": explanation.suffix,
        "weights": weights,
    })
}

/// The line, or why it cannot be read; the reason never repeats the text.
fn read(line: &[u8]) -> Result<Line, String> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
    serde_json::from_str(text).map_err(|error| {
        let place = error.column();
        match error.classify() {
            serde_json::error::Category::Data => {
                let object = serde_json::from_str::<serde_json::Map<String, Value>>(text);
                wrong_member(object.as_ref().ok())
            }
            _ => format!("not a JSON object: broken at column {place}"),
        }
    })
}

fn wrong_member(object: Option<&serde_json::Map<String, Value>>) -> String {
    let Some(object) = object else {
        return "not a JSON object; write {\"id\": …, \"text\": \"…\"}".to_owned();
    };
    match object.get("text") {
        None => "`text` is missing".to_owned(),
        Some(text) if !text.is_string() => "`text` is not a string".to_owned(),
        Some(_) => "`role` must be user, document, tool_output, system or assistant".to_owned(),
    }
}

/// Calls for every line that is not blank; a line that is too long is cut and will not be JSON.
fn each_line(
    mut input: Box<dyn BufRead>,
    mut with: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = io::Read::take(&mut input, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        if !line.ends_with(b"\n") && read as u64 == LINE_BYTES_MAX {
            skip_rest(&mut input)?;
        }
        if !line.trim_ascii().is_empty() {
            with(number, line.trim_ascii())?;
        }
    }
}

fn skip_rest(input: &mut Box<dyn BufRead>) -> io::Result<()> {
    loop {
        let buffered = input.fill_buf()?;
        let Some(end) = buffered.iter().position(|byte| *byte == b'\n') else {
            let length = buffered.len();
            if length == 0 {
                return Ok(());
            }
            input.consume(length);
            continue;
        };
        input.consume(end + 1);
        return Ok(());
    }
}
