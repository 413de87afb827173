//! Collecting what a model could read of a call, and saying aloud what nobody here can.
//!
//! Every string is text unless it stands where a name, an id or a switch is expected *and* looks
//! like one. Keys and long numbers are read too, since a model reads them. Names that callers
//! choose never reach a path, because paths go to the log.

use std::borrow::Cow;

use atalaya_model::{Segment, SegmentKind, Span, Unjudged, UnjudgedReason};

use crate::call::{Delta, ParseLimits, ParsedAnswer, ParsedCall, WireError};
use crate::json::{self, Document, JsonLimits, Kind, SourceOffsets, Value};

/// Marks the step of a path from a string into the JSON that it holds.
const EMBEDDED: char = '#';
/// Longest name or id that is taken for one.
const LABEL_BYTES_MAX: usize = 64;
/// Longest key that is taken for a mere name.
const KEY_BYTES_MAX: usize = 24;
/// From this many digits on, a number can be personal data.
const NUMBER_DIGITS_MIN: usize = 9;
/// Deepest JSON inside a string that is taken apart; deeper is read as plain text.
const EMBEDDED_DEPTH_MAX: usize = 48;

/// So many words make a sentence, whatever stands between them.
const SENTENCE_WORDS_MIN: usize = 5;
/// So many numbers in a row are taken for token ids.
const NUMBERS_MIN: usize = 8;
/// How the types of tools begin that providers run.
const PROVIDER_TYPES: &[&str] = &["mcp", "file_search", "web_search", "web_fetch"];
/// Members of tools that providers run, in protocols without types.
const PROVIDER_KEYS: &[&str] = &[
    "googleSearch",
    "google_search",
    "googleSearchRetrieval",
    "google_search_retrieval",
    "enterpriseWebSearch",
    "googleMaps",
    "urlContext",
    "url_context",
    "fileSearch",
    "retrieval",
];

