//! Zip: the directory at the end, and the headers before the entries.
//!
//! Loaders differ in which of the two they believe. Entries are taken from both; where they
//! disagree, or one knows an entry that the other does not, that is told.

use std::collections::BTreeMap;

use crate::source::Part;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) method: u16,
    pub(crate) is_encrypted: bool,
    /// Where its bytes begin, and how many there are.
    pub(crate) start: u64,
    pub(crate) packed: u64,
    pub(crate) size: u64,
}

/// What is in an archive.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) entries: Vec<Entry>,
    /// What is odd about it, and where.
    pub(crate) oddities: Vec<(u64, String)>,
    /// Why it could not be read to its end.
    pub(crate) broken: Option<(u64, String)>,
    pub(crate) is_cut: bool,
}

/// Longest end record: itself and its comment.
const END_BYTES_MAX: u64 = 22 + 65_535;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Reads both descriptions.
pub(crate) fn contents(part: Part<'_>, count_max: usize) -> Contents {
    let mut contents = Contents::default();
    let mut by_start: BTreeMap<u64, Entry> = BTreeMap::new();
    match directory(part, count_max) {
        Ok((entries, is_cut)) => {
            contents.is_cut = is_cut;
            for (header, entry) in entries {
                match local(part, header) {
                    Some(found) => {
                        compare(&mut contents, header, &entry, &found);
                        let start = found.start;
                        by_start.insert(header, Entry { start, ..entry });
                    }
                    None => contents.oddities.push((
                        header,
                        format!("there is no entry where the directory says {}", entry.name),
                    )),
                }
            }
        }
        Err((offset, reason)) => contents.broken = Some((offset, reason)),
    }
    walk_headers(part, &mut contents, &mut by_start, count_max);
    contents.entries = by_start.into_values().collect();
    contents
}

fn compare(contents: &mut Contents, at: u64, directory: &Entry, header: &Entry) {
    if directory.name != header.name {
        let message = format!(
            "the directory says {}, the entry says {}",
            directory.name, header.name
        );
        contents.oddities.push((at, message));
    }
    if directory.method != header.method {
        let message = format!("{}: two compression methods", directory.name);
        contents.oddities.push((at, message));
    }
    // Headers of streamed entries do not know their sizes.
    if header.packed != 0 && header.packed != directory.packed {
        contents
            .oddities
            .push((at, format!("{}: two sizes", directory.name)));
    }
}

/// The record at the end: where it is, and what it says of the directory.
struct End {
    at: u64,
    directory_bytes: u64,
    directory_at: u64,
}

fn end_record(part: Part<'_>) -> Option<End> {
    let tail_at = part.length().saturating_sub(END_BYTES_MAX);
    let tail = part.bytes(tail_at, END_BYTES_MAX as usize).ok()?;
    let end = tail
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")?;
    Some(End {
        at: tail_at + end as u64,
        directory_bytes: u64::from(u32_at(&tail, end + 12)?),
        directory_at: u64::from(u32_at(&tail, end + 16)?),
    })
}

/// How many bytes lie before the archive, by the distance between where its directory is and where
/// it says that it is.
pub(crate) fn shift(part: Part<'_>) -> u64 {
    let Some(end) = end_record(part) else {
        return 0;
    };
    // The wide records of Zip64 lie between the directory and the record at the end.
    let locator = part.bytes(end.at.saturating_sub(20), 4).unwrap_or_default();
    let wide = if locator == b"PK\x06\x07" { 56 + 20 } else { 0 };
    let told = end.directory_bytes + end.directory_at + wide;
    let is_wide = end.directory_at == u64::from(u32::MAX);
    let shift = end.at.saturating_sub(told);
    let begins = part.bytes(end.directory_at + shift, 4).unwrap_or_default();
    let is_empty = end.directory_bytes == 0;
    if is_wide || is_empty || begins != b"PK\x01\x02" {
        return 0;
    }
    shift
}

/// Where an archive begins that lies behind something else, if there is one.
pub(crate) fn appended(part: Part<'_>) -> Option<u64> {
    let end = end_record(part)?;
    let shift = shift(part);
    let directory = part.bytes(end.directory_at + shift, 4).unwrap_or_default();
    (end.directory_bytes > 0 && directory == b"PK\x01\x02").then_some(shift)
}

type Directory = (Vec<(u64, Entry)>, bool);

fn directory(part: Part<'_>, count_max: usize) -> Result<Directory, (u64, String)> {
    let tail_at = part.length().saturating_sub(END_BYTES_MAX);
    let tail = part
        .bytes(tail_at, END_BYTES_MAX as usize)
        .map_err(|error| (tail_at, error.to_string()))?;
    let end = tail.windows(4).rposition(|window| window == b"PK\x05\x06");
    let end = end.ok_or((part.length(), "it has no directory".to_owned()))?;
    let broken = || (tail_at + end as u64, "its directory is cut off".to_owned());
    let mut count = u64::from(u16_at(&tail, end + 10).ok_or_else(broken)?);
    let mut start = u64::from(u32_at(&tail, end + 16).ok_or_else(broken)?);
    let locator = end
        .checked_sub(20)
        .filter(|at| tail.get(*at..*at + 4) == Some(b"PK\x06\x07"));
    if let Some(at) = locator {
        let record = part
            .bytes(u64_at(&tail, at + 8).ok_or_else(broken)?, 56)
            .unwrap_or_default();
        if record.get(..4) == Some(b"PK\x06\x06") {
            count = u64_at(&record, 32).ok_or_else(broken)?;
            start = u64_at(&record, 48).ok_or_else(broken)?;
        }
    }
    let mut entries = Vec::new();
    let mut at = start;
    for _ in 0..count {
        if entries.len() >= count_max {
            return Ok((entries, true));
        }
        let head = part.bytes(at, 46).unwrap_or_default();
        if head.get(..4) != Some(b"PK\x01\x02") {
            return Err((
                at,
                "its directory has fewer entries than it says".to_owned(),
            ));
        }
        let (header, entry, length) = listed(part, at, &head).ok_or_else(broken)?;
        entries.push((header, entry));
        at += length;
    }
    Ok((entries, false))
}

