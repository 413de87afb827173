//! Where the rows of all formats go: gaps are filled, bad rows refused, files written.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use atalaya_tables::Table;
use serde_json::json;
use uuid::Uuid;

use super::{IngestError, IngestOptions, IngestProgress, IngestReport, MissingTime};
use crate::decode::{BadCell, Cell, Names, RowDecoder, RowFault, is_empty, to_time};
use crate::delta::Change;
use crate::error::LakeError;
use crate::lake::Lake;
use crate::parquet_file;
use crate::schema::arrow_schema;
use crate::snapshot::DataFile;

/// How much of a refused row is kept in the file of refused rows.
const REFUSED_ROW_BYTES_MAX: usize = 64 << 10;

/// Bytes of accepted rows after which a file is written even if it has few rows.
const FILE_BYTES_MAX: usize = 64 << 20;

/// A row on its way in.
pub(crate) struct IncomingRow<'a> {
    /// Line in the source, from 1.
    pub(crate) line: u64,
    /// Cells by column.
    pub(crate) cells: Vec<Cell<'a>>,
    /// Fields without a column: name and JSON text.
    pub(crate) extra: Vec<(String, Cow<'a, str>)>,
    /// The row as it stands in the source.
    pub(crate) text: &'a str,
}

/// Where all formats deliver their rows.
pub(crate) struct Intake<'o> {
    lake: Lake,
    table: &'static Table,
    dir: PathBuf,
    options: IngestOptions<'o>,
    names: Names,
    decoder: RowDecoder,
    decoder_bytes: usize,
    files: Vec<DataFile>,
    refused: Option<BufWriter<File>>,
    report: IngestReport,
    id_column: usize,
    source_column: Option<usize>,
    extra_column: Option<usize>,
    version_column: Option<usize>,
}

impl<'o> Intake<'o> {
    pub(super) fn new(
        lake: &Lake,
        name: &str,
        options: IngestOptions<'o>,
    ) -> Result<Self, LakeError> {
        let missing = || LakeError::NoSuchTable {
            name: name.to_owned(),
        };
        let table = atalaya_tables::find(name).ok_or_else(missing)?;
        let index = lake.index_of(name).ok_or_else(missing)?;
        let dir = lake.inner.folders[index].lock().dir.clone();
        let position = |name: &str| table.columns.iter().position(|column| column.name == name);
        Ok(Self {
            lake: lake.clone(),
            table,
            dir,
            options,
            names: Names::new(table),
            decoder: RowDecoder::new(table, BadCell::RefuseRow),
            decoder_bytes: 0,
            files: Vec::new(),
            refused: None,
            report: IngestReport::default(),
            id_column: position(table.id_column).unwrap_or_default(),
            source_column: position("SourceType"),
            extra_column: position("AdditionalFields"),
            version_column: position("SchemaVersion"),
        })
    }

    /// Takes one row in, or refuses it.
    pub(crate) fn take(&mut self, row: &IncomingRow<'_>) -> Result<(), IngestError> {
        let no_time = is_empty(row.cells[0]);
        if no_time && self.options.missing_time == MissingTime::Refuse {
            return self.refuse(row.line, &RowFault::NoTime.to_string(), row.text);
        }
        // A value that is no point in time is a bad cell, not a missing one.
        if !no_time && to_time(row.cells[0]).is_none() {
            return self.refuse(row.line, &RowFault::time().to_string(), row.text);
        }
        if let Err(fault) = self.append(row) {
            return self.refuse(row.line, &fault.to_string(), row.text);
        }
        self.report.accepted += 1;
        self.decoder_bytes += row.text.len();
        let rows_max = self.lake.inner.config.file_rows_max;
        if self.decoder.rows() >= rows_max || self.decoder_bytes >= FILE_BYTES_MAX {
            self.write_file()?;
        }
        Ok(())
    }

