//! Server-sent events: lines end in LF, CRLF or CR, an empty line ends an event, and the data of
//! several `data:` lines is joined with line feeds (WHATWG HTML, section 9.2.6).

/// The end of the event that starts at `at`: behind the first empty line.
pub(super) fn end(bytes: &[u8], at: usize, from: usize) -> Option<usize> {
    let mut line_start = line_start(bytes, at, from);
    loop {
        let (line_end, next) = line(bytes, line_start)?;
        // A comment or blank line before any field is a frame of its own: nothing waits for it.
        if line_end == line_start {
            return Some(next);
        }
        line_start = next;
    }
}

/// Where the line that `from` stands in begins.
fn line_start(bytes: &[u8], at: usize, from: usize) -> usize {
    let before = bytes.get(at..from).unwrap_or_default();
    before
        .iter()
        .rposition(|byte| matches!(byte, b'\n' | b'\r'))
        .map_or(at, |stop| {
            let next = at + stop + 1;
            // Between CR and LF there is no line.
            if bytes.get(next - 1) == Some(&b'\r') && bytes.get(next) == Some(&b'\n') {
                next + 1
            } else {
                next
            }
        })
}

/// End of the line that starts there, and the start of the next one; a CR at the very end may be
/// half of a CRLF, so it is not an end yet.
fn line(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let rest = bytes.get(start..)?;
    let stop = memchr::memchr2(b'\n', b'\r', rest)?;
    let end = start + stop;
    if rest[stop] == b'\n' {
        return Some((end, end + 1));
    }
    match rest.get(stop + 1) {
        None => None,
        Some(b'\n') => Some((end, end + 2)),
        Some(_) => Some((end, end + 1)),
    }
}

/// The lines of an event, without their ends.
fn lines(raw: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut start = 0;
    while start < raw.len() {
        let rest = &raw[start..];
        let stop = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        out.push(&rest[..stop]);
        let is_crlf = rest.get(stop) == Some(&b'\r') && rest.get(stop + 1) == Some(&b'\n');
        start += stop + if is_crlf { 2 } else { 1 };
    }
    out
}

fn field<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.first() {
        None => Some(rest),
        Some(b':') => {
            let value = &rest[1..];
            Some(value.strip_prefix(b" ").unwrap_or(value))
        }
        Some(_) => None,
    }
}

/// Data and type of an event.
pub(super) fn data(raw: &[u8]) -> (Vec<u8>, String) {
    let mut data: Option<Vec<u8>> = None;
    let mut event = String::new();
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    for line in lines(raw) {
        if let Some(value) = field(line, b"data") {
            match &mut data {
                None => data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            }
        } else if let Some(value) = field(line, b"event") {
            event = String::from_utf8_lossy(value).into_owned();
        }
    }
    (data.unwrap_or_default(), event)
}

/// The event with other data: the first `data:` line gives way to it, the further ones go.
pub(super) fn rewrite(raw: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + new.len());
    let mut is_written = false;
    for line in lines(raw) {
        if field(line, b"data").is_none() {
            if !line.is_empty() {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            continue;
        }
        if is_written {
            continue;
        }
        is_written = true;
        for piece in new.split(|byte| matches!(byte, b'\n' | b'\r')) {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(piece);
            out.push(b'\n');
        }
    }
    out.push(b'\n');
    out
}