fn listed(part: Part<'_>, at: u64, head: &[u8]) -> Option<(u64, Entry, u64)> {
    let (name_length, extra_length) = (u16_at(head, 28)?, u16_at(head, 30)?);
    let comment_length = u16_at(head, 32)?;
    let name = part.bytes(at + 46, usize::from(name_length)).ok()?;
    let extra = part
        .bytes(at + 46 + u64::from(name_length), usize::from(extra_length))
        .ok()?;
    let mut size = u64::from(u32_at(head, 24)?);
    let mut packed = u64::from(u32_at(head, 20)?);
    let mut header = u64::from(u32_at(head, 42)?);
    let mut wide = extra_field(&extra, 1).unwrap_or_default();
    for number in [&mut size, &mut packed, &mut header] {
        if *number == u64::from(u32::MAX)
            && let Some(value) = u64_at(wide, 0)
        {
            *number = value;
            wide = wide.get(8..).unwrap_or_default();
        }
    }
    let entry = Entry {
        name: String::from_utf8_lossy(&name).into_owned(),
        method: u16_at(head, 10)?,
        is_encrypted: u16_at(head, 8)? & 1 != 0,
        start: 0,
        packed,
        size,
    };
    let length = 46 + u64::from(name_length) + u64::from(extra_length) + u64::from(comment_length);
    Some((header, entry, length))
}

fn extra_field(extra: &[u8], id: u16) -> Option<&[u8]> {
    let mut rest = extra;
    while rest.len() >= 4 {
        let (found, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
        let body = rest.get(4..4 + length)?;
        if found == id {
            return Some(body);
        }
        rest = &rest[4 + length..];
    }
    None
}

/// The header before an entry.
fn local(part: Part<'_>, at: u64) -> Option<Entry> {
    let head = part.bytes(at, 30).ok()?;
    if head.get(..4) != Some(b"PK\x03\x04") {
        return None;
    }
    let (name_length, extra_length) = (u16_at(&head, 26)?, u16_at(&head, 28)?);
    let name = part.bytes(at + 30, usize::from(name_length)).ok()?;
    let is_streamed = u16_at(&head, 6)? & 8 != 0;
    let packed = u32_at(&head, 18)?;
    Some(Entry {
        name: String::from_utf8_lossy(&name).into_owned(),
        method: u16_at(&head, 8)?,
        is_encrypted: u16_at(&head, 6)? & 1 != 0,
        start: at + 30 + u64::from(name_length) + u64::from(extra_length),
        packed: if is_streamed || packed == u32::MAX {
            0
        } else {
            u64::from(packed)
        },
        size: u64::from(u32_at(&head, 22)?),
    })
}

/// Goes from header to header, for entries that the directory does not list.
fn walk_headers(
    part: Part<'_>,
    contents: &mut Contents,
    known: &mut BTreeMap<u64, Entry>,
    count_max: usize,
) {
    let mut at = if local(part, 0).is_some() {
        0
    } else {
        known.keys().next().copied().unwrap_or(0)
    };
    while let Some(found) = local(part, at) {
        let next = match known.get(&at) {
            Some(entry) => entry.start + entry.packed,
            None => {
                if known.len() >= count_max {
                    contents.is_cut = true;
                    return;
                }
                let message = format!("the directory does not list {}", found.name);
                if contents.broken.is_none() {
                    contents.oddities.push((at, message));
                }
                let length = if found.packed == 0 {
                    distance(part, found.start)
                } else {
                    found.packed
                };
                let next = found.start + length;
                known.insert(
                    at,
                    Entry {
                        packed: length,
                        ..found
                    },
                );
                next
            }
        };
        // A streamed entry is followed by a descriptor of 12 to 24 bytes.
        let gap = part.bytes(next, 28).unwrap_or_default();
        let header = gap.windows(4).position(|window| window == b"PK\x03\x04");
        match header {
            Some(gap) if next + gap as u64 > at => at = next + gap as u64,
            _ => return,
        }
    }
}

/// Bytes to the next header or the directory.
fn distance(part: Part<'_>, from: u64) -> u64 {
    const STEP: usize = 1 << 16;
    let mut at = from;
    while at < part.length() {
        let bytes = part.bytes(at, STEP + 3).unwrap_or_default();
        let found = bytes
            .windows(4)
            .position(|window| matches!(window, b"PK\x03\x04" | b"PK\x01\x02" | b"PK\x07\x08"));
        if let Some(found) = found {
            return at + found as u64 - from;
        }
        at += STEP as u64;
    }
    part.length().saturating_sub(from)
}
