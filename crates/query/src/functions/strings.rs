//! Texts: cutting, joining, changing case, encoding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::whole::{self, or_rows};
use super::{Function, long, string, text};
use crate::value::Value;

/// Longest text that `strrep` and its like make.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Most repetitions of `strrep`, as in Kusto.
const REPEATS_MAX: i64 = 1_024;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("strlen", |call| {
        let columns = whole::measure(call, |text| text.chars().count());
        Ok(or_rows(columns, |a| count(text(a, 0)?.chars().count())))
    }),
    Function::bind("string_size", |call| {
        let columns = whole::measure(call, str::len);
        Ok(or_rows(columns, |a| count(text(a, 0)?.len())))
    }),
    Function::bind("tolower", |call| {
        let columns = whole::letters(call, str::make_ascii_lowercase, str::to_lowercase);
        Ok(or_rows(columns, |a| string(text(a, 0)?.to_lowercase())))
    }),
    Function::bind("toupper", |call| {
        let columns = whole::letters(call, str::make_ascii_uppercase, str::to_uppercase);
        Ok(or_rows(columns, |a| string(text(a, 0)?.to_uppercase())))
    }),
    Function::bind("strcat", |call| {
        Ok(or_rows(whole::joined(call), |a| {
            let parts = a.iter().map(Value::to_text);
            string(parts.fold(String::new(), |out, part| out + &part))
        }))
    }),
    Function::rows("strcat_delim", |a| {
        let delimiter = text(a, 0)?;
        let parts: Vec<_> = a[1..].iter().map(Value::to_text).collect();
        string(parts.join(&delimiter))
    }),
    Function::rows("strrep", |a| {
        let (piece, times) = (text(a, 0)?, long(a, 1)?.clamp(0, REPEATS_MAX));
        let delimiter = text(a, 2).unwrap_or_default();
        let times = usize::try_from(times).unwrap_or(0);
        if (piece.len() + delimiter.len()) * times > TEXT_BYTES_MAX {
            return None;
        }
        string(vec![&*piece; times].join(&delimiter))
    }),
    Function::rows("reverse", |a| {
        string(text(a, 0)?.chars().rev().collect::<String>())
    }),
    Function::rows("substring", substring),
    Function::rows("indexof", index_of),
    Function::rows("split", split),
    Function::rows("replace_string", |a| {
        let (source, from, to) = (text(a, 0)?, text(a, 1)?, text(a, 2)?);
        if from.is_empty() {
            return string(source);
        }
        string(source.replace(&*from, &to))
    }),
    Function::rows("replace_strings", |a| {
        replace_strings(&text(a, 0)?, a.get(1)?.as_array()?, a.get(2)?.as_array()?)
    }),
    Function::rows("strcmp", |a| {
        let order = text(a, 0)?.cmp(&text(a, 1)?);
        Some(Value::Long(order as i64))
    }),
    Function::rows("translate", |a| {
        let (from, to, source) = (text(a, 0)?, text(a, 1)?, text(a, 2)?);
        let to: Vec<char> = to.chars().collect();
        let from: Vec<char> = from.chars().collect();
        let map = |c: char| match from.iter().position(|f| *f == c) {
            Some(at) => to.get(at).or(to.last()).copied(),
            None => Some(c),
        };
        string(source.chars().filter_map(map).collect::<String>())
    }),
    Function::rows("isascii", |a| Some(Value::Bool(text(a, 0)?.is_ascii()))),
    Function::rows("isutf8", |a| text(a, 0).map(|_| Value::Bool(true))),
    Function::rows("base64_encode_fromguid", |a| {
        let guid = uuid::Uuid::parse_str(&text(a, 0)?).ok()?;
        // The bytes as Windows lays them out: the first three fields little endian.
        string(STANDARD.encode(guid.to_bytes_le()))
    }),
    Function::rows("base64_encode_fromarray", |a| {
        let byte = |item: &Value| item.as_i64().and_then(|byte| u8::try_from(byte).ok());
        let bytes: Option<Vec<u8>> = a[0].as_array()?.iter().map(byte).collect();
        string(STANDARD.encode(bytes?))
    }),
    Function::rows("base64_encode_tostring", |a| {
        string(STANDARD.encode(text(a, 0)?.as_bytes()))
    }),
    Function::rows("base64_encodestring", |a| {
        string(STANDARD.encode(text(a, 0)?.as_bytes()))
    }),
    Function::rows("base64_decode_tostring", decode_text),
    Function::rows("base64_decodestring", decode_text),
    Function::rows("base64_decode_toarray", |a| {
        let bytes = decode_base64(&text(a, 0)?)?;
        let items = bytes.iter().map(|b| Value::Long(i64::from(*b)));
        Some(Value::array(items.collect()))
    }),
    Function::rows("base64_decode_toguid", |a| {
        let bytes: [u8; 16] = decode_base64(&text(a, 0)?)?.try_into().ok()?;
        let [a0, a1, a2, a3, b0, b1, c0, c1, rest @ ..] = bytes;
        let ordered = [a3, a2, a1, a0, b1, b0, c1, c0];
        let hex: String = ordered
            .iter()
            .chain(&rest)
            .map(|b| format!("{b:02x}"))
            .collect();
        super::conversion::to_guid(&Value::string(hex))
    }),
    Function::rows("url_encode", |a| {
        string(url_encode(&text(a, 0)?, b"-_.!*()"))
    }),
    Function::rows("url_encode_component", |a| {
        string(url_encode(&text(a, 0)?, b"-_.~").replace('+', "%20"))
    }),
    Function::rows("url_decode", |a| string(url_decode(&text(a, 0)?))),
    Function::rows("unicode_codepoints_from_string", |a| {
        let points = text(a, 0)?;
        let items = points.chars().map(|c| Value::Long(i64::from(u32::from(c))));
        Some(Value::array(items.collect()))
    }),
    Function::rows("to_utf8", |a| {
        let points = text(a, 0)?;
        let items = points.chars().map(|c| Value::Long(i64::from(u32::from(c))));
        Some(Value::array(items.collect()))
    }),
    Function::rows("unicode_codepoints_to_string", code_points),
    Function::rows("make_string", code_points),
    Function::rows("strcat_array", |a| {
        let items = a.first()?.as_array()?;
        let parts: Vec<_> = items.iter().map(Value::to_text).collect();
        string(parts.join(&text(a, 1)?))
    }),
    Function::rows("parse_csv", |a| {
        let line = text(a, 0)?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(line.as_bytes());
        let record = reader.records().next()?.ok()?;
        Some(Value::array(record.iter().map(Value::string).collect()))
    }),
];

