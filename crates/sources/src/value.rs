//! One field becomes the value of one column.

use jiff::{Timestamp, Zoned, fmt::strtime};
use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

use crate::mapping::Rule;

/// The value of a column, or why there is none. `None` if the record has no such field.
pub(crate) fn value_of(
    rule: &Rule,
    found: Option<&Value>,
    minus: Option<&Value>,
) -> Result<Option<Value>, String> {
    if let Some(constant) = &rule.constant
        && rule.from.is_empty()
    {
        return Ok(Some(constant.clone()));
    }
    if rule.exists {
        return Ok(Some(Value::Bool(
            found.is_some_and(|v| *v != Value::Bool(false)),
        )));
    }
    let Some(found) = found else {
        return Ok(rule.default.clone());
    };
    if let Some(constant) = &rule.constant {
        return Ok(Some(constant.clone()));
    }
    let mut value = found.clone();
    if rule.minus.is_some() {
        let Some(minus) = minus else {
            return Ok(None);
        };
        value = difference(&value, minus)?;
    }
    if rule.json
        && let Value::String(text) = &value
    {
        value = serde_json::from_str(text).unwrap_or(value);
    }
    if rule.hash {
        return Ok(Some(Value::String(hash(&value))));
    }
    if let Some(cut) = text_cut(rule, &value) {
        match cut {
            Some(text) => value = Value::String(text),
            None => return Ok(rule.default.clone()),
        }
    }
    value = match mapped(rule, &value) {
        Some(mapped) => mapped,
        None if (rule.default.is_some() || rule.only) && has_table(rule) => {
            return Ok(rule.default.clone());
        }
        None => value,
    };
    if let Some(format) = &rule.time {
        return time(&value, format).map(Some);
    }
    if let Some(factor) = rule.times {
        value = scaled(&value, factor)?;
    }
    if rule.list && !value.is_array() {
        value = Value::Array(vec![value]);
    }
    Ok(Some(value))
}

fn has_table(rule: &Rule) -> bool {
    !rule.map.is_empty() || !rule.ranges.is_empty()
}

/// The text after pattern, cut and case; the inner `None` if the pattern does not match.
fn text_cut(rule: &Rule, value: &Value) -> Option<Option<String>> {
    if rule.pattern.is_none() && rule.before.is_none() && !rule.lower {
        return None;
    }
    let mut text = text_of(value);
    if let Some(pattern) = &rule.pattern {
        let found = pattern
            .captures(&text)
            .and_then(|captures| captures.get(1).or_else(|| captures.get(0)))
            .map(|found| found.as_str().to_owned());
        match found {
            Some(found) => text = found,
            None => return Some(None),
        }
    }
    if let Some(before) = &rule.before
        && let Some((head, _)) = text.split_once(before.as_str())
    {
        text = head.to_owned();
    }
    if rule.lower {
        text = text.to_lowercase();
    }
    Some(Some(text))
}

fn mapped(rule: &Rule, value: &Value) -> Option<Value> {
    if let Some(found) = rule.map.get(&text_of(value)) {
        return Some(found.clone());
    }
    let number = number_of(value)?;
    rule.ranges
        .iter()
        .find(|(low, high, _)| (*low..=*high).contains(&number))
        .map(|(_, _, value)| value.clone())
}

/// Of whole numbers where both are: nanoseconds since 1970 are too large for a double.
fn difference(value: &Value, minus: &Value) -> Result<Value, String> {
    let whole = |value: &Value| text_of(value).parse::<i64>().ok();
    if let (Some(value), Some(minus)) = (whole(value), whole(minus)) {
        return Ok(Value::from(value.saturating_sub(minus)));
    }
    let both = number_of(value).zip(number_of(minus));
    let (value, minus) = both.ok_or("a number was expected")?;
    scaled(&Value::from(value - minus), 1.0)
}

fn scaled(value: &Value, factor: f64) -> Result<Value, String> {
    let number = number_of(value).ok_or("a number was expected")? * factor;
    // Whole numbers stay whole: a status of 200.0 is no status.
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Ok(Value::from(number as i64));
    }
    let number = Number::from_f64(number).ok_or("the number is too large")?;
    Ok(Value::Number(number))
}

/// A time in RFC 3339, UTC.
fn time(value: &Value, format: &str) -> Result<Value, String> {
    let per_second = match format {
        "unix_s" => Some(1.0),
        "unix_ms" => Some(1e3),
        "unix_us" => Some(1e6),
        "unix_ns" => Some(1e9),
        _ => None,
    };
    let time = if let Some(per_second) = per_second {
        let number = number_of(value).ok_or_else(|| not_a_time(value))?;
        // Microseconds are what the lake keeps; a double holds them until the year 2255.
        let micros = (number / per_second * 1e6).round();
        if !(-1e17..1e17).contains(&micros) {
            return Err(not_a_time(value));
        }
        Timestamp::from_microsecond(micros as i64).map_err(|_| not_a_time(value))?
    } else if format == "rfc3339" {
        let text = text_of(value);
        let spaced = text.replacen(' ', "T", 1);
        let parse = |text: &str| text.parse::<Timestamp>().ok();
        parse(&text)
            .or_else(|| parse(&spaced))
            .or_else(|| parse(&format!("{spaced}Z")))
            .ok_or_else(|| not_a_time(value))?
    } else {
        let text = text_of(value);
        strtime::parse(format, &text)
            .and_then(|parsed| parsed.to_timestamp())
            .or_else(|_| {
                let utc = format!("{text} +0000");
                strtime::parse(format!("{format} %z"), utc.as_bytes())
                    .and_then(|parsed| parsed.to_zoned().map(|zoned: Zoned| zoned.timestamp()))
            })
            .map_err(|_| not_a_time(value))?
    };
    Ok(Value::String(time.to_string()))
}

/// Says what kind of thing it is, never what it says.
fn not_a_time(value: &Value) -> String {
    let kind = match value {
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        _ => "a value",
    };
    format!("{kind} that is no time in the expected form")
}

pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn hash(value: &Value) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text_of(value))
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}
