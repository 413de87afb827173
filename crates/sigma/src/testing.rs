//! Tests beside Sigma rules: events, and which of them must match.
//!
//! ```yaml
//! cases:
//!   - name: five failures in a minute
//!     events:
//!       - {timestamp: 2026-03-01T00:00:00Z, action: login_fail, user: eve}
//!       - …
//!     matches: [4]       # numbers of events at which something must be raised, and no others
//! ```

use std::collections::BTreeSet;

use atalaya_model::{Diagnostic, Span};
use serde::Deserialize;
use serde_json::Value;

use crate::code;
use crate::correlate::{Engine, Limits};

/// Most events of one case.
const EVENTS_MAX: usize = 50_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestFile {
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    events: Vec<Value>,
    #[serde(default)]
    matches: BTreeSet<usize>,
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Why it failed.
    pub failure: Option<String>,
}

/// Runs the cases of a test file against the rules of a file.
///
/// # Errors
/// The test file cannot be read; the span lies in its text.
pub fn run(rules: &str, tests: &str) -> Result<Vec<Outcome>, Box<Diagnostic>> {
    let file: TestFile = atalaya_yaml::parse(tests)?;
    let mut outcomes = Vec::with_capacity(file.cases.len());
    for case in file.cases {
        if case.events.len() > EVENTS_MAX {
            let message = format!("`{}` has more than {EVENTS_MAX} events", case.name);
            return Err(Box::new(Diagnostic::error(
                code::VALUE,
                Span::default(),
                message,
            )));
        }
        let failure = match raised(rules, &case.events) {
            Err(why) => Some(why),
            Ok(found) if found == case.matches => None,
            Ok(found) => Some(format!("expected {:?}, found {found:?}", case.matches)),
        };
        outcomes.push(Outcome {
            name: case.name,
            failure,
        });
    }
    Ok(outcomes)
}

fn raised(rules: &str, events: &[Value]) -> Result<BTreeSet<usize>, String> {
    let collection = crate::parse(rules).map_err(|errors| {
        let messages: Vec<String> = errors.into_iter().map(|error| error.message).collect();
        messages.join("; ")
    })?;
    let mut engine = Engine::new(&collection, Limits::default())?;
    let mut found = BTreeSet::new();
    let mut alerts = Vec::new();
    for (number, event) in events.iter().enumerate() {
        alerts.clear();
        let result = engine.process(&event.to_string(), number as u64, None, &mut alerts);
        result.map_err(|error| format!("event {number}: {error}"))?;
        if !alerts.is_empty() {
            found.insert(number);
        }
    }
    Ok(found)
}
