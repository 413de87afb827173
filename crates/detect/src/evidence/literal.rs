//! Values of a row as KQL literals. Callers choose many of these values (a user name, a path),
//! so nothing may leave the quotes.

use std::fmt::Write as _;

use serde_json::Value;

/// `expression == value`, for a value of a column of that Kusto type.
pub(super) fn equality(expression: &str, value: &Value, kusto_type: &str) -> String {
    match value {
        Value::Null => format!("isnull({expression})"),
        Value::String(text) if text.is_empty() => format!("isempty({expression})"),
        Value::Array(_) | Value::Object(_) => {
            format!("tostring({expression}) == {}", of(value, kusto_type))
        }
        _ if kusto_type == "dynamic" => {
            format!("tostring({expression}) == {}", of(value, kusto_type))
        }
        _ => format!("{expression} == {}", of(value, kusto_type)),
    }
}

/// The value as a literal.
pub(super) fn of(value: &Value, kusto_type: &str) -> String {
    match (value, kusto_type) {
        (Value::Bool(b), _) => b.to_string(),
        (Value::Number(n), "real" | "double") => format!("real({n})"),
        (Value::Number(n), "dynamic") => quote(&n.to_string()),
        (Value::Number(n), _) => n.to_string(),
        (Value::Null, "string") => "''".to_owned(),
        (Value::Null, other) => format!("{other}(null)"),
        (Value::String(text), "datetime") if is_plain(text) => format!("datetime({text})"),
        (Value::String(text), "timespan") if is_plain(text) => format!("time({text})"),
        (Value::String(text), _) => quote(text),
        (Value::Array(_) | Value::Object(_), _) => quote(&value.to_string()),
    }
}

/// Digits and the marks that times are written with.
fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_digit() || "-+:.TZ ".contains(c))
}

fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::equality;

    #[test]
    fn no_value_leaves_its_quotes() {
        for (value, kind, wanted) in [
            (json!("a' or true //"), "string", "X == 'a\\' or true //'"),
            (json!("a\\"), "string", "X == 'a\\\\'"),
            (
                json!("a\n| take 1\u{7}"),
                "string",
                "X == 'a\\n| take 1\\u0007'",
            ),
            (json!(""), "string", "isempty(X)"),
            (json!(null), "long", "isnull(X)"),
            (json!(7), "long", "X == 7"),
            (json!(0.5), "real", "X == real(0.5)"),
            (json!(true), "bool", "X == true"),
            (json!("1) or (true"), "datetime", "X == '1) or (true'"),
            (json!("01:00:00"), "timespan", "X == time(01:00:00)"),
            (json!(["a"]), "dynamic", "tostring(X) == '[\"a\"]'"),
        ] {
            assert_eq!(equality("X", &value, kind), wanted);
        }
    }
}
