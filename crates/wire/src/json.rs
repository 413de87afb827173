//! A strict JSON reader that remembers where everything stands.
//!
//! Decisions about a call are only as good as the agreement between us and the model's server on
//! what the call says. So the reader refuses whatever two parsers could read differently
//! (RFC 8259 section 4 and 8: duplicate keys, invalid UTF-8, lone surrogates, trailing bytes), and it
//! keeps byte spans, so that findings point into the original and edits leave the rest untouched.
//!
//! The document is a flat arena in reading order; a node knows where its subtree ends. No
//! recursion: depth is a counter, not the thread's stack. Left out: building numbers or values.

use std::borrow::Cow;

use atalaya_model::Span;

/// Limits of one document.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// Deepest nesting of arrays and objects.
    pub depth_max: usize,
    /// Most values in one document.
    pub nodes_max: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self {
            depth_max: 96,
            nodes_max: 400_000,
        }
    }
}

/// Why a document was refused. Never carries content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// Not JSON.
    #[error("not valid JSON")]
    Syntax,
    /// Bytes that are not UTF-8.
    #[error("not valid UTF-8")]
    Utf8,
    /// A key stands twice in one object.
    #[error("a key stands twice in one object")]
    DuplicateKey,
    /// An escape that names half a character.
    #[error("a lone surrogate in a \\u escape")]
    LoneSurrogate,
    /// Nested deeper than the limit.
    #[error("nested too deeply")]
    TooDeep,
    /// More values than the limit.
    #[error("too many values")]
    TooManyValues,
}

/// A refusal and the byte at which it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct JsonError {
    /// What is wrong.
    pub problem: JsonProblem,
    /// Where.
    pub offset: usize,
}

/// Kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// The string (or key) has escapes.
    escaped: bool,
    key_escaped: bool,
    start: u32,
    end: u32,
    key_start: u32,
    key_end: u32,
    /// Index one past the subtree.
    next: u32,
}

/// A parsed document over its bytes.
#[derive(Debug)]
pub struct Document<'a> {
    body: &'a str,
    nodes: Vec<Node>,
}

/// One value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'d, 'a> {
    document: &'d Document<'a>,
    index: u32,
}

/// Reads a whole document.
///
/// # Errors
/// [`JsonError`] with the byte at which the document stopped being acceptable.
pub fn parse(body: &[u8], limits: JsonLimits) -> Result<Document<'_>, JsonError> {
    let text = std::str::from_utf8(body).map_err(|error| JsonError {
        problem: JsonProblem::Utf8,
        offset: error.valid_up_to(),
    })?;
    if u32::try_from(text.len()).is_err() {
        return Err(JsonError {
            problem: JsonProblem::TooManyValues,
            offset: 0,
        });
    }
    let mut parser = Parser {
        bytes: text.as_bytes(),
        text,
        at: 0,
        limits,
        nodes: Vec::with_capacity(text.len() / 24 + 8),
        open: Vec::with_capacity(16),
    };
    parser.document()?;
    Ok(Document {
        body: text,
        nodes: parser.nodes,
    })
}

struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    limits: JsonLimits,
    nodes: Vec<Node>,
    open: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct Key {
    start: usize,
    end: usize,
    escaped: bool,
}

