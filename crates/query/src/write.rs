//! Results as text: a table for people, JSON, JSON lines and CSV for programs.

mod csv;
mod json;
mod table;

use std::io::{self, Write};

pub use self::json::to_json;
use crate::engine::QueryResult;

/// A format of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns for a terminal.
    Table,
    /// One object: `columns`, `rows`, `warnings`.
    Json,
    /// One object per row.
    Ndjson,
    /// RFC 4180 with a header line.
    Csv,
}

/// Writes a result. `width` is the terminal's, in columns, for [`Format::Table`].
///
/// # Errors
/// Those of `out`.
pub fn write(
    result: &QueryResult,
    format: Format,
    width: Option<u16>,
    out: &mut impl Write,
) -> io::Result<()> {
    if format != Format::Json {
        // One after the other; in JSON they are part of the object.
        write_one(result, format, width, out)?;
        for further in &result.further {
            if let (Format::Table, Some(name)) = (format, &further.name) {
                writeln!(out, "{name}")?;
            }
            write_one(further, format, width, out)?;
        }
        return Ok(());
    }
    write_one(result, format, width, out)
}

fn write_one(
    result: &QueryResult,
    format: Format,
    width: Option<u16>,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Table => table::write(result, width, out),
        Format::Json => json::write(result, out),
        Format::Ndjson => json::write_lines(result, out),
        Format::Csv => csv::write(result, out),
    }
}
