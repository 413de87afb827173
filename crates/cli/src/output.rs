//! The only place that writes to the terminal: data to standard output, remarks to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use atalaya_model::{Diagnostic, SourceFile};
use comfy_table::{ContentArrangement, Table, presets};

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON document per line.
    Ndjson,
    /// Comma-separated values (RFC 4180).
    Csv,
}

impl Format {
    /// What was asked for; without that, a table on a terminal and NDJSON in a pipe.
    pub(crate) fn or_default(asked: Option<Self>) -> Self {
        asked.unwrap_or_else(|| {
            if io::stdout().is_terminal() {
                Self::Table
            } else {
                Self::Ndjson
            }
        })
    }
}

/// Writes data. A reader that went away (`| head`) is not an error.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Streams data. A reader that went away is not an error.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub(crate) fn stream(
    write: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'static>>) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Columns of the terminal, if there is one.
pub(crate) fn width() -> Option<u16> {
    io::stdout()
        .is_terminal()
        .then(|| Table::new().width())
        .flatten()
}

/// Writes a remark. There is nowhere to complain when that fails.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

/// Writes diagnostics with carets as remarks.
pub(crate) fn diagnostics(name: &str, text: &str, diagnostics: &[Diagnostic]) {
    let source = SourceFile { name, text };
    for diagnostic in diagnostics {
        note(&source.render(diagnostic));
    }
}

/// Says why something did not run, where something else can still be tried.
pub(crate) fn failure(failure: &crate::exit::Failure) {
    note(&failure.to_string());
}

/// A table for people.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    format!("{table}\n")
}

/// Comma-separated values (RFC 4180).
pub(crate) fn csv(header: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.map(csv_cell).collect();
        cells.join(",") + "\r\n"
    };
    let mut out = line(&mut header.iter().copied());
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

fn csv_cell(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
