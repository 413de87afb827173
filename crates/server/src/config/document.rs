//! A configuration as YAML with its remarks: values from serde, meanings from the schema.

use std::fmt::Write as _;

use serde_json::Value;

/// Longest line of a remark.
const LINE_MAX: usize = 96;

/// Writes `value` as YAML; where `schema` knows a setting's meaning, a comment stands above it.
pub(super) fn write(schema: &Value, value: &Value) -> String {
    let mut out = String::new();
    object(&mut out, schema, schema, value, 0);
    out
}

fn object(out: &mut String, root: &Value, schema: &Value, value: &Value, indent: usize) {
    let Some(members) = value.as_object() else {
        return;
    };
    for (name, member) in members {
        let property = &schema["properties"][name];
        let target = resolve(root, property);
        let text = property["description"]
            .as_str()
            .or_else(|| target["description"].as_str());
        if let Some(text) = text {
            if indent == 0 && !out.is_empty() {
                out.push('\n');
            }
            remark(out, text, indent);
        }
        choices(out, target, indent);
        setting(out, root, (name, target), member, indent);
    }
}

fn setting(
    out: &mut String,
    root: &Value,
    (name, schema): (&str, &Value),
    value: &Value,
    indent: usize,
) {
    let pad = " ".repeat(indent);
    let name = key(name);
    match value {
        Value::Null => {
            let _ = writeln!(out, "{pad}# {name}:");
        }
        Value::Object(members) if !members.is_empty() => {
            let _ = writeln!(out, "{pad}{name}:");
            let fixed = schema.get("properties").is_some();
            if fixed {
                object(out, root, schema, value, indent + 2);
                return;
            }
            for (entry, member) in members {
                let schema = resolve(root, &schema["additionalProperties"]);
                setting(out, root, (entry, schema), member, indent + 2);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let _ = writeln!(out, "{pad}{name}:");
            for item in items {
                let _ = writeln!(out, "{pad}  - {}", flow(item));
            }
        }
        other => {
            let _ = writeln!(out, "{pad}{name}: {}", flow(other));
        }
    }
}

/// A value on one line; JSON is YAML. Absent members are left out.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{}: {}", key(name), flow(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain && !name.is_empty() {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

/// Follows a reference, also one that may be null.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| {
        schema["anyOf"]
            .as_array()?
            .iter()
            .find_map(|choice| choice["$ref"].as_str())
    });
    reference
        .and_then(|text| root.pointer(text.trim_start_matches('#')))
        .unwrap_or(schema)
}

/// The values that an enumeration may have, each with its meaning.
fn choices(out: &mut String, schema: &Value, indent: usize) {
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        if let (Some(name), Some(text)) = (choice["const"].as_str(), choice["description"].as_str())
        {
            remark(out, &format!("  {name}: {text}"), indent);
        }
    }
}

fn remark(out: &mut String, text: &str, indent: usize) {
    let pad = " ".repeat(indent);
    let lead: String = text.chars().take_while(|c| *c == ' ').collect();
    let mut line = String::new();
    let flush = |line: &mut String, out: &mut String| {
        if !line.is_empty() {
            let _ = writeln!(out, "{pad}#{lead} {line}");
            line.clear();
        }
    };
    for word in text.split_whitespace() {
        if line.len() + word.len() + indent + 3 > LINE_MAX {
            flush(&mut line, out);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    flush(&mut line, out);
}
