//! One record becomes one row.

use serde_json::{Map, Value, json};

use crate::mapping::Mapping;
use crate::path;
use crate::value::{text_of, value_of};

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Mapped {
    /// A row of the mapping's table.
    Row(Map<String, Value>),
    /// A record that the mapping is not about.
    Skipped,
}

/// Why a record cannot be a row: column and reason, without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Column.
    pub column: &'static str,
    /// Why.
    pub reason: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.column, self.reason)
    }
}

impl Mapping {
    /// Maps one record.
    ///
    /// # Errors
    /// If a value cannot be what its column needs.
    pub fn map(&self, mut record: Value) -> Result<Mapped, Refusal> {
        for path in &self.attributes {
            flatten(&mut record, path);
        }
        if !self.is_about(&record) {
            return Ok(Mapped::Skipped);
        }
        let mut row = Map::new();
        let mut used = Vec::new();
        for rule in &self.rules {
            let found = rule.from.iter().find_map(|path| {
                // `-` is how many logs write nothing.
                let value = path::get(&record, path).filter(|value| **value != "-")?;
                Some((path, value))
            });
            let minus = rule
                .minus
                .as_ref()
                .and_then(|path| path::get(&record, path));
            let value = value_of(rule, found.map(|(_, value)| value), minus);
            let value = value.map_err(|reason| Refusal {
                column: rule.column.name,
                reason,
            })?;
            if let Some((path, _)) = found
                && !rule.keep
            {
                used.push(path.as_str());
            }
            if let Some(value) = value.filter(|value| !value.is_null()) {
                row.insert(rule.column.name.to_owned(), value);
            }
        }
        self.keep_the_rest(record, &used, &mut row);
        if self.table().column("SourceType").is_some() {
            row.entry("SourceType")
                .or_insert_with(|| json!(self.name()));
        }
        Ok(Mapped::Row(row))
    }

    fn is_about(&self, record: &Value) -> bool {
        self.when.iter().all(|(path, allowed)| {
            path::get(record, path).is_some_and(|found| {
                let text = text_of(found);
                allowed.iter().any(|one| match one.strip_suffix('*') {
                    Some(head) => text.starts_with(head),
                    None => *one == text,
                })
            })
        })
    }

    /// What no column took, in `AdditionalFields`.
    fn keep_the_rest(&self, record: Value, used: &[&str], row: &mut Map<String, Value>) {
        let Value::Object(mut rest) = record else {
            return;
        };
        for path in used
            .iter()
            .copied()
            .chain(self.drop.iter().map(String::as_str))
        {
            path::remove(&mut rest, path);
        }
        rest.retain(|_, value| !value.is_null());
        if !rest.is_empty() && self.table().column("AdditionalFields").is_some() {
            row.insert("AdditionalFields".to_owned(), Value::Object(rest));
        }
    }
}

/// `[{key, value: {stringValue}}]`, as OpenTelemetry writes attributes, becomes an object.
fn flatten(record: &mut Value, path: &str) {
    let pointer = format!("/{}", path.replace('.', "/"));
    let Some(list) = record.pointer_mut(&pointer) else {
        return;
    };
    let Value::Array(items) = list else {
        return;
    };
    let mut object = Map::new();
    for item in items {
        if let Some(key) = item["key"].as_str() {
            object.insert(key.to_owned(), plain(&item["value"]));
        }
    }
    *list = Value::Object(object);
}

/// The value inside of OTLP's `AnyValue`.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return value.clone();
    };
    match kind.as_str() {
        // 64-bit numbers are texts in OTLP's JSON.
        "intValue" => {
            let number = inner.as_str().and_then(|text| text.parse::<i64>().ok());
            number.map_or_else(|| inner.clone(), Value::from)
        }
        "arrayValue" => {
            let items = inner["values"].as_array().into_iter().flatten();
            Value::Array(items.map(plain).collect())
        }
        "kvlistValue" => {
            let mut holder = json!({"a": inner["values"]});
            flatten(&mut holder, "a");
            holder["a"].take()
        }
        _ => inner.clone(),
    }
}
