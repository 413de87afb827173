//! One JSON object per line. Empty lines are skipped, a byte order mark too.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use serde::de::DeserializeSeed;

use super::{IncomingRow, IngestError, Intake};
use crate::decode::{Cell, Cells, json_fault};

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4_096;

pub(super) fn read(source: impl Read, intake: &mut Intake<'_>) -> Result<(), IngestError> {
    let mut source = BufReader::with_capacity(256 << 10, source);
    let mut line = Vec::new();
    let mut number = 0;
    let mut bytes = 0;
    loop {
        number += 1;
        line.clear();
        let read = read_line(&mut source, &mut line, intake.row_bytes_max())?;
        bytes += read.bytes;
        if read.bytes == 0 {
            intake.progress(bytes);
            return Ok(());
        }
        if read.is_too_long {
            let reason = format!("longer than {} bytes", intake.row_bytes_max());
            intake.refuse(number, &reason, "")?;
            continue;
        }
        take_line(&line, number, intake)?;
        if number.is_multiple_of(PROGRESS_ROWS) {
            intake.progress(bytes);
        }
    }
}

/// Takes one line of JSON in.
pub(super) fn take_line(
    line: &[u8],
    number: u64,
    intake: &mut Intake<'_>,
) -> Result<(), IngestError> {
    let line = line
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(line)
        .trim_ascii();
    if line.is_empty() {
        return Ok(());
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return intake.refuse(number, "not UTF-8", &String::from_utf8_lossy(line));
    };
    let mut extra = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Cells {
        names: intake.names(),
        extra: Some(&mut extra),
    }
    .deserialize(&mut deserializer)
    .and_then(|cells| deserializer.end().map(|()| cells));
    let found = match parsed {
        Ok(found) => found,
        Err(error) => {
            let reason = format!("not a JSON object: {}", json_fault(&error));
            return intake.refuse(number, &reason, text);
        }
    };
    let mut cells = vec![Cell::Null; intake.column_count()];
    for (column, raw) in found {
        cells[column] = Cell::Json(raw);
    }
    intake.take(&IncomingRow {
        line: number,
        cells,
        extra: extra
            .into_iter()
            .map(|(name, raw)| (name, Cow::Borrowed(raw)))
            .collect(),
        text,
    })
}

struct LineRead {
    bytes: u64,
    is_too_long: bool,
}

/// Reads a line, keeping no more than `bytes_max` of it.
fn read_line(
    source: &mut impl BufRead,
    line: &mut Vec<u8>,
    bytes_max: usize,
) -> std::io::Result<LineRead> {
    let mut bytes = 0;
    let mut is_too_long = false;
    loop {
        let chunk = source.fill_buf()?;
        let (end, is_last) = match memchr::memchr(b'\n', chunk) {
            Some(at) => (at + 1, true),
            None => (chunk.len(), chunk.is_empty()),
        };
        if line.len() + end > bytes_max {
            is_too_long = true;
        } else {
            line.extend_from_slice(&chunk[..end]);
        }
        source.consume(end);
        bytes += end as u64;
        if is_last {
            return Ok(LineRead { bytes, is_too_long });
        }
    }
}
