//! Tar: headers of 512 bytes, one after the other.

use crate::source::Part;

/// One entry.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) start: u64,
    pub(crate) length: u64,
    /// A link, and where it leads.
    pub(crate) link: Option<String>,
}

const BLOCK: u64 = 512;

/// What a header before the next entry says of it (GNU, pax).
#[derive(Default)]
struct Ahead {
    name: Option<String>,
    link: Option<String>,
    length: Option<u64>,
}

/// Longest name or set of records before an entry that is read, bytes.
const AHEAD_BYTES_MAX: u64 = 1 << 20;

/// The entries up to the first that cannot be read; why it cannot. Readers differ in whether they
/// stop where an archive says that it ends: what lies behind is read as well.
pub(crate) fn entries(part: Part<'_>, count_max: usize) -> (Vec<Entry>, Option<(u64, String)>) {
    let mut entries = Vec::new();
    let mut offset = 0;
    let mut ahead = Ahead::default();
    let mut has_ended = false;
    while offset + BLOCK <= part.length() {
        let header = match part.bytes(offset, 512) {
            Ok(header) if header.len() == 512 => header,
            Ok(_) => break,
            Err(error) => return (entries, Some((offset, error.to_string()))),
        };
        if header.iter().all(|byte| *byte == 0) {
            has_ended = true;
            offset += BLOCK;
            continue;
        }
        if has_ended && !is_header(&header) {
            return (
                entries,
                Some((offset, "there is more behind its end".into())),
            );
        }
        if entries.len() >= count_max {
            let reason = "it has more entries than are looked at";
            return (entries, Some((offset, reason.into())));
        }
        let Some(length) = number(&header[124..136]) else {
            return (
                entries,
                Some((offset, "an entry's size is no number".into())),
            );
        };
        let (start, kind) = (offset + BLOCK, header[156]);
        let is_ahead = matches!(kind, b'L' | b'K' | b'x' | b'g');
        let length = if is_ahead {
            length
        } else {
            ahead.length.unwrap_or(length)
        };
        if length > part.length() - start.min(part.length()) {
            return (
                entries,
                Some((offset, "an entry reaches past the end".into())),
            );
        }
        if is_ahead {
            let bytes = part.bytes(start, length.min(AHEAD_BYTES_MAX) as usize);
            read_ahead(&mut ahead, kind, &bytes.unwrap_or_default());
        } else {
            entries.push(entry(&header, (start, length), std::mem::take(&mut ahead)));
        }
        offset = start + length.div_ceil(BLOCK) * BLOCK;
    }
    let reason = (!has_ended).then(|| (offset, "it has no end".to_owned()));
    (entries, reason)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

/// Whether the sum over a header is the one that it names.
pub(crate) fn is_header(header: &[u8]) -> bool {
    let told = number(&header[148..156]);
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let field: u64 = header[148..156].iter().map(|byte| u64::from(*byte)).sum();
    told == Some(sum - field + 8 * 32)
}

fn entry(header: &[u8], (start, length): (u64, u64), ahead: Ahead) -> Entry {
    let prefix = text(&header[345..500]);
    let mut name = ahead.name.unwrap_or_else(|| text(&header[..100]));
    if !prefix.is_empty() && header[257..262] == *b"ustar" && header[262] == 0 {
        name = format!("{prefix}/{name}");
    }
    let is_link = matches!(header[156], b'1' | b'2');
    let link = is_link.then(|| ahead.link.unwrap_or_else(|| text(&header[157..257])));
    Entry {
        name,
        start,
        length,
        link,
    }
}

/// `LENGTH KEY=VALUE\n`, one after the other.
fn read_ahead(ahead: &mut Ahead, kind: u8, bytes: &[u8]) {
    match kind {
        b'L' => ahead.name = Some(text(bytes)),
        b'K' => ahead.link = Some(text(bytes)),
        _ => {
            let mut rest = bytes;
            while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
                let length = std::str::from_utf8(&rest[..space]).ok();
                let length = length.and_then(|digits| digits.parse::<usize>().ok());
                let Some(record) = length.and_then(|length| rest.get(space + 1..length)) else {
                    return;
                };
                let record = record.strip_suffix(b"\n").unwrap_or(record);
                let at = record.iter().position(|byte| *byte == b'=');
                let (key, value) = record.split_at(at.unwrap_or(record.len()));
                let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
                match key {
                    b"path" => ahead.name = Some(value.into_owned()),
                    b"linkpath" => ahead.link = Some(value.into_owned()),
                    b"size" => ahead.length = value.parse().ok(),
                    _ => {}
                }
                rest = &rest[length.unwrap_or(rest.len())..];
            }
        }
    }
}

/// Octal digits, or a binary number where the first bit is set (GNU).
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|byte| byte & 0x80 != 0) {
        let tail = field.get(field.len().checked_sub(8)?..)?;
        return Some(u64::from_be_bytes(tail.try_into().ok()?));
    }
    let digits: String = field.iter().map(|byte| char::from(*byte)).collect();
    let digits = digits.trim_matches(['\0', ' ']);
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(digits, 8).ok()
}