/// Gathers a call while a protocol walks its document.
pub(crate) struct Collector<'a> {
    pub(crate) call: ParsedCall<'a>,
    pub(crate) deltas: Vec<Delta>,
    segments_max: usize,
    /// What is taken for a name: of an answer also what is a sentence written like one, since its
    /// names are the provider's.
    is_name: fn(&str) -> bool,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(limits: &ParseLimits) -> Self {
        let call = ParsedCall {
            segments: Vec::with_capacity(8),
            ..ParsedCall::default()
        };
        Self {
            call,
            deltas: Vec::new(),
            segments_max: limits.segments_max,
            is_name,
        }
    }

    /// Of an answer, or of a frame of it.
    pub(crate) fn of_answer(limits: &ParseLimits) -> Self {
        Self {
            is_name: is_label,
            ..Self::new(limits)
        }
    }

    /// What was collected of an answer.
    pub(crate) fn answer(self) -> ParsedAnswer<'a> {
        ParsedAnswer {
            call: self.call,
            deltas: self.deltas,
        }
    }

    /// Every text of a value, at any depth: strings, telling keys, long numbers.
    pub(crate) fn text(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        value: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        each_text(value, path, &mut |path, span, text| {
            self.push(kind, path, span, text)
        })
    }

    /// A text, a list of texts, or token ids: the last are unjudged.
    pub(crate) fn text_or_tokens(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        value: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        let is_number = |item: Value<'_, 'a>| item.kind() == Kind::Number;
        let has_tokens = |list: Value<'_, 'a>| {
            is_number(list) || list.kind() == Kind::Array && list.children().any(is_number)
        };
        if has_tokens(value) || value.kind() == Kind::Array && value.children().any(has_tokens) {
            self.unjudged(path, UnjudgedReason::Opaque, Some("token_ids"), value);
        }
        self.text(kind, path, value)
    }

    /// As [`Collector::text`], where names, ids and switches are expected: what looks like one is
    /// left out.
    pub(crate) fn label(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        value: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        let is_name = self.is_name;
        if value.kind() == Kind::String && is_name(value.raw()) {
            return Ok(());
        }
        each_text(value, path, &mut |path, span, text| {
            if is_name(&text) {
                Ok(())
            } else {
                self.push(kind, path, span, text)
            }
        })
    }

    /// A JSON schema, or a definition that holds one: as [`Collector::text`], without the plain
    /// words of the schema language itself.
    pub(crate) fn schema(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        value: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        let is_name = self.is_name;
        each_text(value, path, &mut |path, span, text| {
            if path.is_schema_word() && is_name(&text) {
                Ok(())
            } else {
                self.push(kind, path, span, text)
            }
        })
    }

    /// A picture, sound or file: unjudged, except for the text that goes with it.
    pub(crate) fn media(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        what: &str,
        value: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        self.unjudged(path, UnjudgedReason::Media, Some(what), value);
        let is_name = self.is_name;
        each_text(value, path, &mut |path, span, text| {
            let is_silent = path.is_media()
                || is_media_data(&text)
                || (path.is_media_switch() && is_name(&text));
            if is_silent {
                Ok(())
            } else {
                self.push(kind, path, span, text)
            }
        })
    }

    /// The key of a member, if it says more than a name does.
    pub(crate) fn key(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        member: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        let key = member.key();
        if is_plain_key(&key) {
            return Ok(());
        }
        self.push(kind, path, member.key_span(), key)
    }

    /// Numbers in a row, in a member that nobody knows: they may be a text as token ids.
    pub(crate) fn numbers(&mut self, path: &Path<'_>, value: Value<'_, 'a>) {
        let is_number = |item: &Value<'_, 'a>| item.kind() == Kind::Number;
        let is_row = |list: Value<'_, 'a>| {
            list.kind() == Kind::Array
                && list.children().filter(is_number).take(NUMBERS_MIN).count() == NUMBERS_MIN
        };
        if is_row(value) || value.kind() == Kind::Array && value.children().any(is_row) {
            self.unjudged(path, UnjudgedReason::Opaque, Some("token_ids"), value);
        }
    }

    /// A tool that the provider runs by itself, if it is one: what it brings into the conversation
    /// no detector sees.
    pub(crate) fn provider_tool(&mut self, path: &Path<'_>, tool: Value<'_, 'a>) {
        let by_type = tool.get_str("type").filter(|kind| {
            PROVIDER_TYPES.iter().any(|known| kind.starts_with(known))
                || kind == "code_interpreter" && has_files(tool)
        });
        let by_key = || {
            let mut keys = tool.children().map(|member| member.key());
            keys.find(|key| PROVIDER_KEYS.contains(&key.as_ref()))
        };
        if let Some(what) = by_type.or_else(by_key) {
            self.unjudged(path, UnjudgedReason::Opaque, Some(&what), tool);
        }
    }

    /// The members of an object, each under its own path, but for some.
    pub(crate) fn text_except(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        object: Value<'_, 'a>,
        except: &[&str],
    ) -> Result<(), WireError> {
        for member in object.children() {
            let key = member.key();
            let path = path.key(&key);
            if except.contains(&key.as_ref()) {
                self.label(kind, &path, member)?;
            } else {
                self.text(kind, &path, member)?;
            }
        }
        Ok(())
    }

    /// Text that is usually JSON inside a string: taken apart, so that escapes hide nothing and
    /// redaction keeps it valid. Anything else is text as it stands.
    pub(crate) fn embedded(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        value: Value<'_, 'a>,
    ) -> Result<(), WireError> {
        let Some(outer) = value.as_str() else {
            return self.text(kind, path, value);
        };
        if !outer.trim_start().starts_with(['{', '[']) {
            return self.text(kind, path, value);
        }
        let limits = JsonLimits {
            depth_max: EMBEDDED_DEPTH_MAX,
            ..JsonLimits::default()
        };
        let Ok(document) = json::parse(outer.as_bytes(), limits) else {
            return self.text(kind, path, value);
        };
        let mut offsets = SourceOffsets::new(value.raw());
        let base = value.span().start;
        each_text(
            document.root(),
            &Path::Embedded(path),
            &mut |path, span, text| {
                let span = offsets.span(span);
                let span = Span::new(base + span.start, base + span.end);
                self.push(kind, path, span, Cow::Owned(text.into_owned()))
            },
        )
    }

    /// Something that no detector can look at.
    pub(crate) fn unjudged(
        &mut self,
        path: &Path<'_>,
        reason: UnjudgedReason,
        what: Option<&str>,
        value: Value<'_, 'a>,
    ) {
        self.call.unjudged.push(Unjudged {
            path: path.pointer(),
            reason,
            what: what.filter(|what| !what.is_empty()).map(|what| {
                if is_label(what) {
                    what.to_owned()
                } else {
                    "*".to_owned()
                }
            }),
            bytes: u64::try_from(value.outer_span().len()).ok(),
        });
    }

    /// Text that stands in the body as it is, or in JSON that does.
    pub(crate) fn push(
        &mut self,
        kind: SegmentKind,
        path: &Path<'_>,
        body: Span,
        text: Cow<'a, str>,
    ) -> Result<(), WireError> {
        if self.call.segments.len() >= self.segments_max {
            return Err(WireError::TooManySegments(self.segments_max));
        }
        let path = Cow::Owned(path.pointer());
        self.call.segments.push(Segment {
            kind,
            path,
            body,
            text,
        });
        Ok(())
    }
}

