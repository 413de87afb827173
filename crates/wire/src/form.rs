//! `multipart/form-data` (RFC 7578): fields are text, files are looked into where they are text
//! and said to be `Unjudged` where they are not.
//!
//! The boundary is the one that the head names, because that is the one that the server uses. A
//! body that does not follow it exactly is refused: what two readers could cut differently hides
//! things from one of them. Left out: nested forms and transfer encodings, which are refused.

use std::borrow::Cow;

use atalaya_model::{SegmentKind, Span, Unjudged, UnjudgedReason};
use memchr::memmem;

use crate::call::{ParseLimits, ParsedCall, WireError};
use crate::charset;
use crate::collect::{Collector, Path, each_text, is_label, is_name};
use crate::json;
use crate::rules::{Fact, Is, Of, Table};

/// Most parts of one form.
const PARTS_MAX: usize = 256;
/// Longest head of one part, bytes.
const HEAD_BYTES_MAX: usize = 4_096;
/// RFC 2046 section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

pub(crate) fn is_form(content_type: &str) -> bool {
    content_type
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("multipart/form-data")
}

struct Part<'b> {
    name: String,
    file_name: Option<String>,
    content_type: String,
    body: &'b [u8],
    start: usize,
}

/// Reads a form; rules of the table say what its fields are.
pub(crate) fn read<'a>(
    table: &Table,
    content_type: &str,
    body: &'a [u8],
    limits: &ParseLimits,
) -> Result<ParsedCall<'a>, WireError> {
    let boundary = boundary(content_type).ok_or(WireError::Form("the form has no boundary"))?;
    let mut collector = Collector::new(limits);
    collector.call.notes.is_plain = true;
    let parts = parts(body, &boundary)?;
    for (index, part) in parts.iter().enumerate() {
        let is = rule_of(table, part);
        let is_fact = matches!(is, Some(Is::Fact(_)));
        if is_fact && parts[..index].iter().any(|before| before.name == part.name) {
            return Err(WireError::Form("a setting stands twice in the form"));
        }
        // What is to be text is read as text, whatever else it says that it is.
        let is_text = matches!(is, Some(Is::Text(_) | Is::Fact(_)));
        if part.file_name.is_some() && !(is_text && part.name != "file") {
            file(&mut collector, part, limits)?;
        } else {
            field(is, (table.rest, &mut collector), part)?;
        }
    }
    collector.call.message_count = 1;
    Ok(collector.call)
}

/// What a part is by its name; `timestamp_granularities[]` and the like are lists.
fn rule_of(table: &Table, part: &Part<'_>) -> Option<Is> {
    let name = part.name.trim_end_matches("[]");
    let mut rules = table.rules.iter();
    rules
        .find(|rule| rule.at.eq_ignore_ascii_case(name))
        .map(|rule| rule.is)
}

fn boundary(content_type: &str) -> Option<String> {
    let mut found = None;
    for parameter in content_type.split(';').skip(1) {
        let (name, value) = parameter.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        // `boundary*0=` (RFC 2231) is another way to write it.
        if name.starts_with("boundary*") {
            return None;
        }
        if name != "boundary" {
            continue;
        }
        let quoted = value
            .trim()
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let value = quoted.unwrap_or_else(|| value.trim());
        // Without quotes it ends at the first blank for some, and at the line's end for others.
        let is_whole = quoted.is_some() || !value.contains(' ');
        let is_sound = is_whole
            && !value.is_empty()
            && value.len() <= BOUNDARY_BYTES_MAX
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte));
        // Two boundaries are two ways to cut the body.
        if !is_sound || found.is_some() {
            return None;
        }
        found = Some(value.to_owned());
    }
    found
}

fn parts<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Part<'b>>, WireError> {
    let fail = |what| Err(WireError::Form(what));
    let delimiter = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    if !body.starts_with(delimiter.as_bytes()) {
        return fail("the form does not begin with its boundary");
    }
    let mut at = delimiter.len();
    loop {
        match body.get(at..at + 2) {
            Some(b"--") => {
                let rest = body.get(at + 2..).unwrap_or_default();
                return if rest.trim_ascii().is_empty() {
                    Ok(parts)
                } else {
                    fail("there are bytes behind the form's end")
                };
            }
            Some(b"\r\n") => at += 2,
            _ => return fail("a boundary of the form is not followed by a line's end"),
        }
        if parts.len() >= PARTS_MAX {
            return fail("the form has too many parts");
        }
        let rest = body.get(at..).unwrap_or_default();
        let Some(head_end) = memmem::find(rest, b"\r\n\r\n").filter(|end| *end <= HEAD_BYTES_MAX)
        else {
            return fail("a part of the form has no end of its head");
        };
        let start = at + head_end + 4;
        let Some(length) = memmem::find(&body[start..], next.as_bytes()) else {
            return fail("a part of the form has no end");
        };
        let mut part = head(&rest[..head_end])?;
        part.body = &body[start..start + length];
        part.start = start;
        parts.push(part);
        at = start + length + next.len();
    }
}

