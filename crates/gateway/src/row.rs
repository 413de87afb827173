//! A fast writer for one JSON row: it runs twice per call.
//!
//! Empty strings and absent values are left out, which is what a reader of the journal takes for
//! "nothing". Names are ours and need no escaping; values are escaped (RFC 8259 section 7).

use std::fmt::Write as _;

/// A row under construction.
#[derive(Debug)]
pub(crate) struct Row {
    out: String,
}

impl Row {
    /// Starts a row of a table.
    pub(crate) fn new(table: &str) -> Self {
        let mut out = String::with_capacity(1_536);
        out.push_str("{\"$table\":\"");
        out.push_str(table);
        out.push('"');
        Self { out }
    }

    fn name(&mut self, name: &str) {
        self.out.push_str(",\"");
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    /// A string; nothing if empty.
    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.name(name);
            push_string(&mut self.out, value);
        }
        self
    }

    /// A whole number.
    pub(crate) fn number(&mut self, name: &str, value: impl Into<i128>) -> &mut Self {
        self.name(name);
        let _ = write!(self.out, "{}", value.into());
        self
    }

    /// A whole number, if there is one.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.number(name, value);
        }
        self
    }

    /// A real number; nothing if it is not finite.
    pub(crate) fn real(&mut self, name: &str, value: Option<f64>) -> &mut Self {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.name(name);
            let _ = write!(self.out, "{value}");
        }
        self
    }

    /// A boolean.
    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name);
        self.out.push_str(if value { "true" } else { "false" });
        self
    }

    /// A list of strings; nothing if empty.
    pub(crate) fn list<'v>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = &'v str>,
    ) -> &mut Self {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return self;
        }
        self.name(name);
        for (index, value) in values.enumerate() {
            self.out.push(if index == 0 { '[' } else { ',' });
            push_string(&mut self.out, value);
        }
        self.out.push(']');
        self
    }

    /// Anything that writes JSON itself.
    pub(crate) fn json(&mut self, name: &str, write: impl FnOnce(&mut String)) -> &mut Self {
        self.name(name);
        write(&mut self.out);
        self
    }

    /// The finished row.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push('}');
        self.out.into_bytes()
    }
}

/// Appends a JSON string literal.
pub(crate) fn push_string(out: &mut String, value: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&value[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push_str(&value[plain_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::Row;

    #[test]
    fn a_row_is_json_and_leaves_out_what_is_empty() {
        let mut row = Row::new("T");
        row.text("A", "say \"hi\"\\\n\u{1}é")
            .text("B", "")
            .number("C", -7_i64)
            .flag("D", true);
        row.list("E", ["x", "y"])
            .list("F", [])
            .real("G", Some(0.5))
            .real("H", Some(f64::NAN));
        let bytes = row.finish();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"$table": "T", "A": "say \"hi\"\\\n\u{1}é", "C": -7, "D": true,
                "E": ["x", "y"], "G": 0.5})
        );
    }
}
