//! A strict JSON reader that remembers where everything stands.
//!
//! Decisions about a call are only as good as the agreement between us and the model's server on
//! what the call says. So the reader refuses whatever two parsers could read differently
//! (RFC 8259 section 4 and 8: duplicate keys, invalid UTF-8, lone surrogates, trailing bytes), and it
//! keeps byte spans, so that findings point into the original and edits leave the rest untouched.
//!
//! The document is a flat arena in reading order; a node knows where its subtree ends. No
//! recursion: depth is a counter, not the thread's stack. Left out: building numbers or values.

mod escape;
mod parser;
pub(crate) mod scan;

use std::borrow::Cow;

use atalaya_model::Span;

pub(crate) use escape::SourceOffsets;
pub use escape::unescape;
use parser::Parser;

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
    let mut parser = Parser::new(text, limits);
    parser.document()?;
    Ok(Document {
        body: text,
        nodes: parser.nodes,
    })
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

    /// Its source text, quotes included.
    #[must_use]
    pub fn outer_text(&self) -> &'a str {
        self.outer_span().slice(self.document.body)
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