    /// Appends a row, its gaps filled.
    fn append(&mut self, row: &IncomingRow<'_>) -> Result<(), RowFault> {
        let ports = &self.lake.inner.ports;
        let (now, new_id, extra);
        let mut cells: Vec<Cell<'_>> = row.cells.clone();
        if is_empty(cells[0]) {
            now = (ports.clock)().0.to_string();
            cells[0] = Cell::Text(&now);
        }
        if is_empty(cells[self.id_column]) {
            new_id = (ports.new_id)();
            cells[self.id_column] = Cell::Text(&new_id);
        }
        if let (Some(column), Some(source)) = (self.source_column, &self.options.source_type)
            && is_empty(cells[column])
        {
            cells[column] = Cell::Text(source);
        }
        if let Some(column) = self.version_column
            && is_empty(cells[column])
        {
            cells[column] = Cell::Text("1");
        }
        match self.extra_column {
            Some(column) if !row.extra.is_empty() => {
                extra = additional_fields(cells[column], &row.extra);
                cells[column] = Cell::Json(&extra);
            }
            Some(_) => {}
            None => self.report.fields_dropped += row.extra.len() as u64,
        }
        self.decoder.append_cells(&cells)
    }

    /// Notes a row that cannot be taken.
    pub(crate) fn refuse(
        &mut self,
        line: u64,
        reason: &str,
        text: &str,
    ) -> Result<(), IngestError> {
        self.report.refused += 1;
        if self.report.first_refused.len() < 10 {
            self.report.first_refused.push((line, reason.to_owned()));
        }
        let Some(path) = self.options.refused_file.clone() else {
            return Ok(());
        };
        let mut writer = match self.refused.take() {
            Some(writer) => writer,
            None => {
                let file = File::create(&path).map_err(LakeError::io("creating", &path))?;
                self.report.refused_file = Some(path);
                BufWriter::new(file)
            }
        };
        let row = json!({"line": line, "reason": reason, "row": head_of(text)});
        writeln!(writer, "{row}")?;
        self.refused = Some(writer);
        Ok(())
    }

    pub(crate) fn progress(&mut self, bytes: u64) {
        if let Some(progress) = self.options.progress.as_mut() {
            progress(IngestProgress {
                bytes,
                accepted: self.report.accepted,
                refused: self.report.refused,
            });
        }
    }

    pub(crate) fn row_bytes_max(&self) -> usize {
        self.options.row_bytes_max
    }

    /// A folder on the same disk as the table, for what must be spooled.
    pub(crate) fn spool_dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    pub(crate) fn column_count(&self) -> usize {
        self.table.columns.len()
    }

    fn write_file(&mut self) -> Result<(), IngestError> {
        let rows = self.decoder.finish().map_err(LakeError::from)?;
        self.decoder_bytes = 0;
        let stem = format!("ingest-{}", Uuid::now_v7().simple());
        let schema = arrow_schema(self.table);
        let files = parquet_file::write(&self.dir, &schema, &[rows], &stem)?;
        self.files.extend(files);
        Ok(())
    }

    /// Writes what is left and makes all rows visible at once.
    pub(super) fn finish(&mut self) -> Result<IngestReport, IngestError> {
        self.write_file()?;
        if let Some(writer) = self.refused.as_mut() {
            writer.flush()?;
        }
        if !self.files.is_empty() {
            let added = std::mem::take(&mut self.files);
            self.lake.commit_files(
                self.table.name,
                Change {
                    added,
                    ..Change::default()
                },
            )?;
        }
        Ok(self.report.clone())
    }

    /// Removes files that no table will refer to; a vacuum would, too.
    pub(super) fn discard(&self) {
        for file in &self.files {
            let _ = fs::remove_file(&file.path);
        }
    }
}

/// Fields without a column join what the row's own `AdditionalFields` holds.
fn additional_fields(own: Cell<'_>, extra: &[(String, Cow<'_, str>)]) -> String {
    let mut out = String::from("{");
    match own {
        Cell::Json(raw) if raw.starts_with('{') => out.push_str(raw[1..raw.len() - 1].trim()),
        Cell::Text(raw) if raw.starts_with('{') && raw.ends_with('}') => {
            out.push_str(raw[1..raw.len() - 1].trim());
        }
        _ => {}
    }
    for (name, value) in extra {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&json!(name).to_string());
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    out
}

fn head_of(text: &str) -> &str {
    let mut end = text.len().min(REFUSED_ROW_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
