//! The strict single-pass parser behind [`super::parse`]: a loop with its own stack of open
//! containers, so that depth costs memory that is counted and never the thread's stack.

use std::borrow::Cow;
use std::collections::HashSet;

use atalaya_model::Span;

use super::escape::{hex4, unescape};
use super::{JsonError, JsonLimits, JsonProblem, Kind, Node};

/// Room for nodes that is taken before any is read; a body of brackets must earn the rest.
const NODES_AT_FIRST_MAX: usize = 1 << 16;

pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    limits: JsonLimits,
    pub(super) nodes: Vec<Node>,
    open: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct Key {
    start: usize,
    end: usize,
    escaped: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, limits: JsonLimits) -> Self {
        Self {
            bytes: text.as_bytes(),
            text,
            at: 0,
            limits,
            nodes: Vec::with_capacity((text.len() / 24 + 8).min(NODES_AT_FIRST_MAX)),
            open: Vec::with_capacity(16),
        }
    }

    pub(super) fn document(&mut self) -> Result<(), JsonError> {
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
            self.key()?
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

    fn key(&mut self) -> Result<Key, JsonError> {
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
            self.plain_run()?;
            if self.bytes[self.at] == b'"' {
                let end = self.at;
                self.at += 1;
                return Ok((start, end, escaped));
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// Goes on to the next quote or backslash. Most strings are short: for those a plain loop is
    /// quicker than the start of a vectorised search.
    fn plain_run(&mut self) -> Result<(), JsonError> {
        const SHORT_BYTES: usize = 16;
        let rest = &self.bytes[self.at..];
        for (index, byte) in rest.iter().take(SHORT_BYTES).enumerate() {
            if matches!(byte, b'"' | b'\\' | 0..0x20) {
                self.at += index;
                return if *byte < 0x20 {
                    Err(self.fail(JsonProblem::Syntax))
                } else {
                    Ok(())
                };
            }
        }
        let Some(stop) = memchr::memchr2(b'"', b'\\', rest) else {
            self.at = self.bytes.len();
            return Err(self.fail(JsonProblem::Syntax));
        };
        // Without early exit, so that it compiles to vector instructions.
        let has_control = rest[..stop]
            .iter()
            .fold(false, |seen, byte| seen | (*byte < 0x20));
        if has_control {
            self.at += rest.iter().position(|byte| *byte < 0x20).unwrap_or(0);
            return Err(self.fail(JsonProblem::Syntax));
        }
        self.at += stop;
        Ok(())
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
        /// Up to this many, comparing all pairs is quicker than hashing.
        const PAIRS_MAX: usize = 24;
        let mut seen = [0u32; PAIRS_MAX];
        let mut count = 0;
        let mut index = object + 1;
        let end = self.nodes[object as usize].next;
        while index < end {
            let node = &self.nodes[index as usize];
            if count == PAIRS_MAX {
                return self.check_many_keys(object);
            }
            if seen[..count]
                .iter()
                .any(|other| self.is_same_key(node, &self.nodes[*other as usize]))
            {
                return Err(duplicate(node));
            }
            seen[count] = index;
            count += 1;
            index = node.next;
        }
        Ok(())
    }

    fn check_many_keys(&self, object: u32) -> Result<(), JsonError> {
        let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
        let mut index = object + 1;
        let end = self.nodes[object as usize].next;
        while index < end {
            let node = &self.nodes[index as usize];
            if !seen.insert(self.key_text(node)) {
                return Err(duplicate(node));
            }
            index = node.next;
        }
        Ok(())
    }

    fn is_same_key(&self, one: &Node, other: &Node) -> bool {
        if one.key_escaped || other.key_escaped {
            return self.key_text(one) == self.key_text(other);
        }
        self.key_raw(one) == self.key_raw(other)
    }

    fn key_raw(&self, node: &Node) -> &'a str {
        &self.text[node.key_start as usize..node.key_end as usize]
    }

    fn key_text(&self, node: &Node) -> Cow<'a, str> {
        if node.key_escaped {
            unescape(self.key_raw(node))
        } else {
            Cow::Borrowed(self.key_raw(node))
        }
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

fn duplicate(node: &Node) -> JsonError {
    JsonError {
        problem: JsonProblem::DuplicateKey,
        offset: node.key_start as usize,
    }
}

/// Offsets fit: [`super::parse`] refuses longer documents.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
