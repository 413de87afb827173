//! `atalaya evaluate`: one text, call or answer in, a decision out.

use std::io::Read as _;
use std::path::PathBuf;

use atalaya_companion::{Client, ClientError, Evaluated};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::node::{WhichNode, bad};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Longest input, bytes.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Ask what the policy says: a text, a tool, a call or an answer in, a decision out
///
/// Exit code 1 when the decision is BLOCK. The decision is logged like that of any call.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The text; `-` reads standard input.
    #[arg(required_unless_present_any = ["call", "answer", "tool"], conflicts_with_all = ["call", "answer", "tool"])]
    text: Option<String>,
    /// Whose text it is: user, system, assistant, tool_result, document, …
    #[arg(long, default_value = "user")]
    role: String,
    /// File with a whole call as it would be sent to the provider; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["answer", "tool"])]
    call: Option<PathBuf>,
    /// File with a whole answer as it came from the provider; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "tool")]
    answer: Option<PathBuf>,
    /// Path that the call is sent to; it says whose format it is.
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// A tool that is about to be executed.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// What it is called with, JSON.
    #[arg(long, default_value = "{}", requires = "tool")]
    arguments: String,
    /// Model.
    #[arg(long)]
    model: Option<String>,
    /// Who asks.
    #[arg(long)]
    user: Option<String>,
    /// Conversation that it belongs to.
    #[arg(long)]
    session: Option<String>,
    /// Output format; a line of text by default, JSON is the node's whole answer.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    node: WhichNode,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let request = args.request()?;
    let node = args.node.reach()?;
    let mut client = Client::new(node.asked.clone()).map_err(bad)?;
    let answered = client.evaluate(request);
    drop(client);
    let ended = node.end();
    let (evaluated, answer) = answered.map_err(failure)?;
    ended?;
    let mut shown = match args.format {
        Some(Format::Table) | None => line(&evaluated, &answer),
        Some(_) => String::from_utf8_lossy(&answer).into_owned(),
    };
    shown.push('\n');
    output::data(&shown).map_err(|error| Failure::world("writing the decision", error))?;
    Ok(if evaluated.decision == "BLOCK" {
        Exit::Found
    } else {
        Exit::Fine
    })
}

fn failure(error: ClientError) -> Failure {
    match error {
        ClientError::Unreachable { .. } => Failure::CouldNotRun(format!(
            "{error}; start one with `atalaya serve`, or decide here with --data-dir"
        )),
        other => bad(other),
    }
}

fn line(evaluated: &Evaluated, answer: &[u8]) -> String {
    let read: Value = serde_json::from_slice(answer).unwrap_or_default();
    let text = |name: &str| read[name].as_str().unwrap_or("").to_owned();
    let mut out = format!("{} score {}", evaluated.decision, read["threat_score"]);
    for part in [text("threat_detection"), text("rule")] {
        if !part.is_empty() {
            out.push(' ');
            out.push_str(&part);
        }
    }
    out.push_str(&format!(" ({}, {})", text("reason"), evaluated.decision_id));
    out
}

impl Args {
    fn request(&self) -> Result<Vec<u8>, Failure> {
        let mut request = json!({
            "model": self.model, "user": self.user, "session": self.session,
        });
        let members = request.as_object_mut();
        let Some(members) = members else {
            return Err(Failure::CouldNotRun("no request".to_owned()));
        };
        members.retain(|_, value| !value.is_null());
        if let Some(name) = &self.tool {
            let arguments: Value = serde_json::from_str(&self.arguments)
                .map_err(|error| Failure::BadInput(format!("error: --arguments: {error}")))?;
            members.insert(
                "tool".to_owned(),
                json!({"name": name, "arguments": arguments}),
            );
        } else if let Some(text) = &self.text {
            let text = if text == "-" {
                let bytes = input(None)?;
                String::from_utf8(bytes).map_err(|_| {
                    Failure::BadInput("error: standard input is not UTF-8".to_owned())
                })?
            } else {
                text.clone()
            };
            members.insert(
                "texts".to_owned(),
                json!([{"role": self.role, "text": text}]),
            );
        } else {
            return self.with_document(&request);
        }
        Ok(request.to_string().into_bytes())
    }

    /// A call or an answer goes as it is written, byte for byte.
    fn with_document(&self, request: &Value) -> Result<Vec<u8>, Failure> {
        let (name, path) = match (&self.call, &self.answer) {
            (Some(path), _) => ("call", path),
            (None, Some(path)) => ("answer", path),
            (None, None) => return Err(Failure::BadInput("error: nothing is given".to_owned())),
        };
        let from = (path.as_os_str() != "-").then_some(path);
        let bytes = input(from)?;
        let raw: &RawValue = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::BadInput(format!("error: {} is no JSON: {error}", path.display()))
        })?;
        let mut out = request.to_string();
        out.pop();
        if !out.ends_with('{') {
            out.push(',');
        }
        out.push_str(&format!("\"path\":{},\"{name}\":{raw}}}", json!(self.path)));
        Ok(out.into_bytes())
    }
}

fn input(path: Option<&PathBuf>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match path {
        Some(path) => std::fs::File::open(path)
            .and_then(|file| file.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)),
        None => std::io::stdin()
            .lock()
            .take(INPUT_BYTES_MAX + 1)
            .read_to_end(&mut bytes),
    };
    let name = path.map_or_else(
        || "standard input".to_owned(),
        |path| path.display().to_string(),
    );
    let length =
        read.map_err(|error| Failure::BadInput(format!("error: cannot read {name}: {error}")))?;
    if u64::try_from(length).unwrap_or(u64::MAX) > INPUT_BYTES_MAX {
        return Err(Failure::BadInput(format!(
            "error: {name} is longer than {INPUT_BYTES_MAX} bytes"
        )));
    }
    Ok(bytes)
}