/// What [`each_text`] found: its path, its place, what it says.
pub(crate) type Found<'f, 'a> =
    dyn FnMut(&Path<'_>, Span, Cow<'a, str>) -> Result<(), WireError> + 'f;

/// Tells every text below a value in reading order. The depth is that of the document, which the
/// parser has bounded.
pub(crate) fn each_text<'a>(
    value: Value<'_, 'a>,
    path: &Path<'_>,
    found: &mut Found<'_, 'a>,
) -> Result<(), WireError> {
    match value.kind() {
        Kind::String => match value.as_str() {
            // An empty string says nothing.
            Some(text) if !text.is_empty() => found(path, value.span(), text),
            _ => Ok(()),
        },
        Kind::Number if has_many_digits(value.raw()) => {
            found(path, value.span(), Cow::Borrowed(value.raw()))
        }
        Kind::Array => value
            .children()
            .enumerate()
            .try_for_each(|(index, child)| each_text(child, &path.index(index), found)),
        Kind::Object => value.children().try_for_each(|child| {
            let key = child.key();
            let path = path.key(&key);
            if !is_plain_key(&key) {
                found(&path, child.key_span(), key.clone())?;
            }
            each_text(child, &path, found)
        }),
        _ => Ok(()),
    }
}

/// Whether a segment comes from JSON inside a string.
pub(crate) fn is_embedded(segment: &Segment<'_>) -> bool {
    segment.path.contains(EMBEDDED)
}

/// Whether the body around a segment is no JSON (a form): its path is no JSON Pointer then.
pub(crate) fn is_plain(segment: &Segment<'_>) -> bool {
    !segment.path.is_empty() && !segment.path.starts_with('/')
}

/// Whether a string could be a name, an id or a switch: short, and of one word.
pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= LABEL_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/+@".contains(&byte))
}

/// Whether a string is a name and not a sentence written like one.
pub(crate) fn is_name(text: &str) -> bool {
    is_label(text) && !is_sentence(text)
}

/// `ignore_all_previous_instructions_now` and `IgnoreAllPreviousInstructionsNow`.
fn is_sentence(text: &str) -> bool {
    let (mut words, mut letters) = (0, 0);
    let mut was_lower = false;
    for byte in text.bytes() {
        let begins = byte.is_ascii_uppercase() && was_lower;
        if begins || !byte.is_ascii_alphabetic() {
            words += usize::from(letters > 1);
            letters = 0;
        }
        letters += usize::from(byte.is_ascii_alphabetic());
        was_lower = byte.is_ascii_lowercase();
    }
    words + usize::from(letters > 1) >= SENTENCE_WORDS_MIN
}

/// Whether a sandbox of the provider's is given files, or one that may have some.
fn has_files(tool: Value<'_, '_>) -> bool {
    tool.get("container").is_some_and(|container| {
        let files = container.get("file_ids");
        container.kind() == Kind::String
            || files.is_some_and(|files| files.children().next().is_some())
    })
}

pub(crate) fn is_plain_key(key: &str) -> bool {
    key.len() <= KEY_BYTES_MAX
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte))
}

fn has_many_digits(number: &str) -> bool {
    number.len() >= NUMBER_DIGITS_MIN
        && number.bytes().filter(u8::is_ascii_digit).count() >= NUMBER_DIGITS_MIN
}

/// Whether a string is a medium in itself: a `data:` URL of something that is not text.
pub(crate) fn is_media_data(raw: &str) -> bool {
    const HEAD_BYTES: usize = 128;
    let Some(rest) = raw.strip_prefix("data:") else {
        return false;
    };
    let head = rest
        .bytes()
        .take(HEAD_BYTES)
        .take_while(|byte| *byte != b',')
        .count();
    rest.is_char_boundary(head)
        && rest[..head].ends_with(";base64")
        && ["image", "audio", "video", "application"]
            .iter()
            .any(|kind| rest.starts_with(kind))
}

