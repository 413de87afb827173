//! A table for a terminal. Control characters of the data never reach it: a log may hold escape
//! sequences that somebody planted for whoever reads it.

use std::io::{self, Write};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use super::json;
use crate::engine::QueryResult;
use crate::value::Value;

/// Longest text of a cell, characters.
const CELL_CHARS_MAX: usize = 160;

pub(super) fn write(
    result: &QueryResult,
    width: Option<u16>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(result.columns.iter().map(|column| column.name.as_str()));
    for row in &result.rows {
        table.add_row(row.iter().map(cell));
    }
    writeln!(out, "{table}")?;
    let rows = result.rows.len();
    let more = if result.truncated {
        ", more left out"
    } else {
        ""
    };
    writeln!(out, "{rows} row{}{more}", if rows == 1 { "" } else { "s" })
}

fn cell(value: &Value) -> Cell {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) | Value::Guid(text) => text.to_string(),
        other => {
            let json = json::to_json(other);
            json.as_str()
                .map_or_else(|| json.to_string(), str::to_owned)
        }
    };
    let aligned = match value {
        Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Timespan(_) => {
            CellAlignment::Right
        }
        _ => CellAlignment::Left,
    };
    Cell::new(shown(&text)).set_alignment(aligned)
}

fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(CELL_CHARS_MAX));
    for (index, c) in text.chars().enumerate() {
        if index == CELL_CHARS_MAX {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
