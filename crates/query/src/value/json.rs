//! `dynamic` as JSON text: what `parse_json` reads and what `tostring` and results print.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Value, datetime, number, timespan};

/// Deepest nesting that is read; deeper text is not JSON to us.
const DEPTH_MAX: usize = 128;

/// Parses JSON; `None` when the text is not JSON. Whole numbers that fit are `long`.
#[must_use]
pub fn parse(text: &str) -> Option<Value> {
    let parsed: serde_json::Value = serde_json::from_str(text).ok()?;
    from_serde(&parsed, 0)
}

fn from_serde(value: &serde_json::Value, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(v) => Value::Bool(*v),
        serde_json::Value::Number(v) => match v.as_i64() {
            Some(long) => Value::Long(long),
            None => Value::Real(v.as_f64()?),
        },
        serde_json::Value::String(v) => Value::string(v.as_str()),
        serde_json::Value::Array(items) => Value::array(
            items
                .iter()
                .map(|item| from_serde(item, depth + 1))
                .collect::<Option<_>>()?,
        ),
        serde_json::Value::Object(map) => Value::Bag(Arc::new(
            map.iter()
                .map(|(k, v)| Some((Arc::from(k.as_str()), from_serde(v, depth + 1)?)))
                .collect::<Option<_>>()?,
        )),
    })
}

/// Compact JSON. Times are strings; NaN and infinities are strings, as JSON has no such numbers.
#[must_use]
pub fn to_json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// Appends compact JSON to `out`.
pub fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
        Value::Int(v) => {
            let _ = write!(out, "{v}");
        }
        Value::Long(v) => {
            let _ = write!(out, "{v}");
        }
        Value::Real(v) if v.is_finite() => out.push_str(&number::real_to_text(*v)),
        Value::Real(v) => {
            let text = match v {
                v if v.is_nan() => "\"NaN\"",
                v if *v > 0.0 => "\"Infinity\"",
                _ => "\"-Infinity\"",
            };
            out.push_str(text);
        }
        Value::DateTime(v) => quote(&datetime::to_text(*v), out),
        Value::Timespan(v) => quote(&timespan::to_text(*v), out),
        Value::Guid(v) | Value::String(v) => quote(v, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Bag(pairs) => {
            out.push('{');
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
