//! Stored texts, inspected again with the detectors of now.
//!
//! Texts are there only where `gateway.prompt_text` kept them, and may have been redacted before. They
//! are read a few hours at a time and forgotten at once: what stays is a verdict per decision. A
//! decision without text stays `Unjudged`, and the report says how many there are.

use std::collections::HashMap;
use std::time::Duration;

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::{Segment, SegmentKind, Span, Timestamp, Verdict};
use atalaya_query::write::to_json;
use atalaya_query::{Engine, QueryOptions};
use serde::Deserialize;

use crate::adapters::ticks;
use crate::open::OpenError;

/// Time whose texts are in memory at once.
const WINDOW_MICROS: i64 = 6 * 3_600_000_000;
/// Most texts of a window.
const TEXTS_MAX: usize = 500_000;
/// Longest time to read them.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What an inspection of today says.
#[derive(Default)]
pub(super) struct Again {
    /// By decision.
    pub(super) verdicts: HashMap<String, Verdict>,
    /// Whether decisions without text are left as they were: detectors have changed, and what they
    /// would say of a text that is not there nobody knows.
    pub(super) texts_only: bool,
}

/// One segment as it was stored.
#[derive(Deserialize)]
struct Stored {
    role: SegmentKind,
    #[serde(default)]
    path: String,
    text: String,
}

/// Inspects every stored text of a time.
///
/// # Errors
/// If the tables cannot be read.
pub(super) async fn inspect(
    engine: &Engine,
    inspector: &Inspector,
    (since, until): (Timestamp, Timestamp),
) -> Result<HashMap<String, Verdict>, OpenError> {
    let mut verdicts = HashMap::new();
    let mut scratch = Scratch::default();
    let mut begin = since;
    while begin < until {
        let end = Timestamp(begin.0.saturating_add(WINDOW_MICROS).min(until.0));
        let last = if end == until { "<=" } else { "<" };
        let kql = format!(
            "AIGuardrailDecisions | where TimeGenerated >= datetime({}) \
             | where TimeGenerated {last} datetime({}) | where isnotempty(PromptText) \
             | project DecisionId, PromptText",
            begin.to_rfc3339(),
            end.to_rfc3339()
        );
        for (id, text) in texts(engine, &kql, until).await? {
            if let Some(verdict) = judge(inspector, &text, &mut scratch) {
                verdicts.insert(id, verdict);
            }
        }
        begin = end;
    }
    Ok(verdicts)
}

async fn texts(
    engine: &Engine,
    kql: &str,
    now: Timestamp,
) -> Result<Vec<(String, String)>, OpenError> {
    let fail = |why: String| OpenError::world("reading stored texts", why);
    let now = ticks(now).ok_or_else(|| fail("the clock is out of range".to_owned()))?;
    let options = QueryOptions {
        rows_max: TEXTS_MAX,
        timeout: TIMEOUT,
        ..QueryOptions::at(now)
    };
    let result = engine.run(kql, &options).await;
    let result = result.map_err(|error| fail(error.to_string()))?;
    let row = |row: &Vec<atalaya_query::value::Value>| {
        let cell = |at: usize| row.get(at).map(to_json);
        Some((
            cell(0)?.as_str()?.to_owned(),
            match cell(1)? {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            },
        ))
    };
    Ok(result.rows.iter().filter_map(row).collect())
}

fn judge(inspector: &Inspector, text: &str, scratch: &mut Scratch) -> Option<Verdict> {
    let stored: Vec<Stored> = serde_json::from_str(text).ok()?;
    let segments: Vec<Segment<'_>> = stored
        .iter()
        .map(|segment| Segment {
            kind: segment.role,
            path: segment.path.as_str().into(),
            body: Span::default(),
            text: segment.text.as_str().into(),
        })
        .collect();
    Some(inspector.inspect(&segments, scratch))
}