/// A JSON Pointer (RFC 6901) under construction, on the stack. Keys that are no plain names are
/// written `*`; `#` leads from a string into the JSON that it holds.
pub(crate) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
    Embedded(&'p Path<'p>),
    /// A part of a form: no JSON Pointer.
    Part(&'p str),
}

impl<'p> Path<'p> {
    pub(crate) fn key(&'p self, key: &'p str) -> Path<'p> {
        Path::Key(self, key)
    }

    pub(crate) fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }

    /// Whether a plain word standing here belongs to the schema language.
    fn is_schema_word(&self) -> bool {
        const WORDS: &[&str] = &["type", "format", "required", "$schema", "$ref", "strict"];
        match self {
            Self::Key(_, key) | Self::Index(Self::Key(_, key), _) => WORDS.contains(key),
            _ => false,
        }
    }

    /// Whether what stands here is the medium itself.
    fn is_media(&self) -> bool {
        matches!(
            self,
            Self::Key(
                _,
                "data" | "file_data" | "bytes" | "b64_json" | "bytesBase64Encoded"
            )
        )
    }

    /// Whether a name standing here describes the medium.
    fn is_media_switch(&self) -> bool {
        const SWITCHES: &[&str] = &["type", "detail", "format", "media_type", "mimeType"];
        matches!(self, Self::Key(_, key) if SWITCHES.contains(key))
    }

    pub(crate) fn pointer(&self) -> String {
        let mut out = String::with_capacity(40);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Root => {}
            Self::Key(parent, key) => {
                parent.write(out);
                out.push('/');
                out.push_str(if is_plain_key(key) { key } else { "*" });
            }
            Self::Index(parent, index) => {
                parent.write(out);
                out.push('/');
                push_index(out, *index);
            }
            Self::Embedded(parent) => {
                parent.write(out);
                out.push(EMBEDDED);
            }
            Self::Part(name) => {
                out.push_str("form:");
                out.push_str(if is_plain_key(name) { name } else { "*" });
            }
        }
    }
}

/// Most indices have one digit; formatting machinery would be the dearest part of a path.
fn push_index(out: &mut String, index: usize) {
    match u8::try_from(index) {
        Ok(digit @ 0..=9) => out.push(char::from(b'0' + digit)),
        _ => out.push_str(&index.to_string()),
    }
}

/// The root object of a call.
pub(crate) fn root_object<'d, 'a>(document: &'d Document<'a>) -> Result<Value<'d, 'a>, WireError> {
    let root = document.root();
    if root.kind() == Kind::Object {
        Ok(root)
    } else {
        Err(WireError::Type {
            path: String::new(),
            expected: "an object",
        })
    }
}

/// Refuses a member whose name differs from a known one by case alone: servers that tell no case
/// apart (those in Go among them) take it for the known one, and others for nothing.
pub(crate) fn check_spelling(object: Value<'_, '_>, known: &[&str]) -> Result<(), WireError> {
    for member in object.children() {
        let key = member.key();
        if known.contains(&key.as_ref()) {
            continue;
        }
        if let Some(name) = known.iter().find(|name| is_same_but_for_case(name, &key)) {
            return Err(WireError::Type {
                path: format!("/{name}"),
                expected: "written in the protocol's own letters",
            });
        }
    }
    Ok(())
}

/// With the two letters outside of ASCII that fold into it.
fn is_same_but_for_case(name: &str, key: &str) -> bool {
    name.eq_ignore_ascii_case(key)
        || !key.is_ascii()
            && name.eq_ignore_ascii_case(&key.replace('\u{17f}', "s").replace('\u{212a}', "k"))
}

/// The elements of an array that a protocol requires.
pub(crate) fn elements<'d, 'a>(
    path: &Path<'_>,
    list: Value<'d, 'a>,
) -> Result<impl Iterator<Item = (usize, Value<'d, 'a>)> + use<'d, 'a>, WireError> {
    if list.kind() == Kind::Array {
        Ok(list.children().enumerate())
    } else {
        Err(wrong_type(path, "an array"))
    }
}

/// A member of the wrong type.
pub(crate) fn wrong_type(path: &Path<'_>, expected: &'static str) -> WireError {
    WireError::Type {
        path: path.pointer(),
        expected,
    }
}
