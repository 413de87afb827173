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

/// The entries up to the first that cannot be read; why it cannot.
pub(crate) fn entries(part: Part<'_>, count_max: usize) -> (Vec<Entry>, Option<(u64, String)>) {
    let mut entries = Vec::new();
    let mut offset = 0;
    let mut long_name: Option<String> = None;
    while offset + BLOCK <= part.length() {
        let header = match part.bytes(offset, 512) {
            Ok(header) if header.len() == 512 => header,
            Ok(_) => break,
            Err(error) => return (entries, Some((offset, error.to_string()))),
        };
        if header.iter().all(|byte| *byte == 0) {
            return (entries, None);
        }
        if entries.len() >= count_max {
            return (
                entries,
                Some((offset, "it has more entries than are looked at".into())),
            );
        }
        let Some(length) = number(&header[124..136]) else {
            return (
                entries,
                Some((offset, "an entry's size is no number".into())),
            );
        };
        let (start, kind) = (offset + BLOCK, header[156]);
        if length > part.length() - start.min(part.length()) {
            return (
                entries,
                Some((offset, "an entry reaches past the end".into())),
            );
        }
        let text = |bytes: &[u8]| {
            let end = bytes
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        if kind == b'L' {
            let bytes = part
                .bytes(start, length.min(4_096) as usize)
                .unwrap_or_default();
            long_name = Some(text(&bytes));
        } else if !matches!(kind, b'x' | b'g' | b'K' | b'5') {
            let prefix = text(&header[345..500]);
            let mut name = long_name.take().unwrap_or_else(|| text(&header[..100]));
            if !prefix.is_empty() && header[257..262] == *b"ustar" && header[262] == 0 {
                name = format!("{prefix}/{name}");
            }
            let link = matches!(kind, b'1' | b'2').then(|| text(&header[157..257]));
            entries.push(Entry {
                name,
                start,
                length,
                link,
            });
        }
        let blocks = length.div_ceil(BLOCK);
        offset = start + blocks * BLOCK;
    }
    (entries, Some((offset, "it has no end".to_owned())))
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