fn head<'b>(head: &[u8]) -> Result<Part<'b>, WireError> {
    let text = std::str::from_utf8(head)
        .map_err(|_| WireError::Form("the head of a part of the form is not UTF-8"))?;
    let mut part = Part {
        name: String::new(),
        file_name: None,
        content_type: String::new(),
        body: &[],
        start: 0,
    };
    let mut has_disposition = false;
    for line in text.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else {
            return Err(WireError::Form("a line in the form is no header"));
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" if !has_disposition => {
                has_disposition = true;
                disposition(value, &mut part)?;
            }
            "content-disposition" => {
                return Err(WireError::Form("a part of the form has two names"));
            }
            "content-type" if !part.content_type.is_empty() => {
                return Err(WireError::Form("a part of the form has two types"));
            }
            "content-type" if !charset::is_plain(value) => {
                return Err(WireError::Form("a part of the form is not UTF-8"));
            }
            "content-type" => part.content_type = value.trim().to_ascii_lowercase(),
            "content-transfer-encoding"
                if !matches!(
                    value.trim().to_ascii_lowercase().as_str(),
                    "binary" | "8bit" | "7bit"
                ) =>
            {
                return Err(WireError::Form("a part of the form is encoded"));
            }
            _ => {}
        }
    }
    match part.name.as_str() {
        "" => Err(WireError::Form("a part of the form has no name")),
        // RFC 7578 section 4.6: it changes how the other parts are read.
        "_charset_" => Err(WireError::Form("the form names a charset of its own")),
        _ => Ok(part),
    }
}

/// A name that is there twice, or in another coding, is another name for other readers.
fn disposition(value: &str, part: &mut Part<'_>) -> Result<(), WireError> {
    for parameter in value.split(';').skip(1) {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"').to_owned();
        match name.trim().to_ascii_lowercase().as_str() {
            "name" if part.name.is_empty() => part.name = value,
            "filename" | "filename*" => part.file_name = Some(value),
            other if other == "name" || other.starts_with("name*") => {
                return Err(WireError::Form("a part of the form has two names"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn field<'a>(
    is: Option<Is>,
    (rest, collector): (SegmentKind, &mut Collector<'a>),
    part: &Part<'a>,
) -> Result<(), WireError> {
    let text = std::str::from_utf8(part.body)
        .map_err(|_| WireError::Form("a field of the form is not UTF-8"))?;
    let name = part.name.trim_end_matches("[]");
    let call = &mut collector.call;
    match is {
        Some(Is::Fact(Fact::Model)) => call.model = Some(Cow::Borrowed(text)),
        Some(Is::Fact(Fact::Stream)) => call.stream = text == "true",
        Some(Is::Fact(Fact::Temperature)) => call.temperature = text.parse().ok(),
        Some(Is::Fact(Fact::Candidates)) => call.candidate_count = text.parse().ok(),
        Some(Is::Fact(Fact::User)) => call.user = Some(Cow::Borrowed(text)),
        _ => {}
    }
    let (kind, is_text) = match is {
        Some(Is::Text(Of::Kind(kind)) | Is::Tokens(Of::Kind(kind))) => (kind, true),
        _ => (rest, false),
    };
    if text.is_empty() || (!is_text && is_name(text)) {
        return Ok(());
    }
    let span = Span::new(part.start, part.start + part.body.len());
    collector.push(kind, &Path::Part(name), span, Cow::Borrowed(text))
}

/// A file: text is read as a document, JSON lines as what they hold, anything else is a medium.
fn file<'a>(
    collector: &mut Collector<'a>,
    part: &Part<'a>,
    limits: &ParseLimits,
) -> Result<(), WireError> {
    let path = Path::Part(&part.name);
    if let Some(name) = part.file_name.as_deref().filter(|name| !is_name(name)) {
        // A model may be shown the name. Where it stands exactly, redaction need not know.
        let span = Span::new(part.start, part.start);
        let text = Cow::Owned(name.to_owned());
        collector.push(SegmentKind::Document, &path, span, text)?;
    }
    let text = std::str::from_utf8(part.body)
        .ok()
        .filter(|text| !text.contains('\0'));
    let Some(text) = text.filter(|_| !is_media_type(&part.content_type)) else {
        let what = part.content_type.split(';').next().unwrap_or("").trim();
        collector.call.unjudged.push(Unjudged {
            path: path.pointer(),
            reason: UnjudgedReason::Media,
            what: Some(if what.is_empty() || !is_label(what) {
                "file".to_owned()
            } else {
                what.to_owned()
            }),
            bytes: u64::try_from(part.body.len()).ok(),
        });
        return Ok(());
    };
    let is_json_lines = text.trim_start().starts_with('{');
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let span = Span::new(part.start + at, part.start + at + line.len());
        at += line.len();
        let is_read = is_json_lines && json_line(collector, &path, (line, span.start), limits)?;
        if !is_read && !line.trim().is_empty() {
            if is_json_lines {
                collector.push(SegmentKind::Document, &path, span, Cow::Borrowed(line))?;
            } else {
                break;
            }
        }
    }
    if !is_json_lines && !text.is_empty() {
        let span = Span::new(part.start, part.start + text.len());
        collector.push(SegmentKind::Document, &path, span, Cow::Borrowed(text))?;
    }
    Ok(())
}

/// One line of a batch: every text in it; whether it is JSON at all.
fn json_line<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    (line, start): (&'a str, usize),
    limits: &ParseLimits,
) -> Result<bool, WireError> {
    let Ok(document) = json::parse(line.trim_end().as_bytes(), limits.json) else {
        return Ok(false);
    };
    each_text(
        document.root(),
        &Path::Embedded(path),
        &mut |path, span, text| {
            if is_name(&text) {
                return Ok(());
            }
            let span = Span::new(start + span.start, start + span.end);
            collector.push(SegmentKind::User, path, span, Cow::Owned(text.into_owned()))
        },
    )?;
    Ok(true)
}

fn is_media_type(content_type: &str) -> bool {
    ["image/", "audio/", "video/"]
        .iter()
        .any(|kind| content_type.starts_with(kind))
}
