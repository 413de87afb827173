//! An incremental scanner of JSON that keeps nothing but the path on which it stands.
//!
//! Answers can be long and come in pieces; the few facts in them are short scalars on known
//! paths. So the scanner takes bytes as they come, split anywhere, and tells each scalar with its
//! path; of a long string it keeps a bounded beginning. It trusts the provider's syntax more than
//! the parser trusts a caller's: what it misreads costs a fact in the log, never a decision.

use super::unescape;

/// Longest scalar that is told; longer ones are skipped.
const SCALAR_BYTES_MAX: usize = 256;
/// Longest key that can be part of a known path.
const KEY_BYTES_MAX: usize = 48;
/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 64;

/// A scalar value on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'s> {
    /// A short string, decoded.
    Text(&'s str),
    /// A number as it was written.
    Number(&'s str),
    /// Anything else: a literal, or a string too long to be a fact.
    Other,
}

impl Scalar<'_> {
    pub(crate) fn count(self) -> Option<u64> {
        match self {
            Self::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

/// Hears what the scanner finds. Paths are keys joined with `/`, with `#` for any array element:
/// `choices/#/finish_reason`.
pub(crate) trait Sink {
    fn scalar(&mut self, path: &str, value: Scalar<'_>);
    /// A container on that path has ended.
    fn closed(&mut self, path: &str);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a value, or an array's end.
    Value,
    /// Before a key, or an object's end.
    Key,
    Colon,
    /// Behind a value.
    After,
    String {
        is_key: bool,
        is_escape: bool,
    },
    /// In a number or a literal.
    Bare,
    Done,
    Broken,
}

#[derive(Clone, Copy)]
struct Open {
    is_object: bool,
    path_len: usize,
}

/// The scanner of one document.
pub(crate) struct Scanner {
    state: State,
    open: Vec<Open>,
    path: String,
    kept: Vec<u8>,
    is_cut: bool,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Value,
            open: Vec::new(),
            path: String::new(),
            kept: Vec::new(),
            is_cut: false,
        }
    }

    /// Forgets everything: the next byte starts a document.
    pub(crate) fn reset(&mut self) {
        self.state = State::Value;
        self.open.clear();
        self.path.clear();
        self.kept.clear();
        self.is_cut = false;
    }

    /// Whether a whole document has been seen, and nothing behind it.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            at += match self.state {
                State::String { is_key, is_escape } => {
                    self.string(&bytes[at..], (is_key, is_escape), sink)
                }
                State::Bare => self.bare(byte, sink),
                State::Broken => return,
                _ => {
                    self.structure(byte, sink);
                    1
                }
            };
        }
    }

    /// One byte between scalars.
    fn structure(&mut self, byte: u8, sink: &mut impl Sink) {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return;
        }
        match (self.state, byte) {
            (State::Value | State::Key, b'"') => {
                self.begin_scalar();
                let is_key = self.state == State::Key;
                self.state = State::String {
                    is_key,
                    is_escape: false,
                };
            }
            (State::Value, b'{' | b'[') => self.open(byte == b'{'),
            (State::Value, b']') | (State::Key, b'}') | (State::After, b']' | b'}') => {
                self.close(sink);
            }
            (State::Value, b'-' | b'0'..=b'9' | b'a'..=b'z') => {
                self.begin_scalar();
                self.keep(&[byte]);
                self.state = State::Bare;
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::After, b',') => {
                let is_object = self.open.last().is_some_and(|open| open.is_object);
                self.state = if is_object { State::Key } else { State::Value };
            }
            _ => self.state = State::Broken,
        }
    }

    fn open(&mut self, is_object: bool) {
        if self.open.len() >= DEPTH_MAX {
            self.state = State::Broken;
            return;
        }
        let path_len = self.path.len();
        self.open.push(Open {
            is_object,
            path_len,
        });
        if is_object {
            self.state = State::Key;
        } else {
            self.push_step("#");
            self.state = State::Value;
        }
    }

    fn close(&mut self, sink: &mut impl Sink) {
        let Some(open) = self.open.pop() else {
            self.state = State::Broken;
            return;
        };
        self.path.truncate(open.path_len);
        sink.closed(&self.path);
        self.value_ended();
    }

    fn value_ended(&mut self) {
        match self.open.last() {
            None => self.state = State::Done,
            Some(open) => {
                if open.is_object {
                    self.path.truncate(open.path_len);
                }
                self.state = State::After;
            }
        }
    }

    fn push_step(&mut self, step: &str) {
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(step);
    }

    fn begin_scalar(&mut self) {
        self.kept.clear();
        self.is_cut = false;
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.kept.len() + bytes.len() > SCALAR_BYTES_MAX {
            self.is_cut = true;
        }
        if !self.is_cut {
            self.kept.extend_from_slice(bytes);
        }
    }

    fn string(
        &mut self,
        rest: &[u8],
        (is_key, is_escape): (bool, bool),
        sink: &mut impl Sink,
    ) -> usize {
        if is_escape {
            self.keep(&rest[..1]);
            self.state = State::String {
                is_key,
                is_escape: false,
            };
            return 1;
        }
        let Some(stop) = memchr::memchr2(b'"', b'\\', rest) else {
            self.keep(rest);
            return rest.len();
        };
        self.keep(&rest[..stop]);
        if rest[stop] == b'\\' {
            self.keep(b"\\");
            self.state = State::String {
                is_key,
                is_escape: true,
            };
        } else if is_key {
            self.key_ended();
        } else {
            self.text_ended(sink);
        }
        stop + 1
    }

    fn key_ended(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        let key = std::str::from_utf8(&kept).unwrap_or("~");
        // A key that could be taken for a path is no key of a known path.
        let is_plain = !self.is_cut
            && key.len() <= KEY_BYTES_MAX
            && !key
                .bytes()
                .any(|byte| matches!(byte, b'/' | b'#' | b'~' | b'\\'));
        self.push_step(if is_plain { key } else { "~" });
        self.kept = kept;
        self.state = State::Colon;
    }

    fn text_ended(&mut self, sink: &mut impl Sink) {
        match std::str::from_utf8(&self.kept) {
            Ok(raw) if !self.is_cut => sink.scalar(&self.path, Scalar::Text(&unescape(raw))),
            _ => sink.scalar(&self.path, Scalar::Other),
        }
        self.value_ended();
    }

    fn bare(&mut self, byte: u8, sink: &mut impl Sink) -> usize {
        if !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r') {
            self.keep(&[byte]);
            return 1;
        }
        let is_number = self
            .kept
            .first()
            .is_some_and(|first| !first.is_ascii_lowercase());
        match std::str::from_utf8(&self.kept) {
            Ok(number) if is_number && !self.is_cut => {
                sink.scalar(&self.path, Scalar::Number(number));
            }
            _ => sink.scalar(&self.path, Scalar::Other),
        }
        self.value_ended();
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Sink for Heard {
        fn scalar(&mut self, path: &str, value: Scalar<'_>) {
            self.0.push(format!("{path}={value:?}"));
        }
        fn closed(&mut self, _path: &str) {}
    }

    #[test]
    fn the_same_is_heard_however_the_bytes_are_split() {
        let body =
            r#" {"id":"a\"é","n":[1,{"x":null,"y":[]},-2.5e3],"u/v":"z","deep":{"k":true}} "#;
        let mut whole = Heard::default();
        let mut scanner = Scanner::new();
        scanner.feed(body.as_bytes(), &mut whole);
        assert!(scanner.is_done());
        for size in 1..9 {
            let mut heard = Heard::default();
            let mut scanner = Scanner::new();
            for piece in body.as_bytes().chunks(size) {
                scanner.feed(piece, &mut heard);
            }
            assert!(scanner.is_done());
            assert_eq!(heard.0, whole.0);
        }
        let expected = [
            "id=Text(\"a\\\"é\")",
            "n/#=Number(\"1\")",
            "n/#/x=Other",
            "n/#=Number(\"-2.5e3\")",
            "~=Text(\"z\")",
            "deep/k=Other",
        ];
        assert_eq!(whole.0, expected);
    }

    #[test]
    fn a_long_string_is_skipped_and_not_kept() {
        let mut heard = Heard::default();
        let mut scanner = Scanner::new();
        scanner.feed(b"{\"text\":\"", &mut heard);
        for _ in 0..10_000 {
            scanner.feed(&[b'x'; 1_000], &mut heard);
        }
        scanner.feed(b"\",\"id\":\"y\"}", &mut heard);
        assert_eq!(heard.0, ["text=Other", "id=Text(\"y\")"]);
        assert!(scanner.kept.capacity() <= 2 * SCALAR_BYTES_MAX);
    }
}
