//! Editing a JSON body at byte spans, so that everything else stays what it was.

use atalaya_model::{Redaction, Span};

use crate::call::{ParsedAnswer, ParsedCall, WireError, body_span};
use crate::collect::{is_embedded, is_plain};
use crate::json::{self, JsonLimits, Value};

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

    /// Adds an element at the end of an array.
    pub(crate) fn add_last(&mut self, array: Value<'_, '_>, value: &str) {
        match array.children().last() {
            Some(last) => self.insert(last.outer_span().end, format!(",{value}")),
            None => self.insert(array.span().start + 1, value),
        }
    }

    /// Removes members of an object, with the commas that go with them; returns how many.
    pub(crate) fn remove_members(&mut self, object: Value<'_, '_>, names: &[&str]) -> u32 {
        let members: Vec<Value<'_, '_>> = object.children().collect();
        let goes = |member: &Value<'_, '_>| names.contains(&member.key().as_ref());
        let mut removed = 0;
        let mut index = 0;
        while index < members.len() {
            let run = members[index..]
                .iter()
                .take_while(|member| goes(member))
                .count();
            if run == 0 {
                index += 1;
                continue;
            }
            removed += run;
            let (first, last) = (&members[index], &members[index + run - 1]);
            let begin = first.key_span().start - 1;
            // With the comma behind; a run at the end goes with the comma before it.
            let span = match (members.get(index + run), index.checked_sub(1)) {
                (Some(next), _) => Span::new(begin, next.key_span().start - 1),
                (None, Some(kept)) => {
                    Span::new(members[kept].outer_span().end, last.outer_span().end)
                }
                (None, None) => Span::new(begin, last.outer_span().end),
            };
            self.replace(span, "");
            index += run;
        }
        u32::try_from(removed).unwrap_or(u32::MAX)
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
            if is_plain(segment) && !is_embedded(segment) {
                self.replace(span, redaction.replacement.clone());
                count += 1;
                continue;
            }
            let is_twice = is_embedded(segment) && !is_plain(segment);
            let mut literal = json_string(&redaction.replacement);
            let mut place = segment.body;
            if !is_quoted(body, place) {
                // A number: all of it goes, and a string takes its place.
                literal = escape_if(literal, is_twice);
            } else {
                literal = escape_if(content(&literal).to_owned(), is_twice);
                place = span;
            }
            self.replace(place, literal);
            count += 1;
        }
        count
    }

    /// The edited body. Overlapping edits become one.
    pub(crate) fn apply(self, body: &[u8]) -> Result<Vec<u8>, WireError> {
        let out = self.apply_plain(body)?;
        json::parse(&out, JsonLimits::default()).map_err(|_| WireError::Edit)?;
        Ok(out)
    }

    /// The edited body, which need not be JSON.
    pub(crate) fn apply_plain(mut self, body: &[u8]) -> Result<Vec<u8>, WireError> {
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
        Ok(out)
    }
}

/// An answer with spans replaced; what repeats its text in pieces goes.
pub(crate) fn redact_answer(
    data: &[u8],
    answer: &ParsedAnswer<'_>,
    redactions: &[Redaction],
) -> Result<Vec<u8>, WireError> {
    let mut edits = Edits::default();
    if edits.redact(data, &answer.call, redactions) > 0 {
        for echo in &answer.call.notes.echoes {
            edits.replace(*echo, "null");
        }
    }
    if answer.call.notes.is_plain {
        edits.apply_plain(data)
    } else {
        edits.apply(data)
    }
}

/// A JSON string literal.
pub(crate) fn json_string(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// What stands between the quotes of a literal.
pub(crate) fn content(literal: &str) -> &str {
    literal.get(1..literal.len() - 1).unwrap_or("")
}

fn escape_if(text: String, is_embedded: bool) -> String {
    if is_embedded {
        content(&json_string(&text)).to_owned()
    } else {
        text
    }
}

/// Whether a segment is the content of a string, also of one in JSON that is in a string itself.
fn is_quoted(body: &[u8], place: Span) -> bool {
    let before = body.get(..place.start).unwrap_or_default();
    before.ends_with(b"\"") || before.ends_with(b"\\u0022")
}

/// A number as JSON writes it.
pub(crate) fn number(value: f64) -> String {
    let Some(number) = serde_json::Number::from_f64(value) else {
        return "0".to_owned();
    };
    let text = number.to_string();
    text.strip_suffix(".0")
        .map_or_else(|| text.clone(), str::to_owned)
}
