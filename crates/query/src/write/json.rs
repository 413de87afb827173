//! JSON: types by Kusto's names, `datetime` as ISO 8601 with as many of the seven digits as it
//! needs, `timespan` as Kusto prints it, `dynamic` as JSON. NaN and the infinities are text, as
//! JSON has no such numbers.

use std::io::{self, Write};

use serde_json::{Map, Value as Json, json};

use crate::engine::QueryResult;
use crate::value::{Value, datetime, timespan};

pub(super) fn write(result: &QueryResult, out: &mut impl Write) -> io::Result<()> {
    write_object(result, out)?;
    writeln!(out)
}

fn write_object(result: &QueryResult, out: &mut impl Write) -> io::Result<()> {
    let columns: Vec<Json> = result
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "type": column.ty.name()}))
        .collect();
    write!(out, "{{\"columns\":{},\"rows\":[", Json::Array(columns))?;
    for (index, row) in result.rows.iter().enumerate() {
        let row: Vec<Json> = row.iter().map(to_json).collect();
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}\n{}", Json::Array(row))?;
    }
    let warnings: Vec<Json> = result
        .warnings
        .iter()
        .map(|warning| {
            json!({
                "code": warning.code,
                "message": warning.message,
                "help": warning.help,
                "start": warning.span.start,
                "end": warning.span.end,
            })
        })
        .collect();
    write!(out, "\n],\"warnings\":{}", Json::Array(warnings))?;
    if result.truncated {
        write!(out, ",\"truncated\":true")?;
    }
    if let Some(render) = &result.render {
        let properties: Map<String, Json> = render
            .properties
            .iter()
            .map(|(name, value)| (name.clone(), Json::String(value.clone())))
            .collect();
        let render = json!({"kind": render.kind, "properties": properties});
        write!(out, ",\"render\":{render}")?;
    }
    if let Some(name) = &result.name {
        write!(out, ",\"name\":{}", Json::from(name.as_str()))?;
    }
    for (index, further) in result.further.iter().enumerate() {
        write!(out, "{}", if index == 0 { ",\"further\":[" } else { "," })?;
        write_object(further, out)?;
    }
    write!(
        out,
        "{}",
        if result.further.is_empty() { "}" } else { "]}" }
    )
}

pub(super) fn write_lines(result: &QueryResult, out: &mut impl Write) -> io::Result<()> {
    for row in &result.rows {
        let object: Map<String, Json> = result
            .columns
            .iter()
            .zip(row)
            .map(|(column, value)| (column.name.clone(), to_json(value)))
            .collect();
        writeln!(out, "{}", Json::Object(object))?;
    }
    Ok(())
}

/// A value as JSON.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(v) => Json::Bool(*v),
        Value::Int(v) => Json::from(*v),
        Value::Long(v) => Json::from(*v),
        Value::Real(v) if v.is_nan() => Json::from("NaN"),
        Value::Real(v) if v.is_infinite() => {
            Json::from(if *v > 0.0 { "Infinity" } else { "-Infinity" })
        }
        // A negative zero is written as one without a sign.
        Value::Real(v) => Json::from(*v + 0.0),
        Value::DateTime(ticks) => Json::from(iso(*ticks)),
        Value::Timespan(ticks) => Json::from(timespan::to_text(*ticks)),
        Value::Guid(text) | Value::String(text) => Json::from(text.as_ref()),
        Value::Array(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Bag(pairs) => Json::Object(
            pairs
                .iter()
                .map(|(key, value)| (key.to_string(), to_json(value)))
                .collect(),
        ),
    }
}

/// ISO 8601 in UTC; trailing zeros of the seven digits are left out.
pub(super) fn iso(ticks: i64) -> String {
    let text = datetime::to_text(ticks);
    let Some((whole, fraction)) = text.trim_end_matches('Z').split_once('.') else {
        return text;
    };
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}Z"),
        digits => format!("{whole}.{digits}Z"),
    }
}
