//! An event, read in one pass without building a tree: where the values of known fields lie.
//!
//! What no rule asks for is passed over and hardly checked: an event whose braces and quotes are
//! in order is an event. All buffers are kept from event to event.

use super::fold;
use super::paths::{Entry, NONE, Paths};

/// Deepest nesting.
const DEPTH_MAX: usize = 64;
/// Largest event.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why an event cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventError {
    /// Not a JSON object.
    NoObject,
    /// Not JSON, at this byte.
    Syntax(usize),
    /// Nested too deeply.
    TooDeep,
    /// Larger than [`EVENT_BYTES_MAX`].
    TooLarge,
}

impl std::fmt::Display for EventError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoObject => f.write_str("an event must be a JSON object"),
            Self::Syntax(at) => write!(f, "not JSON at byte {at}"),
            Self::TooDeep => write!(f, "nested deeper than {DEPTH_MAX} levels"),
            Self::TooLarge => write!(f, "larger than {EVENT_BYTES_MAX} bytes"),
        }
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    Null,
    /// An object, or an array: there, but without a value of its own.
    Container,
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) field: u32,
    /// The next value of the same field, or [`NONE`].
    pub(super) next: u32,
    pub(super) kind: Kind,
    /// Whether it has escapes.
    escaped: bool,
    start: u32,
    end: u32,
    /// Where its folded text lies; `NONE`: not folded yet.
    folded: u32,
    folded_end: u32,
    /// Where its text without escapes lies; `NONE`: not made yet.
    raw: u32,
    raw_end: u32,
}

/// The values of one event.
#[derive(Debug, Default)]
pub(super) struct Event {
    pub(super) values: Vec<Value>,
    /// By field: the epoch in which it was seen, and its first value.
    heads: Vec<(u32, u32)>,
    epoch: u32,
    arena: Vec<u8>,
    key: Vec<u8>,
    spare: Vec<u8>,
}

impl Event {
    /// Reads an event. With `all`, values of unknown fields are kept as well.
    pub(super) fn read(&mut self, json: &str, paths: &Paths, all: bool) -> Result<(), EventError> {
        if json.len() > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge);
        }
        self.values.clear();
        self.arena.clear();
        self.epoch = self.epoch.wrapping_add(1);
        if self.heads.len() != paths.names.len() || self.epoch == 0 {
            self.heads.clear();
            self.heads.resize(paths.names.len(), (0, NONE));
            self.epoch = 1;
        }
        let mut scanner = Scanner {
            json: json.as_bytes(),
            at: 0,
            event: self,
            paths,
            all,
        };
        scanner.space();
        if scanner.peek() != Some(b'{') {
            return Err(EventError::NoObject);
        }
        let root = Entry {
            field: NONE,
            node: 0,
        };
        scanner.value(root, 0)?;
        scanner.space();
        if scanner.at < scanner.json.len() {
            return Err(EventError::Syntax(scanner.at));
        }
        Ok(())
    }

    /// The first value of a field.
    pub(super) fn first(&self, field: u32) -> Option<u32> {
        let (epoch, first) = *self.heads.get(field as usize)?;
        (epoch == self.epoch).then_some(first)
    }

    /// Folds a value's text unless that is done.
    pub(super) fn fold(&mut self, json: &str, index: usize) {
        let Some(value) = self.values.get_mut(index) else {
            return;
        };
        if value.folded != NONE || matches!(value.kind, Kind::Null | Kind::Container) {
            return;
        }
        let written = &json.as_bytes()[value.start as usize..value.end as usize];
        let start = self.arena.len();
        if value.escaped {
            fold::unescape_into(&mut self.arena, written);
        } else {
            self.arena.extend_from_slice(written);
        }
        fold::fold_from(&mut self.arena, start, &mut self.spare);
        value.folded = small(start);
        value.folded_end = small(self.arena.len());
    }

    /// A value's folded text; empty if it has none.
    pub(super) fn folded(&self, index: usize) -> &[u8] {
        let value = &self.values[index];
        if value.folded == NONE {
            return &[];
        }
        &self.arena[value.folded as usize..value.folded_end as usize]
    }

    /// Takes a value's escapes away unless that is done.
    pub(super) fn unescape(&mut self, json: &str, index: usize) {
        let Some(value) = self
            .values
            .get_mut(index)
            .filter(|v| v.escaped && v.raw == NONE)
        else {
            return;
        };
        let written = &json.as_bytes()[value.start as usize..value.end as usize];
        let start = self.arena.len();
        fold::unescape_into(&mut self.arena, written);
        value.raw = small(start);
        value.raw_end = small(self.arena.len());
    }

    /// A value's text with its case; [`Event::unescape`] must have been called.
    pub(super) fn text<'t>(&'t self, json: &'t str, index: usize) -> &'t str {
        let value = &self.values[index];
        let bytes = if value.escaped {
            self.arena
                .get(value.raw as usize..value.raw_end as usize)
                .unwrap_or_default()
        } else {
            &json.as_bytes()[value.start as usize..value.end as usize]
        };
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "events are limited to 16 MiB"
)]
const fn small(n: usize) -> u32 {
    n as u32
}

