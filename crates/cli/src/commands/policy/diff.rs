//! `atalaya policy diff [FROM] [TO]`: what changes, setting by setting.
//!
//! Policies are compared as what they mean, defaults filled in, not as text: a comment that moved
//! is no difference, and a setting that was left out and written out is none either.

use atalaya_policy::Policy;
use serde_json::Value;

use crate::commands::common::{self, Place};
use crate::commands::control;
use crate::exit::{Exit, Failure};

/// Compare policies setting by setting; exit code 1 if they differ
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file, or a number of the history; the policy in force by default.
    from: Option<String>,
    /// A file, or a number of the history; the policy in force by default.
    to: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let from = value(args.from.as_deref(), &args.place)?;
    let to = value(args.to.as_deref(), &args.place)?;
    let mut lines = Vec::new();
    compare("", &from, &to, &mut lines);
    control::print(&lines.concat())?;
    Ok(if lines.is_empty() {
        Exit::Fine
    } else {
        Exit::Found
    })
}

fn value(what: Option<&str>, place: &Place) -> Result<Value, Failure> {
    let number = what.and_then(|what| what.parse::<i64>().ok());
    let (name, text) = match (what, number) {
        (Some(file), None) => (file.to_owned(), common::read(file.as_ref())?),
        _ => in_history(number, place)?,
    };
    let policy =
        Policy::parse(&text).map_err(|problems| Failure::diagnostics(&name, &text, &problems))?;
    serde_json::to_value(policy.document()).map_err(|error| Failure::world("comparing", error))
}

fn in_history(number: Option<i64>, place: &Place) -> Result<(String, String), Failure> {
    let found = control::with(place, async |control| match number {
        Some(number) => control.policy_revision(number).await.map(Some),
        None => Ok(control.policy_history(1).await?.into_iter().next()),
    })?;
    Ok(found.map_or_else(
        || ("built-in".to_owned(), Policy::builtin_text().to_owned()),
        |entry| (format!("policy {}", entry.number), entry.text),
    ))
}

fn compare(path: &str, from: &Value, to: &Value, lines: &mut Vec<String>) {
    if let (Value::Object(a), Value::Object(b)) = (from, to) {
        let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for name in names {
            let null = Value::Null;
            let inner = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            compare(
                &inner,
                a.get(name).unwrap_or(&null),
                b.get(name).unwrap_or(&null),
                lines,
            );
        }
        return;
    }
    if let (Value::Array(a), Value::Array(b)) = (from, to) {
        by_id(path, a, b, lines);
        return;
    }
    if from != to {
        lines.push(format!("- {path}: {from}\n+ {path}: {to}\n"));
    }
}

/// Rules are told apart by their ids, everything else by its place.
fn by_id(path: &str, a: &[Value], b: &[Value], lines: &mut Vec<String>) {
    let key = |index: usize, value: &Value| {
        let named = value["id"].as_str().or(value["fingerprint"].as_str());
        named.map_or_else(|| index.to_string(), str::to_owned)
    };
    let keyed = |list: &[Value]| -> Vec<(String, Value)> {
        let each = list.iter().enumerate();
        each.map(|(index, value)| (key(index, value), value.clone()))
            .collect()
    };
    let (before, after) = (keyed(a), keyed(b));
    let null = Value::Null;
    for (name, old) in &before {
        let new = after
            .iter()
            .find(|(other, _)| other == name)
            .map_or(&null, |(_, new)| new);
        compare(&format!("{path}[{name}]"), old, new, lines);
    }
    for (name, new) in &after {
        if !before.iter().any(|(other, _)| other == name) {
            compare(&format!("{path}[{name}]"), &null, new, lines);
        }
    }
}
