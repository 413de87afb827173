//! YAML as a tree in which every key and value knows its place, for files whose shape a serde
//! type cannot say: detections, whose keys are anything, and whose values differ by what is
//! written (`5` is a number, `'5'` a text).
//!
//! Plain scalars are resolved by the core schema of YAML 1.2: `yes` is a text. Aliases are
//! copied, so the number of nodes is limited. Left out: comments, tags.

use std::collections::HashMap;

use atalaya_model::{Diagnostic, Span};
use granit_parser::{Event, Parser, ScalarStyle};

use crate::code;

/// Most nodes of one file, copies by aliases included.
const NODES_MAX: usize = 1_000_000;
/// Deepest nesting.
const DEPTH_MAX: usize = 64;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What.
    pub value: Value,
    /// Where; for a list or a map, from its first to its last part.
    pub span: Span,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written; hexadecimal and octal ones as decimals.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in order; no key twice.
    Map(Vec<(Key, Node)>),
}

/// A key with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Where.
    pub span: Span,
}

impl Node {
    /// The value of a key, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.map()?
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(_, node)| node)
    }

    /// Keys and values, if this is a map.
    #[must_use]
    pub fn map(&self) -> Option<&[(Key, Self)]> {
        match &self.value {
            Value::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Text, number or truth value as a text.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// The parts of a list; anything else is a list of itself, and nothing an empty one.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The same as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()))
            }
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(pairs) => {
                let pairs = pairs.iter();
                Json::Object(
                    pairs
                        .map(|(k, node)| (k.text.clone(), node.to_json()))
                        .collect(),
                )
            }
        }
    }
}

/// Reads all documents of a file; empty ones are left out.
///
/// # Errors
/// The first mistake, with its place in `text`.
pub fn parse_documents(text: &str) -> Result<Vec<Node>, Box<Diagnostic>> {
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder {
        text,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
    };
    let mut documents = Vec::new();
    while let Some((event, span)) = builder.next()? {
        match event {
            Event::DocumentStart(..) => builder.anchors.clear(),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => {
                let node = builder.node(event, span, 0)?;
                if node.value != Value::Null {
                    documents.push(node);
                }
            }
        }
    }
    Ok(documents)
}

struct Builder<'t> {
    text: &'t str,
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Box<Diagnostic>> {
        match self.parser.next() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                Ok(Some((event, Span::new(range.start, range.end))))
            }
            Some(Err(error)) => {
                let start = error
                    .marker()
                    .byte_offset()
                    .unwrap_or(0)
                    .min(self.text.len());
                let span = Span::new(start, (start + 1).min(self.text.len()));
                let message = error.kind().to_string();
                Err(Box::new(Diagnostic::error(code::SYNTAX, span, message)))
            }
        }
    }

    fn must_next(&mut self) -> Result<(Event<'t>, Span), Box<Diagnostic>> {
        let end = self.text.len();
        self.next()?.ok_or_else(|| {
            let message = "the file ends within a value";
            Box::new(Diagnostic::error(
                code::SYNTAX,
                Span::new(end, end),
                message,
            ))
        })
    }

    fn node(
        &mut self,
        event: Event<'t>,
        span: Span,
        depth: usize,
    ) -> Result<Node, Box<Diagnostic>> {
        self.count(1, span)?;
        if depth > DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(Box::new(Diagnostic::error(code::SYNTAX, span, message)));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = if style == ScalarStyle::Plain {
                    plain(&text)
                } else {
                    Value::Text(text.into_owned())
                };
                (Node { value, span }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                let mut whole = span;
                loop {
                    let (event, span) = self.must_next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    let node = self.node(event, span, depth + 1)?;
                    whole = whole.to(node.span);
                    items.push(node);
                }
                (
                    Node {
                        value: Value::List(items),
                        span: whole,
                    },
                    anchor,
                )
            }
            Event::MappingStart(_, anchor, _) => (self.map(span, depth)?, anchor),
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned().unwrap_or(Node {
                    value: Value::Null,
                    span,
                });
                self.count(size(&node), span)?;
                (node, 0)
            }
            _ => (
                Node {
                    value: Value::Null,
                    span,
                },
                0,
            ),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Box<Diagnostic>> {
        let mut pairs: Vec<(Key, Node)> = Vec::new();
        let mut whole = start;
        loop {
            let (event, span) = self.must_next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, span, depth + 1)?;
            let Some(text) = key
                .scalar()
                .or_else(|| (key.value == Value::Null).then(String::new))
            else {
                let message = "a key must be a text";
                return Err(Box::new(Diagnostic::error(code::SYNTAX, key.span, message)));
            };
            let (event, span) = self.must_next()?;
            let node = self.node(event, span, depth + 1)?;
            whole = whole.to(key.span).to(node.span);
            if text == "<<" {
                merge(&mut pairs, &node);
                continue;
            }
            if pairs.iter().any(|(known, _)| known.text == text) {
                let message = format!("the key `{text}` stands twice");
                let error = Diagnostic::error(code::DUPLICATE_KEY, key.span, message);
                return Err(Box::new(error.with_help("remove one of the two")));
            }
            pairs.push((
                Key {
                    text,
                    span: key.span,
                },
                node,
            ));
        }
        Ok(Node {
            value: Value::Map(pairs),
            span: whole,
        })
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Box<Diagnostic>> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("more than {NODES_MAX} values");
        Err(Box::new(Diagnostic::error(code::SYNTAX, span, message)))
    }
}

/// `<<: *other` adds the keys that are not there.
fn merge(pairs: &mut Vec<(Key, Node)>, from: &Node) {
    for map in from.items().iter().filter_map(Node::map) {
        for (key, node) in map {
            if pairs.iter().all(|(known, _)| known.text != key.text) {
                pairs.push((key.clone(), node.clone()));
            }
        }
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(pairs) => 1 + pairs.iter().map(|(_, node)| 1 + size(node)).sum::<usize>(),
        _ => 1,
    }
}

/// A plain scalar by the core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Value::Text(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<String> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return u64::from_str_radix(digits, radix)
                .ok()
                .map(|value| value.to_string());
        }
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !starts || !digits.chars().all(allowed) || !digits.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    value
        .is_finite()
        .then(|| text.strip_prefix('+').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Value, parse_documents};

    #[test]
    fn everything_knows_its_place() {
        let text = "a: &x [1, '2', yes]\nb: *x\n---\nc|d: \"e\\n\"\n";
        let documents = parse_documents(text).unwrap();
        let list = documents[0].get("b").unwrap().items();
        assert_eq!(list[0].value, Value::Number("1".to_owned()));
        assert_eq!(list[1].value, Value::Text("2".to_owned()));
        assert_eq!(list[2].value, Value::Text("yes".to_owned()));
        assert_eq!(list[1].span.slice(text), "'2'");
        let (key, value) = &documents[1].map().unwrap()[0];
        assert_eq!(key.span.slice(text), "c|d");
        assert_eq!(value.span.slice(text), "\"e\\n\"");
        assert_eq!(value.text(), Some("e\n"));
    }

    #[test]
    fn mistakes_are_errors_with_a_place() {
        for (text, at) in [("a: 1\na: 2\n", 5), ("a: [1\n", 3), ("{[1]: 2}", 1)] {
            let error = parse_documents(text).unwrap_err();
            assert!(error.span.start.abs_diff(at) <= 1, "{text}: {error:?}");
        }
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                    c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                    e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(
            parse_documents(bomb)
                .unwrap_err()
                .message
                .contains("more than")
        );
    }
}
