//! RFC 4180. Null is an empty field; times are ISO 8601; dynamic values are JSON.

use std::io::{self, Write};

use super::json;
use crate::engine::QueryResult;
use crate::value::Value;

pub(super) fn write(result: &QueryResult, out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(result.columns.iter().map(|column| column.name.as_str()))?;
    for row in &result.rows {
        writer.write_record(row.iter().map(field))?;
    }
    writer.flush()
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) | Value::Guid(text) => text.to_string(),
        other => {
            let json = json::to_json(other);
            json.as_str()
                .map_or_else(|| json.to_string(), str::to_owned)
        }
    }
}
