//! A selection of `count` and `timespan`: no field of an event, but a threshold over many.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::rule::Operator;
use crate::{duration, matcher};

/// What was meant.
pub(super) struct Threshold {
    pub(super) selection: String,
    pub(super) operator: Operator,
    pub(super) count: u64,
    pub(super) timespan: Option<Duration>,
}

impl Threshold {
    /// The condition without this selection.
    pub(super) fn without(&self, condition: &str) -> String {
        let words: Vec<&str> = condition.split_whitespace().collect();
        let mut kept: Vec<&str> = Vec::new();
        let mut skip = false;
        for (index, word) in words.iter().enumerate() {
            if skip {
                skip = false;
                continue;
            }
            if *word != self.selection {
                kept.push(word);
            } else if kept.last() == Some(&"and") {
                kept.pop();
            } else if words.get(index + 1) == Some(&"and") {
                skip = true;
            }
        }
        kept.join(" ")
    }
}

/// Takes a threshold out of a detection. Both a count and a time span must be there: each alone
/// may well be the name of a field.
pub(super) fn take(detection: &mut Map<String, Value>) -> Option<Threshold> {
    let found = detection.iter().find_map(|(name, value)| {
        let fields = value.as_object()?;
        let is_threshold = fields.keys().all(|key| {
            matches!(
                key.as_str(),
                "count" | "timespan" | "timeframe" | "window" | "threshold"
            )
        });
        let count = fields.get("count").or_else(|| fields.get("threshold"))?;
        let span = ["timespan", "timeframe", "window"]
            .iter()
            .find_map(|key| fields.get(*key))?;
        let timespan = duration::parse(span.as_str()?)?;
        let (operator, count) = match count {
            Value::Number(number) => (Operator::GreaterOrEqual, number.as_u64()?),
            Value::String(text) => {
                let (operator, number) = matcher::comparison(text)?;
                (operator, number.0.parse().ok()?)
            }
            _ => return None,
        };
        is_threshold.then(|| Threshold {
            selection: name.clone(),
            operator,
            count,
            timespan: Some(timespan),
        })
    })?;
    detection.remove(&found.selection);
    Some(found)
}