impl Parser<'_> {
    fn document(&mut self) -> Result<(), JsonError> {
        self.space();
        self.value(Key::default())?;
        while let Some(&container) = self.open.last() {
            self.step(container)?;
        }
        self.space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.fail(JsonProblem::Syntax))
        }
    }

    /// One step inside the innermost open container: its end, or its next member.
    fn step(&mut self, container: u32) -> Result<(), JsonError> {
        let is_object = self.nodes[container as usize].kind == Kind::Object;
        let close = if is_object { b'}' } else { b']' };
        let is_first = self.nodes.len() == container as usize + 1;
        self.space();
        if self.peek() == Some(close) {
            self.at += 1;
            return self.close(container);
        }
        if !is_first {
            self.expect(b',')?;
            self.space();
        }
        let key = if is_object {
            self.key(container)?
        } else {
            Key::default()
        };
        self.value(key)
    }

    fn close(&mut self, container: u32) -> Result<(), JsonError> {
        self.open.pop();
        let next = self.node_count()?;
        let end = self.offset();
        let node = &mut self.nodes[container as usize];
        node.end = end;
        node.next = next;
        if node.kind == Kind::Object {
            self.check_keys(container)
        } else {
            Ok(())
        }
    }

    fn key(&mut self, _container: u32) -> Result<Key, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.fail(JsonProblem::Syntax));
        }
        let (start, end, escaped) = self.string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(Key {
            start,
            end,
            escaped,
        })
    }

    fn value(&mut self, key: Key) -> Result<(), JsonError> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                let (start, end, escaped) = self.string()?;
                self.push(Kind::String, key, Span::new(start, end), escaped)
            }
            Some(b'{') => self.container(Kind::Object, key),
            Some(b'[') => self.container(Kind::Array, key),
            Some(b't') => self.word(b"true", Kind::Bool, key),
            Some(b'f') => self.word(b"false", Kind::Bool, key),
            Some(b'n') => self.word(b"null", Kind::Null, key),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.push(Kind::Number, key, Span::new(start, self.at), false)
            }
            _ => Err(self.fail(JsonProblem::Syntax)),
        }
    }

    fn container(&mut self, kind: Kind, key: Key) -> Result<(), JsonError> {
        if self.open.len() >= self.limits.depth_max {
            return Err(self.fail(JsonProblem::TooDeep));
        }
        let index = self.node_count()?;
        let start = self.at;
        self.at += 1;
        self.push(kind, key, Span::new(start, start), false)?;
        self.open.push(index);
        Ok(())
    }

    fn push(&mut self, kind: Kind, key: Key, span: Span, escaped: bool) -> Result<(), JsonError> {
        let count = self.node_count()?;
        if count as usize >= self.limits.nodes_max {
            return Err(self.fail(JsonProblem::TooManyValues));
        }
        self.nodes.push(Node {
            kind,
            escaped,
            key_escaped: key.escaped,
            start: narrow(span.start),
            end: narrow(span.end),
            key_start: narrow(key.start),
            key_end: narrow(key.end),
            next: count + 1,
        });
        Ok(())
    }

    /// Reads a string; returns the span of its content and whether it has escapes.
    fn string(&mut self) -> Result<(usize, usize, bool), JsonError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(stop) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.bytes.len();
                return Err(self.fail(JsonProblem::Syntax));
            };
            if let Some(control) = rest[..stop].iter().position(|byte| *byte < 0x20) {
                self.at += control;
                return Err(self.fail(JsonProblem::Syntax));
            }
            self.at += stop;
            if rest[stop] == b'"' {
                let end = self.at;
                self.at += 1;
                return Ok((start, end, escaped));
            }
            escaped = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => self.unicode_escape(),
            _ => Err(self.fail(JsonProblem::Syntax)),
        }
    }

    fn unicode_escape(&mut self) -> Result<(), JsonError> {
        let unit = hex4(self.bytes, self.at + 2).ok_or_else(|| self.fail(JsonProblem::Syntax))?;
        match unit {
            0xD800..=0xDBFF => {
                let follows = self.bytes.get(self.at + 6..self.at + 8) == Some(b"\\u");
                let low = hex4(self.bytes, self.at + 8);
                if !follows || !low.is_some_and(|low| (0xDC00..=0xDFFF).contains(&low)) {
                    return Err(self.fail(JsonProblem::LoneSurrogate));
                }
                self.at += 12;
            }
            0xDC00..=0xDFFF => return Err(self.fail(JsonProblem::LoneSurrogate)),
            _ => self.at += 6,
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.fail(JsonProblem::Syntax)),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from {
            Err(self.fail(JsonProblem::Syntax))
        } else {
            Ok(())
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind, key: Key) -> Result<(), JsonError> {
        let start = self.at;
        if !self.bytes[start..].starts_with(word) {
            return Err(self.fail(JsonProblem::Syntax));
        }
        self.at += word.len();
        self.push(kind, key, Span::new(start, self.at), false)
    }

    /// Refuses an object that has a key twice: two parsers would disagree on which one counts.
    fn check_keys(&self, object: u32) -> Result<(), JsonError> {
        /// Below this, comparing all pairs is quicker than hashing.
        const PAIRS_MAX: usize = 24;
        let mut keys: Vec<Cow<'_, str>> = Vec::new();
        let mut index = object + 1;
        let end = self.nodes[object as usize].next;
        while index < end {
            let node = &self.nodes[index as usize];
            let raw = &self.text[node.key_start as usize..node.key_end as usize];
            let key = if node.key_escaped {
                unescape(raw)
            } else {
                Cow::Borrowed(raw)
            };
            if keys.len() < PAIRS_MAX && keys.contains(&key) {
                let offset = node.key_start as usize;
                return Err(JsonError {
                    problem: JsonProblem::DuplicateKey,
                    offset,
                });
            }
            keys.push(key);
            index = node.next;
        }
        if keys.len() > PAIRS_MAX {
            let distinct: std::collections::HashSet<&str> =
                keys.iter().map(AsRef::as_ref).collect();
            if distinct.len() != keys.len() {
                let offset = self.nodes[object as usize].start as usize;
                return Err(JsonError {
                    problem: JsonProblem::DuplicateKey,
                    offset,
                });
            }
        }
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fail(JsonProblem::Syntax))
        }
    }

    fn node_count(&self) -> Result<u32, JsonError> {
        u32::try_from(self.nodes.len()).map_err(|_| self.fail(JsonProblem::TooManyValues))
    }

    fn offset(&self) -> u32 {
        narrow(self.at)
    }

    fn fail(&self, problem: JsonProblem) -> JsonError {
        JsonError {
            problem,
            offset: self.at.min(self.bytes.len()),
        }
    }
}

