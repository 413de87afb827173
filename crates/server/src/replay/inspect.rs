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

/// Time whose texts are in memory at once, at most; less where there are more texts than fit.
const WINDOW_MICROS: i64 = 6 * 3_600_000_000;
/// The least such time: more texts than fit into it are an error.
const WINDOW_MICROS_MIN: i64 = 1_000_000;
/// Most texts in memory at once.
const TEXTS_MAX: usize = 20_000;
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
/// If the tables cannot be read, or hold more texts of one second than fit into memory at once.
pub(super) async fn inspect(
    engine: &Engine,
    inspector: &Inspector,
    (since, until): (Timestamp, Timestamp),
) -> Result<HashMap<String, Verdict>, OpenError> {
    let mut verdicts = HashMap::new();
    let mut scratch = Scratch::default();
    let mut begin = since;
    let mut window = WINDOW_MICROS;
    while begin < until {
        let end = Timestamp(begin.0.saturating_add(window).min(until.0));
        let last = if end == until { "<=" } else { "<" };
        let kql = format!(
            "AIGuardrailDecisions | where TimeGenerated >= datetime({}) \
             | where TimeGenerated {last} datetime({}) | where isnotempty(PromptText) \
             | project DecisionId, PromptText",
            begin.to_rfc3339(),
            end.to_rfc3339()
        );
        let Some(texts) = texts(engine, &kql, until).await? else {
            window = shorter(end.0 - begin.0)?;
            continue;
        };
        for (id, text) in texts {
            if let Some(verdict) = judge(inspector, &text, &mut scratch) {
                verdicts.insert(id, verdict);
            }
        }
        begin = end;
    }
    Ok(verdicts)
}

/// Half of a window in which there are too many texts.
fn shorter(window: i64) -> Result<i64, OpenError> {
    if window <= WINDOW_MICROS_MIN {
        let why = format!("there are more than {TEXTS_MAX} in one second");
        return Err(OpenError::world("reading stored texts", why));
    }
    Ok((window / 2).max(WINDOW_MICROS_MIN))
}

/// Decisions and their texts; `None` if there are more than fit.
async fn texts(
    engine: &Engine,
    kql: &str,
    now: Timestamp,
) -> Result<Option<Vec<(String, String)>>, OpenError> {
    let fail = |why: String| OpenError::world("reading stored texts", why);
    let now = ticks(now).ok_or_else(|| fail("the clock is out of range".to_owned()))?;
    let options = QueryOptions {
        timeout: TIMEOUT,
        ..QueryOptions::for_program(now, TEXTS_MAX)
    };
    let result = engine.run(kql, &options).await;
    let result = result.map_err(|error| fail(error.to_string()))?;
    if result.truncated {
        return Ok(None);
    }
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
    Ok(Some(result.rows.iter().filter_map(row).collect()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_shrink_to_a_second_and_then_give_up() {
        let mut window = WINDOW_MICROS;
        let mut halved = 0;
        while let Ok(less) = shorter(window) {
            assert!(less < window && less >= WINDOW_MICROS_MIN);
            window = less;
            halved += 1;
        }
        assert_eq!(window, WINDOW_MICROS_MIN);
        assert!(halved < 20);
    }
}