struct Scanner<'j, 'e> {
    json: &'j [u8],
    at: usize,
    event: &'e mut Event,
    paths: &'e Paths,
    all: bool,
}

impl Scanner<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn wrong<T>(&self) -> Result<T, EventError> {
        Err(EventError::Syntax(self.at))
    }

    fn value(&mut self, entry: Entry, depth: usize) -> Result<(), EventError> {
        if depth > DEPTH_MAX {
            return Err(EventError::TooDeep);
        }
        match self.peek() {
            Some(b'"') => {
                let (start, end, escaped) = self.string()?;
                self.keep(entry, (start, end), (Kind::Text, escaped));
                Ok(())
            }
            Some(b'{') => self.object(entry, depth),
            Some(b'[') => self.array(entry, depth),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                while matches!(
                    self.peek(),
                    Some(b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')
                ) {
                    self.at += 1;
                }
                self.keep(entry, (start, self.at), (Kind::Number, false));
                Ok(())
            }
            Some(b't') => self.word(entry, b"true", Kind::Bool),
            Some(b'f') => self.word(entry, b"false", Kind::Bool),
            Some(b'n') => self.word(entry, b"null", Kind::Null),
            _ => self.wrong(),
        }
    }

    fn word(&mut self, entry: Entry, word: &[u8], kind: Kind) -> Result<(), EventError> {
        if !self.json[self.at..].starts_with(word) {
            return self.wrong();
        }
        let start = self.at;
        self.at += word.len();
        self.keep(entry, (start, self.at), (kind, false));
        Ok(())
    }

    fn object(&mut self, entry: Entry, depth: usize) -> Result<(), EventError> {
        if entry.field != NONE {
            self.keep(entry, (self.at, self.at), (Kind::Container, false));
        }
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.wrong();
            }
            let (start, end, escaped) = self.string()?;
            let inner = if entry.node == NONE {
                Entry::NOTHING
            } else if escaped {
                self.event.key.clear();
                fold::unescape_into(&mut self.event.key, &self.json[start..end]);
                self.paths.get(entry.node, &self.event.key)
            } else {
                self.paths.get(entry.node, &self.json[start..end])
            };
            self.space();
            if self.peek() != Some(b':') {
                return self.wrong();
            }
            self.at += 1;
            self.space();
            self.value(inner, depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.wrong(),
            }
            self.space();
        }
    }

    fn array(&mut self, entry: Entry, depth: usize) -> Result<(), EventError> {
        if entry.field != NONE {
            self.keep(entry, (self.at, self.at), (Kind::Container, false));
        }
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(entry, depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.wrong(),
            }
            self.space();
        }
    }

    /// Start and end of what stands between the quotes, and whether there are escapes.
    fn string(&mut self) -> Result<(usize, usize, bool), EventError> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        // Keys and most values are short: a few steps by hand before the search is set up.
        let near = (start + 16).min(self.json.len());
        loop {
            while at < near && !matches!(self.json[at], b'"' | b'\\') {
                at += 1;
            }
            if at >= near {
                let rest = self.json.get(at..).unwrap_or_default();
                match memchr::memchr2(b'"', b'\\', rest) {
                    Some(offset) => at += offset,
                    None => return Err(EventError::Syntax(self.json.len())),
                }
            }
            if self.json[at] == b'"' {
                self.at = at + 1;
                return Ok((start, at, escaped));
            }
            escaped = true;
            at += 2;
        }
    }

    fn keep(&mut self, entry: Entry, (start, end): (usize, usize), (kind, escaped): (Kind, bool)) {
        if entry.field == NONE && !(self.all && matches!(kind, Kind::Text | Kind::Number)) {
            return;
        }
        let index = small(self.event.values.len());
        let mut next = NONE;
        if let Some(head) = self.event.heads.get_mut(entry.field as usize) {
            if head.0 == self.event.epoch {
                next = head.1;
            }
            *head = (self.event.epoch, index);
        }
        self.event.values.push(Value {
            field: entry.field,
            next,
            kind,
            escaped,
            start: small(start),
            end: small(end),
            folded: NONE,
            folded_end: 0,
            raw: NONE,
            raw_end: 0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, EventError, Kind};
    use crate::matcher::paths::Paths;

    fn paths() -> Paths {
        let mut paths = Paths::default();
        for name in ["a", "a.b", "t.name"] {
            paths.field(name);
        }
        paths.finish();
        paths
    }

    #[test]
    fn values_are_found_where_they_lie() {
        let paths = paths();
        let mut event = Event::default();
        let json = r#" {"x": [1, {"a": 2}], "a": {"b": "C:\\X", "c": {"d": []}}, "t": [{"name": "p"}, {"name": 7}], "a.b": null } "#;
        event.read(json, &paths, false).unwrap();
        let of = |event: &mut Event, name: &str| {
            let field = paths.find_field(name).unwrap();
            let mut found = Vec::new();
            let mut next = event.first(field).unwrap_or(super::NONE);
            while let Some(value) = event.values.get(next as usize) {
                found.push(next as usize);
                next = value.next;
            }
            let mut texts = Vec::new();
            for index in found {
                event.fold(json, index);
                let text = String::from_utf8(event.folded(index).to_vec()).unwrap();
                texts.push((event.values[index].kind, text));
            }
            texts
        };
        assert_eq!(of(&mut event, "a"), [(Kind::Container, String::new())]);
        assert_eq!(
            of(&mut event, "a.b"),
            [
                (Kind::Null, String::new()),
                (Kind::Text, r"c:\x".to_owned())
            ]
        );
        assert_eq!(
            of(&mut event, "t.name"),
            [(Kind::Number, "7".to_owned()), (Kind::Text, "p".to_owned())]
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let (paths, mut event) = (paths(), Event::default());
        assert_eq!(event.read("[1]", &paths, false), Err(EventError::NoObject));
        assert_eq!(event.read("", &paths, false), Err(EventError::NoObject));
        let deep = format!("{{\"a\":{}", "[".repeat(100));
        assert_eq!(event.read(&deep, &paths, true), Err(EventError::TooDeep));
        for wrong in [
            "{",
            "{\"a",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{}x",
            "{\"a\" 1}",
            "{\"a\":tru}",
            "{\"a\\",
        ] {
            let result = event.read(wrong, &paths, true);
            assert!(
                matches!(result, Err(EventError::Syntax(_))),
                "{wrong}: {result:?}"
            );
        }
    }
}