/// Offsets fit: `parse` refuses longer documents.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, byte| {
        Some(value * 16 + char::from(*byte).to_digit(16)?)
    })
}

/// Decodes the escapes of a string's content that the parser has accepted.
#[must_use]
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut at = 0;
    while let Some((decoded, next)) = decode_one(raw, at) {
        out.push(decoded);
        at = next;
    }
    Cow::Owned(out)
}

/// The character at a raw offset and the raw offset of the next one.
pub(crate) fn decode_one(raw: &str, at: usize) -> Option<(char, usize)> {
    let rest = raw.get(at..)?;
    let first = rest.chars().next()?;
    if first != '\\' {
        return Some((first, at + first.len_utf8()));
    }
    let bytes = raw.as_bytes();
    let plain = match bytes.get(at + 1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let unit = hex4(bytes, at + 2)?;
            if (0xD800..=0xDBFF).contains(&unit) {
                let low = hex4(bytes, at + 8)?;
                let code = 0x10000 + ((unit - 0xD800) << 10) + low.wrapping_sub(0xDC00);
                return Some((char::from_u32(code)?, at + 12));
            }
            return Some((char::from_u32(unit)?, at + 6));
        }
        other => char::from(*other),
    };
    Some((plain, at + 2))
}

impl<'a> Document<'a> {
    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_, 'a> {
        Value {
            document: self,
            index: 0,
        }
    }

    /// The text that spans refer to.
    #[must_use]
    pub fn body(&self) -> &'a str {
        self.body
    }
}

impl<'d, 'a> Value<'d, 'a> {
    fn node(&self) -> &'d Node {
        &self.document.nodes[self.index as usize]
    }

    /// What kind of value it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Where it stands. For a string: its content, without the quotes.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::new(self.node().start as usize, self.node().end as usize)
    }

    /// Where it stands, quotes included.
    #[must_use]
    pub fn outer_span(&self) -> Span {
        let span = self.span();
        if self.kind() == Kind::String {
            Span::new(span.start - 1, span.end + 1)
        } else {
            span
        }
    }

    /// Its source text.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.span().slice(self.document.body)
    }

    /// The key under which it stands; empty for array elements and the root.
    #[must_use]
    pub fn key(&self) -> Cow<'a, str> {
        let node = self.node();
        let raw =
            Span::new(node.key_start as usize, node.key_end as usize).slice(self.document.body);
        if node.key_escaped {
            unescape(raw)
        } else {
            Cow::Borrowed(raw)
        }
    }

    /// Span of the key's content, without quotes.
    #[must_use]
    pub fn key_span(&self) -> Span {
        Span::new(self.node().key_start as usize, self.node().key_end as usize)
    }

    /// The decoded text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| {
            if self.node().escaped {
                unescape(self.raw())
            } else {
                Cow::Borrowed(self.raw())
            }
        })
    }

    /// The value of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw() == "true")
    }

    /// The value of a number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        (self.kind() == Kind::Number)
            .then(|| self.raw().parse().ok())
            .flatten()
    }

    /// The value of a whole number.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        (self.kind() == Kind::Number)
            .then(|| self.raw().parse().ok())
            .flatten()
    }

    /// Members of an object or elements of an array, in order; nothing for other kinds.
    pub fn children(&self) -> impl Iterator<Item = Value<'d, 'a>> + use<'d, 'a> {
        let document = self.document;
        let end = self.node().next;
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            (index < end).then(|| {
                let value = Value { document, index };
                index = document.nodes[index as usize].next;
                value
            })
        })
    }

    /// The member of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'d, 'a>> {
        self.children().find(|child| child.key() == key)
    }

    /// The member of that key, if it is a string.
    #[must_use]
    pub fn get_str(&self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key)?.as_str()
    }
}
