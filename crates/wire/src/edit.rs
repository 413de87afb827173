//! Editing a JSON body at byte spans, so that everything else stays what it was.

use atalaya_model::{Redaction, Span};

use crate::call::{ParsedCall, WireError, body_span};
use crate::json::{self, Document, JsonLimits, Kind, Value};

/// Edits of one body, collected first and applied in one pass.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    edits: Vec<(Span, String)>,
}

impl Edits {
    /// Replaces a span.
    pub(crate) fn replace(&mut self, span: Span, text: impl Into<String>) {
        self.edits.push((span, text.into()));
    }

    /// Inserts before a byte.
    pub(crate) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(Span::new(at, at), text);
    }

    /// Adds a member to an object.
    pub(crate) fn add_member(&mut self, object: Value<'_, '_>, key: &str, value: &str) {
        let comma = if object.children().next().is_some() {
            ","
        } else {
            ""
        };
        let text = format!("{}:{value}{comma}", json_string(key));
        self.insert(object.span().start + 1, text);
    }

    /// Adds an element at the front of an array.
    pub(crate) fn add_first(&mut self, array: Value<'_, '_>, value: &str) {
        let comma = if array.children().next().is_some() {
            ","
        } else {
            ""
        };
        self.insert(array.span().start + 1, format!("{value}{comma}"));
    }

    /// Removes members of an object, with the commas that go with them.
    pub(crate) fn remove_members(&mut self, object: Value<'_, '_>, names: &[&str]) -> u32 {
        let members: Vec<Value<'_, '_>> = object.children().collect();
        let mut removed = 0;
        for (index, member) in members.iter().enumerate() {
            if !names.contains(&member.key().as_ref()) {
                continue;
            }
            removed += 1;
            let begin = member.key_span().start - 1;
            // With the comma after it; the last member goes with the comma before it, unless
            // the one before goes too and has taken that comma along.
            let span = match (members.get(index + 1), index.checked_sub(1)) {
                (Some(next), _) => Span::new(begin, next.key_span().start - 1),
                (None, Some(before)) => {
                    let before = &members[before];
                    let start = if names.contains(&before.key().as_ref()) {
                        begin
                    } else {
                        before.outer_span().end
                    };
                    Span::new(start, member.outer_span().end)
                }
                (None, None) => Span::new(begin, member.outer_span().end),
            };
            self.replace(span, "");
        }
        self.mend_trailing_comma(&members, names);
        removed
    }

    /// When a run of removed members reaches the end, the comma before the run goes as well.
    fn mend_trailing_comma(&mut self, members: &[Value<'_, '_>], names: &[&str]) {
        let run = members
            .iter()
            .rev()
            .take_while(|m| names.contains(&m.key().as_ref()))
            .count();
        if run < 2 || run == members.len() {
            return;
        }
        let kept = &members[members.len() - run - 1];
        let first = &members[members.len() - run];
        self.replace(
            Span::new(kept.outer_span().end, first.key_span().start - 1),
            "",
        );
    }

    /// Replaces the redacted spans of segments; returns how many.
    pub(crate) fn redact(
        &mut self,
        body: &[u8],
        call: &ParsedCall<'_>,
        redactions: &[Redaction],
    ) -> u32 {
        let mut count = 0;
        for redaction in redactions {
            let Some(segment) = call.segments.get(redaction.segment as usize) else {
                continue;
            };
            let span = body_span(body, segment, redaction.span);
            if span.is_empty() {
                continue;
            }
            let quoted = json_string(&redaction.replacement);
            self.replace(span, &quoted[1..quoted.len() - 1]);
            count += 1;
        }
        count
    }

    /// The edited body. Overlapping edits become one.
    pub(crate) fn apply(mut self, body: &[u8]) -> Result<Vec<u8>, WireError> {
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = Vec::with_capacity(body.len() + 256);
        let mut at = 0;
        for (span, text) in &self.edits {
            if span.start < at {
                // Overlaps what has been replaced: swallowed by it.
                at = at.max(span.end);
                continue;
            }
            out.extend_from_slice(body.get(at..span.start).ok_or(WireError::Edit)?);
            out.extend_from_slice(text.as_bytes());
            at = span.end;
        }
        out.extend_from_slice(body.get(at..).ok_or(WireError::Edit)?);
        json::parse(&out, JsonLimits::default()).map_err(|_| WireError::Edit)?;
        Ok(out)
    }
}

/// A JSON string literal.
pub(crate) fn json_string(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// Lowers every numeric member of those names to `max`; adds `default` if none is there.
/// Returns whether anything changed.
pub(crate) fn clamp(
    edits: &mut Edits,
    root: Value<'_, '_>,
    names: &[&str],
    default: &str,
    max: f64,
) -> bool {
    let mut found = false;
    let mut changed = false;
    for member in root
        .children()
        .filter(|member| names.contains(&member.key().as_ref()))
    {
        if member.kind() == Kind::Null {
            edits.replace(member.span(), number(max));
            (found, changed) = (true, true);
            continue;
        }
        found = true;
        if member.as_f64().is_none_or(|value| value > max) {
            edits.replace(member.outer_span(), number(max));
            changed = true;
        }
    }
    if !found {
        edits.add_member(root, default, &number(max));
        changed = true;
    }
    changed
}

fn number(value: f64) -> String {
    serde_json::Number::from_f64(value).map_or_else(
        || "0".to_owned(),
        |n| {
            let text = n.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        },
    )
}

/// Reads a body again for editing.
pub(crate) fn reread(body: &[u8]) -> Result<Document<'_>, WireError> {
    Ok(json::parse(body, JsonLimits::default())?)
}
