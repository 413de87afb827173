//! CSV with a header line (RFC 4180). A row with more or fewer fields than the header is refused.

use std::cell::Cell as StdCell;
use std::io::{self, Read};
use std::rc::Rc;

use csv::{ReaderBuilder, StringRecord};

use super::{IncomingRow, IngestError, Intake};
use crate::decode::Cell;

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4_096;

pub(super) fn read(source: impl Read, intake: &mut Intake<'_>) -> Result<(), IngestError> {
    let since_row = Rc::new(StdCell::new(0));
    let bounded = Bounded {
        source,
        since_row: Rc::clone(&since_row),
        bytes_max: intake.row_bytes_max(),
    };
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bounded);
    let header = reader.byte_headers().map_err(format_error)?.clone();
    let header = StringRecord::from_byte_record(header).map_err(|_| IngestError::Format {
        format: "CSV",
        reason: "its header is not UTF-8".to_owned(),
    })?;
    let columns = columns_of(&header, intake)?;
    let mut record = csv::ByteRecord::new();
    let mut rows = 0_u64;
    while reader.read_byte_record(&mut record).map_err(format_error)? {
        since_row.set(0);
        rows += 1;
        let position = record.position();
        let line = position.map_or(rows + 1, csv::Position::line);
        let bytes = position.map_or(0, csv::Position::byte);
        take_record(&record, line, &columns, &header, intake)?;
        if rows.is_multiple_of(PROGRESS_ROWS) {
            intake.progress(bytes);
        }
    }
    intake.progress(reader.position().byte());
    Ok(())
}

/// The table's column for each field of the header.
fn columns_of(
    header: &StringRecord,
    intake: &mut Intake<'_>,
) -> Result<Vec<Option<usize>>, IngestError> {
    let columns: Vec<_> = header
        .iter()
        .map(|name| {
            intake
                .names()
                .find_any_case(name.trim_start_matches('\u{feff}').trim())
        })
        .collect();
    if columns.iter().all(Option::is_none) {
        return Err(IngestError::Format {
            format: "CSV with a header",
            reason: "its first line names no column of the table".to_owned(),
        });
    }
    Ok(columns)
}

fn take_record(
    record: &csv::ByteRecord,
    line: u64,
    columns: &[Option<usize>],
    header: &StringRecord,
    intake: &mut Intake<'_>,
) -> Result<(), IngestError> {
    let text = join(record);
    if record.len() != columns.len() {
        let reason = format!("expected {} fields, found {}", columns.len(), record.len());
        return intake.refuse(line, &reason, &text);
    }
    let mut cells = vec![Cell::Null; intake.column_count()];
    let mut extra = Vec::new();
    for ((field, column), name) in record.iter().zip(columns).zip(header) {
        let Ok(field) = std::str::from_utf8(field) else {
            return intake.refuse(line, "not UTF-8", &text);
        };
        match column {
            Some(column) => cells[*column] = Cell::Text(field),
            None if field.is_empty() => {}
            None => {
                let json = serde_json::Value::from(field).to_string();
                extra.push((name.to_owned(), json.into()));
            }
        }
    }
    intake.take(&IncomingRow {
        line,
        cells,
        extra,
        text: &text,
    })
}

fn join(record: &csv::ByteRecord) -> String {
    let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
    fields.join(",")
}

fn format_error(error: csv::Error) -> IngestError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => IngestError::Read(error),
        _ => IngestError::Format {
            format: "CSV",
            reason: "its rows cannot be told apart".to_owned(),
        },
    }
}

/// Ends a row that never ends, such as one with an open quote, before it fills the memory.
struct Bounded<R> {
    source: R,
    since_row: Rc<StdCell<usize>>,
    bytes_max: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_row.get() > self.bytes_max {
            let reason = format!(
                "a row is longer than {} bytes: is a quote open?",
                self.bytes_max
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let read = self.source.read(buffer)?;
        self.since_row.set(self.since_row.get() + read);
        Ok(read)
    }
}