fn count(value: usize) -> Option<Value> {
    i64::try_from(value).ok().map(Value::Long)
}

/// In one pass, the first lookup that matches wins; what stands for no string stays as it is.
fn replace_strings(source: &str, from: &[Value], to: &[Value]) -> Option<Value> {
    let lookups: Vec<_> = from.iter().map(Value::to_text).collect();
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let found = lookups
            .iter()
            .position(|lookup| !lookup.is_empty() && rest.starts_with(&**lookup));
        let length = found.map_or(first.len_utf8(), |at| lookups[at].len());
        match found.and_then(|at| to.get(at)?.as_str()) {
            Some(replacement) => out.push_str(replacement),
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    string(out)
}

fn substring(args: &[Value]) -> Option<Value> {
    let source = text(args, 0)?;
    let length = i64::try_from(source.chars().count()).ok()?;
    let start = long(args, 1)?;
    let start = if start < 0 { length + start } else { start };
    if start < 0 {
        return string("");
    }
    let take = match args.get(2) {
        Some(value) => value.as_i64()?.max(0),
        None => i64::MAX,
    };
    string(
        source
            .chars()
            .skip(usize::try_from(start).ok()?)
            .take(usize::try_from(take).ok()?)
            .collect::<String>(),
    )
}

fn index_of(args: &[Value]) -> Option<Value> {
    let (source, needle) = (text(args, 0)?, text(args, 1)?);
    let characters: Vec<char> = source.chars().collect();
    let length = i64::try_from(characters.len()).ok()?;
    let start = long(args, 2).unwrap_or(0);
    let start = if start < 0 {
        (length + start).max(0)
    } else {
        start
    };
    let window = long(args, 3).unwrap_or(-1);
    let occurrence = long(args, 4).unwrap_or(1);
    if occurrence < 1 || start > length || window < -1 {
        return (window >= -1 && occurrence >= 1).then_some(Value::Long(-1));
    }
    let end = if window < 0 {
        length
    } else {
        (start + window).min(length)
    };
    let needle: Vec<char> = needle.chars().collect();
    let (mut at, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
    let mut left = occurrence;
    if needle.is_empty() {
        return None;
    }
    while at < end && at + needle.len() <= characters.len() {
        if characters[at..at + needle.len()] == needle[..] {
            left -= 1;
            if left == 0 {
                return count(at);
            }
        }
        at += 1;
    }
    Some(Value::Long(-1))
}

fn split(args: &[Value]) -> Option<Value> {
    let (source, delimiter) = (text(args, 0)?, text(args, 1)?);
    let parts: Vec<Value> = if delimiter.is_empty() {
        vec![Value::String(source)]
    } else {
        source.split(&*delimiter).map(Value::string).collect()
    };
    match args.get(2).and_then(Value::as_i64) {
        None => Some(Value::array(parts)),
        Some(index) => {
            let part = usize::try_from(index)
                .ok()
                .and_then(|i| parts.get(i).cloned());
            Some(Value::array(vec![part?]))
        }
    }
}

fn decode_base64(source: &str) -> Option<Vec<u8>> {
    STANDARD.decode(source.trim()).ok()
}

fn decode_text(args: &[Value]) -> Option<Value> {
    let bytes = decode_base64(&text(args, 0)?).unwrap_or_default();
    string(String::from_utf8(bytes).unwrap_or_default())
}

fn url_encode(source: &str, safe: &[u8]) -> String {
    source
        .bytes()
        .map(|b| match b {
            b' ' => "+".to_owned(),
            b if b.is_ascii_alphanumeric() || safe.contains(&b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

fn url_decode(source: &str) -> String {
    let mut out = Vec::with_capacity(source.len());
    let mut bytes = source.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        let escaped = (*first == b'%')
            .then(|| rest.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (escaped, first) {
            (Some(byte), _) => {
                out.push(byte);
                bytes = &rest[2..];
                continue;
            }
            (None, b'+') => out.push(b' '),
            (None, other) => out.push(*other),
        }
        bytes = rest;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn code_points(args: &[Value]) -> Option<Value> {
    let mut out = String::new();
    for value in args {
        let items = value.as_array().unwrap_or(std::slice::from_ref(value));
        for item in items {
            out.push(char::from_u32(u32::try_from(item.as_i64()?).ok()?)?);
        }
    }
    string(out)
}
